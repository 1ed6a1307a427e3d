"""What the local brain says next: from what was said, what it means and where the dialogue stands."""
