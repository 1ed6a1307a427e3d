"""`python -m calls.events` prints docs/events.md."""

from calls.events.reference import reference

if __name__ == "__main__":
    print(reference(), end="")
