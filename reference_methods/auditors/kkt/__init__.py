"""Reconstruction of training images through the KKT conditions of the margin problem, and a verdict from it.

Source: "UnlearnGuard", a robust verification scheme for machine unlearning through data reconstruction; Haim et al.
2022, arXiv:2206.07758; Buzaglo et al. 2023, arXiv:2307.01827.
"""

from reference_methods.auditors.kkt.auditors import Kkt
from reference_methods.auditors.kkt.verdict import KktVerdict

REFERENCE = (Kkt, KktVerdict)

__all__ = ["REFERENCE", "Kkt", "KktVerdict"]
