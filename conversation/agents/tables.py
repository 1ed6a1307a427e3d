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

ServiceKind = Literal["stt", "llm", "tts", "voice"]

TAKE_MESSAGE = "take_message"
"""What a menu digit or a fact's `offer` says to take a message."""

MENU_TOOLS = (TAKE_MESSAGE, "end_call")
"""Tools of ours that a menu digit can call; it can call an agent's own ones that need no parameters, too."""

CALLERS_OWN_NUMBER = "caller"
"""What a transfer's `caller_id` says to show the colleague the caller's own number."""

LONGEST_CALL_SECS = 14000
"""Carriers end a longer call, without a goodbye."""

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
    filler: str = "One moment."
    way_on: Text = "I'm sorry, that did not work. Could you say it again, please?"
    working: Text = "Thank you for waiting. I'm still working on it."
    bad_line: Text = "I'm sorry, the line is bad and I couldn't hear you. Could you say it again, please?"
    apology: Text = "I'm sorry, I have a technical problem."
    message_prompt: Text = "Please tell me your name, your number and your message, and I'll pass it on."
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
    announcement: str = "This call is recorded."
    announce: Literal["before", "after"] = "before"
    format: Literal["wav", "mp3"] = "wav"


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
    """

    machine_detection: bool = True
    on_voicemail: Literal["leave_message", "hang_up"] = "hang_up"
    voicemail_message: Text | None = None
    greeting: Text | None = None
    wait_for_hello_secs: float = Field(default=1.5, ge=0, le=10)

    @model_validator(mode="after")
    def _has_a_message(self) -> OutboundCalls:
        if self.on_voicemail == "leave_message" and self.voicemail_message is None:
            raise ValueError('on_voicemail = "leave_message" needs a voicemail_message')
        return self


class Lines(Table):
    """Fixed sentences, with a hosted model and the local brain alike. All are templates; some get extra variables."""

    goodbye: Text = "Thank you for calling. Goodbye."
    silence_prompts: Annotated[list[Text], Field(min_length=2, max_length=2)] = [
        "Are you still there?",
        "I can't hear you. If you are still there, please say something.",
    ]
    silence_goodbye: Text = "I can't hear anything, so I'll hang up now. Please call again. Goodbye."
    time_notice: Text = "We have about a minute left."
    time_goodbye: Text = "I'm sorry, our time is up. Please call again. Goodbye."
    reconnected: Text = "Sorry, I lost you for a moment. Please go on."
    technical_problem: Text = "I'm sorry, I have a technical problem. Please call again in a few minutes."

    # A transfer, to the caller. After one that failed, one of these is the first thing that the caller hears.
    transfer_announce: Text = "One moment, I'll put you through to {{ destination }}."
    still_trying: Text = "Thank you for waiting. I'm still trying to reach {{ destination }}."
    transfer_busy: Text = "I'm sorry, the line to {{ destination }} is busy."
    transfer_no_answer: Text = "I'm sorry, nobody is answering at {{ destination }}."
    transfer_declined_by: Text = "I'm sorry, {{ destination }} can't take your call right now."
    transfer_voicemail: Text = "I'm sorry, I only reached the voicemail of {{ destination }}."
    transfer_error: Text = "I'm sorry, I couldn't put you through to {{ destination }}."
    transfer_unknown: Text = "You are back with me. I don't know whether you reached {{ destination }}."

    # A warm transfer, to the colleague
    briefing: Text = (
        "A call from {{ caller }} about {{ reason }}. {{ summary }} "
        "Press 1 to take the call, or 2 to decline."
    )
    briefing_again: Text = "Press 1 to take the call, or 2 to decline."
    briefing_declined: Text = "All right, I'll let them know. Goodbye."
    briefing_unanswered: Text = "I didn't get an answer, so I'll let the caller know. Goodbye."
    briefing_gone: Text = "I'm sorry, the caller has just hung up. Goodbye."

    message_taken: Text = "Thank you, I've passed that on."


class BrainLines(Table):
    """Fixed sentences of the local brain. All are templates; some get extra variables."""

    greeting_question: str = ""  # said again after other answers, while a question of the greeting's is open
    anything_else: Text = "Is there anything else I can help with?"
    how_can_i_help: Text = "Sure. What can I do for you?"
    you_are_welcome: Text = "You're welcome."
    go_on: Text = "I'm listening. Go ahead."
    hold_on: Text = "Of course, take your time."
    identity: Text = "I'm an automated assistant. I can answer common questions, or take a message."
    did_not_understand: Text = "Sorry, I didn't catch that. Could you say it again?"
    say_it_differently: Text = "Sorry about that. Could you say it in other words?"
    help: Text = "I'm sorry, I still didn't get that."
    topics_intro: Text = "You can ask about {{ topics }}."
    off_topic: Text = "I'm sorry, I don't have that information."
    offer_message: Text = "Shall I take a message?"
    clarify: Text = "Are you asking about {{ topic }}?"
    clarify_either: Text = "Are you asking about {{ topic }}, or about {{ other }}?"
    yes_or_no: Text = "Sorry, was that a yes or a no? You can also press 1 for yes, or 2 for no."
    yes_or_no_keys: Text = "Press 1 for yes, or 2 for no."
    not_an_option: Text = "Sorry, there is nothing on that key."
    menu_intro: Text = "Here is what I can do."
    transfer_confirm: Text = "Shall I put you through to {{ destination }}?"
    transfer_unavailable: Text = "I'm sorry, I can't put you through from here."
    transfer_declined: Text = "All right, I'll keep you here."
    transfer_failed: Text = "I'm sorry, nobody could take the call."
    message_prompt: Text = "Thank you. What would you like me to pass on?"
    message_start: Text = "Of course."
    message_name: Text = "May I have your name?"
    message_number_known: Text = "Thank you. May they call you back on the number you are calling from?"
    message_number: Text = (
        "What number can they call you back on? You can say it, or key it in and press the hash key."
    )
    message_number_wrong: Text = "That can't be a telephone number. Could you say it again, digit by digit?"
    message_number_more: Text = "I have {{ number }} so far. What comes next?"
    message_confirm: Text = (
        "I have a message from {{ caller_name }}, {{ number }}. It says: {{ message }} Is that right?"
    )
    message_correct: Text = "What should I change: the name, the number, or the message?"
    flow_choices: Text = "You can say: {{ choices }}."
    flow_needs_model: Text = "I'm sorry, I can't do that by myself."
    tool_done: Text = "That is done."
    tool_failed: Text = "I'm sorry, that did not work."
    message_unavailable: Text = "I'm sorry, I can't take a message here."
    message_failed: Text = "I'm sorry, I couldn't save your message. Shall I try again?"
    message_dropped: Text = "All right, I won't leave a message."
