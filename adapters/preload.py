"""What worker processes import before they are forked, so that each starts at once."""

import sklearn.svm  # noqa: F401
import torch
import torch._dynamo  # noqa: F401  the first optimizer would import it, in a second of its own

import harness.stages  # noqa: F401
