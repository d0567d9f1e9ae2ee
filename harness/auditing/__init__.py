"""Auditing one model that exists already: what is compared, which audits can run, and what may be concluded."""
