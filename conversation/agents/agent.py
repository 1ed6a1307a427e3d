"""An agent is a TOML file: what it says, what it knows, what it may do and which services it uses.

The file is read and checked before a call uses it. Everything that can be wrong is found then and reported as
one line that names the file, the key and the fix: unknown keys, wrong types, templates with mistakes, a menu
digit that points to a fact that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin
from zoneinfo import ZoneInfo

import jinja2
from jinja2.sandbox import SandboxedEnvironment
from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, ValidationInfo, model_validator

from conversation.agents.errors import AgentError, did_you_mean
from conversation.agents.flow import AgentFlow
from conversation.agents.flow_words import FlowWords
from conversation.agents.hours import Hours
from conversation.agents.http_tables import HttpTool
from conversation.agents.mcp_tables import McpServer
from conversation.agents.modules import NO_CODE, OwnCode, default_tools, required_of
from conversation.agents.opening import in_words, opening_at
from conversation.agents.speaking import InLanguage, in_first_language, spoken_in, texts_of
from conversation.agents.tables import (
    GOODBYE,
    MENU_TOOLS,
    TAKE_MESSAGE,
    AfterCall,
    BrainLines,
    DeadAir,
    Email,
    Fact,
    Limits,
    Lines,
    MenuItem,
    Monitoring,
    Name,
    OutboundCalls,
    OwnNumber,
    Plain,
    Recording,
    Reference,
    ServiceKind,
    Services,
    Table,
    Text,
    TransferTarget,
    Webhooks,
)
from conversation.lines.fixed import primary
from conversation.lines.names import day, listed, name_of

OF_HOURS = frozenset({"is_open", "opening"})
"""What every call of an agent with `[hours]` knows besides."""

ALWAYS_KNOWN = frozenset({"agent", "direction", "caller_number", "called_number", "now", "today"})
"""What every call knows, see `Agent.call_variables`."""

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""What an agent's name looks like, and that of a transfer."""


