"""Who is at the other end of a line: the bot, a phone that rings, or people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OtherEnd:
    """Who is at the other end of a line, and the words of the timeline when they are heard.

    Attributes:
        who: `bot`, `ringing` or `waiting` (nobody yet), or a person: `colleague`, `caller`, `people`.
        kind: The kind of the timeline's entries.
        starts: Text of the entry when they begin to be heard.
        stops: Text of the entry when they are silent again; the length of the speech is added.
    """

    who: str
    kind: str
    starts: str
    stops: str

    @property
    def is_person(self) -> bool:
        """Whether a person of the network is there, not the bot."""
        return self.who in ("colleague", "caller", "people")

    @property
    def is_nobody(self) -> bool:
        """Whether nobody is there yet."""
        return self.who in ("ringing", "waiting")


BOT = OtherEnd("bot", "bot_speech", "bot starts to speak", "bot stops after")
RINGING = OtherEnd("ringing", "bot_speech", "sound while it rings", "sound stops after")
WAITING = OtherEnd("waiting", "bot_speech", "sound while waiting", "sound stops after")
COLLEAGUE = OtherEnd(
    "colleague", "caller_hears", "the caller hears the colleague", "the caller heard the colleague for"
)
CALLER = OtherEnd(
    "caller", "caller_hears", "the colleague hears the caller", "the colleague heard the caller for"
)
PEOPLE = OtherEnd("people", "caller_hears", "the others are heard", "the others were heard for")
