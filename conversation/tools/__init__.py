"""What a model may do on a call: a file for each tool, the same for a hosted model and for the local brain."""
