"""The templates of a request: what may stand in them, and how they are filled in.

A model's arguments come from a caller. In an address each is percent-encoded and stays where its template stands: it
changes neither the host nor the path's segments, neither the names in the query nor the fragment. What a server behind
another one could decode a second time is looked at as well: a value for the path that is, or decodes to, a dot segment
or something with a slash is refused (RFC 3986, section 5.2.4; WHATWG URL, "double-dot URL path segment").

Secrets are `{{ env.NAME }}`, from the names that the table allows and from nowhere else.
"""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import SandboxedEnvironment

LONGEST_ADDRESS = 4000
"""Characters; servers refuse longer ones, most from 8,000 on."""

LONGEST_BODY = 100_000
"""Bytes."""

FORM = "application/x-www-form-urlencoded"

_OPEN, _CLOSE = "\ue000", "\ue001"
"""Stand around what was filled in until the address was looked at. Encoded values cannot have them."""

_BASE = re.compile(r"\{\{\s*env\.([A-Za-z0-9_]+)\s*\}\}")
_ADDRESS = re.compile(rf"(https?)://([^/?#\\{_OPEN}]+)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_ONLY_A_NAME = re.compile(r"\s*\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}\s*")
_MOST_DECODINGS = 8


class TemplateMistake(ValueError):
    """The owner's templates are wrong; the message says what is, and the fix."""


class UnusableValue(ValueError):
    """A value cannot stand where it should; the message tells the model, and has nothing secret in it."""


def _encoded(value: Any) -> str:
    if value is None or isinstance(value, jinja2.Undefined):
        return ""
    return f"{_OPEN}{quote(written(value), safe='', errors='replace')}{_CLOSE}"


_TEXTS = SandboxedEnvironment(
    undefined=jinja2.ChainableUndefined,
    autoescape=False,
    finalize=lambda value: "" if value is None or isinstance(value, jinja2.Undefined) else written(value),
)
_ADDRESSES = SandboxedEnvironment(undefined=jinja2.ChainableUndefined, autoescape=False, finalize=_encoded)


def written(value: Any) -> str:
    """A value as it is written in an address, a header or a text: true and false as in JSON."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


@lru_cache(maxsize=256)
def _compiled(environment: SandboxedEnvironment, template: str) -> jinja2.Template:
    return environment.from_string(template)


def _render(environment: SandboxedEnvironment, template: str, values: Mapping[str, Any]) -> str:
    try:
        return _compiled(environment, template).render(values)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
        # Its text may have a value in it, and so a secret.
        raise UnusableValue(f"it cannot be filled in ({type(error).__name__})") from None


def names_in(template: str) -> set[str]:
    """The variables that a template needs.

    Raises:
        TemplateMistake: It is none.
    """
    return meta.find_undeclared_variables(_parsed(template))


def _parsed(template: str) -> nodes.Template:
    try:
        _TEXTS.from_string(template)  # unknown filters are found by compiling
        return _TEXTS.parse(template)
    except jinja2.TemplateError as error:
        raise TemplateMistake(f"it is not a template: {error.message or error}; correct it") from None


def checked_names(template: str, known: Collection[str], allowed: Sequence[str]) -> None:
    """See that a template uses only what it may.

    Args:
        template: The template.
        known: Parameters and variables.
        allowed: The names that `env` may have.

    Raises:
        TemplateMistake: It does not.
    """
    tree = _parsed(template)
    for name in sorted(meta.find_undeclared_variables(tree) - {"env", *known}):
        raise TemplateMistake(
            f"{{{{ {name} }}}} is neither a parameter of the tool nor in [variables]; correct it, or add it to one"
        )
    secrets = list(_secrets_of(tree))
    if len(secrets) != sum(node.name == "env" for node in tree.find_all(nodes.Name)):
        raise TemplateMistake("env is used by name alone: write {{ env.NAME }}")
    for secret in secrets:
        if secret not in allowed:
            listed = ", ".join(json.dumps(name) for name in (*allowed, secret))
            raise TemplateMistake(f"{{{{ env.{secret} }}}} is not allowed: add it, env = [{listed}]")
    if any(node.name == "urlencode" for node in tree.find_all(nodes.Filter)):
        raise TemplateMistake("what is filled in is encoded already; remove the filter urlencode")


def _secrets_of(tree: nodes.Template) -> Iterator[str]:
    """The names after `env.`, or in its brackets."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if not isinstance(node, nodes.Getattr | nodes.Getitem):
            continue
        if not isinstance(node.node, nodes.Name) or node.node.name != "env":
            continue
        if isinstance(node, nodes.Getattr):
            yield node.attr
        elif isinstance(node.arg, nodes.Const):
            yield str(node.arg.value)


