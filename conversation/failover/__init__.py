"""Providers that fail: the next service of a list goes on in the same turn, and new calls pass the failed one over."""
