"""`<Dial>`: what a document orders, read without I/O.

Sources: Twilio docs, voice/twiml/dial (attributes, `timeout` with its 5 s buffer, DialCallStatus); Telnyx docs,
TeXML dial. What a carrier does with a number out of its range is not documented; here the nearest one is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin

from emulator.documents.parsing import Verb
from emulator.legs.dialect import DialRules
from emulator.legs.plan import AmdOrder, Reporting

NOUNS = ("Number", "Sip")
NOT_EMULATED = ("referUrl", "audioUrl")
"""Attributes of `<Dial>` and its nouns whose effect would be seen and is missing here."""


@dataclass(frozen=True)
class DialTarget:
    """A `<Number>` or `<Sip>`.

    Attributes:
        address: E.164 number or SIP URI.
        url: A document for the callee, carried out before the two are connected (whisper); None for none.
        method: `POST` or `GET`, for the document.
        send_digits: Keys that are played after the answer.
        reporting: Where the second leg's progress is reported, or None.
        amd: Answering machine detection, or None.
    """

    address: str
    url: str | None = None
    method: str = "POST"
    send_digits: str | None = None
    reporting: Reporting | None = None
    amd: AmdOrder | None = None


@dataclass(frozen=True)
class DialOrder:
    """A `<Dial>` to be carried out.

    Attributes:
        targets: The phones to call; several ring at the same time and the first to answer is connected.
        ring_secs: How long it rings, with the carrier's buffer.
        limit_secs: How long the two may talk.
        caller_id: The number that the callee sees.
        hangup_on_star: Whether the caller's * ends the conversation.
        action: Where to ask for the next document, or None for the next verb.
        method: `POST` or `GET`, for the action.
    """

    targets: tuple[DialTarget, ...]
    ring_secs: float
    limit_secs: float
    caller_id: str
    hangup_on_star: bool
    action: str | None
    method: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """Numbers and SIP URIs, in the document's order."""
        return tuple(target.address for target in self.targets)


def read_dial(
    verb: Verb, rules: DialRules, caller: str, base_url: str | None = None
) -> tuple[DialOrder, list[str]]:
    """Read the verb.

    Args:
        verb: The `<Dial>`.
        rules: The carrier's limits.
        caller: The caller's own number, which is shown if there is no `callerId`.
        base_url: Where the document came from, for relative URLs.

    Returns:
        The order (without targets if the verb names none) and what the carrier warns of.
    """
    warnings: list[str] = []
    targets = [DialTarget(verb.text)] if verb.text else []
    for noun in verb.children:
        if noun.name in NOUNS and noun.text:
            targets.append(_target(noun, rules, base_url or "", warnings))
        elif noun.name != "Conference":
            what = "without an address" if noun.name in NOUNS else "is not emulated"
            warnings.append(f"<Dial> with <{noun.name}>: it {what} and is left out")
    for element in (verb, *verb.children):
        warnings += [
            f"<{element.name} {name}> is not emulated and has no effect"
            for name in NOT_EMULATED
            if name in element.attributes
        ]
    if verb.flag("sequential", False):
        warnings.append("<Dial sequential> is not emulated: all ring at the same time")
    if verb.attributes.get("record", "do-not-record") not in ("do-not-record", "false"):
        warnings.append("<Dial record> is not emulated and has no effect")
    timeout = _seconds(verb, "timeout", rules.timeout_secs, rules.timeouts)
    limit = _seconds(verb, "timeLimit", rules.limit_secs, rules.limits)
    order = DialOrder(
        tuple(targets),
        timeout + rules.buffer_secs,
        limit,
        verb.attributes.get("callerId") or caller,
        verb.flag("hangupOnStar", False),
        verb.attributes.get("action") or None,
        verb.attributes.get("method", "POST"),
    )
    return order, warnings


def _target(noun: Verb, rules: DialRules, base_url: str, warnings: list[str]) -> DialTarget:
    written = noun.attributes
    reporting = None
    if url := written.get("statusCallback"):
        events = frozenset(written.get("statusCallbackEvent", "completed").split())
        if missing := sorted(events & {"amd", "dtmf", "deepfake"}):
            warnings.append(f"<{noun.name} statusCallbackEvent>: {', '.join(missing)} is not emulated")
        reporting = Reporting(urljoin(base_url, url), events, written.get("statusCallbackMethod", "POST"))
    amd = None
    if (detection := written.get("machineDetection")) in ("Enable", "DetectMessageEnd"):
        callback = written.get("amdStatusCallback")
        timeout = written.get("machineDetectionTimeout", "")
        amd = AmdOrder(
            detection == "DetectMessageEnd",
            in_background=True,
            callback=urljoin(base_url, callback) if callback else None,
            method=written.get("amdStatusCallbackMethod", "POST"),
            timeout_secs=float(timeout) * rules.amd_timeout_unit if timeout.isdigit() else 30.0,
        )
    whisper = written.get("url")
    return DialTarget(
        noun.text,
        urljoin(base_url, whisper) if whisper else None,
        written.get("method", "POST"),
        written.get("sendDigits"),
        reporting,
        amd,
    )


def _seconds(verb: Verb, name: str, default: float, allowed: tuple[float, float]) -> float:
    """A time in seconds, brought into its range; `emulator.documents.languages` warns of one that is not in it."""
    try:
        secs = float(verb.attributes.get(name, default))
    except ValueError:
        return default
    return min(max(secs, allowed[0]), allowed[1])
