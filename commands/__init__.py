"""The commands of `phonebot` that are no programs of their own: `calls` and `agent check`."""
