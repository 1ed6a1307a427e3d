"""What the scripted model says: rules over the transcript that it was sent, with the facts that it was sent.

It keeps nothing between requests. What a conversation has come to is worked out anew from its messages each time, so
that a message that was lost, or words that were never heard, show in what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from talks.agent_facts import AgentFacts
from talks.dialogue_words import (
    ANYTHING_ELSE,
    CANCEL,
    CHANGE,
    COMES,
    DOES_NOT_COME,
    FAREWELL,
    GOODBYE,
    HELP,
    HOLD,
    MESSAGE,
    NAME,
    NAMED,
    NAMES_SELF,
    NO,
    NO_NAMES,
    NOT_TAKEN,
    NUMBER,
    OTHER_NUMBER,
    PERSON,
    PLAIN_WORDS,
    REST,
    TAKEN,
    TEXT,
    THIS_NUMBER,
    UNKNOWN,
    WAITING,
    WHO,
    YES,
)
from talks.understanding import KnownLine, nearest
from talks.words import UNITS, digits_of, words_of

NUMBER_DIGITS = 10
SHORTEST_NUMBER = 7
LONGEST_NAME = 6
"""In words, with "my name is"."""


@dataclass
class Reply:
    """What the model answers: words, or the call of a tool."""

    text: str = ""
    tool: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Notes:
    """What a message has in it so far."""

    name: str = ""
    digits: str = ""
    calls_from_it: bool = False
    text: str = ""


MESSAGE_STAGES = ("name", "number", "text", "confirm", "change")


class Dialogue:
    """One conversation, worked out from what was sent.

    Args:
        told: What the model was told before the call.
        tools: The names of tools that it may call, with the values of their choices.
        facts: Of the agent that is told of.
        lines: What callers of this agent may say, which it understands.
    """

    def __init__(
        self,
        told: str,
        tools: Mapping[str, Sequence[str]],
        facts: AgentFacts,
        lines: Sequence[KnownLine] = (),
    ) -> None:
        """Nothing was said yet."""
        self._tools = tools
        self._lines = lines
        self._reminds = bool(re.search(r"\bconfirmed\b", told)) and "take_message" in tools
        # A fact that was not sent is not known.
        told_words = " ".join(words_of(told))
        self._facts = {
            topic: answer for topic, answer in facts.facts.items() if " ".join(words_of(answer)) in told_words
        }
        self._questions = facts.questions
        self._expects = ""
        self._notes = _Notes()
        self._greeting = ""

    def run(self, messages: Sequence[Mapping[str, Any]]) -> Reply:
        """Go through a conversation; returns what comes next."""
        reply = Reply(HELP)
        for role, text in _turns(messages):
            if role == "assistant":
                self._greeting = self._greeting or text
            elif role == "tool":
                reply = self._after_tool(text)
            else:
                reply = self._to(text)
        return reply

    # One turn of the caller

    def _to(self, text: str) -> Reply:
        said = " ".join(words_of(text))
        if not said:
            return Reply("Sorry, could you say that again?")
        keys = re.search(r"DTMF: ?([0-9*#]+)", text)
        if keys is not None:
            return Reply("Thank you. " + HELP)
        line = nearest(text, self._lines)
        if line is not None and (reply := self._understood(line, text, said)) is not None:
            return reply
        if line is not None and line.kind == "one-word":
            text = said = " ".join(line.words)
        if re.search(HOLD, said) and len(said.split()) < 14:
            return Reply(WAITING)
        if self._expects in MESSAGE_STAGES:
            if re.search(CANCEL, said):
                self._expects = "more?"
                return Reply("All right. " + ANYTHING_ELSE)
            return self._collect(text, said)
        expected, self._expects = self._expects, ""
        if self._reminds and (comes := _comes(said)) is not None:
            return self._note(comes)
        answers = self._known(text)
        if self._reminds and re.fullmatch(NAMES_SELF, said):
            return Reply(self._greeting or HELP)
        if re.search(WHO, said) and self._greeting:
            return Reply(self._greeting)
        if re.search(MESSAGE, said) or (expected == "message?" and re.search(YES, said)):
            return self._begin(text, said)
        if re.search(PERSON, said) and "transfer_call" in self._tools:
            return self._transfer(said)
        if answers:
            self._expects = "told"
            return Reply(" ".join(answers))
        if re.search(GOODBYE, said) or (expected in ("more?", "message?") and re.search(NO, said)):
            if "end_call" in self._tools:
                return Reply("", "end_call")
            return Reply(FAREWELL)
        if expected == "told" and re.fullmatch(rf"{NO}( (thanks|thank you))?", said):
            self._expects = "more?"
            return Reply("All right. " + ANYTHING_ELSE)
        if re.search(YES, said) and len(said.split()) < 4:
            return Reply(HELP)
        if re.fullmatch(r"(hello|hi|hey|good (morning|afternoon|evening))( there)?", said):
            return Reply("Hello. " + HELP)
        self._expects = "message?"
        return Reply(UNKNOWN)

    def _understood(self, line: KnownLine, text: str, said: str) -> Reply | None:
        """The answer to a line that was recognised; None where the rules know better."""
        facts = [self._facts[topic] for topic in line.topics if topic in self._facts]
        if line.kind == "hold":
            return Reply(WAITING)
        if self._expects in MESSAGE_STAGES:  # what is said then may be what is to be passed on
            return (
                Reply(f"{' '.join(facts)} {self._next().text}") if facts and self._expects == "name" else None
            )
        if facts:
            self._expects = "told"
            return Reply(" ".join(facts))
        if line.transfer in self._tools.get("transfer_call", ()):
            return Reply(
                "", "transfer_call", {"destination": line.transfer, "reason": "The caller asks for it."}
            )
        if line.ends and "end_call" in self._tools:
            return Reply("", "end_call")
        if line.comes is not None and self._reminds:
            return self._note(line.comes)
        return self._begin(text, said) if line.begins_message else None

    def _note(self, comes: bool) -> Reply:
        """Keep whether a patient who was reminded will come."""
        self._expects = ""
        named = re.search(r"(?i)\bhello,? (\w+), this is\b", self._greeting)
        note = (
            "Confirmed the appointment." if comes else "Cannot come. Please call back to find another time."
        )
        arguments = {"caller_name": named[1] if named else "", "callback_number": "", "message": note}
        return Reply("", "take_message", arguments)

    def _known(self, text: str) -> list[str]:
        """Answers to all that is asked: facts whose words, or the words of whose questions, are in it."""
        found: dict[str, None] = {}
        for part in re.split(r"[?!.;]|\band\b|\balso\b", text.lower()):
            topic = self._topic(part)
            if topic is not None:
                found[self._facts[topic]] = None
        if not found and (topic := self._topic(text)) is not None:
            found[self._facts[topic]] = None
        return list(found)

    def _topic(self, text: str) -> str | None:
        asked = _content(text)
        best, best_topic = 0.0, None
        for topic in self._facts:
            for question in (topic, *self._questions.get(topic, ())):
                wanted = _content(question)
                common = len(asked & wanted)
                if not common:
                    continue
                alike = common / (len(asked | wanted) ** 0.5 * len(wanted) ** 0.5)
                if alike > best:
                    best, best_topic = alike, topic
        return best_topic if best >= 0.45 else None

    def _transfer(self, said: str) -> Reply:
        places = list(self._tools["transfer_call"])
        named = [one for one in places if any(word in said for word in words_of(one) if len(word) > 3)]
        where = (named or places or [""])[0]
        return Reply("", "transfer_call", {"destination": where, "reason": "The caller asks for a person."})

    def _after_tool(self, text: str) -> Reply:
        self._expects = "more?"
        if "Not taken" in text:
            return Reply(NOT_TAKEN)
        if "message was taken" in text:
            return Reply(TAKEN)
        if "outcome" in text:
            self._expects = "message?"
            return Reply("Shall I take a message instead?")
        return Reply(ANYTHING_ELSE)

    # A message

    def _begin(self, text: str, said: str) -> Reply:
        self._notes = _Notes()
        self._take_name(said)
        self._take_digits(text)
        return self._next()

    def _collect(self, text: str, said: str) -> Reply:
        notes, expected = self._notes, self._expects
        long = len(said.split()) > LONGEST_NAME
        if expected == "name":
            if not self._take_name(said) and not long:
                name = [word for word in said.split() if word not in PLAIN_WORDS and word not in NO_NAMES]
                notes.name = " ".join(_joined(name)[:3]).title()
            elif long and not notes.name:
                notes.text = text.strip()
        elif expected == "number":
            before = notes.digits
            if not (re.search(THIS_NUMBER, said) and len(digits_of(text)) < 3):  # "this one" is no digit
                self._take_digits(text)
            if notes.digits == before and re.search(NO, said):
                return Reply(OTHER_NUMBER)
            if notes.digits == before and (re.search(THIS_NUMBER, said) or re.search(YES, said)):
                notes.calls_from_it = True
            elif notes.digits == before and long:
                notes.text = text.strip()
        elif expected == "text":
            notes.text = text.strip()
        elif expected == "confirm":
            if re.search(GOODBYE, said) and not re.match(NO, said):
                return self._take()
            if re.search(NO, said) or re.search(r"\b(actually|change|instead)\b", said):
                self._expects = "change"
                rest = re.sub(
                    r"^(no|nope|not quite|actually|sorry|wrong)\b[ ,.]*", "", text.strip(), flags=re.I
                )
                return self._change(rest) if len(rest.split()) > 2 else Reply(CHANGE)
            if re.search(YES, said):
                return self._take()
            return Reply("Is that right?")
        elif expected == "change":
            return self._change(text)
        return self._next()

    def _change(self, text: str) -> Reply:
        notes, said = self._notes, " ".join(words_of(text))
        if len(digits_of(text)) >= SHORTEST_NUMBER:
            notes.digits, notes.calls_from_it = digits_of(text), False
        elif not self._take_name(said):
            notes.text = f"{notes.text} Correction: {text.strip()}"
        return self._next()

    def _take_name(self, said: str) -> bool:
        match = re.search(NAMED, said)
        words = [word for word in (match[1].split() if match else []) if word]
        named: list[str] = []
        for word in words:
            if word in NO_NAMES or word in PLAIN_WORDS or word in UNITS:
                break
            named.append(word)
        if named:
            self._notes.name = " ".join(named).title()
        return bool(named)

    def _take_digits(self, text: str) -> None:
        found = digits_of(text)
        self._notes.digits = found if len(found) >= NUMBER_DIGITS else self._notes.digits + found

    def _next(self) -> Reply:
        notes = self._notes
        if not notes.name:
            self._expects = "name"
            return Reply(NAME)
        if len(notes.digits) < NUMBER_DIGITS and not notes.calls_from_it:
            self._expects = "number"
            return Reply(NUMBER if not notes.digits else REST)
        if not notes.text:
            self._expects = "text"
            return Reply(TEXT)
        self._expects = "confirm"
        number = " ".join(UNITS[int(one)] for one in notes.digits) or "the number that you are calling from"
        return Reply(f"I have {notes.name}, {number}, and the message: {notes.text} Is that right?")

    def _take(self) -> Reply:
        self._expects = ""
        notes = self._notes
        arguments = {"caller_name": notes.name, "callback_number": notes.digits, "message": notes.text}
        if "take_message" in self._tools:
            return Reply("", "take_message", arguments)
        return Reply(TAKEN)


def _turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Who said what; what one has said in several messages in a row is one turn. System messages are left out."""
    before, said = "", ""
    for message in messages:
        role, text = str(message.get("role")), text_of(message)
        if role == "system" or role == "developer" or (role == "assistant" and not text):
            continue
        if role == before and role == "user":
            said = f"{said} {text}"
            continue
        if before:
            yield before, said
        before, said = role, text
    if before:
        yield before, said


def _comes(said: str) -> bool | None:
    """Whether somebody says that they will come; None when they do not say."""
    if re.search(DOES_NOT_COME, said):
        return False
    return True if re.search(COMES, said) else None


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, which may come in parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _content(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in words_of(text) if word not in PLAIN_WORDS)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _joined(words: Sequence[str]) -> list[str]:
    """Words, and single letters that follow one another as one word: a name that was spelled."""
    found: list[str] = []
    letters = ""
    for word in [*words, ""]:
        if len(word) == 1:
            letters += word
            continue
        if letters:
            found.append(letters)
            letters = ""
        if word:
            found.append(word)
    return found
