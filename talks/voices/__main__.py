"""`python -m talks.voices`: which voices there are, of which packages and licences, and what this machine lacks."""

from __future__ import annotations

from talks.voices.packages import INSTALL, cache
from talks.voices.roster import VOICES
from talks.voices.store import lacking


def main() -> None:
    """Print it."""
    for voice in VOICES.values():
        packages = ", ".join(f"{package.name} ({package.licence})" for package in voice.packages)
        print(f"{voice.name:24} {voice.accent:10} {voice.sex}  {packages}")
    print(f"\n{len(VOICES)} voices; what was made and fetched is in {cache()}")
    for package in lacking():
        print(f"lacking: {package.name} {package.version} of {package.source}: {INSTALL[package.source]}")


if __name__ == "__main__":
    main()
