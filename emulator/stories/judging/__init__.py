"""Judges whether a story's expectations were met, by what people heard and what happened."""
