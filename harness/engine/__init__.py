"""Where stages are executed: in this process, in a pool of local processes, or on a cluster. The same rows each way."""

from harness.engine.cluster import run_dask
from harness.engine.local import run_inline, run_pool
from harness.engine.outcome import Outcome, Status
from harness.engine.worker import single_thread

__all__ = ["Outcome", "Status", "run_dask", "run_inline", "run_pool", "single_thread"]
