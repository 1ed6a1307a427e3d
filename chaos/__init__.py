"""Whole calls while the service dies, hangs, is replaced and cut off: `python -m chaos` (docs/reliability.md)."""
