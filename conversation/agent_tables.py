"""The tables of an agent's TOML file, and what each key in them means."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ServiceKind = Literal["stt", "llm", "tts"]

TAKE_MESSAGE = "take_message"
"""What a menu digit or a fact's `offer` says to take a message."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SIP = re.compile(r"sips?:[^\s@]+(@[^\s@]+)?")


class Table(BaseModel):
    """A table in the file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


Text = Annotated[str, StringConstraints(min_length=1)]


class Fact(Table):
    """One thing that the owner lets the agent say.

    Attributes:
        topic: A short name that can be spoken ("opening hours"); menu digits refer to it.
        questions: Ways in which callers ask for it. More, and more varied ones, are found more reliably.
        answer: The words to say. Numbers are written as they are spoken. A template.
        offer: What to offer after the answer: `take_message` or the name of a transfer.
    """

    topic: Text
    questions: list[Text] = Field(min_length=1)
    answer: Text
    offer: str | None = None


class TransferTarget(Table):
    """Where a transfer goes. Callers and models only ever say its name.

    Attributes:
        number: An E.164 number, for example +12025550100.
        sip: A SIP URI, for example sip:desk@pbx.example.com.
        description: What it is for; it is also what callers' words are compared with.
        spoken: How it is named to callers ("the front desk"); its name when not given.
    """

    number: str | None = None
    sip: str | None = None
    description: str = ""
    spoken: str = ""

    @model_validator(mode="after")
    def _one_destination(self) -> TransferTarget:
        if (self.number is None) == (self.sip is None):
            raise ValueError("give either number or sip")
        if self.number is not None and not _E164.fullmatch(self.number):
            raise ValueError("number must be in E.164 form, for example +12025550100")
        if self.sip is not None and not _SIP.fullmatch(self.sip):
            raise ValueError("sip must be a SIP URI, for example sip:desk@pbx.example.com")
        return self


class MenuItem(Table):
    """What one key of the telephone does. Exactly one of `fact`, `transfer`, `tool` and `say` is given.

    Attributes:
        label: How the menu announces it: "Press 1 for <label>".
        fact: The topic of a fact to say.
        transfer: The name of a transfer to offer.
        tool: `take_message` or `end_call`.
        say: A sentence to say. A template.
    """

    label: Text
    fact: str | None = None
    transfer: str | None = None
    tool: Literal["take_message", "end_call"] | None = None
    say: Text | None = None

    @model_validator(mode="after")
    def _one_action(self) -> MenuItem:
        if sum(action is not None for action in (self.fact, self.transfer, self.tool, self.say)) != 1:
            raise ValueError("give exactly one of fact, transfer, tool and say")
        return self


class Services(Table):
    """Speech recognition, model and voice by name; `auto` leaves the choice to the keys that are set.

    Attributes:
        stt: Speech recognition.
        llm: The model, or the local brain.
        tts: The voice.
        options: For each of the three, options that are handed to the chosen service as they are.
    """

    stt: Text = "auto"
    llm: Text = "auto"
    tts: Text = "auto"
    options: dict[ServiceKind, dict[str, Any]] = Field(default_factory=dict)


class Limits(Table):
    """How long a call may take and how long silence may last, in seconds."""

    max_duration_secs: float = Field(default=1200, gt=0)
    notice_secs: float = Field(default=60, ge=0)
    silence_secs: float = Field(default=8, gt=0)

    @model_validator(mode="after")
    def _notice_fits(self) -> Limits:
        if self.notice_secs >= self.max_duration_secs:
            raise ValueError("notice_secs must be shorter than max_duration_secs")
        return self


class Lines(Table):
    """Fixed sentences. All are templates; some get extra variables, named in their defaults.

    The first group is spoken whoever answers, the second by the local brain only.
    """

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
    yes_or_no: Text = "Sorry, was that a yes or a no? You can also press 1 for yes, or 2 for no."
    yes_or_no_keys: Text = "Press 1 for yes, or 2 for no."
    not_an_option: Text = "Sorry, there is nothing on that key."
    menu_intro: Text = "Here is what I can do."
    transfer_confirm: Text = "Shall I put you through to {{ destination }}?"
    transfer_unavailable: Text = "I'm sorry, I can't put you through from here."
    transfer_failed: Text = "I'm sorry, nobody could take the call."
    transfer_declined: Text = "All right, I'll keep you here."
    message_prompt: Text = "Thank you. What would you like me to pass on?"
    message_start: Text = "Of course."
    message_name: Text = "May I have your name?"
    message_number_known: Text = "Thank you. May they call you back on the number you are calling from?"
    message_number: Text = (
        "What number can they call you back on? You can say it, or key it in and press the hash key."
    )
    message_number_more: Text = "I have {{ number }} so far. What comes next?"
    message_confirm: Text = (
        "I have a message from {{ caller_name }}, {{ number }}. It says: {{ message }} Is that right?"
    )
    message_correct: Text = "What should I change: the name, the number, or the message?"
    message_unavailable: Text = "I'm sorry, I can't take a message here."
    message_taken: Text = "Thank you, I've passed that on."
    message_failed: Text = "I'm sorry, I couldn't save your message. Shall I try again?"
    message_dropped: Text = "All right, I won't leave a message."