class Agent(Table):
    """Who answers a call.

    Attributes:
        name: The name of the file without `.toml`.
        language: Language of the conversation, as in BCP 47 ("en", "de"); the first of `languages`, if those are given.
        languages: The languages that the agent speaks, a list of tags or a table for each. It greets in the first.
        language_keys: The keys that choose a language before the caller has said anything.
        greeting: The first words of a call. A template.
        instructions: The system prompt of a real model. A template.
        numbers: The owner's numbers whose calls this agent answers, in E.164 form.
        variables: Values for templates; a call's own parameters win over them.
        timezone: IANA name of the zone that `now`, `today` and `[hours]` are in; this machine's zone when not given.
        hours: When the business is open.
        services: Speech recognition, model and voice.
        tools: What the agent may do, from `default_tools()` and its own. When not given: to end the call, to take
            messages, and all of its own.
        facts: What the local brain knows. `conversation.system_message` adds them to what a model is told.
        http: Tools that are a request to a service of the owner's, by name.
        mcp: Servers whose tools the agent has, by names of the owner's choice.
        transfers: Where callers may be put through to, by name.
        menu: What the telephone's keys do.
        flow: Words and keys of the call flow in the file `NAME.flow.yaml`.
        dial_out: How calls begin that the agent places itself.
        recording: Whether and how calls are recorded.
        monitoring: Whether people may listen in on calls.
        pronounce: Words that the voice gets wrong, and how to write them for it ("Nguyen" = "win").
        lines: Fixed sentences, with a hosted model and the local brain alike.
        brain: Fixed sentences of the local brain.
        limits: Lengths of time.
        dead_air: What is said and done when the bot owes the caller words and none come.
        webhooks: Whom the owner's systems are told by.
        email: Whom mails go to.
        after_call: What the model makes of a call once it is over.
    """

    name: Name
    language: Name = "en"
    languages: dict[Name, InLanguage] = Field(default_factory=dict)
    language_keys: dict[Name, Name] = Field(default_factory=dict)
    greeting: Text
    instructions: Text
    numbers: list[OwnNumber] = Field(default_factory=list)
    variables: dict[str, str | int | float | bool] = Field(default_factory=dict)
    timezone: Reference = None
    hours: Hours | None = None
    services: Services = Field(default_factory=Services)
    tools: list[Name] = Field(default=["end_call", "take_message"])
    facts: list[Fact] = Field(default_factory=list)
    http: dict[str, HttpTool] = Field(default_factory=dict)
    mcp: dict[str, McpServer] = Field(default_factory=dict)
    transfers: dict[str, TransferTarget] = Field(default_factory=dict)
    menu: dict[str, MenuItem] = Field(default_factory=dict)
    flow: FlowWords = Field(default_factory=FlowWords)
    dial_out: OutboundCalls = Field(default_factory=OutboundCalls)
    recording: Recording = Field(default_factory=Recording)
    monitoring: Monitoring = Field(default_factory=Monitoring)
    pronounce: dict[Text, Text] = Field(default_factory=dict)
    lines: Lines = Field(default_factory=Lines)
    brain: BrainLines = Field(default_factory=BrainLines)
    limits: Limits = Field(default_factory=Limits)
    dead_air: DeadAir = Field(default_factory=DeadAir)
    webhooks: Webhooks = Field(default_factory=Webhooks)
    email: Email = Field(default_factory=Email)
    after_call: AfterCall = Field(default_factory=AfterCall)

    _code: OwnCode = PrivateAttr(NO_CODE)
    _offers_all: bool = PrivateAttr(True)
    _folder: Path = PrivateAttr(Path())
    _call_flow: AgentFlow | None = PrivateAttr(None)
    _home: Agent | None = PrivateAttr(None)
    _elsewhere: dict[str, Agent] = PrivateAttr(default_factory=dict)

    @property
    def code(self) -> OwnCode:
        """The tools and hooks of the Python file beside the agent's."""
        return self._code

    @property
    def folder(self) -> Path:
        """Where the agent's file is."""
        return self._folder

    def is_in(self, folder: Path) -> None:
        """Say where the agent's file is: programs that it names are started there."""
        self._folder = folder

    @property
    def offers_all(self) -> bool:
        """Whether the agent has all of its own tools, as its file does not name the set."""
        return self._offers_all

    @property
    def call_flow(self) -> AgentFlow | None:
        """The call flow in the YAML file beside the agent's; None when it has none."""
        return self._call_flow

    @property
    def home(self) -> Agent:
        """The agent in its first language, in which colleagues are told of calls."""
        return self._home or self

    def in_language(self, tag: str) -> Agent:
        """The agent in one of its languages: its own texts of that language, and fixed lines in it.

        Args:
            tag: The language; its region does not count.

        Returns:
            The agent in its first language when that is meant, or none of its languages is.
        """
        home = self.home
        name = home.configured(tag)
        if name is None or name == home.language:
            return home
        if name not in home._elsewhere:
            other = home.model_copy(update=spoken_in(home, name))
            other._home = home
            home._elsewhere[name] = other
        return home._elsewhere[name]

    def configured(self, tag: str) -> str | None:
        """The language as `languages` has it, whatever its region; None for one that is not there."""
        return next((name for name in self.languages if primary(name) == primary(tag)), None)

    def service_options(self, kind: ServiceKind) -> dict[str, Any]:
        """The options of one of its services, with those of the language that the agent speaks now."""
        name = self.configured(self.language)
        of_language = self.languages[name].options_of(kind) if name is not None else {}
        return {**self.services.options.get(kind, {}), **of_language}

    def named_languages(self, tags: Iterable[str]) -> str:
        """Languages as the agent names them in the one that it speaks now: "English and Spanish"."""
        return listed([name_of(tag, self.language) for tag in tags], self.language)

    @model_validator(mode="wrap")
    @classmethod
    def _own_tools_are_offered(
        cls, table: Any, build: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Offer an agent's own tools with the default ones, unless its file names the set."""
        offers_all = "tools" not in table
        if offers_all:
            code, http = info.context or NO_CODE, table.get("http")
            own = [*code.tools, *(http if isinstance(http, dict) else ())]
            table = {**table, "tools": [*cls.model_fields["tools"].default, *own]}
        agent = build(table)
        agent._offers_all = offers_all
        return agent

    @model_validator(mode="before")
    @classmethod
    def _speaks_its_language(cls, table: Any) -> Any:
        """Put in the fixed lines of the agent's language. Runs behind the next one."""
        return in_first_language(table) if isinstance(table, dict) else table

    @model_validator(mode="before")
    @classmethod
    def _brain_has_its_lines(cls, table: Any) -> Any:
        """Move the brain's sentences out of `[lines]`, where older files have them, into `[brain]`."""
        lines, brain = table.get("lines"), table.get("brain", {})
        if not (isinstance(lines, dict) and isinstance(brain, dict)):
            return table
        moved = {name: text for name, text in lines.items() if name in BrainLines.model_fields}
        kept = {name: text for name, text in lines.items() if name not in moved}
        return {**table, "lines": kept, "brain": {**moved, **brain}}

    @model_validator(mode="before")
    @classmethod
    def _outbound_is_dial_out(cls, table: Any) -> Any:
        """Take `[outbound]`, as calls that the bot places are called elsewhere, for `[dial_out]`."""
        given, other = table.get("dial_out", {}), table.get("outbound")
        if not (isinstance(given, dict) and isinstance(other, dict)):
            return table
        rest = {name: value for name, value in table.items() if name != "outbound"}
        return {**rest, "dial_out": {**other, **given}}

    @model_validator(mode="after")
    def _references_exist(self, info: ValidationInfo) -> Agent:
        self._code = info.context or NO_CODE
        functions = self.code.tools
        for tool in functions:
            if tool in default_tools():
                raise ValueError(
                    f"tools: {self.name}.py has a tool {tool!r}, as every agent has: rename its own"
                )
        self._check_languages()
        self._check_requests()
        known = (
            *default_tools(),
            *functions,
            *self.http,
            *(name for one in self.mcp.values() for name in one.tools),
        )
        for tool in self.tools:
            if tool not in known and not self._may_be_a_servers(tool):
                raise ValueError(f"tools: there is no tool {tool!r}{did_you_mean(tool, known)}")
            if self.tools.count(tool) > 1:
                raise ValueError(f"tools: {tool!r} is there twice; remove one")
        for number in self.numbers:
            if self.numbers.count(number) > 1:
                raise ValueError("numbers: a number is there twice; remove it once")
        for name in self.transfers:
            if not NAME.fullmatch(name):
                raise ValueError(f"transfers.{name}: use lower-case letters, digits and hyphens in the name")
        topics = [fact.topic for fact in self.facts]
        for topic in topics:
            if topics.count(topic) > 1:
                raise ValueError(f"facts: the topic {topic!r} is there twice; merge the two")
        for fact in self.facts:
            self._check_called(f"facts: {fact.topic!r}", fact.tool)
            if fact.offer not in (None, TAKE_MESSAGE, *self.transfers):
                hint = did_you_mean(fact.offer, (TAKE_MESSAGE, *self.transfers))
                raise ValueError(f"facts: {fact.topic!r} cannot offer {fact.offer!r}{hint}")
        fallback = self.dead_air.fallback
        if fallback not in (GOODBYE, TAKE_MESSAGE, *self.transfers):
            hint = did_you_mean(fallback, (GOODBYE, TAKE_MESSAGE, *self.transfers))
            raise ValueError(f"dead_air.fallback: there is no {fallback!r}{hint}")
        for digit, item in self.menu.items():
            if not re.fullmatch(r"[0-9]", digit):
                raise ValueError(f"menu.{digit}: a menu key is one digit")
            if item.fact is not None and item.fact not in topics:
                hint = did_you_mean(item.fact, topics)
                raise ValueError(f"menu.{digit}: there is no fact {item.fact!r}{hint}")
            if item.tool not in MENU_TOOLS:
                self._check_called(f"menu.{digit}", item.tool, MENU_TOOLS)
            if item.transfer is not None and item.transfer not in self.transfers:
                hint = did_you_mean(item.transfer, list(self.transfers))
                raise ValueError(f"menu.{digit}: there is no transfer {item.transfer!r}{hint}")
        answers = [item.answer for item in self.menu.values() if item.answer is not None]
        if len(answers) > len(set(answers)):
            raise ValueError("menu: only one key can mean yes, and one no; correct answer")
        if self.timezone is not None:
            try:
                ZoneInfo(self.timezone)
            except (KeyError, ValueError, OSError):
                raise ValueError(f"timezone: no zone {self.timezone!r}; use one like Europe/Berlin") from None
        return self

    def _check_languages(self) -> None:
        """See that keys choose languages that there are, and that what the file says of each can be used."""
        for key, tag in self.language_keys.items():
            if not re.fullmatch(r"[0-9*#]", key):
                raise ValueError(f"language_keys.{key}: a key is a digit, * or #")
            if self.configured(tag) is None:
                hint = did_you_mean(tag, list(self.languages))
                raise ValueError(f"language_keys.{key}: {tag!r} is not among languages{hint}")
            if key in self.menu:
                raise ValueError(
                    f"language_keys.{key}: the menu has that key, too; give one of the two another key"
                )
        for tag in self.languages:
            if tag != self.language:
                spoken_in(self, tag)

    def _check_called(self, where: str, tool: str | None, others: tuple[str, ...] = ()) -> None:
        """Check that the local brain can call a tool there, which gives it no parameters."""
        own = (*self.code.tools, *self.http)
        servers = [name for server in self.mcp.values() for name in server.tools]
        if tool is None or (tool not in own and (tool in servers or self._may_be_a_servers(tool))):
            return
        if tool not in own:
            raise ValueError(f"{where}: it cannot call a tool {tool!r}{did_you_mean(tool, (*others, *own))}")
        if needed := self._needed_by(tool):
            raise ValueError(
                f"{where}: the tool {tool!r} needs {', '.join(needed)}, which nobody gives it: give the parameter a "
                "default, or choose another tool"
            )

    def _needed_by(self, tool: str) -> list[str]:
        """The parameters that one of the agent's own tools cannot do without."""
        if tool in self.http:
            return [name for name, about in self.http[tool].parameters.items() if about.must_be_given]
        return list(required_of(self.code.tools[tool])) if tool in self.code.tools else []

    def _may_be_a_servers(self, tool: str) -> bool:
        """Whether a tool may be one of a server that brings all of its tools, whose names only it knows."""
        return any(not server.tools for server in self.mcp.values())

    def _check_requests(self) -> None:
        """See that the tables of HTTP tools and MCP servers fit the rest of the file."""
        known = set(self.variables) | ALWAYS_KNOWN
        taken = {*default_tools(), *self.code.tools}
        for name, tool in self.http.items():
            if name in taken:
                raise ValueError(f"http.{name}: there is a tool of that name already; take another one")
            tool.check(name, known)
        taken |= {*self.http}
        for name, server in self.mcp.items():
            server.check(name, known)
            for tool_name in server.tools:
                if tool_name in taken:
                    raise ValueError(f"mcp.{name}.tools: there is a tool {tool_name!r} already; leave it out")
                taken.add(tool_name)

    def templates(self) -> Iterator[tuple[str, str]]:
        """Yield every text that is a template, with the key that it stands under: all but those marked `Plain`."""
        yield from _templates(self, "")
        for tag, own in self.languages.items():
            yield from texts_of(own, tag)

    def own(self, template: str) -> str:
        """Fill a template in with what the file itself says, for texts that all calls share."""
        return self.render(template, self.call_variables())

    def call_variables(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        looked_up: Mapping[str, Any] | None = None,
        direction: str = "inbound",
        caller_number: str | None = None,
        called_number: str | None = None,
        now: datetime | None = None,
    ) -> dict[str, Any]:
        """Put together the variables that this agent's templates see in one call.

        Args:
            parameters: The call's custom parameters. They were given for this one call, so they win over all that is
                known in general.
            looked_up: What a look-up of the caller found (`conversation.lookup`); it wins over the file's `variables`.
            direction: `inbound`, or `outbound` when the agent placed the call.
            caller_number: The number of the other side in E.164 form: who called, or who was called by the agent.
            called_number: Our number: the one that was called, or the one that the agent called from.
            now: The time; the current time in the agent's zone when not given.

        Returns:
            `variables`, then `looked_up`, then `parameters`, then `agent`, `direction`, `caller_number`,
            `called_number`, `now` (a datetime) and `today` ("Friday, November 21"), which nothing can override. With
            `[hours]` also `is_open` and `opening` ("open now, until six in the evening").
        """
        return {
            **self.variables,
            **(looked_up or {}),
            **(parameters or {}),
            **self.time_variables(now),
            "agent": self.name,
            "direction": direction,
            "caller_number": caller_number or "",
            "called_number": called_number or "",
        }

    def time_variables(self, now: datetime | None = None) -> dict[str, Any]:
        """Those of the variables that the time decides about.

        Args:
            now: See `call_variables`. One without a zone is of the agent's wall clock.
        """
        zone = ZoneInfo(self.timezone) if self.timezone else None
        moment = now or datetime.now(zone).astimezone()
        if zone is not None:
            moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
        known: dict[str, Any] = {"now": moment, "today": day(moment, self.language)}
        if self.hours is not None:
            opening = opening_at(self.hours, moment if moment.tzinfo is not None else moment.astimezone())
            known |= {"is_open": opening.is_open, "opening": in_words(opening)}
        return known

    def render(self, template: str, variables: Mapping[str, Any]) -> str:
        """Fill a template in.

        Args:
            template: The text with `{{ name }}` in it.
            variables: The values, see `call_variables`. A missing one renders as nothing.

        Raises:
            AgentError: The template cannot be rendered with these values.
        """
        if "{" not in template:
            return template
        try:
            return compiled(template).render(dict(variables)).strip()
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise AgentError(f"{self.name}.toml: a template does not render: {error}; correct it") from None


def _templates(table: Table, under: str) -> Iterator[tuple[str, str]]:
    for name, field in type(table).model_fields.items():
        choices = [
            kind for kind in (field.annotation, *get_args(field.annotation)) if get_origin(kind) is Literal
        ]
        if choices or any(isinstance(mark, Plain) for mark in field.metadata):
            continue
        value: Any = getattr(table, name)
        parts: dict[str, Any] = {name: value}
        if isinstance(value, list):
            if any(isinstance(mark, Plain) for of in get_args(field.annotation) for mark in get_args(of)):
                continue
            parts = {f"{name}[{number}]": part for number, part in enumerate(value)}
        elif isinstance(value, dict):
            parts = {f"{name}.{key}": part for key, part in value.items() if isinstance(part, Table)}
        for key, part in parts.items():
            if isinstance(part, Table):
                yield from _templates(part, f"{under}{key}.")
            elif isinstance(part, str) and part:
                yield f"{under}{key}", part


_ENVIRONMENT = SandboxedEnvironment(undefined=jinja2.ChainableUndefined, autoescape=False)


@lru_cache(maxsize=1024)
def compiled(template: str) -> jinja2.Template:
    """A template, ready to be rendered.

    Raises:
        jinja2.TemplateSyntaxError: It is none.
    """
    return _ENVIRONMENT.from_string(template)
