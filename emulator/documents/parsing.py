"""TwiML and TeXML: from a response's bytes to verbs. No I/O.

Sources: Twilio docs, voice/twiml (element and attribute names are case-sensitive, at most 64 kB: error
11750); Telnyx docs, TeXML verbs, and "TeXML instruction fetching" (documents are Mustache templates over the
request's parameters).
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

MAX_DOCUMENT_BYTES = 64 * 1024


class MarkupError(Exception):
    """The carrier cannot carry out the document: the call fails with an application error."""


@dataclass(frozen=True)
class Verb:
    """One element of a document.

    Attributes:
        name: The tag, for example `Connect`.
        attributes: As written; names are case-sensitive.
        text: The trimmed text directly inside.
        children: Nouns and parameters.
    """

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: tuple[Verb, ...] = ()

    def child(self, name: str) -> Verb | None:
        """The first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def flag(self, name: str, default: bool) -> bool:
        """A true/false attribute."""
        return self.attributes.get(name, str(default)).strip().lower() == "true"


@dataclass(frozen=True)
class Document:
    """What to do with the call.

    Attributes:
        verbs: In order.
        url: Where it came from, the base of relative URLs; None for an inline document.
    """

    verbs: tuple[Verb, ...]
    url: str | None = None


def parse_document(body: bytes, known_verbs: frozenset[str], *, url: str | None = None) -> Document:
    """Read a document.

    Args:
        body: The response's body.
        known_verbs: What the carrier's language has; anything else under `<Response>` is refused.
        url: Where the document was fetched.

    Raises:
        MarkupError: It is too long, not XML, not a `<Response>`, or has an unknown verb.
    """
    if len(body) > MAX_DOCUMENT_BYTES:
        raise MarkupError(f"the document has {len(body)} bytes, 64 kB are allowed")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise MarkupError(f"the document is not well-formed XML: {error}") from None
    if root.tag != "Response":
        raise MarkupError(f"the document's root is <{root.tag}>, not <Response> (names are case-sensitive)")
    verbs = tuple(_verb(element) for element in root)
    for verb in verbs:
        if verb.name not in known_verbs:
            raise MarkupError(f"unknown verb <{verb.name}> (names are case-sensitive)")
    return Document(verbs, url)


def _verb(element: ElementTree.Element) -> Verb:
    return Verb(
        element.tag,
        dict(element.attrib),
        (element.text or "").strip(),
        tuple(_verb(child) for child in element),
    )


def fill_mustache(body: bytes, parameters: Mapping[str, str]) -> bytes:
    """Substitute `{{Name}}` as Telnyx does before it reads a document; unknown names become empty."""
    text = body.decode("utf-8", errors="replace")
    return re.sub(
        r"\{\{\{?\s*(\w+)\s*\}?\}\}", lambda match: html.escape(parameters.get(match.group(1), "")), text
    ).encode()


def stream_parameters(stream: Verb) -> dict[str, str]:
    """The `<Parameter>` children of a `<Stream>` as one flat object."""
    return {
        child.attributes.get("name", ""): child.attributes.get("value", "")
        for child in stream.children
        if child.name == "Parameter"
    }
