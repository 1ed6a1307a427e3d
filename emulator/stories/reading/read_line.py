"""How a story's lines behave, as it is written there."""

from __future__ import annotations

import re
from typing import Any

from emulator.line.impairments import PROFILES
from emulator.stories.reading.read_expect import read_span
from emulator.stories.reading.yaml_values import Value
from emulator.stories.story import StoryLine

SPANS = ("rest", "webhook")
LENGTHS = ("cold", "verb", "cold_audio", "audio", "ear", "burst", "burst_every", "late_first", "echo")
LEVELS = {"noise_db": "full scale", "echo_db": "what is heard"}
SHARES = ("loss", "reorder", "unordered", "without_stop")
LONGEST_SECS = 10.0
"""Longer than this nothing is on its way on a line that is still one."""


def read_line(value: Value) -> StoryLine:
    """Read `line: real`, or a table of what a line does: `line: {loss: 5%, burst: 230ms}`."""
    if value.is_text:
        return StoryLine(value.one_of(tuple(PROFILES)))
    table = value.table(("like", *LEVELS, *SPANS, *LENGTHS, *SHARES))
    changed: dict[str, Any] = {}
    for name, one in table.items():
        if name in SPANS:
            span = read_span(one)
            changed[name] = (span.least, span.most)
            _check(one, span.most)
        elif name in LENGTHS:
            changed[name] = one.secs()
            _check(one, changed[name], least=0.02 if name == "burst_every" else 0.0)
        elif name in SHARES:
            changed[name] = _share(one)
        elif name in LEVELS:
            changed[name] = one.number()
            if changed[name] > 0:
                one.wrong(f"a level in dB of {LEVELS[name]} is below 0, for example -50")
    if not table and not value.mistakes:
        value.wrong("nothing is said of the line here; add for example `loss: 1%`")
    like = table["like"].one_of(tuple(PROFILES)) if "like" in table else None
    return StoryLine(like, changed)


def _check(value: Value, secs: float, least: float = 0.0) -> None:
    if not least <= secs <= LONGEST_SECS:
        value.wrong(f"write a length of time from {least:g}s to {LONGEST_SECS:g}s")


def _share(value: Value) -> float:
    text = value.text().strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%)?", text)
    share = float(match[1]) / (100 if match[2] else 1) if match is not None else -1.0
    if not 0 <= share <= 1:
        value.wrong(f"{text!r} is no share; write for example 5% or 0.05")
        return 0.0
    return share
