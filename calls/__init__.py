"""What a call is, what may be done to it, what is remembered of it."""
