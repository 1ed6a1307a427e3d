"""`python -m emulator.field`."""

import sys

from emulator.field.cli import main

if __name__ == "__main__":
    sys.exit(main())
