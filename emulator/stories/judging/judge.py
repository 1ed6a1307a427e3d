"""Judges whether everything that a story expects was so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.line.seams import told
from emulator.stories.happenings import found
from emulator.stories.judging import hearing_checks
from emulator.stories.judging.checking import Failed, clock, moment_times
from emulator.stories.judging.evidence import Evidence
from emulator.stories.story import Expectation, Moment, Story


@dataclass(frozen=True)
class Verdict:
    """One expectation, judged.

    Attributes:
        line: In the story's file; 0 for what every story expects.
        what: The expectation.
        passed: Whether it was so.
        detail: What was found; why not, if it was not so.
    """

    line: int
    what: str
    passed: bool
    detail: str = ""


def judge(story: Story, evidence: Evidence) -> list[Verdict]:
    """Judge every expectation, and that nothing went wrong besides. Slow with a real voice: call it in a thread."""
    verdicts: list[Verdict] = []
    heard_until: dict[str, float] = {}
    for one in story.expect:
        try:
            check = hearing_checks.CHECKS.get(one.kind)
            detail = check(one, evidence, heard_until) if check else _CHECKS[one.kind](one, evidence)
            verdicts.append(Verdict(one.line, one.written, True, detail))
        except Failed as failure:
            verdicts.append(Verdict(one.line, one.written, False, str(failure)))
    allowed = [text for one in story.expect if one.kind in ("problem", "may_happen") for text in one.value]
    unexpected = [
        f"{call}: {text}" if call else text
        for call, text in evidence.problems
        if not any(pattern in text for pattern in allowed)
    ]
    verdicts.append(Verdict(0, "nothing else goes wrong", not unexpected, "; ".join(unexpected)))
    return verdicts


def _reports(one: Expectation, evidence: Evidence) -> Mapping[str, Any]:
    reports = {name: evidence.reports[name] for name in _meant(one, evidence)}
    if not reports:
        raise Failed("there was no such call")
    return reports


def _meant(one: Expectation, evidence: Evidence) -> list[str]:
    """The calls that are meant: the named one; else those of the story's callers; else those the server placed."""
    if one.call is not None:
        return [one.call] if one.call in evidence.reports else []
    return [name for name in evidence.reports if name in evidence.callers] or list(evidence.reports)


def _of_report(name: str) -> Callable[[Expectation, Evidence], str]:
    def check(one: Expectation, evidence: Evidence) -> str:
        for call, report in _reports(one, evidence).items():
            value = getattr(report, name)
            if value != one.value and str(value) != str(one.value):
                raise Failed(f"{call}: it was {value if isinstance(value, str) else _word(value)}")
        return ""

    return check


def _event(one: Expectation, evidence: Evidence) -> str:
    times = [(moment, _matching(one, moment, evidence)) for moment in one.value["event"]]
    wanted = one.value.get("times")
    last = evidence.zero
    for moment, at in times:
        if wanted is not None:
            if not wanted[0] <= len(at) <= wanted[1]:
                raise Failed(f"{moment.written!r} came {len(at)} times")
            continue
        # In a list each comes after the one before it.
        later = [when for when in at if when >= last]
        if not later:
            raise Failed(f"{moment.written!r} never came{' after that' if last > evidence.zero else ''}")
        at[:] = later
        last = later[0]
    moment, at = times[-1]
    if one.timing is not None and at:
        return hearing_checks.in_time(one.timing, at[0], at[0], evidence, moment.written)
    return f"at {clock(evidence, at[0])}" if at else ""


def _never(one: Expectation, evidence: Evidence) -> str:
    for moment in one.value["event"]:
        at = _matching(one, moment, evidence)
        if at:
            raise Failed(f"{moment.written!r} came at {clock(evidence, at[0])}")
    return ""


def _matching(one: Expectation, moment: Moment, evidence: Evidence) -> list[float]:
    if moment.kind == "hears":
        return moment_times(moment, evidence)
    text, where = one.value.get("text"), one.value.get("where")
    return [
        happening.at
        for happening in found(moment, evidence.happenings)
        if (one.call is None or happening.call in (None, one.call))
        and (text is None or text in happening.text)
        and (where is None or contains(dict(happening.data), where) is None)
    ]


def _rest(one: Expectation, evidence: Evidence) -> str:
    made: dict[str, int] = {}
    for request in evidence.requests:
        made[request.verb] = made.get(request.verb, 0) + 1
    total = {**made, "any": len(evidence.requests)}
    for verb, wanted in one.value.items():
        if not wanted[0] <= total.get(verb, 0) <= wanted[1]:
            told = ", ".join(f"{name} {count}" for name, count in made.items()) or "none"
            raise Failed(f"{verb} was asked for {total.get(verb, 0)} times (all requests: {told})")
    return ""


def _dialled(one: Expectation, evidence: Evidence) -> str:
    attempts = [attempt for attempt in evidence.attempts if one.call in (None, attempt.call)]
    if not one.value[0] <= len(attempts) <= one.value[1]:
        raise Failed(
            f"{len(attempts)} were dialled: {', '.join(attempt.who for attempt in attempts) or 'nobody'}"
        )
    return ""


def _outcome(one: Expectation, evidence: Evidence) -> str:
    for who, wanted in one.value.items():
        outcomes = [attempt.outcome for attempt in evidence.attempts if attempt.who == who]
        if outcomes != wanted:
            raise Failed(f"{who}: {', '.join(outcomes) or 'never called'}")
    return ""


