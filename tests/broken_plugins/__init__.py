"""Plugins that are broken on purpose, each so that exactly one conformance check fails."""
