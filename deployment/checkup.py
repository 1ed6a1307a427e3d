"""What can be found out about a deployment without asking other services: settings, agents' files, disk, database."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from calls.database.errors import DatabaseError
from carriers import credential_notes, credential_problems, descriptors
from carriers.checks import Finding, Verdict
from deployment.worker_plan import worker_findings
from desk.api_keys import OWNER, ApiKeys
from providers import ROWS, variables_of
from settings import CALL_BACK, OPENTELEMETRY, OTHERS, Given, Settings, misspelt

LITTLE_SPACE_BYTES = 500_000_000
NO_SPACE_BYTES = 20_000_000
"""Less than this is a matter of hours: an hour of talk is some 100 kB of events, a log some MB a day."""

SHORT_KEY = 16
"""Characters; a shorter password of the API, or secret behind addresses, can be tried out."""

PLACEHOLDER = re.compile(
    r"(?i)^([a-z]{2,7}[-_]?)?(your[-_]|<.*>$|\.{3}|…|x{4,}|change[-_]?me|replace|todo$|example)|(\.{3}|…|x{6,}|[-_]here)$"
)
"""How examples write that a key belongs here, also behind the letters with which a real one begins (`KEY...`)."""

PROVIDERS = ("openai", "anthropic", "google", "ollama", "deepgram", "assemblyai", "cartesia", "elevenlabs")
"""What a setting of a service begins with; also the service's name."""


AGENTS = "agents"
"""The subject of findings whose text begins with the name of an agent's file."""

NOT_SET = "not set"
"""The subject of the finding that lists the settings whose defaults count."""


class DataDirUnusable(Exception):
    """Nothing can be kept in DATA_DIR; the message is one line with cause and fix."""


def settings_findings(settings: Settings, given: Given) -> list[Finding]:
    """Whether each setting is used, misspelt, missing or contradicted by another.

    Args:
        settings: The settings that are in effect, defaults included.
        given: The variables as the environment and `.env` had them.
    """
    from conversation.agents.owner import named_variables

    given = given.without(named_variables(settings))
    found = [_fault(line.split()[0], line.split(" ", 1)[1]) for line in misspelt(given)]
    told = {one.subject for one in found}
    known = {name.upper() for name in type(settings).model_fields}
    found += [
        _note(name, f"in {given.path} is not read by anything here")
        for name in sorted(given.file)
        if name not in known | told | OTHERS and not name.startswith(OPENTELEMETRY)
    ]
    found += [_note(name, f"stands twice in {given.path}: the last one counts") for name in given.twice]
    for line in credential_problems(settings):
        found.append(_fault(*line.split(" ", 1)))
    found += [_note(*line.split(" ", 1)) for line in credential_notes(settings)]
    found += contradictions(settings, given)
    spoken_of = {one.subject for one in found if one.verdict is Verdict.FAULT}
    for name in sorted(known & set(given.values)):
        if name.lower() in settings.KEYS and PLACEHOLDER.search(given.values[name]):
            found.append(_fault(name, "is still what an example has in its place: set your own"))
            continue
        if name in spoken_of:
            continue
        place = "the environment" if name in given.environment else str(given.path)
        both = given.file.get(name, given.values[name]) != given.values[name]
        text = f"set in {place}" + (f", which wins over {given.path}" if both else "")
        why = unused(name.lower(), settings)
        found.append(_note(name, f"{text}, and not used: {why}") if why else Finding(Verdict.OK, name, text))
    # Of the many that only a chosen service reads, those count that are set
    unset = sorted(known - set(given.values) - _of_services())
    if unset:
        found.append(Finding(Verdict.OK, NOT_SET, ", ".join(unset)))
    return found


def contradictions(settings: Settings, given: Given) -> list[Finding]:
    """Settings that contradict each other, or that leave something out.

    Args:
        settings: What counts.
        given: What was handed over.
    """
    found = []
    if settings.public_url:
        address = urlsplit(settings.public_url)
        at_home = address.hostname in ("localhost", "127.0.0.1", "::1")
        if address.scheme == "http" and not at_home:
            found.append(_fault("PUBLIC_URL", "is http: carriers open media sockets at https addresses only"))
        if address.scheme == "https" and at_home:
            found.append(
                _fault("PUBLIC_URL", "is this machine's own name: set the one that carriers can reach")
            )
    if "HOST" in given.values and settings.host in ("127.0.0.1", "localhost", "::1") and _in_a_container():
        text = "is the container itself, which nobody outside reaches: leave it empty, or set 0.0.0.0"
        found.append(_fault("HOST", text))
    if settings.when_full == CALL_BACK and not (settings.calls_database and settings.numbers):
        text = "is call_back, which needs a database (DATABASE_URL) and a number to call from (CALLER_ID)"
        found.append(_fault("WHEN_FULL", text))
    found += worker_findings(settings)
    found += _missing(settings)
    found += key_findings(settings)
    if settings.api_key is not None and len(settings.api_key.get_secret_value()) < SHORT_KEY:
        found.append(_fault("API_KEY", "can be guessed: `openssl rand -hex 24` makes a good one"))
    secret = settings.stream_token_secret
    if secret is not None and len(secret.get_secret_value()) < SHORT_KEY:
        text = "can be guessed, and with it every address: `openssl rand -hex 24` makes a good one"
        found.append(_fault("STREAM_TOKEN_SECRET", text))
    for name, danger in (
        ("allow_unsigned_webhooks", "act as the carrier"),
        ("allow_tokenless_streams", "talk to the bot"),
    ):
        if getattr(settings, name):
            found.append(_note(name.upper(), f"is on: anyone who finds the address can {danger}"))
    for one in descriptors():
        found += one.findings(settings)
    for mine, needed in (
        ("pipecat_cloud_region", "pipecat_cloud_agent"),
        ("caller_lookup_token", "caller_lookup_url"),
    ):
        if getattr(settings, mine) and not getattr(settings, needed):
            found.append(_fault(mine.upper(), f"is set without {needed.upper()}: set that, too, or unset it"))
    return found


