"""The tables of an agent's TOML file, and what each key in them means."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import phonenumbers
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from calls.outbox.receivers import wrong_with_url
from conversation.lines.fixed import DEFAULT, fixed

ServiceKind = Literal["stt", "llm", "tts", "voice"]

TAKE_MESSAGE = "take_message"
"""What a menu digit or a fact's `offer` says to take a message."""

MENU_TOOLS = (TAKE_MESSAGE, "end_call")
"""Tools of ours that a menu digit can call; it can call an agent's own ones that need no parameters, too."""

CALLERS_OWN_NUMBER = "caller"
"""What a transfer's `caller_id` says to show the colleague the caller's own number."""

LONGEST_CALL_SECS = 14000
"""Carriers end a longer call, without a goodbye."""

_LINES, _BRAIN, _DEAD_AIR, _RECORDING, _MONITORING = (
    fixed(DEFAULT, table) for table in ("lines", "brain", "dead_air", "recording", "monitoring")
)
"""The English sentences, the defaults of a file; `speaking.py` puts those of another language in their place."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SIP = re.compile(r"sips?:[A-Za-z0-9._~+%!*'()&=$,-]+@[A-Za-z0-9.-]+(:[0-9]{1,5})?(;[A-Za-z0-9=._-]+)*", re.I)


class Table(BaseModel):
    """A table in the file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Plain:
    """Marks a text that is compared or looked up and never said. Every other text is a template."""


def e164(number: str) -> str:
    """A telephone number of the owner's as carriers name it.

    Args:
        number: With `+` and country code; blanks, brackets and hyphens may be in it.

    Raises:
        ValueError: It is none, or the country code is missing.
    """
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        raise ValueError("must be a telephone number in E.164 form, for example +12025550100")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


Text = Annotated[str, StringConstraints(min_length=1)]
Name = Annotated[str, StringConstraints(min_length=1), Plain()]
Reference = Annotated[str | None, Plain()]
OwnNumber = Annotated[str, AfterValidator(e164), Plain()]


def _one_or_more(named: Any) -> Any:
    """A service's name, or several that stand in for one another."""
    if isinstance(named, str):
        if not named.strip():
            raise ValueError("string should have at least 1 character")
    elif not isinstance(named, list):
        raise ValueError("input should be a valid string, or a list of them")
    else:
        wrong_with_names(named)
    return named


def wrong_with_names(names: list[Any]) -> None:
    """Check a list of services' names.

    Raises:
        ValueError: It is empty, or has something in it that is no name, or a name twice.
    """
    if not names:
        raise ValueError("an empty list names no service: name at least one, or leave the key out")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ValueError('a list of services has names only: write it like ["deepgram", "openai"]')
    plain = [name.strip().lower() for name in names]
    if "auto" in plain:
        raise ValueError('"auto" is no name for a list, as it takes what has a key: name the services')
    if twice := next((name for name in plain if plain.count(name) > 1), None):
        raise ValueError(f'"{twice}" stands in it twice: name each service once')


def _one(named: Any) -> Any:
    if isinstance(named, list):
        raise ValueError(
            "a speech-to-speech service has no list behind it: name one, or name stt, llm and tts"
        )
    return named


Names = Annotated[str | list[str], BeforeValidator(_one_or_more), Plain()]


class Fact(Table):
    """One thing that the owner lets the agent say. Exactly one of `answer` and `tool` is given.

    Attributes:
        topic: A short name that can be spoken ("opening hours"); menu digits refer to it. A template.
        questions: Ways in which callers ask for it. More, and more varied ones, are found more reliably. Templates,
            which are filled in with the file's own `variables`.
        answer: The words to say. Numbers are written as they are spoken. A template.
        tool: A tool of the agent's own that needs no parameters; the words that it returns are the answer. For the
            local brain: a hosted model decides itself when to call a tool.
        offer: What to offer after the answer: `take_message` or the name of a transfer.
    """

    topic: Text
    questions: list[Text] = Field(min_length=1)
    answer: str = ""
    tool: Reference = None
    offer: Reference = None

    @model_validator(mode="after")
    def _one_answer(self) -> Fact:
        if bool(self.answer) == bool(self.tool):
            raise ValueError("give either answer or tool")
        return self


