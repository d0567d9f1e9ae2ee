"""What the columns mean, in one line each."""

from __future__ import annotations

from harness.rows import RowScore
from harness.sequences import step_name

MEANING = {
    "UA": "accuracy on the forget set",
    "RA": "accuracy on the retain set",
    "TA": "accuracy on the test set: what is left of the model's use",
    "FT AUC": "how well an attacker with reference models tells forgotten samples from unseen ones; "
              "0.5 is chance, the oracle's value is the aim",
    "FR AUC": "how well the same attacker tells retained samples from forgotten ones",
    "RT AUC": "how well the same attacker tells retained samples from unseen ones",
    "FR-FT AUC": "how much more the attacker takes forgotten samples for unseen ones than for retained ones; AMUN calls "
                 "higher better, but above the oracle's value it is over-forgetting",
    "rho bound": "rank correlation of the terms of AMUN's bound with how far a sample's confidence is from the oracles'",
    "rho delta": "the same for the distance of a sample's adversarial example alone",
    "MIS": "share of the forget set that a simple attack takes for unseen; only its distance to the oracle's counts",
    "Avg Gap": "mean distance to the oracle over the columns that papers average, in percentage points; "
               "ours is per model, so that errors of opposite sign do not cancel",
}

TARGET = {
    "oracle": "the oracle's value is the aim",
    "chance": "chance level is the aim",
    "higher": "higher is better",
    "lower": "lower is better",
}


def meaning(score: RowScore) -> str:
    """Return what a score says, as far as it is known."""
    unknown = f"a score of the auditor {score.auditor}; {TARGET.get(score.target, score.target)}"
    said = MEANING.get(score.name.removesuffix(step_name("", score.step)), unknown)
    return f"{said}; after {score.step} of the requests" if score.step else said
