"""Adapters of unlearning-harness: one module per framework, architectures beside the framework they are written in."""
