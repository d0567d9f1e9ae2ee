"""Audits of unlearned models; the arithmetic of each is a pure NumPy function, importable without torch."""
