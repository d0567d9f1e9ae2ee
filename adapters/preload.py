"""What worker processes import before they are forked, so that each starts at once."""

import sklearn.svm  # noqa: F401
import torch  # noqa: F401

import harness.stages  # noqa: F401
