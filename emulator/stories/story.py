"""What a story is made of, as read from its file. All times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator import carriers
from emulator.faults import Fault
from emulator.legs.delivery import EventHabits
from emulator.line.detected import THE_TRUTH, Detected
from emulator.line.impairments import IDEAL, PROFILES, Profile

BY_COMMANDS = "-call-control"
CARRIERS = (*carriers.CARRIERS, *(one.name + BY_COMMANDS for one in carriers.COMMANDED))
"""Where a story can be played: on every carrier with documents, and where there are some, with commands and events."""

PRINTED = "printed"
PRINTED_BIN = "printed_bin"
"""The fallback address that the server prints at its start."""

STORY_HOST = "STORY_HOST"
"""Where the bot is: a setting of the story's and not of the server's."""

NO_WEBHOOKS = "cloud"
"""The value of STORY_HOST for a host that takes media sockets alone and has no webhooks, like Pipecat Cloud."""

CALLER = "caller"
"""Who is meant by a story of a single call."""


@dataclass(frozen=True)
class Span:
    """How long something may take: `least` to `most`."""

    least: float
    most: float


@dataclass(frozen=True)
class Moment:
    """Something that happens, for waiting and for measuring.

    Attributes:
        kind: `hears`, `says`, `presses`, `rest`, `api` or `event`.
        who: A caller or another person; None for any person.
        text: The words or keys, the name of the REST request, or the kind of the event.
        written: As in the file.
    """

    kind: str
    who: str | None
    text: str
    written: str


@dataclass(frozen=True)
class Timing:
    """When something must happen in relation to other things.

    Attributes:
        within: How long after `of`.
        of: What is measured from.
        after: What must have happened before.
        before: What must not have happened yet.
    """

    within: Span | None = None
    of: Moment | None = None
    after: Moment | None = None
    before: Moment | None = None


@dataclass(frozen=True)
class Step:
    """What a caller or another person does next.

    Attributes:
        kind: `say`, `press`, `wait`, `wait_for` or `hang_up`.
        text: Words, keys, or for `wait_for` one of `reply`, `silence`, `speech`.
        secs: How long to wait; for `wait_for` at most.
        moment: What is waited for.
        at_once: Whether it is said at once, over another speaker if need be.
        over: How long the other must have been speaking before this is said over them; None if it is not said so.
        line: In the file.
    """

    kind: str
    text: str = ""
    secs: float = 0.0
    moment: Moment | None = None
    at_once: bool = False
    over: float | None = None
    line: int = 0


@dataclass(frozen=True)
class Person:
    """A person, voicemail box or fax at another number."""

    name: str
    number: str
    does: str = "answers"
    after_secs: float = 1.0
    steps: Sequence[Step] = ()
    detected: Detected = THE_TRUTH


@dataclass(frozen=True)
class CallPart:
    """A call that a caller places to the bot.

    Attributes:
        name: Who calls.
        begin_secs: How long after the story's beginning.
        after: The call whose end it waits for, or None.
        from_number: E.164; None for the emulator's own.
        to_number: E.164; None for the emulator's own.
        codec: Of a Telnyx leg.
        noise_db: Line noise.
        patience: Silence after which it is the caller's turn; None for the story's voice's own.
        query: Added to the voice webhook's URL.
        steps: What the caller does.
    """

    name: str
    begin_secs: float = 0.0
    after: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    codec: str = "PCMU"
    noise_db: float | None = None
    patience: float | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    steps: Sequence[Step] = ()


@dataclass(frozen=True)
class OperatorStep:
    """What the operator does through the product's own API.

    Attributes:
        kind: `request`, `wait`, `wait_for` or `kill`.
        method: Of a request.
        path: With placeholders.
        body: JSON, with placeholders; None for no body.
        status: The status that must be answered; None for any of success.
        answer: What the JSON answer must contain.
        save: Placeholder names for values of the answer, by name.
        secs: How long to wait; for `wait_for` at most; for `kill` how long the server is away, for ever if negative.
        moment: What is waited for.
        line: In the file.
    """

    kind: str
    method: str = ""
    path: str = ""
    body: Any = None
    status: int | None = None
    answer: Any = None
    save: Mapping[str, str] = field(default_factory=dict)
    secs: float = 0.0
    moment: Moment | None = None
    line: int = 0


@dataclass(frozen=True)
class Expectation:
    """What must be so in the end.

    Attributes:
        kind: See `emulator.stories.reading.read_expect`.
        written: As a person would say it, for the report.
        who: Whose ear, for what is heard.
        texts: Words to be heard.
        value: What else is expected; its shape depends on the kind.
        at_least: The part of the words that must have been heard; None for the voice's own.
        anywhere: Whether it need not come after what was heard before it in the list.
        timing: When.
        call: The call that is meant; None for the only one, or all.
        line: In the file.
    """

    kind: str
    written: str
    who: str = ""
    texts: Sequence[str] = ()
    value: Any = None
    at_least: float | None = None
    anywhere: bool = False
    timing: Timing | None = None
    call: str | None = None
    line: int = 0


@dataclass(frozen=True)
class StoryLine:
    """How a story's lines behave.

    Attributes:
        like: The name of a profile, whatever the story is played with; None for that one.
        changed: What is otherwise, by the names of `Profile`.
    """

    like: str | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)

    def profile(self, played_with: Profile = IDEAL) -> Profile:
        """The whole of it, when the story is played with a profile."""
        like = played_with if self.like is None else PROFILES[self.like].but(seed=played_with.seed)
        return like.but(**self.changed)


@dataclass(frozen=True)
class Answering:
    """How the bot's number is configured at the carrier.

    Attributes:
        method: `GET` or `POST`, for requests to the number's address; None for the carrier's default.
        status_method: `GET` or `POST`, for callbacks about the number's calls; None for the carrier's default.
        url: Where the number leads, instead of to the server.
        fallback: Where the carrier asks for a document when it gets none elsewhere: a name of the story's documents,
            `printed` for the fallback address that the server prints, `printed_bin` for a document that it prints for
            the carrier to keep, or a URL; None for nowhere.
    """

    method: str | None = None
    status_method: str = "POST"
    url: str | None = None
    fallback: str | None = None


@dataclass(frozen=True)
class Story:
    """A story.

    Attributes:
        name: A sentence.
        file: Where it was read.
        about: What the story is for.
        carriers: On which it is played, see `CARRIERS`.
        voice: `beeps` or `words`.
        limit_secs: When it is given up.
        agent: The name of one of the server's agents, or the text of a TOML file; None for the server's default.
        agents: The folder of the agent's files; None for the server's own.
        beside: Programs that are started beside the server, by the variable that tells it the address of each.
        settings: Variables of the server.
        number: How the bot's number is configured at the carrier.
        documents: What is answered in the server's place when a carrier asks what to do, by name; `voice` first.
        people: Who can be called.
        calls: Who calls the bot.
        operator: What is done through the product's API.
        faults: What goes wrong at the carrier.
        events: How well the events of commanded calls are delivered.
        seed: Decides what is left to chance.
        detection_words: The set of TeXML's words for who has answered, see `emulator.carriers.WORD_SETS`.
        lists_lag: Whether the carrier's lists of calls are late.
        line: How its lines behave.
        hurry: How many times faster time passes while people only talk to each other.
        expect: What must be so in the end.
        words: All words of the file, the vocabulary of what can be heard.
    """

    name: str
    file: Path
    about: str = ""
    carriers: Sequence[str] = tuple(carriers.CARRIERS)
    voice: str = "beeps"
    limit_secs: float = 60.0
    agent: str | None = None
    agents: Path | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    people: Sequence[Person] = ()
    calls: Sequence[CallPart] = ()
    operator: Sequence[OperatorStep] = ()
    faults: Sequence[Fault] = ()
    events: EventHabits = field(default_factory=EventHabits)
    seed: int = 0
    detection_words: str = "guide"
    lists_lag: bool = True
    line: StoryLine = StoryLine()
    number: Answering = Answering()
    hurry: float = 1.0
    expect: Sequence[Expectation] = ()
    words: frozenset[str] = frozenset()