def texts_in(value: Any, under: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a body, with the key that it stands under."""
    if isinstance(value, str):
        yield under, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from texts_in(part, f"{under}.{key}" if under else str(key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from texts_in(part, f"{under}[{number}]")


def is_private_address(address: str) -> str | None:
    """What is wrong with the beginning of an address, scheme and host; None if nothing is.

    Secrets and what callers say go there: https only, or http within this machine.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its host or port cannot be"
    if parts.scheme not in ("https", "http") or not host:
        return "it must begin with https:// and a host"
    if "@" in parts.netloc:
        return "a user or password in it is shown in logs of others; write an Authorization header"
    if parts.scheme == "http" and not is_this_machine(host):
        return "http is for this machine alone (localhost, 127.0.0.1); use https"
    return None


def is_this_machine(host: str) -> bool:
    """Whether a host is a loopback address, or `localhost`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Filled:
    """A request that can be sent.

    Parameters:
        method: Of HTTP.
        url: Encoded.
        headers: All of them that are ours to say.
        content: The body; None for none.
    """

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None


@dataclass(frozen=True)
class Request:
    """The templates of a request.

    Parameters:
        method: Of HTTP.
        url: A template of the address.
        headers: Templates by name.
        body: A table with templates in it; None for the parameters that `url` does not name.
        parameters: The names of what the model gives.
        sends_a_body: Whether the parameters go in the body rather than in the query.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None
    parameters: tuple[str, ...]
    sends_a_body: bool

    def check_address(self) -> None:
        """See that nothing but the path and the values of the query is filled in.

        Raises:
            TemplateMistake: Something else is, or the address may not be asked.
        """
        check_base(self.url)
        values = dict.fromkeys(names_in(self.url), "x")
        try:
            address(self.url, {**values, "env": _Anything()}, base="https://base.invalid")
        except UnusableValue as error:
            raise TemplateMistake(str(error)) from None

    def fill(
        self, arguments: Mapping[str, Any], variables: Mapping[str, Any], env: Mapping[str, str]
    ) -> Filled:
        """Fill the templates in.

        Args:
            arguments: What the model gave, with the defaults.
            variables: The call's.
            env: The secrets that the table allows.

        Raises:
            UnusableValue: A value cannot stand where it should.
        """
        values = {**variables, **dict.fromkeys(self.parameters), **arguments, "env": dict(env)}
        named = names_in(self.url)
        rest = {name: value for name, value in arguments.items() if name not in named and value is not None}
        url = address(self.url, values, base=env.get(base_variable(self.url) or "", ""))
        headers = {"accept": "application/json, text/plain;q=0.9", "user-agent": "phonebot"}
        headers |= filled_headers(self.headers, values)
        content = None
        if self.sends_a_body:
            body = rest if self.body is None else _filled(self.body, values)
            content = _content(body, headers)
        elif rest:
            pairs = urlencode(
                {name: written(value) for name, value in rest.items()}, quote_via=quote, errors="replace"
            )
            url += ("&" if "?" in url else "?") + pairs
        if len(url) > LONGEST_ADDRESS or len(content or b"") > LONGEST_BODY:
            raise UnusableValue("a value is too long")
        return Filled(self.method, url, headers, content)


def base_variable(url: str) -> str | None:
    """The variable of the environment that an address begins with; None when it is written out."""
    base = _BASE.match(url)
    return base[1] if base else None


def check_base(url: str) -> None:
    """See that an address begins with a host that may be asked, written out or in a variable of the environment.

    Raises:
        TemplateMistake: It does not.
    """
    base = _BASE.match(url)
    written_out = url if base is None else f"https://base.invalid{url[base.end() :]}"
    host = re.match(r"https?://([^/?#]*)", written_out, re.IGNORECASE)
    if host is None:
        raise TemplateMistake("it must begin with https:// and a host, or with {{ env.NAME }}")
    if "{" in host[1]:
        raise TemplateMistake(
            "nothing can be filled in before the path; write the host out, or begin with {{ env.NAME }}"
        )
    if wrong := is_private_address(host[0]):
        raise TemplateMistake(wrong)


def address(template: str, values: Mapping[str, Any], *, base: str = "") -> str:
    """Fill an address in.

    Args:
        template: The template.
        values: What it is filled in with; in the path and in the query they are encoded.
        base: The value of the variable that it begins with, if it does.

    Raises:
        UnusableValue: A value cannot stand where it should.
    """
    match = _BASE.match(template)
    if match is not None:
        if (wrong := is_private_address(base)) or "?" in base or "#" in base:
            raise UnusableValue(
                f"the address in {match[1]} cannot be used: {wrong or 'it has a query or fragment'}"
            )
        template = template[match.end() :]
        base = base.rstrip("/") if template.startswith("/") else base
    marked = (base if match is not None else "") + _render(_ADDRESSES, template, values).strip()
    parts = _ADDRESS.fullmatch(marked)
    if parts is None or parts[3][:1] not in ("", "/"):
        raise UnusableValue(
            "a value can only stand in the path, or after = in the query, and there is no fragment"
        )
    for segment in parts[3].split("/")[1:]:
        _check_segment(segment)
    for pair in (parts[4] or "").split("&"):
        name, equals, _ = pair.partition("=")
        if _OPEN in name or (_OPEN in pair and not equals):
            raise UnusableValue("a name in the query cannot be filled in; write name={{ value }}")
    return marked.replace(_OPEN, "").replace(_CLOSE, "")


def filled_headers(templates: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """Headers filled in, by their names in small letters.

    Raises:
        UnusableValue: A value cannot stand in one.
    """
    return {
        name.lower(): _header(name, _render(_TEXTS, template, values).strip())
        for name, template in templates.items()
    }


class _Anything:
    """Stands for the environment while the templates are looked at."""

    def __getitem__(self, name: str) -> str:
        return "x"


def _check_segment(segment: str) -> None:
    """Refuse a segment of a path that means another place, here or after a server has decoded it again and again."""
    filled_in = _OPEN in segment
    plain = segment.replace(_OPEN, "").replace(_CLOSE, "")
    if not filled_in and plain not in (".", ".."):
        return
    for _ in range(_MOST_DECODINGS):
        decoded = unquote(plain)
        if decoded == plain:
            break
        plain = decoded
    else:
        raise UnusableValue("a value for the address is encoded too often")
    plain = unicodedata.normalize("NFKC", plain)
    if re.search(r"[/\\\x00-\x1f\x7f\ufffd]", plain):
        raise UnusableValue(
            "a value for the address has a slash or another character that cannot stand there"
        )
    if plain.partition(";")[0].strip() in ("", ".", ".."):
        raise UnusableValue("a value for the address is empty, or only dots")


def _header(name: str, value: str) -> str:
    """A header's value without what would begin another one (RFC 9110, section 5.5)."""
    if not value.isascii() or not value.isprintable():
        raise UnusableValue(
            f"a value for the header {name} has a line break or a letter that cannot stand there"
        )
    return value


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """A body filled in. A text that is nothing but `{{ name }}` becomes the value itself, with its type."""
    if isinstance(template, str):
        alone = _ONLY_A_NAME.fullmatch(template)
        if alone is not None and alone[1] in values:
            value = values[alone[1]]
            return value if isinstance(value, str | bool | int | float | None) else written(value)
        return _render(_TEXTS, template, values) if "{" in template else template
    if isinstance(template, Mapping):
        return {key: _filled(part, values) for key, part in template.items()}
    if isinstance(template, list):
        return [_filled(part, values) for part in template]
    return template


def _content(body: Any, headers: dict[str, str]) -> bytes:
    kind = headers.setdefault("content-type", "application/json")
    if kind.partition(";")[0].strip().lower() == FORM:
        flat = {name: "" if value is None else value for name, value in body.items()}
        if any(isinstance(value, Mapping | list) for value in flat.values()):
            raise UnusableValue("a form has no tables or lists in it")
        return urlencode({name: written(value) for name, value in flat.items()}, errors="replace").encode()
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except ValueError:
        raise UnusableValue("a number is infinite") from None
