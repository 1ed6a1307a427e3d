"""Stories: phone calls written down in YAML, played on the emulator and judged. See docs/stories.md."""
