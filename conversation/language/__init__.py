"""What words mean: what a caller wants, numbers as they are spoken, a farewell."""
