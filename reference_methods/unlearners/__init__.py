"""Unlearning methods as published, each a frozen class whose fields are its hyper-parameters."""
