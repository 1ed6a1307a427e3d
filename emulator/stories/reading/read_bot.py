"""The bot's part of a story, as far as its file is concerned: the emulator only checks it, the bot plays it."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.stories.reading.yaml_values import Value

BOT_KEYS = ("hears", "after_tool", "knows", "says", "does", "fails", "pause", "once", "silent")
"""What an entry may say: docs/stories.md."""

ACTIONS = ("says", "does", "fails", "pause", "silent")

WAYS = ("silent", "fails")
"""How the one voice, and the one pair of ears, of a bot can fail that has no others behind it."""

OF_LISTS = {
    "ears": ("silent", "fails", "breaks", "refuses"),
    "model": ("silent", "fails", "breaks", "stalls", "empty", "refuses", "repeats"),
    "voice": ("silent", "fails", "breaks", "stalls", "refuses"),
}
"""How each of a list can fail, by its job."""

OFTEN = ("from", "times")


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
    """Find the mistakes of a `failing:` section: what the bot's services do wrong, and from when on."""
    table = value.table(tuple(OF_LISTS))
    if not table and not value.mistakes:
        value.wrong("nothing fails here; add `voice:`, `ears:` or `model:`")
    for job, service in table.items():
        written = service.table()
        if job != "model" and (not written or written.keys() & {"how", *OFTEN}):
            _check_way(service, WAYS, OFTEN)
            continue
        if not written and not value.mistakes:
            service.wrong("none of the list is named; write one of its names, and how that fails")
        for one in written.values():
            _check_way(one, OF_LISTS[job], (*OFTEN, "after", "timed", "unless"))


def _check_way(value: Value, ways: Sequence[str], more: Sequence[str]) -> None:
    table = value.table(("how", *more))
    if "how" in table:
        table["how"].one_of(ways)
    elif "timed" not in table:
        value.wrong(f"it is not said what it does; add `how: {ways[0]}` or `how: {ways[1]}`")
    for name in OFTEN:
        if name in table and table[name].whole() < 1:
            table[name].wrong("count from 1")
    if "after" in table:
        table["after"].number()
    if "timed" in table:
        table["timed"].flag()
    if "unless" in table:
        table["unless"].text()
