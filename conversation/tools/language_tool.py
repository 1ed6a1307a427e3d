"""The tool that goes on in another language. An agent of several languages has it, whatever its `tools`."""

from __future__ import annotations

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

from calls.errors import NotDone
from conversation.public import BotSession, ToolParams, ToolResult, asks_for, done, not_done, offered


def _with_languages(session: BotSession, schema: FunctionSchema) -> FunctionSchema | None:
    """Name the languages; an agent of one language has nothing to change."""
    names = session.languages
    if not names:
        return None
    described = "; ".join(f"{tag}: {name}" for tag, name in names.items())
    language = {"type": "string", "enum": list(names), "description": described}
    return FunctionSchema(
        name=schema.name,
        description=schema.description,
        properties={**schema.properties, "language": language},
        required=schema.required,
    )


@asks_for("language")
@offered(_with_languages)
async def change_language(params: ToolParams, language: str = "") -> ToolResult:
    """Go on in another language: what hears the caller, and the voice, change with it.

    Call it when the caller asks for another language, or speaks one, and before you answer in it.

    Args:
        params: The call of the tool.
        language: Which one, one of the given.
    """
    try:
        await params.app_resources.change_language(language)
    except NotDone as error:
        return not_done(f"Not changed: {error}")
    return done(
        f"The conversation goes on in {params.app_resources.languages[language]}. Speak it from now on."
    )
