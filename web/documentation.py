"""The API's OpenAPI document, at `/openapi.json`, and a page for people that is made of it, at `/docs`.

Both need a key, of any scope. The page is plain HTML, which loads nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from fastapi import APIRouter, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from markupsafe import Markup

from desk.api_keys import Scope
from web import api, callers, listening, lists, recordings
from web.access import admit, needs_of
from web.answers import Problem
from web.web_service import service_of

VERSION = "0.1.0"
"""The project's. It is not read from `pyproject.toml`, which no image has."""

Schema = Mapping[str, Any]

REFERENCE = "#/components/schemas/"

ONLY_ITSELF = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""A page that a browser keeps from loading or running anything, should anything get into it."""

INTRODUCTION = (
    "What an operator's own programs may see and do. It knows numbers and words of callers. Every request has the "
    "header `Authorization: Bearer API_KEY`, with the key of the settings or one that `phonebot key new` has made. A "
    "key has one of the scopes `view` (see calls with numbers shortened, without recordings and pressed keys), `read` "
    "(see all of them), `call` (place calls, and act on them) and `admin` (erase callers); each has those before it. "
    "An id in a path is ours or the carrier's. Times are in UTC."
)


class BrowsersRoute(APIRoute):
    """A route that a person may open in a browser, which asks them for the key as a password."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request of the route."""
        answer = super().get_route_handler()

        async def authorised(request: Request) -> Response:
            admit(request, Scope.VIEW, by_browser=True)
            return await answer(request)

        return authorised


router = APIRouter(route_class=BrowsersRoute, include_in_schema=False)


@router.get("/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The document, for programs."""
    text = json.dumps(document(service_of(request).public_url), ensure_ascii=False)
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The document, for people."""
    return HTMLResponse(page(service_of(request).public_url), headers=ONLY_ITSELF)


@cache
def document(public_url: str) -> dict[str, Any]:
    """The OpenAPI document of the routes in `web.lists`, `web.api`, `web.recordings` and `web.callers`.

    It is of version 3.1, which more programs read than 3.2; that has no schema for the parts of a stream of events.

    Args:
        public_url: What every address begins with.
    """
    routers = (lists.router, api.router, recordings.router, listening.router, callers.router)
    routes = [route for one in routers for route in one.routes if isinstance(route, APIRoute)]
    made = get_openapi(
        title="phonebot",
        version=VERSION,
        description=INTRODUCTION,
        routes=routes,
        servers=[{"url": public_url}],
    )
    components = made["components"]
    components["schemas"][Problem.__name__] = Problem.model_json_schema()
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "API_KEY, or a key with a name; what a route needs of it is its scope",
        }
    }
    made["security"] = [{"key": []}]
    needed = {route.name: needs_of(route.endpoint) for route in routes if isinstance(route, APIRoute)}
    for validation in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(validation, None)
    for _, _, operation in _operations(made):
        # From 3.1 on the list may name roles for any kind of scheme: OpenAPI 3.1, Security Requirement Object
        operation["security"] = [{"key": [str(needed[operation["operationId"]])]}]
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]  # FastAPI's own: an id may be any text
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                if content.pop("itemSchema", None) is not None:
                    content["schema"] = {"type": "string"}
    return made


@cache
def page(public_url: str) -> str:
    """The document as HTML.

    Args:
        public_url: What every address begins with.
    """
    made = document(public_url)
    schemas = made["components"]["schemas"]
    operations = []
    bodies = set()
    for path, method, operation in _operations(made):
        name = _body(operation)
        bodies.add(name)
        body = schemas[name] if name else None
        example = _example(method, f"{public_url}{path}", body)
        operations.append(
            {
                "parameters": [],
                **operation,
                "method": method.upper(),
                "path": path,
                "body": body,
                "example": example,
            }
        )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(kind=_kind, prose=_prose, words=_words)
    return environment.get_template("documentation.html").render(
        document=made,
        server=public_url,
        operations=operations,
        answers={name: schema for name, schema in schemas.items() if name not in bodies},
    )


def _operations(made: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _kind(schema: Schema) -> Markup:
    """What a value is, in a few words; the name of a schema leads to it."""
    if reference := schema.get("$ref"):
        name = reference.removeprefix(REFERENCE)
        return Markup('<a href="#{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(map(_kind, schema["anyOf"]))
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if choices:
        return Markup(", ").join(Markup("<code>{}</code>").format(one) for one in choices)
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema["items"]))
    return Markup("{}").format("time" if schema.get("format") == "date-time" else schema.get("type", "any"))


def _prose(text: str) -> Markup:
    """The paragraphs of a description; what is indented in it is a drawing."""
    return Markup("\n").join(
        Markup("<pre>{}</pre>").format(paragraph)
        if paragraph.startswith(" ")
        else Markup("<p>{}</p>").format(_words(re.sub("::$", ":", paragraph)))
        for paragraph in text.split("\n\n")
    )


def _words(text: str) -> Markup:
    """A description, whose words between backquotes are code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else Markup("{}").format(part)
        for number, part in enumerate(parts)
    )


def _body(operation: Schema) -> str | None:
    """The name of what is sent in a request's body; None where nothing is."""
    if "requestBody" not in operation:
        return None
    reference: str = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return reference.removeprefix(REFERENCE)


def _example(method: str, address: str, body: Schema | None) -> str:
    """A command that makes such a request."""
    address = address.replace("{call_id}", "CALL_ID").replace("{seq}", "SEQ")
    words = f'curl -H "Authorization: Bearer $API_KEY" {address}'
    if body is not None:
        words = f"{words} -X PATCH" if method == "patch" else words
        return f"{words} \\\n  --json '{json.dumps(body['examples'][0])}'"
    return f"{words} -X POST" if method == "post" else words
