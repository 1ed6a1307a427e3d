"""Strangers who try to get in, beside calls that must not notice: `python -m attack`."""
