"""An example of a distribution with plugins for unlearning-harness."""