def _api_of(one: Expectation, evidence: Evidence) -> Sequence[Mapping[str, Any]]:
    told = {name: call for name, call in evidence.api.items() if one.call in (None, name)}
    if one.call is None and evidence.callers:
        # A colleague's leg is a call of its own, which is only meant where it is named.
        placed = {attempt.call for attempt in evidence.attempts} - evidence.callers
        told = {name: call for name, call in told.items() if name not in placed}
    if not told:
        raise Failed(f"the server's API was not asked about {one.call or 'any call'}")
    silent = [name for name, call in told.items() if call is None]
    if silent:
        raise Failed(f"the server's API does not tell of: {', '.join(silent)}")
    return [call for call in told.values() if call is not None]


def _api(one: Expectation, evidence: Evidence) -> str:
    for call in _api_of(one, evidence):
        if (difference := contains(call, one.value)) is not None:
            raise Failed(difference)
    return ""


def _api_events(one: Expectation, evidence: Evidence) -> str:
    for call in _api_of(one, evidence):
        events = list(call.get("events", []))
        place = 0
        for wanted in one.value:
            while place < len(events) and not _is_event(events[place], wanted):
                place += 1
            if place == len(events):
                kinds = ", ".join(str(event.get("kind")) for event in events)
                raise Failed(f"{_word(wanted)} is not there, or not after those before it (events: {kinds})")
            place += 1
    return ""


def _api_never(one: Expectation, evidence: Evidence) -> str:
    for call in _api_of(one, evidence):
        for unwanted in one.value:
            if any(_is_event(event, unwanted) for event in call.get("events", [])):
                raise Failed(f"{_word(unwanted)} is there")
    return ""


def _api_counts(one: Expectation, evidence: Evidence) -> str:
    for call in _api_of(one, evidence):
        for kind, (least, most) in one.value.items():
            count = sum(event.get("kind") == kind for event in call.get("events", []))
            if not least <= count <= most:
                raise Failed(f"{kind} is there {count} times")
    return ""


def _is_event(event: Mapping[str, Any], wanted: Any) -> bool:
    return contains(event, {"kind": wanted} if isinstance(wanted, str) else wanted) is None


def _problem(one: Expectation, evidence: Evidence) -> str:
    for text in one.value:
        if not any(text in problem for _, problem in evidence.problems):
            told = "; ".join(problem for _, problem in evidence.problems) or "nothing"
            raise Failed(f"what went wrong: {told}")
    return ""


def _may_happen(one: Expectation, evidence: Evidence) -> str:
    found = [text for text in one.value if any(text in problem for _, problem in evidence.problems)]
    return f"so it did: {', '.join(found)}" if found else "it did not"


def _file(one: Expectation, evidence: Evidence) -> str:
    path = evidence.data / one.value.get("name", "")
    if not path.is_file():
        raise Failed(f"there is no file {one.value.get('name')!r} in the server's data directory")
    text = path.read_text(encoding="utf-8", errors="replace")
    if one.value.get("has", "") not in text:
        raise Failed(f"it does not have that; it begins {text[:120]!r}")
    return ""


def _lost(one: Expectation, evidence: Evidence) -> str:
    for kind, span in one.value.items():
        seams = [seam for _, seam in evidence.seams if seam.kind == kind]
        if not seams:
            raise Failed(f"there was no such seam: {kind}")
        for seam in seams:
            if not span.least <= seam.lost_ms / 1000 <= span.most:
                raise Failed(str(seam))
    return told(seam for _, seam in evidence.seams)


def contains(whole: Any, part: Any, where: str = "") -> str | None:
    """Whether a JSON value has all of another one in it.

    Objects may have more keys than expected; a list has exactly the expected items. A text may be a pattern
    between slashes: `/reg(ular)? expression/`.

    Returns:
        None, or what is different.
    """
    if isinstance(part, Mapping):
        if not isinstance(whole, Mapping):
            return f"{where or 'the answer'} is {_word(whole)}"
        for key, value in part.items():
            if key not in whole:
                return f"{where}{key} is not there"
            if (difference := contains(whole[key], value, f"{where}{key}.")) is not None:
                return difference
        return None
    name = where.removesuffix(".") or "it"
    if isinstance(part, list) and isinstance(whole, list):
        if len(whole) != len(part):
            return f"{name} has {len(whole)} items: {_word(whole)}"
        differences = (
            contains(one, other, f"{where}{place}.")
            for place, (one, other) in enumerate(zip(whole, part, strict=True))
        )
        return next((difference for difference in differences if difference is not None), None)
    if isinstance(part, str) and len(part) > 1 and part.startswith("/") and part.endswith("/"):
        return None if re.search(part[1:-1], str(whole)) else f"{name} is {_word(whole)}"
    same = whole == part or (
        isinstance(part, str) and not isinstance(whole, (bool, type(None))) and str(whole) == part
    )
    return None if same else f"{name} is {_word(whole)}"


def _word(value: Any) -> str:
    text = {True: "yes", False: "no", None: "nothing"}.get(value) if isinstance(value, bool | None) else None
    text = text or repr(value)
    return text if len(text) <= 300 else text[:297] + "..."


_CHECKS: dict[str, Callable[[Expectation, Evidence], str]] = {
    "ended_by": _of_report("ended_by"),
    "answered": _of_report("answered"),
    "handed_over": _of_report("handed_over"),
    "goodbye_heard": _of_report("goodbye_heard"),
    "underruns": _of_report("underruns"),
    "event": _event,
    "never": _never,
    "rest": _rest,
    "dialled": _dialled,
    "outcome": _outcome,
    "api": _api,
    "api_events": _api_events,
    "api_never": _api_never,
    "api_counts": _api_counts,
    "problem": _problem,
    "may_happen": _may_happen,
    "file": _file,
    "lost": _lost,
}