def key_findings(settings: Settings) -> list[Finding]:
    """Who may use the API: how many keys there are, and entries that cannot be read."""
    keys = ApiKeys(settings)
    found = [_fault("API_KEYS", line.removeprefix("API_KEYS ")) for line in keys.problems_of_setting]
    found += [_fault("keys", line) for line in keys.problems_of_file]
    if not keys.good():
        return [*found, _note("API_KEY", "is not set, and no other key is good: the API (/calls) is closed")]
    named = [one for one in keys.good() if one.name != OWNER]
    if named:
        text = ", ".join(f"{one.name} ({one.scope})" for one in named)
        found.append(Finding(Verdict.OK, "keys", text))
    return found


def _missing(settings: Settings) -> list[Finding]:
    if not any(one.has_account(settings) for one in descriptors()):
        text = "no credentials of a phone company: only the emulator can call (`make call`)"
        return [_note("carriers", text)]
    if settings.caller_id is None:
        return [_note("CALLER_ID", "is not set: a request to place a call must name the number to call from")]
    return []


def unused(name: str, settings: Settings) -> str | None:
    """Why a setting that is set changes nothing; None when it does, or when that cannot be said.

    Args:
        name: A field of `Settings`.
        settings: All of them.
    """
    provider = name.split("_")[0]
    if name.upper() in _of_services() or provider in PROVIDERS:
        used = _services_of_agents(settings)
        readers = {provider} if provider in PROVIDERS else set()
        readers |= {row.name for row in ROWS if name.upper() in row.variables}
        if used is not None and not readers & used:
            return f"no agent uses {provider}"
    elif name == "ngrok_api_url" and settings.public_url:
        return "PUBLIC_URL is set"
    elif name == "watchdog_secs" and settings.workers is None:
        return "WORKERS is not set"
    return next((why for one in descriptors() if (why := one.unused(name, settings)) is not None), None)


def _of_services() -> set[str]:
    # Those of the tuned services are settings of their own, which `.env.example` has
    return set(variables_of(ROWS)) - {name.upper() for name in Settings.model_fields}


def _services_of_agents(settings: Settings) -> set[str] | None:
    from conversation import services
    from conversation.agents.errors import AgentError
    from conversation.agents.files import agent_names, load_agent

    used: set[str] = set()
    try:
        for name in agent_names(settings.agents_dir):
            choice = services.resolve(load_agent(name, settings.agents_dir), settings)
            used |= {service.name for kind in choice.kinds for service in choice.each(kind)}
    except (AgentError, services.ServiceError):
        return None
    return used


def agent_problems(settings: Settings) -> list[str]:
    """Agents that could not answer a call, the default one first: one line each."""
    from conversation.agents.files import agent_names, find_agent
    from conversation.agents.numbers import bound_twice

    default = find_agent(settings.agent, settings.agents_dir) or settings.agent
    names = dict.fromkeys([default, *agent_names(settings.agents_dir)])
    problems = [_problem_of_agent(name, settings) for name in names]
    return list(
        dict.fromkeys(problem for problem in (*problems, *bound_twice(settings.agents_dir)) if problem)
    )


def agent_findings(settings: Settings) -> list[Finding]:
    """Whether each agent can answer, and keeps what its file promises."""
    from conversation.agents.files import agent_names, misnamed

    found = [_fault(AGENTS, line) for line in (*agent_problems(settings), *misnamed(settings.agents_dir))]
    for name in agent_names(settings.agents_dir):
        found += _promises_of_agent(name, settings)
    return found


def findings_of_agent(name: str, settings: Settings) -> list[Finding]:
    """Whether one agent can answer, and keeps what its file promises.

    Args:
        name: Of its file in the folder of agents, which the settings name.
        settings: What counts.
    """
    from conversation.agents.numbers import bound_twice

    problem = _problem_of_agent(name, settings)
    shared = [line for line in bound_twice(settings.agents_dir) if f"{name}.toml" in re.split(r"[ :]", line)]
    found = [_fault(AGENTS, line) for line in (*([problem] if problem else []), *shared)]
    return [*found, *_promises_of_agent(name, settings)]


