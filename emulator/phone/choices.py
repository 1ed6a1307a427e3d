"""What can be chosen on the page: the way that a call takes, what is to go wrong, who is at other numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from emulator.carriers import CARRIERS
from emulator.carriers.carrier import Readings
from emulator.carriers.credentials import Credentials
from emulator.faults import Fault, MediaFault, RestFault, WebhookFault
from emulator.line.caller import Digits
from emulator.line.colleague import BEHAVIOURS, Colleague, with_greetings


@dataclass(frozen=True)
class Way:
    """A carrier, and what the dialled number's application is there.

    Attributes:
        name: For programs, such as `telnyx` or `telnyx_call_control`.
        title: For people.
        carrier: Its name.
        mode: As in `PhoneNetwork.call`.
    """

    name: str
    title: str
    carrier: str
    mode: str = ""


SPELLED = {"twiml": "TwiML", "texml": "TeXML"}


def _ways() -> dict[str, Way]:
    found: list[Way] = []
    for one in CARRIERS.values():
        language = one.dialect(Credentials(), Readings()).language
        found.append(Way(one.name, f"{one.title}, {SPELLED.get(language, language)}", one.name))
        if one.takes_commands:
            name = f"{one.name}_call_control"
            found.append(Way(name, f"{one.title}, Call Control", one.name, "call_control"))
    return {way.name: way for way in found}


WAYS: Mapping[str, Way] = _ways()
"""Every way that a call can take, by name; the first one counts where none is chosen."""


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong when it is asked for."""

    title: str
    fault: Fault


TROUBLES: Mapping[str, Trouble] = {
    "rest_500": Trouble("REST answers 500", RestFault(status=500)),
    "rest_429": Trouble("REST answers 429, again in 1 s", RestFault(status=429, retry_after_secs=1)),
    "rest_silent": Trouble("REST does not answer for 10 s", RestFault(silent_secs=10)),
    "rest_lost": Trouble("REST does it, but the answer is lost", RestFault(lost=True)),
    "webhooks_late": Trouble("Callbacks come 3 s late", WebhookFault(late_secs=3)),
    "webhooks_twice": Trouble("Callbacks come twice", WebhookFault(twice=True)),
    "webhooks_lost": Trouble("Callbacks are lost", WebhookFault(lost=True)),
    "marks_lost": Trouble("Marks never come back", MediaFault(marks_lost=True)),
    "marks_late": Trouble("Marks come back 2 s late", MediaFault(marks_late_secs=2)),
    "socket_dies": Trouble("The media socket breaks after 10 s", MediaFault(cut_after_secs=10)),
}
"""What can go wrong, by name."""

KEYS_OF = {"accepts": "1", "refuses": "2"}
MANNERS: Mapping[str, str] = {
    "answers": "answers, and stays",
    "accepts": "answers, and presses 1",
    "refuses": "answers, and presses 2",
    **{one: one.replace("_", " ") for one in BEHAVIOURS if one != "answers"},
}
"""What people at other numbers may do, by name: a colleague's behaviours, and keys after what is said to them."""


def colleague(number: str, manner: str, after_secs: float, *, in_words: bool) -> Colleague:
    """A person at a number.

    Args:
        number: E.164 number or SIP address.
        manner: One of `MANNERS`.
        after_secs: How long the phone rings.
        in_words: Whether there is a voice to greet with.
    """
    if manner not in KEYS_OF:
        return with_greetings([Colleague(number, after_secs, manner)], in_words=in_words)[0]  # type: ignore[arg-type]
    (person,) = with_greetings([Colleague(number, after_secs)], in_words=in_words)
    return replace(person, script=(*person.script, Digits(KEYS_OF[manner])))
