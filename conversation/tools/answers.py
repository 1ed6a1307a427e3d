"""What a service's answer becomes for the model: read within bounds, decoded, cut to what was asked for."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import quote

import jmespath

LARGEST_ANSWER = 1_000_000
"""The longest answer that is read, in bytes, before decoding and after it."""

LONGEST_TOLD = 2_000
"""The most that a model is told of an answer, in characters: about a page, which nobody says on the telephone."""

CUT = " … [cut: the answer is longer]"
SECRET = "[secret]"

_TEXTUAL = re.compile(r"text/(?!html\b)[\w.+-]+|application/(?:[\w.-]+\+)?(?:json|xml)|application/x-ndjson")
_CHARSETS = re.compile(
    r"utf-(8|16|32)(-[lb]e)?|ascii|iso8859-\d+|cp\d+|shift_jis|euc_(jp|kr)|gb(k|2312|18030)|big5|koi8-[ru]"
)


class Unusable(Exception):
    """An answer that cannot be used; the message says why, and nothing of what was in it."""


async def read_bounded(parts: AsyncIterator[bytes], encoding: str) -> bytes:
    """Read a body as it comes, and stop where it is too long.

    What is compressed is unpacked here, as little at a time as is needed to see that it is too much: a few bytes can
    become gigabytes.

    Args:
        parts: The body as it is sent.
        encoding: The header Content-Encoding.

    Raises:
        Unusable: It is too long, or compressed in a way that was not asked for, or wrongly.
    """
    kind = encoding.strip().lower()
    if kind not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise Unusable("it is compressed in a way that was not asked for")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if kind not in ("", "identity") else None
    body, read = bytearray(), 0
    async for part in parts:
        read += len(part)
        if unpack is not None:
            try:
                part = unpack.decompress(part, LARGEST_ANSWER + 1 - len(body))
            except zlib.error:
                raise Unusable("it is not compressed as it says") from None
        body += part
        if max(read, len(body)) > LARGEST_ANSWER:
            raise Unusable("it is too long")
    if unpack is not None and read and not unpack.eof:
        raise Unusable("it ends too early")
    return bytes(body)


def value_of(body: bytes, content_type: str) -> Any:
    """What an answer says: a JSON value, or a text.

    Args:
        body: Not empty.
        content_type: The header; empty when there is none.

    Raises:
        Unusable: It is a page for people, a picture, broken JSON, or no text at all.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    charset = re.search(r"charset\s*=\s*\"?([\w.:-]+)", parameters, re.IGNORECASE)
    if kind and not _TEXTUAL.fullmatch(kind):
        raise Unusable("it is a web page" if "html" in kind else "it is neither JSON nor a text")
    if kind.endswith("json"):
        return _json(body, charset[1] if charset else "")
    text = _text(body, charset[1] if charset else "")
    if re.match(r"\s*<(!doctype\s+html|html|head|body)\b", text, re.IGNORECASE):
        raise Unusable("it is a web page")
    try:
        return _json(body, charset[1] if charset else "")  # many services call JSON a text
    except Unusable:
        return text


def _json(body: bytes, charset: str) -> Any:
    try:
        try:
            return json.loads(body, parse_constant=_no_constant)
        except UnicodeDecodeError:
            return json.loads(_text(body, charset), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unusable("it is broken JSON") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _text(body: bytes, charset: str) -> str:
    """A body as text: in the charset that it says if there is one of that name and it fits, else in UTF-8."""
    for name in (charset, "utf-8"):
        try:
            codec = codecs.lookup(name).name if name else ""
            if _CHARSETS.fullmatch(codec):
                return body.decode(codec).removeprefix("\ufeff")
        except (LookupError, ValueError):
            continue
    raise Unusable("its letters cannot be read")


def selected(value: Any, expression: str | None) -> Any:
    """What the owner's JMESPath expression selects from a JSON value; all of it without one.

    Raises:
        Unusable: The expression does not fit the answer.
    """
    if expression is None:
        return value
    if isinstance(value, str):
        raise Unusable("it is a text, and not the JSON that was expected")
    try:
        return jmespath.search(expression, value)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError, RecursionError):
        raise Unusable("it does not have what was expected in it") from None


def told(value: Any, secrets: Iterable[str] = ()) -> str:
    """What the model is told of a value: bounded, without secrets, and without what cannot be kept or sent on.

    Args:
        value: Text or JSON.
        secrets: What a service may have repeated, and nobody is to see.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    for secret in sorted(
        {form for one in secrets if len(one) > 3 for form in _forms(one)}, key=len, reverse=True
    ):
        text = text.replace(secret, SECRET)
    text = text.encode("utf-8", "replace").decode()
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ue000\ue001]", " ", text).strip()
    return text if len(text) <= LONGEST_TOLD else text[: LONGEST_TOLD - len(CUT)] + CUT


def _forms(secret: str) -> tuple[str, ...]:
    return secret, quote(secret, safe=""), json.dumps(secret)[1:-1]


def is_nothing(value: Any) -> bool:
    """Whether an answer has nothing in it."""
    return value is None or (isinstance(value, str | Mapping | list) and not value)
