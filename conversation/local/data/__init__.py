"""Data of the local brain: BERT's vocabulary (see NOTICE) and examples of what callers say."""
