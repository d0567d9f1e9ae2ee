"""Rows that can be checked, compared and published as a static site."""
