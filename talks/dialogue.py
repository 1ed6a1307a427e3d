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
from talks.words import UNITS, digits_of, words_of

NUMBER_DIGITS = 10
SHORTEST_NUMBER = 7
LONGEST_NAME = 6
"""In words, with "my name is"."""


ANYTHING_ELSE = "Is there anything else I can help you with?"
UNKNOWN = "I'm sorry, I don't know that. Shall I take a message for the team?"
NAME = "Of course. May I have your name, please?"
NUMBER = "Thank you. Can we call you back on the number that you are calling from?"
OTHER_NUMBER = "Which number can we call you back on?"
REST = "And the rest of the number, please?"
TEXT = "And what should I tell them?"
CHANGE = "What should I change?"
TAKEN = "Thank you, I have passed that on. " + ANYTHING_ELSE
NOT_TAKEN = "I'm sorry, I could not keep that. Please call again."
WAITING = "Of course, take your time."
HELP = "How can I help you?"
FAREWELL = "Thank you for calling. Goodbye."

GOODBYE = r"\b(good ?bye|bye|that's all|that is all|that was all|nothing else|have a nice day|see you)\b"
MESSAGE = (
    r"\b(leave|take) (a|this) message\b|\bcall me back\b|\bgive me a call\b|\bpass (on|along) a message\b"
    r"|\bcallback\b"
)
PERSON = (
    r"\b(put me through|connect me|transfer me|(speak|talk) (to|with) (a|an|the|some|your|my|one)|real person"
    r"|human)\b"
)
CANCEL = (
    r"\b(never ?mind|cancel (it|that|this)|forget it|(don't|do not) (send|leave|take) (it|that|a message))\b"
)
THIS_NUMBER = (
    r"\b(this (one|number|phone)|same number|(number )?i'm calling from|number i am calling from"
    r"|you have it)\b"
)
HOLD = r"\b(hold on|one moment|just a (second|moment|minute)|one second|wait a|bear with me|let me (get|find|look))\b"
YES = r"\b(yes|yeah|yep|sure|correct|right|please do|that's it|go ahead|of course|okay|exactly)\b"
NO = r"\b(no|nope|not really|wrong|nothing)\b"
WHO = (
    r"\b(who is (this|calling)|who's (this|calling)|state your name|why (are )?you('re)? (are )?calling"
    r"|who are you)\b"
)
NAMED = r"\b(?:my name is|my name's|this is|it's|it is|i'm|i am|name is)\s+((?:[a-z']+\s?){1,3})"
NO_NAMES = frozenset(
    """a an the and calling here looking just so not from about at in on for my to with going trying yes no
    please""".split()
)
PLAIN_WORDS = frozenset(
    """a an and any are at be by can could do does for from get got have hello hey hi how i i'd i'll i'm if in is it
    it's know like look me my need of on or please so some tell thank thanks that the their there they this to um uh
    us want was we well what what's when where which who will with would you your actually also maybe okay yes no
    right much many may let should one just really about than then yeah yep well nope hm""".split()
)


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


class Dialogue:
    """One conversation, worked out from what was sent.

    Args:
        told: What the model was told before the call.
        tools: The names of tools that it may call, with the values of their choices.
        facts: Of the agent that is told of.
    """

    def __init__(self, told: str, tools: Mapping[str, Sequence[str]], facts: AgentFacts) -> None:
        """Nothing was said yet."""
        self._tools = tools
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
        if re.search(HOLD, said) and len(said.split()) < 14:
            return Reply(WAITING)
        if self._expects in ("name", "number", "text", "confirm", "change"):
            if re.search(CANCEL, said):
                self._expects = ""
                return Reply("All right. " + ANYTHING_ELSE)
            return self._collect(text, said)
        expected, self._expects = self._expects, ""
        answers = self._known(text)
        if re.search(WHO, said) and self._greeting:
            return Reply(self._greeting)
        if re.search(MESSAGE, said) or (expected == "message?" and re.search(YES, said)):
            return self._begin(text, said)
        if re.search(PERSON, said) and "transfer_call" in self._tools:
            return self._transfer(said)
        if answers:
            self._expects = "more?"
            return Reply(" ".join(answers))
        if re.search(GOODBYE, said) or (expected in ("more?", "message?") and re.search(NO, said)):
            if "end_call" in self._tools:
                return Reply("", "end_call")
            return Reply(FAREWELL)
        if re.search(YES, said) and len(said.split()) < 4:
            return Reply(HELP)
        if re.fullmatch(r"(hello|hi|hey|good (morning|afternoon|evening))( there)?", said):
            return Reply("Hello. " + HELP)
        self._expects = "message?"
        return Reply(UNKNOWN)

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
