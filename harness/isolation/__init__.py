"""Running a stranger's unlearner in a process that sees its task and nothing else.

    harness (trusted)                                        child (the plugin's)
    writes the task: weights of the original, forget and
    retain set as safetensors, settings as JSON         -->  reads them, unlearns, writes
    reads files, never objects: opened without following <--  the new weights as safetensors, facts as JSON
    links, their sizes checked, no name or shape but the
    original's; computes logits and audits by itself

The child has no test set, no oracle, no store, no network, an environment of its own, and limits on memory, processor
time, processes, output and disk. What holds it is the strongest level that this machine offers, proved by canaries
before anything runs and recorded in every row:

    bubblewrap   namespaces: only the interpreter, its packages and the task are there to be seen
    landlock     the kernel denies files, TCP and signals outside a list (Linux 5.13; TCP 6.7; signals 6.12)
    subprocess   limits and a clean environment; it can read what its user can read

Not covered: a plugin's module is imported by the harness when it is planned for, before any of this; data that lies
inside an installed package (scikit-learn's digits) can be read by whoever can import it; a GPU's driver is shared.
"""

from harness.isolation.assignment import Assignment
from harness.isolation.establishing import establish
from harness.isolation.levels import LEVELS, Isolation, Level, Limits
from harness.isolation.running import PluginFailed, run_isolated

__all__ = ["LEVELS", "Assignment", "Isolation", "Level", "Limits", "PluginFailed", "establish", "run_isolated"]
