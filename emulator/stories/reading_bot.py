"""The bot's part of a story, as far as its file is concerned: the emulator only checks it, the bot plays it."""

from __future__ import annotations

from emulator.stories.values import Value

BOT_KEYS = ("hears", "after_tool", "knows", "says", "does", "fails", "pause", "once")
"""What an entry may say: docs/stories.md."""

ACTIONS = ("says", "does", "fails", "pause")


def check_part(value: Value) -> None:
    """Find the mistakes of a `bot:` section."""
    for entry in value.items():
        table = entry.table(BOT_KEYS)
        if not table.keys() & set(ACTIONS):
            entry.wrong("the bot does nothing here; add `says:` or `does:`")
        for name in ("hears", "after_tool", "knows", "fails"):
            if name in table:
                table[name].text()
        if "says" in table:
            for sentence in table["says"].one_or_more():
                sentence.text()
        if "does" in table:
            for arguments in table["does"].table().values():
                if not arguments.is_empty:
                    arguments.table()
        if "pause" in table:
            table["pause"].secs()
        if "once" in table:
            table["once"].flag()
