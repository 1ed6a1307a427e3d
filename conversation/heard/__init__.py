"""What the caller has really heard: by the carrier's marks, for the model and for the transcript."""
