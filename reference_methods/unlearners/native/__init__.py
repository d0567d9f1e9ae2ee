"""The PyTorch halves of methods that the training primitive cannot say; each is imported when its method runs."""
