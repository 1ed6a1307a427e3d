"""What a carrier warns of in a document: names and values that its language does not have.

The document is carried out all the same, as far as it can be. Source: Twilio docs, api/errors/12200.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from emulator.documents.parsing import Document, Verb
from emulator.facts import read, rules
from emulator.facts.values import Rule


@dataclass(frozen=True)
class Element:
    """One element of a language.

    Attributes:
        attributes: All that there are, by name.
        required: Names of those that must be there.
        children: Names of the elements that may be directly inside.
        text: What the text inside must be; None where nothing is known.
    """

    attributes: Mapping[str, Rule]
    required: frozenset[str]
    children: frozenset[str]
    text: Rule | None


@cache
def language(name: str) -> Mapping[str, Element]:
    """The elements of `twiml` or `texml`; one that differs inside of another has both names, such as `Refer.Sip`."""
    table = read(name)
    types = rules(table)

    def element(entry: Mapping[str, object]) -> Element:
        named: dict[str, str] = {}
        for group in _texts(entry.get("groups")):
            named |= table["groups"][group]
        attributes = entry.get("attributes")
        named |= attributes if isinstance(attributes, dict) else {}
        text = entry.get("text")
        return Element(
            {attribute: types[kind] for attribute, kind in named.items()},
            frozenset(_texts(entry.get("required"))),
            frozenset(_texts(entry.get("children"))),
            types[str(text)] if text else None,
        )

    return {one: element(entry) for one, entry in table["elements"].items()}


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def verbs(name: str) -> frozenset[str]:
    """What may stand directly in a `<Response>`."""
    return language(name)["Response"].children


def warnings(document: Document, name: str) -> list[str]:
    """What is not as documented.

    Args:
        document: The document; its verbs are known to be verbs.
        name: Its language, `twiml` or `texml`.
    """
    found = [text for verb in document.verbs for text in _of(verb, "", language(name))]
    return [f"{read(name)['warning']} {text}" for text in found]


def _of(verb: Verb, parent: str, known: Mapping[str, Element]) -> Iterator[str]:
    element = known.get(f"{parent}.{verb.name}") or known.get(verb.name)
    if element is None:
        return  # a verb that is not emulated: nothing is known of its inside
    for name, value in verb.attributes.items():
        rule = element.attributes.get(name)
        if rule is None:
            yield f"<{verb.name}> has no attribute {name[:40]}"
        elif reason := rule.problem(value, as_text=True):
            yield f"<{verb.name} {name}> {reason}"
    for name in sorted(element.required - set(verb.attributes)):
        yield f"<{verb.name}> needs the attribute {name}"
    if element.text is not None and (reason := element.text.problem(verb.text, as_text=True)):
        yield f"the text in <{verb.name}> {reason}"
    for child in verb.children:
        if child.name not in element.children:
            yield f"<{child.name[:40]}> cannot be inside of <{verb.name}>"
        else:
            yield from _of(child, verb.name, known)
