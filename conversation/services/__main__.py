"""`python -m conversation.services` prints docs/services.md."""

from conversation.services.reference import reference

if __name__ == "__main__":
    print(reference(), end="")
