"""What voices say that is no talk: what is said around a caller, and the sounds that throats make."""

from __future__ import annotations

BABBLE: tuple[tuple[str, str], ...] = (
    (
        "kokoro/af_nova",
        "so I told her we could meet at the station, and she never called me back, can you believe it",
    ),
    (
        "kokoro/am_liam",
        "no, the red one is over there, next to the window, you can't really miss it when you come in",
    ),
    (
        "kokoro/bf_alice",
        "we had such a lovely dinner last night, the fish was wonderful and everybody stayed so late",
    ),
    (
        "kokoro/bm_lewis",
        "and then the whole thing just stopped working, right in the middle of the second half",
    ),
    ("piper/joe", "they said it would take three weeks, but you know how that goes with those people"),
    ("kokoro/af_sky", "did you see the game yesterday, I fell asleep before the end of it, honestly"),
)
"""What the people around a caller say to one another, each over and over."""

TELEVISION: tuple[str, str] = (
    "kokoro/bm_george",
    "And now to the weather. Rain will reach the coast by the evening, with strong winds in the north, while the south"
    " stays dry and rather mild for the time of the year. Tomorrow it clears up from the west.",
)

COUGH = ("kokoro/am_fenrir", "Khuh! Khuh!")
THROAT = ("kokoro/bm_lewis", "Ahem!")
SNEEZE = ("kokoro/bf_lily", "Ah-choo!")
LAUGH = ("kokoro/af_heart", "Ha ha ha ha!")

ALL: tuple[tuple[str, str], ...] = (*BABBLE, TELEVISION, COUGH, THROAT, SNEEZE, LAUGH)
"""What is needed besides the words of the talks."""
