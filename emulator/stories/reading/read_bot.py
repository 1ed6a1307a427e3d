"""The bot's part of a story, as far as its file is concerned: the emulator only checks it, the bot plays it."""

from __future__ import annotations

from emulator.stories.reading.yaml_values import Value

BOT_KEYS = ("hears", "after_tool", "knows", "says", "does", "fails", "pause", "once", "silent")
"""What an entry may say: docs/stories.md."""

ACTIONS = ("says", "does", "fails", "pause", "silent")

FAILING = ("voice", "ears")
WAYS = ("silent", "fails")


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
        for name in ("once", "silent"):
            if name in table:
                table[name].flag()


def check_failing(value: Value) -> None:
    """Find the mistakes of a `failing:` section: what the bot's voice and ears do wrong, and from when on."""
    table = value.table(FAILING)
    if not table and not value.mistakes:
        value.wrong("nothing fails here; add `voice:` or `ears:`")
    for service in table.values():
        how = service.table(("how", "from", "times"))
        if "how" not in how:
            service.wrong("it is not said what it does; add `how: silent` or `how: fails`")
        else:
            how["how"].one_of(WAYS)
        for name in ("from", "times"):
            if name in how and how[name].whole() < 1:
                how[name].wrong("count from 1")
