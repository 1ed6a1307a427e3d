"""The keyless stack: speech, answers and voice on this machine, shared by all calls of a process."""
