"""What is said in the calls: by callers, and by the bot, whose voice and ears are tones (docs/stories.md).

Every sentence occurs once in a call, so that of each it is known whether, when and how far it was heard.
"""

from __future__ import annotations

import json

GREETING = "Hello, this is the harbour office."
CALLING = "Good day, the harbour office is calling you."
RECONNECTED = "Sorry, I lost you for a moment."
FAREWELL = "Thank you for calling, goodbye."
BYE = "Thanks and goodbye"

QUESTIONS = (
    ("Where is the red boat", "boat", "The red boat lies at pier seven near the old lighthouse."),
    ("When does the bakery open", "bakery", "It opens at six and sells warm bread until noon."),
    ("Which ferry goes north", "ferry", "Every green one does, twice a day except on Mondays."),
    ("What is in the museum", "museum", "You find maps, anchors and a very large whale."),
    ("How long is that bridge", "bridge", "About nine hundred metres from shore to shore."),
)
"""What callers ask, the word of it by which the bot knows the question, and its answer."""

FIRST = "What did I ask first"
KNOWN = "Your first question was about a vessel."
UNKNOWN = "That I do not remember at all."
"""Whether the conversation is known, also by a process that has taken it over."""

LINES = (*(asked for asked, _, _ in QUESTIONS), FIRST, BYE)
"""The caller's part."""

BOT_SENTENCES = (GREETING, CALLING, *(answer for _, _, answer in QUESTIONS), KNOWN, UNKNOWN, FAREWELL)
"""The bot's part, but for what it says when it was away."""

AGENT = f"""
greeting = "{GREETING}"
instructions = "Answer in one sentence."
[dial_out]
greeting = "{CALLING}"
[lines]
reconnected = "{RECONNECTED}"
"""


def answer_to(line: str) -> str | None:
    """The sentence by which a caller knows that a line was understood; None for what has several answers."""
    return next((answer for asked, _, answer in QUESTIONS if asked == line), None)


def part() -> str:
    """The bot's part as `tests.story_bot` reads it: JSON, which is YAML, too."""
    rules: list[dict[str, object]] = [
        {"hears": "goodbye", "does": {"end_call": {"farewell": FAREWELL}}},
        {"hears": "ask first", "knows": QUESTIONS[0][2], "says": KNOWN},
        {"hears": "ask first", "says": UNKNOWN},
    ]
    rules += [{"hears": word, "says": answer} for _, word, answer in QUESTIONS]
    return json.dumps({"voice": "beeps", "bot": rules, "callers": ["Hello", *LINES]}, indent=1)
