"""The services of the table `providers/` as services of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipecat.transcriptions.language import Language

from conversation.services.service import KINDS, VOICE, Kind, Service
from providers import ROWS, Row
from settings import Settings, text_of


def _bedrock(settings: Settings) -> dict[str, Any]:
    # Otherwise it asks three times and waits five minutes. Source: pipecat/services/aws/llm.py
    from botocore.config import Config

    config = Config(
        connect_timeout=settings.connect_secs,
        read_timeout=settings.first_token_secs,
        retries={"max_attempts": 0},
    )
    return {"client_config": config}


LATER: dict[tuple[Kind, str], Callable[[Settings], dict[str, Any]]] = {("llm", "aws"): _bedrock}
"""Arguments that are objects of a vendor's library, which is imported when the service is built."""


def _arguments(row: Row) -> Callable[[Settings], dict[str, Any]]:
    def arguments(settings: Settings) -> dict[str, Any]:
        taken = {name: text_of(settings, variable) for name, variable in {**row.needs, **row.may}.items()}
        more = LATER[row.kind, row.name](settings) if (row.kind, row.name) in LATER else {}
        return {
            **row.with_arguments,
            **more,
            **{name: value for name, value in taken.items() if value is not None},
        }

    return arguments


def _options(row: Row) -> Callable[[Settings, Language], dict[str, Any]]:
    def options(_: Settings, language: Language) -> dict[str, Any]:
        if not row.language:
            return dict(row.with_settings)
        return {**row.with_settings, row.language: [language] if row.language.endswith("s") else language}

    return options


def service_of(row: Row) -> Service:
    """Make a service of a row: `auto` never takes it, and its options may be the constructor's arguments."""
    first, *more = row.needs.values() if row.needs else (None,)
    first = row.either[0] if row.either else first
    stand_in = row.either[1] if row.either else None
    further = [*row.needs.values()] if row.either else more
    return Service(
        row.kind,
        row.name,
        row.ours or row.import_path,
        extra=row.brought_by,
        packages=row.imports,
        key=first.lower() if first else None,
        stand_in=stand_in.lower() if stand_in else None,
        more_keys=tuple(variable.lower() for variable in further if variable is not None),
        automatic=lambda _: False,
        arguments=_arguments(row),
        options=_options(row),
        voice_languages=row.speaks,
        choose=row.choose,
        takes_arguments=True,
        has_time_outs=False,
        with_session=row.with_session,
        hears_hz=row.hears_hz,
        takes_messages=row.takes_messages,
    )


VENDORS: dict[Kind, tuple[Service, ...]] = {
    kind: tuple(service_of(row) for row in ROWS if row.kind == kind) for kind in (*KINDS, VOICE)
}