def _problem_of_agent(name: str, settings: Settings) -> str | None:
    from conversation import services
    from conversation.agents.errors import AgentError
    from conversation.agents.files import load_agent
    from conversation.agents.needed_variables import check_secrets
    from conversation.agents.owner import untellable

    try:
        agent = load_agent(name, settings.agents_dir)
        if problem := untellable(agent, settings):
            return problem
        check_secrets(agent)
        if settings.pipecat_cloud_public_key is None:  # else the bot talks there, not here
            services.check(services.resolve(agent, settings), settings)
    except (AgentError, services.ServiceError) as error:
        return str(error)
    return None


def _promises_of_agent(name: str, settings: Settings) -> list[Finding]:
    """What a file that can be read promises and cannot keep."""
    from conversation import services
    from conversation.agents.contradictions import contradictions, unknown_variables
    from conversation.agents.errors import AgentError
    from conversation.agents.files import load_agent
    from conversation.agents.speaking import said_in_english

    try:
        agent = load_agent(name, settings.agents_dir)
    except AgentError:
        return []  # `_problem_of_agent` reports it
    misspelt_variables, unknown = unknown_variables(agent)
    unknown += said_in_english(agent)
    lists: dict[str, str] = {}
    with suppress(services.ServiceError):  # which `_problem_of_agent` reports
        unknown += services.beyond_the_brain(agent, settings)
        unknown += services.beyond_the_local_stack(agent, settings)
        lists = services.lists_of(agent, settings)
        unknown += [
            f"{name}.toml has a list for {kind} with nothing behind {only}: name another service, or drop the brackets"
            for kind, only in lists.items()
            if ", else " not in only
        ]
    wrong = [*contradictions(agent), *misspelt_variables]
    found = [_fault(AGENTS, line) for line in wrong] + [_note(AGENTS, line) for line in unknown]
    behind = "; ".join(f"{kind}: {order}" for kind, order in lists.items())
    file = f"{name}.toml ({behind})" if behind else f"{name}.toml"
    return found if wrong else [*found, Finding(Verdict.OK, AGENTS, file)]


def use_data_dir(folder: Path) -> None:
    """Make the folder that callers' messages and calls are kept in, and find out whether it can be written to.

    Raises:
        DataDirUnusable: It cannot.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"?")
            probe.flush()
    except OSError as error:
        raise DataDirUnusable(
            f"DATA_DIR {folder} cannot be written ({error.strerror}): name a folder of the user who runs this, or free "
            "space; leave it empty for data"
        ) from None


def disk_findings(settings: Settings) -> list[Finding]:
    """Whether what callers say can be kept."""
    try:
        use_data_dir(settings.data_dir)
    except DataDirUnusable as error:
        return [_fault("DATA_DIR", str(error).removeprefix("DATA_DIR "))]
    free = shutil.disk_usage(settings.data_dir).free
    text = f"{settings.data_dir} can be written, {free / 1e9:.1f} GB free"
    if free < NO_SPACE_BYTES:
        return [_fault("DATA_DIR", f"{text}: make room, or messages and calls are lost")]
    return [Finding(Verdict.NOTE if free < LITTLE_SPACE_BYTES else Verdict.OK, "DATA_DIR", text)]


async def database_findings(settings: Settings) -> list[Finding]:
    """Whether calls can be kept: the driver, the file or server, the tables."""
    from calls.database.call_database import CallDatabase
    from calls.outbox.in_database import count_undelivered
    from deployment.database import refused_files

    if settings.calls_database is None:
        return [
            _note(
                "DATABASE_URL",
                "is memory: calls are forgotten when the program ends, and what was not told of them",
            )
        ]
    try:
        database = CallDatabase(settings.calls_database)
        try:
            await database.open()
            untold = await count_undelivered(database)
        finally:
            await database.aclose()
    except DatabaseError as error:
        return [_fault("DATABASE_URL", str(error))]
    found = [
        Finding(Verdict.OK, "DATABASE_URL", f"{database.description} opens, and its tables are up to date")
    ]
    if untold:
        text = f"{untold} could not be told for a day: `phonebot webhooks undelivered` says why"
        found.append(_note("webhooks", text))
    if refused := refused_files(settings):
        where = refused[0].parent
        text = f"{where} has calls that the database did not take (*.refused): look at them, and delete them"
        found.append(_note("DATA_DIR", text))
    return found


def short_lines(findings: Iterable[Finding]) -> list[str]:
    """The faults among findings as sentences, for the output at the start."""
    lines = []
    for one in findings:
        if one.verdict is Verdict.FAULT:
            goes_on = re.match(r"(is|in|has|can|cannot|does)\b", one.text)
            subject = "" if one.subject == AGENTS else f"{one.subject}{' ' if goes_on else ': '}"
            lines.append(subject + one.text)
    return lines


def _in_a_container() -> bool:
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


def _fault(subject: str, text: str) -> Finding:
    return Finding(Verdict.FAULT, subject, text)


def _note(subject: str, text: str) -> Finding:
    return Finding(Verdict.NOTE, subject, text)
