"""Training methods that make originals smooth or robust."""
