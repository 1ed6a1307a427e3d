"""The phone line, 20 ms at a time: its clock, its sounds, what it does to them, and the people at its ends."""
