"""How a talk ended, and what the owner finds afterwards."""

from __future__ import annotations

import re

from talks.evidence import Evidence, Message
from talks.format import Stored
from talks.words import same_name, same_number, share, words_of

GOODBYE = r"\b(good ?bye|bye|take care|have a (nice|good|great|lovely)|farewell)\b"


def ended_well(evidence: Evidence, why: list[str]) -> bool | None:
    """Whether the talk ended as it should; None where that is not judged. What was wrong is added to `why`."""
    talk = evidence.play.talk
    if talk.ends == "open":
        return None
    if evidence.left:
        why.append(f"it ended before {len(evidence.left)} of the caller's turns ({evidence.ended_by})")
        return False
    if talk.ends == "hang_up":
        return evidence.ended_by == "caller"
    if talk.transfer is not None:
        reached = talk.transfer in evidence.destinations and bool(evidence.people)
        if not reached:
            why.append(f"not put through to {talk.transfer}")
        return reached
    # What is said into the goodbye does not begin another answer: the goodbye is that to the line before.
    polite = [one.start_ms for one in evidence.done if one.turn.into is None]
    last = polite[-1] if polite else 0
    said = evidence.said(last, float("inf"))
    goodbye = any(re.search(GOODBYE, " ".join(words_of(text))) for text in said)
    if evidence.ended_by != "bot" or not goodbye:
        why.append(f"no goodbye: ended by {evidence.ended_by}, last heard {said[0]!r}")
        return False
    return True


def messages_right(evidence: Evidence, why: list[str]) -> bool | None:
    """Whether the owner finds what they should; None where no message was wanted and none is there."""
    wanted, found = evidence.play.talk.stored, evidence.messages
    if wanted is None and not found:
        return None
    if wanted is None or wanted.nothing:
        if found:
            why.append(f"a message was stored that nobody left: {found[0]}")
        return not found
    if len(found) != 1:
        why.append(f"{len(found)} messages were stored instead of one")
        return False
    wrong = _wrong_in(wanted, found[0])
    why += wrong
    return not wrong


def _wrong_in(wanted: Stored, found: Message) -> list[str]:
    wrong = []
    if wanted.name is not None and not same_name(wanted.name, found.name):
        wrong.append(f"the message is of {found.name!r} instead of {wanted.name!r}")
    if wanted.number is not None and not same_number(wanted.number, found.number):
        wrong.append(f"the message has the number {found.number!r} instead of {wanted.number!r}")
    wrong += [
        f"the message lacks {words!r}: {found.text!r}"
        for words in wanted.words
        if share(_joined(words), _joined(found.text)) < 1
    ]
    return wrong


def _joined(text: str) -> str:
    """A text whose words with hyphens are one: "check-up" and "checkup" are the same."""
    return re.sub(r"(?<=\w)-(?=\w)", "", text)
