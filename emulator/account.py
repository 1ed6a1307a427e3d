"""What the account at an emulated carrier owns: numbers, verified caller ids, applications."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class OwnNumber:
    """A number of the account, and where its calls go.

    Attributes:
        number: E.164.
        url: Where the voice webhook goes; empty for nowhere. Twilio only: at Telnyx it is the application's.
        method: GET or POST.
        application: The id of an application that has the address instead (Telnyx: connection).
        trunk: The id of a SIP trunk that the calls go to, Twilio only.
    """

    number: str
    url: str = ""
    method: str = "POST"
    application: str = ""
    trunk: str = ""


@dataclass
class Application:
    """A TwiML app, a TeXML application or a Voice API application.

    Attributes:
        id: Its id.
        kind: `twiml`, `texml` or `call_control`.
        url: Where calls, or their events, go.
        method: GET or POST. A TeXML application asks by GET unless it is told otherwise.
    """

    id: str
    kind: str
    url: str = ""
    method: str = "GET"


@dataclass
class Account:
    """What is owned.

    Attributes:
        numbers: The account's own numbers.
        verified: Other numbers that may be shown as caller id.
        applications: Applications, of any kind.
        status: `active`, `suspended` or `closed` (Twilio).
        trial: Whether it is a trial account (Twilio).
    """

    numbers: list[OwnNumber] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    applications: list[Application] = field(default_factory=list)
    status: str = "active"
    trial: bool = False

    def has(self, number: str) -> bool:
        """Whether a number is owned or verified."""
        return number in self.verified or any(one.number == number for one in self.numbers)

    def application(self, id_: str, kind: str) -> Application | None:
        """The application of an id, if it is of this kind."""
        return next((one for one in self.applications if (one.id, one.kind) == (id_, kind)), None)