class TransferTarget(Table):
    """Where a transfer goes. Callers and models only ever say its name.

    Attributes:
        number: An E.164 number, for example +12025550100.
        sip: A SIP URI, for example sip:desk@pbx.example.com.
        description: What it is for; it is also what callers' words are compared with. A template, which is filled in
            with the file's own `variables`.
        spoken: How it is named to callers ("the front desk"); its name when not given. A template.
        warm: Whether the colleague is told first who calls and why, and may decline. A warm transfer never ends in a
            voicemail box, as a box presses no key.
        ring_timeout_secs: How long the colleague's phone may ring, 5 to 120.
        caller_id: The number that the colleague sees: `caller` for the caller's own, or one of yours in E.164 form. The
            number that was called when not given, and of a warm transfer instead of the caller's own: carriers let that
            be passed on in the caller's own call only.
        refer: Hand the call over with SIP REFER, which takes the carrier and us out of it. Only for `sip`, and only
            where the caller's leg allows it; elsewhere the address is dialled.
        announcement: What the caller hears before, instead of the line `transfer_announce`. A template.
    """

    number: Reference = None
    sip: Reference = None
    description: str = ""
    spoken: str = ""
    warm: bool = False
    ring_timeout_secs: int = Field(default=25, ge=5, le=120)
    caller_id: Reference = None
    refer: bool = False
    announcement: Text | None = None

    @model_validator(mode="after")
    def _one_destination(self) -> TransferTarget:
        if (self.number is None) == (self.sip is None):
            raise ValueError("give either number or sip")
        if self.number is not None and not _E164.fullmatch(self.number):
            raise ValueError("number must be in E.164 form, for example +12025550100")
        if self.sip is not None and not _SIP.fullmatch(self.sip):
            raise ValueError("sip must be a SIP URI, for example sip:desk@pbx.example.com")
        if self.caller_id not in (None, CALLERS_OWN_NUMBER) and not _E164.fullmatch(self.caller_id):
            raise ValueError(f"caller_id must be {CALLERS_OWN_NUMBER} or a number in E.164 form")
        if self.refer and (self.sip is None or self.warm):
            raise ValueError(
                "refer needs sip, and cannot be warm: after a REFER nobody of ours is in the call"
            )
        return self


class MenuItem(Table):
    """What one key of the telephone does. Exactly one of `fact`, `transfer`, `tool` and `say` is given.

    Attributes:
        label: How the menu announces it: "Press 1 for <label>". A template.
        fact: The topic of a fact to say.
        transfer: The name of a transfer to offer.
        tool: `take_message`, `end_call`, or a tool of the agent's own without required parameters.
        say: A sentence to say. A template.
        answer: The spoken answer that means this key, for a greeting that asks a question ("Can you come?").
        note: With `say`, a message that is kept for the business when this is chosen. A template.
    """

    label: Text
    fact: Reference = None
    transfer: Reference = None
    tool: Reference = None
    say: Text | None = None
    answer: Literal["yes", "no"] | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _one_action(self) -> MenuItem:
        if sum(action is not None for action in (self.fact, self.transfer, self.tool, self.say)) != 1:
            raise ValueError("give exactly one of fact, transfer, tool and say")
        if self.note is not None and self.say is None:
            raise ValueError("a note goes with say: what the caller hears when it is kept")
        return self


class Services(Table):
    """Speech recognition, model and voice by name; `auto` leaves the choice to the keys that are set.

    Attributes:
        stt: Speech recognition. A list names more, each of which goes on where the one before it has failed.
        llm: The model, or the local brain; or a list.
        tts: The voice; or a list. Beside `voice`, the one that says the agent's fixed lines.
        voice: A speech-to-speech service, which takes the place of the three.
        voices: Voices by the names of the `tts` services, for a list: `cartesia = "..."`. Without one, a service takes
            a voice of the language that is as high as the first one's, where such a voice is known.
        options: For each of them, options that are handed to the chosen service as they are; for a list, a table for
            each service of it.
    """

    stt: Names = "auto"
    llm: Names = "auto"
    tts: Names = "auto"
    voice: Annotated[str | None, StringConstraints(min_length=1), BeforeValidator(_one), Plain()] = None
    voices: dict[str, Name] = Field(default_factory=dict)
    options: dict[ServiceKind, dict[str, Any]] = Field(default_factory=dict)


