"""Statistics of audits: intervals, gaps to the oracle, noise floors, rank groups and calibration.

Pure NumPy; SciPy is imported inside the functions that need it, because a start of the command line should not wait.
"""

from harness.statistics.calibration import alarm_rate, benjamini_hochberg, fisher_combine, holm
from harness.statistics.floor import noise_floor
from harness.statistics.groups import rank_groups
from harness.statistics.hierarchy import average_gap, cell_gaps, gap_interval, hierarchical_bootstrap
from harness.statistics.interval import BoundedInterval, Interval, clopper_pearson
from harness.statistics.permutation import PValue, exact_auc_p_value
from harness.statistics.ranking import auc, auc_interval, balanced_accuracy, delong_covariance, tpr_at_fpr, tpr_interval

__all__ = [
    "BoundedInterval",
    "Interval",
    "PValue",
    "alarm_rate",
    "auc",
    "auc_interval",
    "average_gap",
    "balanced_accuracy",
    "benjamini_hochberg",
    "cell_gaps",
    "clopper_pearson",
    "delong_covariance",
    "exact_auc_p_value",
    "fisher_combine",
    "gap_interval",
    "hierarchical_bootstrap",
    "holm",
    "noise_floor",
    "rank_groups",
    "tpr_at_fpr",
    "tpr_interval",
]
