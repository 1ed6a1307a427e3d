"""What `phonebot` does that is no program of its own: looking at calls, and at one agent's file."""
