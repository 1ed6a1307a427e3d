"""Checks of what was heard, by whom, in which order and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from emulator.line.tonespeech import HeardText, words_of
from emulator.stories.ears import Ears, longest_silence
from emulator.stories.judging.checking import Failed, clock, counted, moment_times
from emulator.stories.judging.evidence import Ear, Evidence
from emulator.stories.story import Expectation, Moment, Timing

BEGUN = 0.5
"""What part of a text must be missing for it never to have been heard."""


def in_time(timing: Timing, start: float, end: float, evidence: Evidence, what: str) -> str:
    """Check the time of something that lasted from `start` to `end`; returns that time as text.

    Raises:
        Failed: At another time.
    """
    told = f"at {clock(evidence, start)}"
    if timing.after is not None:
        first = _first(timing.after, evidence)
        if start < first:
            raise Failed(f"{told}, before {timing.after.written!r} at {clock(evidence, first)}")
    if timing.before is not None:
        times = moment_times(timing.before, evidence)
        if times and end > times[0]:
            raise Failed(f"{told}, not before {timing.before.written!r} at {clock(evidence, times[0])}")
    if timing.within is not None and timing.of is not None:
        # The last time that it came before what is measured, or else the first one after it.
        times = moment_times(timing.of, evidence)
        earlier = [at for at in times if at <= start + 0.1]
        if not times:
            raise Failed(f"{told}, but {timing.of.written!r} never came")
        gap = start - (earlier[-1] if earlier else times[0])
        told += f", {gap:.2f} s after {timing.of.written!r}"
        if not timing.within.least - 0.1 <= gap <= timing.within.most:
            raise Failed(f"{told}: {what}")
    return told


def _first(moment: Moment, evidence: Evidence) -> float:
    times = moment_times(moment, evidence)
    if not times:
        raise Failed(f"{moment.written!r} never came")
    return times[0]


def hears(one: Expectation, evidence: Evidence, heard_until: dict[str, float]) -> str:
    """Check that the person heard all of the texts, one after another, after what was found before for them."""
    detail = ""
    for text in one.texts:
        after = evidence.zero if one.anywhere else heard_until.get(one.who, evidence.zero)
        if one.timing is not None and one.timing.after is not None:
            after = max(after, _first(one.timing.after, evidence) - 0.1)
        start, end, found = _search(one, text, after, evidence)
        detail = f"heard at {clock(evidence, start)}"
        if found.share < 1:
            detail += f", {found.heard} of {counted(found.words, 'word')}"
        if one.timing is not None:
            detail = in_time(one.timing, start, end, evidence, f"{one.who} heard {text!r}")
        if not one.anywhere:
            heard_until[one.who] = end
    return detail


def _search(one: Expectation, text: str, after: float, evidence: Evidence) -> tuple[float, float, HeardText]:
    best: tuple[float, HeardText, Ear] | None = None
    for ear, ears in _ears_of(one, evidence):
        found = ears.find(text, after_ms=max(0, round((after - ear.zero) * 1000) - 20))
        if found is None:
            continue
        if found.share >= (one.at_least or ears.enough):
            return ear.zero + found.start_ms / 1000, ear.zero + found.end_ms / 1000, found
        if best is None or found.heard > best[1].heard:
            best = (ear.zero, found, ear)
    if best is None:
        raise Failed(f"{text!r} was not heard{_after(after, evidence)}{_all_heard(one, evidence)}")
    zero, found, _ = best
    part = f"only {found.heard} of {counted(found.words, 'word')}, from {clock(evidence, zero + found.start_ms / 1000)}"
    raise Failed(f"{text!r} was not heard{_after(after, evidence)}, {part}{_all_heard(one, evidence)}")


def never_hears(one: Expectation, evidence: Evidence, heard_until: dict[str, float]) -> str:
    """Check that the person heard none of the texts, nor half of one."""
    for text in one.texts:
        for ear, ears in _ears_of(one, evidence, needed=False):
            found = ears.find(text)
            if found is not None and found.share >= min(BEGUN, ears.enough):
                at = clock(evidence, ear.zero + found.start_ms / 1000)
                raise Failed(
                    f"{found.heard} of {counted(found.words, 'word')} of {text!r} were heard at {at}"
                )
    return ""


def hears_part(one: Expectation, evidence: Evidence, heard_until: dict[str, float]) -> str:
    """Check that the person heard the beginning of the text, but not its end."""
    detail = ""
    for text in one.texts:
        words = words_of(text)
        parts = [_beginning(ears, words, ear.zero) for ear, ears in _ears_of(one, evidence)]
        count, end = max(parts)
        if not count:
            raise Failed(f"the beginning of {text!r} was not heard{_all_heard(one, evidence)}")
        detail = f"{count} of {counted(len(words), 'word')}"
        if count == len(words):
            raise Failed(f"all of {text!r} was heard, until {clock(evidence, end)}")
        if one.at_least is not None and count / len(words) < one.at_least:
            raise Failed(f"only {detail} of {text!r} were heard")
        if one.timing is not None:
            detail = in_time(one.timing, end, end, evidence, f"{one.who} heard the last of {text!r}")
        heard_until[one.who] = max(heard_until.get(one.who, evidence.zero), end)
    return detail


def _beginning(ears: Ears, words: list[str], zero: float) -> tuple[int, float]:
    """How many of the first words were heard, and when the last of them ended."""
    for count in range(len(words), 0, -1):
        found = ears.find(" ".join(words[:count]))
        if found is not None and found.share >= ears.enough:
            return count, zero + found.end_ms / 1000
    return 0, zero


def hears_keys(one: Expectation, evidence: Evidence, heard_until: dict[str, float]) -> str:
    """Check that the person heard these keys, as tones on the line."""
    wanted = "".join(one.texts)
    keys = "".join(
        str(happening.data.get("digit", ""))
        for happening in evidence.happenings
        if happening.kind == "keys_heard" and happening.who == one.who
    )
    if wanted not in keys:
        raise Failed(f"the keys that were heard are {keys!r}" if keys else "no keys were heard")
    return ""


def never_waits(one: Expectation, evidence: Evidence, heard_until: dict[str, float]) -> str:
    """Check that there was no silence of that length on any of the person's legs."""
    longest = 0.0
    for ear, _ in _ears_of(one, evidence, listening=False):
        start_ms, end_ms = longest_silence(ear.heard)
        longest = max(longest, (end_ms - start_ms) / 1000)
        if end_ms - start_ms > one.value * 1000:
            raise Failed(
                f"{one.who} heard nothing for {(end_ms - start_ms) / 1000:.1f} s from "
                f"{clock(evidence, ear.zero + start_ms / 1000)}"
            )
    return f"longest silence {longest:.1f} s"


def _ears_of(
    one: Expectation, evidence: Evidence, *, needed: bool = True, listening: bool = True
) -> Iterator[tuple[Ear, Ears]]:
    found = [ear for ear in evidence.ears if ear.who == one.who and one.call in (None, ear.call)]
    if needed and not found:
        raise Failed(f"{one.who} was never on the line")
    for ear in sorted(found, key=lambda ear: ear.zero):
        yield ear, ear.listen(evidence.listen) if listening else None  # type: ignore[misc]


def _after(after: float, evidence: Evidence) -> str:
    return f" after {clock(evidence, after)}" if after > evidence.zero else ""


def _all_heard(one: Expectation, evidence: Evidence) -> str:
    said = [
        f"{clock(evidence, ear.zero + at_ms / 1000)} {text}"
        for ear, ears in _ears_of(one, evidence, needed=False)
        for at_ms, text in ears.utterances()
    ]
    return f"; {one.who} heard: {' | '.join(said)}" if said else f"; {one.who} heard nothing"


CHECKS: dict[str, Callable[[Expectation, Evidence, dict[str, float]], str]] = {
    "hears": hears,
    "never_hears": never_hears,
    "hears_part": hears_part,
    "hears_keys": hears_keys,
    "never_waits": never_waits,
}
