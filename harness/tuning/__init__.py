"""Search of hyper-parameters on originals and forget sets that the tuned suite never uses."""
