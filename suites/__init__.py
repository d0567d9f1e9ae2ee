"""Standard suites as TOML, and the data sets that they use."""
