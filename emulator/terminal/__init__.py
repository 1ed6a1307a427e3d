"""What a person at a terminal types and sees: `python -m emulator call`."""
