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
        status: Where the status callback goes, Twilio only.
        fallback: The URL that the carrier asks for a document when it gets none elsewhere, Twilio only.
        voice: Whether it can have calls at all, Twilio only.
        receives: `voice` or `fax`, Twilio only.
        state: `active`, `port-pending` and so on, Telnyx only.
        forwards_to: Where calls are forwarded to, Telnyx only.
        forwarding: When: `always` or `on-failure`.
        fallback_method: GET or POST.
        status_method: GET or POST.
    """

    number: str
    url: str = ""
    method: str = "POST"
    application: str = ""
    trunk: str = ""
    status: str = ""
    fallback: str = ""
    voice: bool = True
    receives: str = "voice"
    state: str = "active"
    forwards_to: str = ""
    forwarding: str = "always"
    fallback_method: str = "POST"
    status_method: str = "POST"


@dataclass
class Application:
    """A TwiML app, or at Telnyx what numbers are connected to.

    Attributes:
        id: Its id.
        kind: `twiml`, `texml`, `call_control`, or the record type of a SIP connection (`credential_connection`).
        url: Where calls, or their events, go.
        method: GET or POST. For a TeXML application Telnyx asks by GET unless configured otherwise ("default is GET":
            Telnyx docs, TeXML instruction fetching); addresses in documents have defaults of their own.
        status: Where the status callback goes.
        fallback: The URL that the carrier asks when `url` has no document, or does not take an event.
        active: Whether it is switched on, Telnyx only.
        profile: The id of its outbound voice profile, Telnyx only; without one nothing can be dialled.
        api_version: Of its webhooks, Call Control only.
        fallback_method: GET or POST; a TeXML application has none but `method`.
        status_method: GET or POST. What Telnyx's is by default, is not documented.
    """

    id: str
    kind: str
    url: str = ""
    method: str = "GET"
    status: str = ""
    fallback: str = ""
    active: bool = True
    profile: str = ""
    api_version: str = "2"
    fallback_method: str = "POST"
    status_method: str = "POST"


@dataclass
class VoiceProfile:
    """An outbound voice profile of Telnyx.

    Attributes:
        id: Its id.
        enabled: Whether it can be used.
        countries: Where calls may go, by two letters.
    """

    id: str
    enabled: bool = True
    countries: tuple[str, ...] = ("US", "CA")


@dataclass
class Country:
    """Whether Twilio lets the account dial a country.

    Attributes:
        iso: Its two letters. Canada is among the United States.
        name: As Twilio names it.
        code: Its country code.
        continent: As Twilio names it.
        enabled: Whether numbers of a low risk can be called; others never, here.
    """

    iso: str
    name: str
    code: str
    continent: str
    enabled: bool = False


def _countries() -> list[Country]:
    """A new account may call its own country."""
    return [
        Country("US", "United States/Canada", "+1", "NORTH_AMERICA", True),
        Country("DE", "Germany", "+49", "EUROPE"),
        Country("GB", "United Kingdom", "+44", "EUROPE"),
    ]


@dataclass
class Account:
    """What is owned.

    Attributes:
        numbers: The account's own numbers.
        verified: Other numbers that may be shown as caller id.
        applications: Applications, of any kind.
        status: `active`, `suspended` or `closed` (Twilio).
        trial: Whether it is a trial account (Twilio).
        profiles: Outbound voice profiles (Telnyx).
        countries: Where calls may go (Twilio).
    """

    numbers: list[OwnNumber] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    applications: list[Application] = field(default_factory=list)
    status: str = "active"
    trial: bool = False
    profiles: list[VoiceProfile] = field(default_factory=list)
    countries: list[Country] = field(default_factory=_countries)

    def has(self, number: str) -> bool:
        """Whether a number is owned or verified."""
        return number in self.verified or any(one.number == number for one in self.numbers)

    def application(self, id_: str, kind: str) -> Application | None:
        """The application of an id, if it is of this kind."""
        return next((one for one in self.applications if (one.id, one.kind) == (id_, kind)), None)

    def answering(self, number: str, kind: str, *, by_itself: bool) -> OwnNumber | Application:
        """The number itself or the application that it belongs to: whichever has the URLs for the number's calls.

        Args:
            number: E.164.
            kind: Of the application: `twiml`, `texml` or `call_control`.
            by_itself: Whether the number may have addresses of its own.
        """
        own = next((one for one in self.numbers if one.number == number), OwnNumber(number))
        found = self.application(own.application, kind)
        return found or (own if by_itself else Application(own.application, kind))
