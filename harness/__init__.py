"""Contracts and engine of unlearning-harness: hook specs, types, plan, store, run, statistics, command line.

A plugin needs only what this package exports. Importing it loads no machine-learning framework.
"""

from harness.audits import AuditCase, Auditor, AuditReport, Needs, References, Score, Signals, Skip
from harness.data import Dataset, DatasetSource, Examples
from harness.errors import BadSetting, DataError, HarnessError, PluginError, RowError, StoreError, UnknownName
from harness.fits import SaysFit, unlearned_by
from harness.hookspecs import HARNESS_API, hookimpl
from harness.models import Adapter, Architecture, FitOptions, Model, ModelFactory, TrainingSet, one_hot
from harness.tasks import Access, Fit, ForgetRequest, Scope, Unlearned, Unlearner, UnlearnTask

__all__ = [
    "HARNESS_API",
    "Access",
    "Adapter",
    "Architecture",
    "AuditCase",
    "AuditReport",
    "Auditor",
    "BadSetting",
    "DataError",
    "Dataset",
    "DatasetSource",
    "Examples",
    "Fit",
    "FitOptions",
    "ForgetRequest",
    "HarnessError",
    "Model",
    "ModelFactory",
    "Needs",
    "PluginError",
    "References",
    "RowError",
    "SaysFit",
    "Scope",
    "Score",
    "Signals",
    "Skip",
    "StoreError",
    "TrainingSet",
    "UnknownName",
    "UnlearnTask",
    "Unlearned",
    "Unlearner",
    "hookimpl",
    "one_hot",
    "unlearned_by",
]
