"""What a carrier takes for one value: a word of a list, a whole number in a range, an address, ...

A rule is read from a table of facts (see `emulator.facts`), so that it says what the documentation says and nothing
else. Values come as text (forms, queries, attributes of XML) or as they are in JSON.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""This machine. Nothing here has a certificate, so what a carrier takes over TLS only is taken without it from here."""

PLAIN = {"https": "http", "wss": "ws"}


@dataclass(frozen=True)
class Rule:
    """What one value must be. Without any of these it is text of any length.

    Attributes:
        code: The carrier's error code for anything else.
        kind: `text`, `integer`, `number`, `boolean`, `list` or `object`.
        words: The only values that there are.
        several: Whether some of the words may be given, separated by spaces.
        least: The smallest number.
        most: The largest number.
        pattern: What all of a text looks like.
        longest: The largest number of characters.
        schemes: Of an absolute URL; on this machine also without TLS.
        relative: Whether a URL may also be relative.
        base64: Whether the text must be base64.
        empty: Whether an empty text is a value.
        many: Whether a list of such values may stand in its place.
        fields: The rules for the fields of an object, or of each object in a list, by the fields' names.
    """

    code: str = ""
    kind: str = "text"
    words: Sequence[Any] = ()
    several: bool = False
    least: float | None = None
    most: float | None = None
    pattern: str = ""
    longest: int | None = None
    schemes: Sequence[str] = ()
    relative: bool = False
    base64: bool = False
    empty: bool = False
    many: bool = False
    fields: Mapping[str, Rule] = field(default_factory=dict)

    def problem(self, value: Any, *, as_text: bool) -> str | None:
        """Why a value is none of these, or None.

        Args:
            value: A text, or what JSON has.
            as_text: Whether everything is written as text.
        """
        if self.many and isinstance(value, list):
            found = [self._single(one, as_text) for one in value] or ["is an empty list"]
            return next((one for one in found if one), None)
        return self._single(value, as_text)

    def _single(self, value: Any, as_text: bool) -> str | None:
        if self.words and not self.several:
            known = [str(word) for word in self.words] if as_text else list(self.words)
            if type(value) in (str, int) and value in known:
                return None
            return f"must be one of {', '.join(str(word) for word in self.words)}"
        if self.kind in ("integer", "number"):
            return self._number(value, as_text)
        if self.kind == "boolean":
            fits = value in ("true", "false") if as_text else isinstance(value, bool)
            return None if fits else "must be true or false"
        if self.kind in ("list", "object"):
            return self._nested(value)
        return self._text(value) if isinstance(value, str) else "must be text"

    def _number(self, value: Any, as_text: bool) -> str | None:
        what = "whole number" if self.kind == "integer" else "number"
        digits = r"-?\d+" if self.kind == "integer" else r"-?\d+(\.\d+)?"
        if as_text and isinstance(value, str) and len(value) <= 20 and re.fullmatch(digits, value, re.ASCII):
            value = float(value)
        elif as_text or isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be a {what}"
        elif self.kind == "integer" and not isinstance(value, int):
            return f"must be a {what}"
        least, most = self.least, self.most
        if (least is not None and value < least) or (most is not None and value > most):
            limits = [f"at least {least:g}"] if least is not None else []
            limits += [f"at most {most:g}"] if most is not None else []
            return f"must be {' and '.join(limits)}"
        return None

    def _nested(self, value: Any) -> str | None:
        if not isinstance(value, list if self.kind == "list" else Mapping):
            return f"must be {'a list' if self.kind == 'list' else 'an object'}"
        for one in value if self.kind == "list" else [value]:
            if not self.fields:
                continue
            if not isinstance(one, Mapping):
                return "must have objects in it"
            for name, rule in self.fields.items():
                if name in one and (reason := rule.problem(one[name], as_text=False)):
                    return f"{name} {reason}"
        return None

    def _text(self, value: str) -> str | None:
        if not value:
            return None if self.empty else "must not be empty"
        if self.longest is not None and len(value) > self.longest:
            return f"has {len(value)} characters, at most {self.longest} are allowed"
        if self.several and (unknown := set(value.split()) - set(self.words)):
            return f"has {' '.join(sorted(unknown))[:40]}; there are {', '.join(self.words)}"
        if self.pattern and not re.fullmatch(self.pattern, value, re.ASCII):
            return "is not of the documented form"
        if self.base64 and not _is_base64(value):
            return "must be base64"
        return self._address(value) if self.schemes else None

    def _address(self, value: str) -> str | None:
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return "is not a URL"
        if not re.fullmatch(r"[!-~]+", value):
            return "has characters that must be percent-encoded"
        if self.relative and not parts.scheme:
            return None
        allowed = set(self.schemes)
        if host in LOOPBACK:
            allowed |= {PLAIN.get(scheme, scheme) for scheme in self.schemes}
        if parts.scheme not in allowed or not host:
            return f"must be an absolute {' or '.join(self.schemes)} URL"
        return "has an underscore in its host name" if "_" in host else None


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return False
    return True
