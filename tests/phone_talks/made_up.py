"""Talks that never took place: what was done, heard and written down, as a test wants it."""

from talks.caller import Done
from talks.evidence import Event, Evidence
from talks.format import Play, Talk, Turn


def evidence(*done, bot=(), heard=(), said=(), understood=(), events=(), left=(), **more):
    """What is known of a talk.

    Args:
        done: Pairs of a turn and its span in ms.
        bot: When the bot was audible.
        heard: What was understood at the ear, with its span; made of `said` and `bot` when not given.
        said: What the bot says that it said, with the time.
        understood: What the bot says that it has understood, with the time.
        events: What else the server wrote down, by kind and time.
        left: Turns that were not done.
        more: Of the evidence (`ended_by`, `messages`, ...) and of the talk (`stored`, `ends`, `line`).
    """
    turns = [turn for turn, _ in done]
    of_talk = {name: more.pop(name) for name in ("stored", "ends", "line") if name in more}
    talk = Talk("made up", [*turns, *left], **{"ends": "open", **of_talk})
    if not heard:
        heard = [(*span, text) for span, (_, text) in zip(bot, said, strict=False)]
    written = [
        *(Event("bot_said", at, {"text": text}) for at, text in said),
        *(Event("caller_said", at, {"text": text}) for at, text in understood),
        *(Event(kind, at, {}) for kind, at in events),
    ]
    return Evidence(
        Play(talk, "twilio", "local"),
        [Done(turn, *span) for turn, span in done],
        left=list(left),
        bot=list(bot),
        heard=list(heard),
        events=sorted(written, key=lambda event: event.at_ms),
        **{"ended_ms": 60_000, **more},
    )


def say(text, **more):
    return Turn(say=text, **more)
