"""`python -m conversation.agents PAGE` writes the tables of docs/agents.md anew."""

import sys
from pathlib import Path

from conversation.agents.reference import rewritten

if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