class Limits(Table):
    """How long a call may take and how long silence may last, in seconds."""

    max_duration_secs: float = Field(default=1200, gt=0, le=LONGEST_CALL_SECS)
    notice_secs: float = Field(default=60, ge=0)
    silence_secs: float = Field(default=8, gt=0)

    @model_validator(mode="after")
    def _notice_fits(self) -> Limits:
        if self.notice_secs >= self.max_duration_secs:
            raise ValueError("notice_secs must be shorter than max_duration_secs")
        return self


GOODBYE = "goodbye"
"""What a fallback says to end the call."""


class DeadAir(Table):
    """What a caller hears when it is the bot's turn and nothing comes, whatever the cause. Sentences are templates.

    Attributes:
        filler_secs: After this many seconds of silence the bot says the filler.
        tool_filler_secs: The same while a tool is at work, if that is less. A tool may have a filler of its own.
        way_on_secs: After this many it says the way on: it asks the caller again, or says that it takes longer.
        fallback_secs: After this many it apologises and does what `fallback` says.
        filler: The filler; empty to say none.
        way_on: Asks the caller to say it again; it must not blame the caller, who is not the cause.
        working: The way on while a tool is at work, which an answer of the caller would stop.
        bad_line: The way on when the caller speaks and cannot be understood.
        apology: What the bot says before a transfer or a message; before a goodbye it says `technical_problem`.
        message_prompt: Asks the caller to leave a message.
        fallback: `goodbye`, `take_message`, or the name of a transfer.
    """

    filler_secs: float = Field(default=2, gt=0, le=60)
    tool_filler_secs: float = Field(default=1.5, gt=0, le=60)
    way_on_secs: float = Field(default=6, gt=0, le=60)
    fallback_secs: float = Field(default=12, gt=0, le=120)
    filler: str = _DEAD_AIR["filler"]
    way_on: Text = _DEAD_AIR["way_on"]
    working: Text = _DEAD_AIR["working"]
    bad_line: Text = _DEAD_AIR["bad_line"]
    apology: Text = _DEAD_AIR["apology"]
    message_prompt: Text = _DEAD_AIR["message_prompt"]
    fallback: Name = GOODBYE

    @model_validator(mode="after")
    def _one_after_the_other(self) -> DeadAir:
        if not self.filler_secs < self.way_on_secs < self.fallback_secs:
            raise ValueError("filler_secs, way_on_secs and fallback_secs must come in this order")
        return self


class Recording(Table):
    """Recording of an agent's calls by the carrier, with each side in a channel of its own.

    Attributes:
        enabled: Whether each call is recorded from its beginning. The API can start a recording either way.
        announcement: What the caller is told of it; empty to say nothing (where that is legal). A template.
        announce: Whether it is said before or after the greeting.
        format: The file that is made.
    """

    enabled: bool = False
    announcement: str = _RECORDING["announcement"]
    announce: Literal["before", "after"] = "before"
    format: Literal["wav", "mp3"] = "wav"


class Monitoring(Table):
    """Listening in on an agent's calls while they go on, for people with a key of the API.

    Attributes:
        listen: Whether they may.
        announcement: What the caller is told of it; nobody can listen before the caller has heard it to its end. Empty
            to say nothing (where that is legal). A template.
        announce: Whether it is said before or after the greeting.
    """

    listen: bool = False
    announcement: str = _MONITORING["announcement"]
    announce: Literal["before", "after"] = "before"


Notice = Literal["call.started", "call.ended", "message.taken", "recording.ready"]
"""What the owner's systems can be told of."""


