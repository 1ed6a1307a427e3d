"""The table `[http.NAME]` of an agent's file: a tool that is one request to a service of the owner's."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

import jmespath
from jmespath.functions import Functions
from pydantic import AfterValidator, Field, field_validator, model_validator

from conversation.agents.http_templates import (
    Request,
    TemplateMistake,
    checked_names,
    names_in,
    texts_in,
)
from conversation.agents.tables import Plain, Reference, Table, Text

TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""What every model takes for a tool's name (OpenAI: 64 letters, digits, `_`, `-`; Google: no digit first)."""

BODY_METHODS = ("POST", "PUT", "PATCH")
"""The methods whose parameters are sent in the body."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "te",
        "upgrade",
        "trailer",
    }
)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")

Scalar = str | bool | int | float
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def are_variables(names: list[str]) -> list[str]:
    """Names of variables of the environment.

    Raises:
        ValueError: One of them can be none.
    """
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} is no variable of the environment, such as SHOP_KEY")
    return names


def checked_headers(headers: dict[str, str]) -> dict[str, str]:
    """Headers that can be sent.

    Raises:
        ValueError: One cannot, or is not the owner's to set.
    """
    for name in headers:
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"the header {name} is set by the request itself; remove it")
    return headers


Variables = Annotated[list[str], Plain(), AfterValidator(are_variables)]
"""Variables of the environment that a table may use."""

Headers = Annotated[dict[str, Text], Plain(), AfterValidator(checked_headers)]
"""Headers of a request, as templates."""


class HttpParameter(Table):
    """What the model is to give the tool.

    Attributes:
        type: What it is.
        description: What it means, for the model. A template, which is filled in with the file's own `variables`.
        enum: The only values that it may have.
        required: Whether the model must give it; without a default it must, unless this says no.
        default: The value when the model gives none.
    """

    type: Literal["string", "integer", "number", "boolean"] = "string"
    description: Text
    enum: Annotated[list[Scalar] | None, Plain()] = None
    required: bool | None = None
    default: Annotated[Scalar | None, Plain()] = None

    @model_validator(mode="after")
    def _values_fit(self) -> HttpParameter:
        if self.enum is not None and not self.enum:
            raise ValueError("enum has no value; write some, or remove it")
        for value in [*(self.enum or []), *([] if self.default is None else [self.default])]:
            fits = isinstance(value, _KINDS[self.type]) and isinstance(value, bool) == (
                self.type == "boolean"
            )
            if not fits:
                raise ValueError(f"{value!r} is no {self.type}")
        if self.enum is not None and self.default is not None and self.default not in self.enum:
            raise ValueError(f"the default {self.default!r} is not in enum")
        if self.required and self.default is not None:
            raise ValueError("what has a default is not required; remove one of the two")
        return self

    @property
    def must_be_given(self) -> bool:
        """Whether the model must give it."""
        return self.default is None if self.required is None else self.required

    def schema_for(self, description: str) -> dict[str, Any]:
        """The parameter in JSON Schema. Not every model takes `default`, so it is not in it."""
        found: dict[str, Any] = {"type": self.type, "description": description}
        return found if self.enum is None else {**found, "enum": list(self.enum)}


class HttpTool(Table):
    """A tool that is one request. `url`, `headers` and `body` are templates of the parameters, `variables` and `env`.

    Attributes:
        description: What it is for, for the model. A template, which is filled in with the file's own `variables`.
        url: Whom to ask. `{{ env.NAME }}` at its beginning is an address, everything else that is filled in is encoded.
        method: How.
        parameters: What the model gives, by name.
        headers: More headers.
        body: What is sent with POST, PUT and PATCH instead of the parameters that `url` does not name.
        timeout_secs: How long the whole request may take.
        filler: What the caller hears when it takes longer than a moment. A template.
        answer: What of the answer the model is told, a JMESPath expression; all of it when not given.
        env: The variables of the environment that the table may use.
    """

    description: Text
    url: Annotated[Text, Plain()]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    parameters: dict[str, HttpParameter] = Field(default_factory=dict)
    headers: Headers = Field(default_factory=dict)
    body: Annotated[dict[str, Any] | None, Plain()] = None
    timeout_secs: float = Field(default=5, gt=0, le=30)
    filler: str | None = None
    answer: Reference = None
    env: Variables = Field(default_factory=list)

    @field_validator("answer")
    @classmethod
    def _is_an_expression(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                _check_functions(jmespath.compile(value).parsed)
            except jmespath.exceptions.JMESPathError as error:
                # The library draws an arrow under the place, on lines of its own.
                raise ValueError(f"it is no JMESPath: {str(error).splitlines()[0].rstrip(' :')}") from None
        return value

    @model_validator(mode="after")
    def _body_can_be_sent(self) -> HttpTool:
        if self.body is not None and self.method not in BODY_METHODS:
            raise ValueError(f"body goes with {', '.join(BODY_METHODS)}; the method is {self.method}")
        try:
            json.dumps(self.body, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError(
                "body has a date or another value that is not JSON; write it as a text"
            ) from None
        return self

    @property
    def request(self) -> Request:
        """The templates."""
        return Request(
            self.method, self.url, self.headers, self.body, tuple(self.parameters), self.sends_a_body
        )

    @property
    def sends_a_body(self) -> bool:
        """Whether the parameters go in the body rather than in the address."""
        return self.method in BODY_METHODS

    def check(self, name: str, known: Collection[str]) -> None:
        """Find what is wrong between the keys of the table, and between it and the rest of the file.

        Args:
            name: The tool's name.
            known: The names of the file's variables, and of those that every call has.

        Raises:
            ValueError: Something is; the message begins with the key.
        """
        where = f"http.{name}"
        if not TOOL_NAME.fullmatch(name):
            raise ValueError(f"{where}: use letters, digits and underlines in the name, 64 at most")
        for parameter in self.parameters:
            key = f"{where}.parameters.{parameter}"
            if names_in_template_of(parameter) != {parameter}:
                raise ValueError(f"{key}: use letters, digits and underlines in the name")
            if parameter == "env" or parameter in known:
                raise ValueError(f"{key}: {parameter} is a variable already; take another name")
        templates = [("url", self.url), *((f"headers.{key}", text) for key, text in self.headers.items())]
        templates += [(f"body.{key}" if key else "body", text) for key, text in texts_in(self.body)]
        for key, template in templates:
            try:
                checked_names(template, {*self.parameters, *known}, self.env)
            except TemplateMistake as error:
                raise ValueError(f"{where}.{key}: {error}") from None
        try:
            self.request.check_address()
        except TemplateMistake as error:
            raise ValueError(f"{where}.url: {error}") from None


def names_in_template_of(name: str) -> set[str]:
    """What a name means in a template; itself, if it can stand there."""
    try:
        return names_in(f"{{{{ {name} }}}}")
    except TemplateMistake:
        return set()


def _check_functions(node: dict[str, Any]) -> None:
    """See that an expression calls functions that there are: the library looks only when it calls them."""
    if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
        raise ValueError(f"it is no JMESPath: there is no function {node['value']}")
    for child in node["children"]:
        if isinstance(child, dict):
            _check_functions(child)
