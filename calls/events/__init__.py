"""The events of calls, one dataclass a kind: `python -m calls.events` writes their documentation."""
