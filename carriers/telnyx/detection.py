"""The words in which Telnyx reports who, or what, has answered a call that we made."""

from __future__ import annotations

from collections.abc import Mapping

from carriers.detection import CALLBACK_WORDS, Words
from carriers.reports import AnsweredBy

TEXML: Words = {**CALLBACK_WORDS, "not_sure": AnsweredBy.UNKNOWN}
"""`AnsweredBy` of TeXML callbacks, for which Telnyx documents several sets. The callback reference ("texml-call-amd")
has Twilio's words, the guide ("TeXML answering machine") `human`, `machine`, `fax` and `unknown`, and the call resource
`human`, `machine` and `not_sure`. When a plain `machine` is sent is not documented: the greeting may be playing."""

_STANDARD: Words = {
    "human": AnsweredBy.HUMAN,
    "machine": AnsweredBy.MACHINE,
    "not_sure": AnsweredBy.UNKNOWN,
}
_PREMIUM: Words = {
    "human_residence": AnsweredBy.HUMAN,
    "human_business": AnsweredBy.HUMAN,
    "machine": AnsweredBy.MACHINE,
    "silence": AnsweredBy.UNKNOWN,
    "fax_detected": AnsweredBy.FAX,
    "not_sure": AnsweredBy.UNKNOWN,
}

CALL_CONTROL: Mapping[str, Words] = {
    "call.machine.detection.ended": _STANDARD,
    "call.machine.premium.detection.ended": _PREMIUM,
    # Also sent when there was neither a beep nor silence in time: then waiting longer is of no use.
    "call.machine.greeting.ended": {
        "beep_detected": AnsweredBy.GREETING_ENDED,
        "ended": AnsweredBy.GREETING_ENDED,
        "not_sure": AnsweredBy.GREETING_ENDED,
    },
    "call.machine.premium.greeting.ended": {
        "beep_detected": AnsweredBy.GREETING_ENDED,
        "no_beep_detected": AnsweredBy.GREETING_ENDED,
        # Of a telephone that asks who is calling, and not of a machine.
        "prompt_ended": AnsweredBy.UNKNOWN,
    },
    "call.machine.premium.call_screening.detected": {"screening": AnsweredBy.UNKNOWN},
}
"""`result` of Call Control's events. Sources: telnyx SDK, `types/call_machine_*.py`; Telnyx docs, answering machine
detection."""
