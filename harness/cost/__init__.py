"""What a plan will cost on this machine, before it runs: seconds and memory, from short measurements."""

from harness.cost.bill import Bill
from harness.cost.calibration import calibrate
from harness.cost.estimate import Estimate, estimate
from harness.cost.rates import Rate, Rates

__all__ = ["Bill", "Estimate", "Rate", "Rates", "calibrate", "estimate"]