class Webhooks(Table):
    """Whom the owner's systems are told by, for this agent's calls.

    Attributes:
        url: Where notices go, instead of `WEBHOOK_URL`.
        secret: The name of the environment variable with the secret that signs them, instead of `WEBHOOK_SECRET`.
        events: Which notices are sent.
    """

    url: Reference = None
    secret: Reference = None
    events: list[Notice] = ["call.started", "call.ended", "message.taken", "recording.ready"]

    @model_validator(mode="after")
    def _can_be_sent(self) -> Webhooks:
        if self.url is not None and (wrong := wrong_with_url(self.url)):
            raise ValueError(f"url {wrong}")
        if self.secret is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.secret):
            raise ValueError("secret must be the name of an environment variable, not the secret itself")
        return self


class Email(Table):
    """Whom mails go to, by the server of `SMTP_HOST`.

    Attributes:
        to: The addresses; none for no mails.
        events: Which notices are sent.
    """

    to: list[Name] = Field(default_factory=list)
    events: list[Notice] = ["message.taken"]

    @model_validator(mode="after")
    def _are_mailboxes(self) -> Email:
        for address in self.to:
            if not re.fullmatch(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+", address):
                raise ValueError(f"to: {address!r} is no address such as desk@example.com")
        return self


class AfterCall(Table):
    """What the agent's model makes of a call once it is over.

    Attributes:
        summary: Whether it says in a few sentences what the call was about.
        fields: What it finds out, each by its name with a JSON schema; what was not said is null.
        dispositions: How a call can have come out, of which it chooses one.
        timeout_secs: How long it may take. `call.ended` waits for it.
    """

    summary: bool = False
    fields: dict[str, dict[str, Any]] = Field(default_factory=dict)
    dispositions: list[Name] = Field(default_factory=list)
    timeout_secs: float = Field(default=20, gt=0, le=60)

    @property
    def is_wanted(self) -> bool:
        """Whether anything is to be made."""
        return bool(self.summary or self.fields or self.dispositions)

    @model_validator(mode="after")
    def _are_schemas(self) -> AfterCall:
        for name, schema in self.fields.items():
            try:
                Draft202012Validator.check_schema(schema)
            except SchemaError as error:
                raise ValueError(f"fields.{name} is no JSON schema: {error.message}") from None
        return self


class OutboundCalls(Table):
    """How the agent begins a call that it places itself.

    Attributes:
        machine_detection: Whether the carrier listens for an answering machine. It costs money at most carriers. The
            words of the greeting are listened to in any case.
        on_voicemail: What is done when a machine answers.
        voicemail_message: What is said after its beep. A template.
        greeting: The first words to a person; the agent's `greeting` when not given. A template.
        wait_for_hello_secs: How long the person who answered may take to say hello before the bot begins.
        purpose: What the calls are about, to go on from "I'm calling about": said, with the business' name, to people
            and telephones that ask who calls and why. A template.
    """

    machine_detection: bool = True
    on_voicemail: Literal["leave_message", "hang_up"] = "hang_up"
    voicemail_message: Text | None = None
    greeting: Text | None = None
    wait_for_hello_secs: float = Field(default=1.5, ge=0, le=10)
    purpose: Text | None = None

    @model_validator(mode="after")
    def _has_a_message(self) -> OutboundCalls:
        if self.on_voicemail == "leave_message" and self.voicemail_message is None:
            raise ValueError('on_voicemail = "leave_message" needs a voicemail_message')
        return self


class Lines(Table):
    """Fixed sentences, with a hosted model and the local brain alike. All are templates; some get extra variables."""

    goodbye: Text = _LINES["goodbye"]
    silence_prompts: Annotated[list[Text], Field(min_length=2, max_length=2)] = _LINES["silence_prompts"]
    silence_goodbye: Text = _LINES["silence_goodbye"]
    time_notice: Text = _LINES["time_notice"]
    time_goodbye: Text = _LINES["time_goodbye"]
    reconnected: Text = _LINES["reconnected"]
    technical_problem: Text = _LINES["technical_problem"]
    stopping: Text = _LINES["stopping"]
    all_busy: Text = _LINES["all_busy"]
    call_back_later: Text = _LINES["call_back_later"]
    leave_message: Text = _LINES["leave_message"]
    calling_back: Text = _LINES["calling_back"]

    # Who calls and why, to people whom we call and to telephones that ask before they ring
    who_calls: Text = _LINES["who_calls"]

    # A transfer, to the caller. After one that failed, one of these is the first thing that the caller hears.
    transfer_announce: Text = _LINES["transfer_announce"]
    still_trying: Text = _LINES["still_trying"]
    transfer_busy: Text = _LINES["transfer_busy"]
    transfer_no_answer: Text = _LINES["transfer_no_answer"]
    transfer_declined_by: Text = _LINES["transfer_declined_by"]
    transfer_voicemail: Text = _LINES["transfer_voicemail"]
    transfer_error: Text = _LINES["transfer_error"]
    transfer_unknown: Text = _LINES["transfer_unknown"]

    # A warm transfer, to the colleague
    briefing: Text = _LINES["briefing"]
    briefing_again: Text = _LINES["briefing_again"]
    briefing_declined: Text = _LINES["briefing_declined"]
    briefing_unanswered: Text = _LINES["briefing_unanswered"]
    briefing_gone: Text = _LINES["briefing_gone"]
    briefing_caller: Text = _LINES["briefing_caller"]
    briefing_reason: Text = _LINES["briefing_reason"]
    briefing_said: Text = _LINES["briefing_said"]
    briefing_failed: Text = _LINES["briefing_failed"]

    message_taken: Text = _LINES["message_taken"]

    # For an agent with several languages
    language_changed: Text = _LINES["language_changed"]
    language_unknown: Text = _LINES["language_unknown"]


class BrainLines(Table):
    """Fixed sentences of the local brain. All are templates; some get extra variables."""

    greeting_question: str = _BRAIN["greeting_question"]
    anything_else: Text = _BRAIN["anything_else"]
    how_can_i_help: Text = _BRAIN["how_can_i_help"]
    you_are_welcome: Text = _BRAIN["you_are_welcome"]
    go_on: Text = _BRAIN["go_on"]
    hold_on: Text = _BRAIN["hold_on"]
    identity: Text = _BRAIN["identity"]
    did_not_understand: Text = _BRAIN["did_not_understand"]
    say_it_differently: Text = _BRAIN["say_it_differently"]
    help: Text = _BRAIN["help"]
    topics_intro: Text = _BRAIN["topics_intro"]
    off_topic: Text = _BRAIN["off_topic"]
    offer_message: Text = _BRAIN["offer_message"]
    clarify: Text = _BRAIN["clarify"]
    clarify_either: Text = _BRAIN["clarify_either"]
    yes_or_no: Text = _BRAIN["yes_or_no"]
    yes_or_no_keys: Text = _BRAIN["yes_or_no_keys"]
    not_an_option: Text = _BRAIN["not_an_option"]
    menu_intro: Text = _BRAIN["menu_intro"]
    menu_keys: Text = _BRAIN["menu_keys"]
    menu_key: Text = _BRAIN["menu_key"]
    transfer_confirm: Text = _BRAIN["transfer_confirm"]
    transfer_unavailable: Text = _BRAIN["transfer_unavailable"]
    transfer_declined: Text = _BRAIN["transfer_declined"]
    transfer_failed: Text = _BRAIN["transfer_failed"]
    message_prompt: Text = _BRAIN["message_prompt"]
    message_start: Text = _BRAIN["message_start"]
    message_name: Text = _BRAIN["message_name"]
    message_number_known: Text = _BRAIN["message_number_known"]
    message_number: Text = _BRAIN["message_number"]
    message_number_wrong: Text = _BRAIN["message_number_wrong"]
    message_number_more: Text = _BRAIN["message_number_more"]
    message_confirm: Text = _BRAIN["message_confirm"]
    message_correct: Text = _BRAIN["message_correct"]
    flow_choices: Text = _BRAIN["flow_choices"]
    flow_needs_model: Text = _BRAIN["flow_needs_model"]
    tool_done: Text = _BRAIN["tool_done"]
    tool_failed: Text = _BRAIN["tool_failed"]
    message_unavailable: Text = _BRAIN["message_unavailable"]
    message_failed: Text = _BRAIN["message_failed"]
    message_dropped: Text = _BRAIN["message_dropped"]
