"""What the local brain says next: a pure function of the state, the caller's words and the agent's file.

It can only say sentences that the owner wrote. It answers a question that is near a fact, asks back about one that may
be ("Are you asking about parking?"), and declines everything else politely, with the offer to take a message. It never
transfers a call without a yes, a key that the menu has for it, or a wish that names the destination ("Put me through
to billing") or plainly wants a person ("Could I speak with a real person, please?").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from conversation.agents.agent import Agent
from conversation.agents.modules import default_tools
from conversation.agents.tables import TAKE_MESSAGE, MenuItem
from conversation.language.answers import names_self, says_whether_coming
from conversation.language.tidying import tidied
from conversation.language.utterance import (
    Utterance,
    Wish,
    begins_as_question,
    clauses,
    is_question,
    plain,
    says_goodbye,
    strong_yes,
    will_come,
    wish_of,
    yes_or_no,
)
from conversation.local.dialogue import putting_through, taking_message
from conversation.local.dialogue.answering import ANSWERS_IN_ONE_TURN, Answering, after
from conversation.local.dialogue.said_again import goes_on_agreeing, says_it_again
from conversation.local.dialogue.state import (
    Decision,
    DialogueState,
    Draft,
    Ranker,
    Reply,
    Script,
    Stage,
)
from conversation.local.from_the_file import answer_from_file
from conversation.public import DONE

_QUESTIONS = (Stage.CLARIFY, Stage.OFFER_MESSAGE, Stage.CONFIRM_TRANSFER)

_WHICH = re.compile(
    r"(?:(?:the|about|um|uh|yes) )*(?:(?P<first>first|former)|second|latter|last)(?: (?:one|please|thing))*"
)

_SPEAK_TO = re.compile(r"\b(?:(?:speak|talk|connect me) (?:to|with)|put me through|transfer me)\b")


def decide(
    state: DialogueState,
    utterance: Utterance,
    agent: Agent,
    retriever: Ranker,
    tools: Collection[str],
    variables: Mapping[str, Any] | None = None,
) -> Decision:
    """Decide what to say and do.

    Args:
        state: Where the conversation stands.
        utterance: What the caller said or keyed in.
        agent: Whose facts and words.
        retriever: Finds the fact that was meant.
        tools: Names of the tools that may be called.
        variables: What the templates are rendered with; `agent.call_variables()` when not given.

    Returns:
        The new state and the reply.
    """
    script = Script(agent, frozenset(tools), agent.call_variables() if variables is None else variables)
    state, reply = _Turn(script, retriever).decide(state, utterance)
    if reply.text:
        state = replace(state, last_reply=reply.text)
    return state, reply


def after_tool(
    state: DialogueState,
    tool: str,
    succeeded: bool,
    agent: Agent,
    tools: Collection[str],
    variables: Mapping[str, Any] | None = None,
    *,
    told: bool = False,
    result: Any = None,
) -> Decision:
    """Decide what to say when a tool has returned.

    Args:
        state: Where the conversation stands.
        tool: The tool's name.
        succeeded: Whether it did what it is for.
        agent: Whose words.
        tools: Names of the tools that may be called.
        variables: What the templates are rendered with; `agent.call_variables()` when not given.
        told: The caller has heard already what became of it; what is left to say is what comes next.
        result: What the tool has told; the caller hears a text that a tool of the agent's own gives.

    Returns:
        The new state and the reply; an empty one when there is nothing to say.
    """
    script = Script(agent, frozenset(tools), agent.call_variables() if variables is None else variables)
    reply = Reply()
    if tool == "take_message":
        state, reply = taking_message.sent(state, script, taken=succeeded)
    elif tool == "transfer_call":
        state, reply = putting_through.ended(state, script, succeeded=succeeded, told=told)
    elif state.stage is Stage.WAITING:
        state = state.at(Stage.OPEN)
    elif tool not in default_tools():
        line = script.line("tool_done" if succeeded else "tool_failed")
        said = result if succeeded and isinstance(result, str) and result != DONE else line
        state, reply = state.at(Stage.ANYTHING_ELSE), Reply(f"{said} {script.line('anything_else')}")
    if reply.text:
        state = replace(state, last_reply=reply.text)
    return state, reply


class _Turn(Answering):
    """One decision."""

    def decide(self, state: DialogueState, utterance: Utterance) -> Decision:
        holding, passed_on = state.holding, state.passed_on
        state = replace(state, holding=False, passed_on="")
        if state.stage is Stage.WAITING and goes_on_agreeing(state, utterance.text):
            return taking_message.send(state, self.script)
        if state.stage is Stage.WAITING:  # the tool was interrupted; what was said now counts
            state = state.at(Stage.MESSAGE_FAILED if state.draft.text else Stage.OPEN)
        if state.stage in taking_message.MESSAGE_STAGES:
            return self.in_message(state, utterance)
        if utterance.keys:
            return self.keyed(state, utterance)
        if says_it_again(state, utterance.text, passed_on):
            said = self.said_to(state.comes) or self.script.line("message_taken")
            return state, Reply(f"{said} {self.script.line('anything_else')}")
        if holding and self.is_remark(utterance.text):
            return replace(state, holding=True), Reply(self.script.line("hold_on"), hesitant=True)
        if state.stage in _QUESTIONS and says_goodbye(utterance.text) and not strong_yes(utterance.text):
            return self.open(state, utterance.text)  # "Okay, goodbye then" is no yes
        if says_whether_coming(utterance.text) and self.answered_greeting(state, utterance.text):
            return self.open(state, utterance.text)  # the greeting's question, whatever was asked since
        match state.stage:
            case Stage.CLARIFY:
                return self.clarified(state, utterance)
            case Stage.OFFER_MESSAGE:
                return self.offered_message(state, utterance)
            case Stage.CONFIRM_TRANSFER:
                return self.confirmed_transfer(state, utterance)
            case Stage.ANYTHING_ELSE:
                return self.anything_else(state, utterance)
        return self.open(state, utterance.text)

    # The answers to the brain's own questions

    def in_message(self, state: DialogueState, utterance: Utterance) -> Decision:
        text, wish = utterance.text, wish_of(utterance.text)
        if state.stage is Stage.MESSAGE_NAME and wish is None:
            if _SPEAK_TO.search(plain(text)):
                wish = self.meaning.of(text)[0]  # "I'd like to speak to billing" is no name
            elif text.rstrip().endswith("?") and (fact := self.meaning.said_fact(text)):
                return state, Reply(f"{self.script.answer(fact)} {self.script.line('message_name')}")
        if wish is Wish.ANGRY and state.stage not in (Stage.MESSAGE_TEXT, Stage.MESSAGE_CONFIRM):
            wish = Wish.PERSON
        if wish is Wish.PERSON and state.stage is Stage.MESSAGE_TEXT and not _SPEAK_TO.search(plain(text)):
            wish = None  # "I need somebody to look at my bill" is what is to be passed on
        decision = taking_message.answer(state, utterance, self.script) if wish is not Wish.PERSON else None
        if decision is not None:
            return decision
        if wish is Wish.GOODBYE:
            return taking_message.goodbye(state, self.script) or self.end(state)
        if wish is Wish.PERSON:
            return self.open(replace(state, draft=Draft()), utterance.text)
        question = taking_message.asked_last(state, self.script)
        if wish is Wish.REPEAT:
            return state, Reply(question)
        fact = self.meaning.said_fact(utterance.text)
        if fact is not None:  # a question in between; the message goes on after it
            return state, Reply(f"{self.script.answer(fact)} {question}")
        if state.misunderstood + 1 >= taking_message.TRIES:
            return taking_message.go_on(state, self.script)
        again = state.at(state.stage, misunderstood=state.misunderstood + 1)
        text = f"{self.script.line('did_not_understand')} {question}"
        return again, Reply(text, hesitant=True, fragment=True)

    def clarified(self, state: DialogueState, utterance: Utterance) -> Decision:
        said, rest = yes_or_no(utterance.text)
        if will_come(utterance.text) is not None and self.answered_greeting(state, utterance.text):
            return self.open(state, utterance.text)
        if state.other and (choice := _WHICH.fullmatch(plain(utterance.text))):
            return self.say_facts(state, [state.topic if choice["first"] else state.other])
        if said is True and (not state.other or not plain(rest)):
            return self.say_facts(state, list(filter(None, (state.topic, state.other))))
        if plain(rest) and wish_of(rest) is not Wish.THANKS and (said is None or len(rest.split()) > 1):
            return self.open(state, rest if said is False else utterance.text)
        if said is False:
            # The count goes on: after two guesses that were wrong, a message is offered.
            if state.misunderstood >= 1 and self.script.can_take_message:
                return state.at(Stage.OFFER_MESSAGE), Reply(self.script.lines("off_topic", "offer_message"))
            again = state.at(Stage.OPEN, misunderstood=state.misunderstood + 1)
            return again, Reply(self.script.line("say_it_differently"))
        return self.not_understood(state)

    def offered_message(self, state: DialogueState, utterance: Utterance) -> Decision:
        said, rest = yes_or_no(utterance.text)
        if said is True:
            recipient = self.script.spoken(state.destination) if state.destination else ""
            return taking_message.start(state, self.script, rest, recipient=recipient)
        if said is False:
            return self.declined(replace(state, message_declined=True), rest)
        return self.open(state, utterance.text)

    def confirmed_transfer(self, state: DialogueState, utterance: Utterance) -> Decision:
        said, rest = yes_or_no(utterance.text)
        if said is True:
            return putting_through.begin(state, state.destination, self.script)
        if said is False:
            return self.declined(state, rest, before="transfer_declined")
        insists = wish_of(utterance.text) is Wish.PERSON
        if insists and self.meaning.destination(utterance.text) in ("", state.destination):
            return putting_through.begin(
                state, state.destination, self.script
            )  # asked for twice is asked for
        return self.open(state, utterance.text)

    def anything_else(self, state: DialogueState, utterance: Utterance) -> Decision:
        said, rest = yes_or_no(utterance.text)
        wish = wish_of(utterance.text)
        if wish in (Wish.CLOSING, Wish.THANKS, Wish.GOODBYE, Wish.NO):
            return self.end(state)
        if said is False:
            ends = (None, Wish.CLOSING, Wish.THANKS, Wish.GOODBYE, Wish.FILLER, Wish.NO, Wish.YES)
            if wish_of(rest) in ends and not is_question(rest) and self.meaning.said_fact(rest) is None:
                return self.end(state)
            return self.open(state, rest)
        if wish is Wish.YES or (said is True and not plain(rest)):
            return state.at(Stage.OPEN), Reply(self.script.line("how_can_i_help"))
        return self.open(state, rest if said is True else utterance.text)

    def declined(self, state: DialogueState, rest: str, *, before: str = "") -> Decision:
        if wish_of(rest) is Wish.GOODBYE:
            return self.end(state)
        if plain(rest) and (
            wish_of(rest) in (Wish.MESSAGE, Wish.PERSON) or self.meaning.said_fact(rest) is not None
        ):
            return self.open(state, rest)
        lines = (before, "anything_else") if before else ("anything_else",)
        return state.at(Stage.ANYTHING_ELSE, destination=""), Reply(self.script.lines(*lines))

    def keyed(self, state: DialogueState, utterance: Utterance) -> Decision:
        key = utterance.digits[:1]
        yes_no = {"1": "yes", "2": "no"}.get(utterance.digits)
        asked = state.stage in (Stage.CLARIFY, Stage.OFFER_MESSAGE, Stage.CONFIRM_TRANSFER)
        if yes_no and (asked or (state.stage is Stage.ANYTHING_ELSE and not self.script.agent.menu)):
            return self.decide(state, Utterance(yes_no))
        if not key:
            repeat = "*" in utterance.keys and state.last_reply
            return state, Reply(state.last_reply if repeat else self.script.menu())
        item = self.script.agent.menu.get(key) if len(utterance.digits) == 1 else None
        if item is None:
            if utterance.digits == "0" and self.script.agent.transfers:
                return putting_through.offer(state, "", self.script)
            return state.at(Stage.OPEN), Reply(f"{self.script.line('not_an_option')} {self.script.menu()}")
        return self.chosen(state, item)

    def chosen(self, state: DialogueState, item: MenuItem) -> Decision:
        """Do what a key stands for. Pressing it is as clear as a yes."""
        script = self.script
        if item.fact is not None:
            return self.say_facts(state, [item.fact])
        if item.transfer is not None:
            if script.can_transfer and not state.transferring:
                return putting_through.begin(state, item.transfer, script)
            return putting_through.offer(state, item.transfer, script)
        if item.tool == TAKE_MESSAGE:
            return taking_message.start(state, script)
        if item.tool == "end_call":
            return self.end(state)
        if item.tool is not None:
            return self.call(state, item.tool)
        text = script.agent.render(item.say or "", script.variables)
        if item.answer is not None:
            state = replace(state, greeting_answered=True, comes=item.answer)
        if item.note is not None and script.can_take_message:
            name = str(script.variables.get("name") or "") or "unknown"
            note = script.agent.render(item.note, script.variables)
            state, reply = taking_message.send(
                state.with_draft(
                    caller_name=name, number=script.caller_number, number_done=True, text=note, recipient=""
                ),
                script,
            )
            return state, Reply(text, reply.tool_call)
        if item.answer is not None:
            return state.at(Stage.ANYTHING_ELSE), Reply(f"{text} {script.line('anything_else')}")
        return state.at(Stage.OPEN), Reply(text)

    # What the caller brings up

    def answered_greeting(self, state: DialogueState, text: str) -> MenuItem | None:
        """Find the key that an answer to the greeting's question means, if it asked one.

        A yes or a no counts right after the question only; words like "I can't come" at any time.
        """
        items = {item.answer: item for item in self.script.agent.menu.values() if item.answer is not None}
        if not items or is_question(text):
            return None
        said = will_come(text)
        if state.greeting_answered:  # "Oh, wait. I can't come after all."
            changed = says_whether_coming(text) and said != (state.comes == "yes")
            return items.get("yes" if said else "no") if changed and state.comes else None
        question = self.script.line("greeting_question")
        just_asked = not state.last_reply or bool(question and state.last_reply.endswith(question))
        if said is None and (just_asked or state.misunderstood) and not names_self(text):
            said = yes_or_no(text)[0]
        return items.get("yes" if said else "no") if said is not None else None

    def said_to(self, answer: str) -> str:
        """What is said to an answer to the greeting's question; empty where there was none."""
        item = next((one for one in self.script.agent.menu.values() if answer and one.answer == answer), None)
        return self.script.agent.render(item.say or "", self.script.variables) if item is not None else ""

    def awaits_answer(self, state: DialogueState) -> bool:
        """Whether the greeting has asked a question that was not answered yet."""
        asks = any(item.answer is not None for item in self.script.agent.menu.values())
        return asks and not state.greeting_answered and bool(self.script.line("greeting_question"))

    def open(self, state: DialogueState, text: str) -> Decision:
        if item := self.answered_greeting(state, text):
            ends = any(wish_of(part) is Wish.GOODBYE for part in clauses(text))
            return self.chosen(state.with_draft(then_end=ends), item)
        if self.awaits_answer(state) and names_self(text):
            return state.at(Stage.OPEN), Reply(self.script.line("greeting_question"))
        text = tidied(text)
        parts = self.parts(text)
        if not parts:
            return state.at(Stage.OPEN), Reply(self.script.line("go_on"), hesitant=True)
        wishes = self.with_grounds([(part, *self.means(state, part)) for part in parts])
        facts = list(dict.fromkeys(fact for _, _, fact in wishes if fact))
        found = {wish: part for part, wish, _ in reversed(wishes) if wish is not None}
        asked_for = next(filter(None, (putting_through.asked_for(part, self.script) for part in parts)), "")
        asked = [part for part, wish, fact in wishes if begins_as_question(part) and not (wish or fact)]
        if (
            facts
            and not found
            and asked
            and not any(begins_as_question(part) for part, _, fact in wishes if fact)
        ):
            facts = []  # "I'm paying myself, how much is it?" asks for a price
        if len(parts) > 1 and not facts and not found and (whole := self.meaning.said_fact(text)):
            facts = [whole]

        if Wish.GOODBYE in found:
            return self.end(state, facts)
        before = [self.script.answer(fact) for fact in facts[:ANSWERS_IN_ONE_TURN]]
        if Wish.PERSON in found or asked_for:
            if asked_for and not state.transferring:
                return after(before, putting_through.begin(state, asked_for, self.script))
            named = self.meaning.destination
            about = " ".join(part for part, wish, _ in wishes if wish in (None, Wish.ANGRY))
            plainly = any(map(putting_through.wants_a_person, parts))
            wanted = asked_for or ("" if plainly else named(found[Wish.PERSON])) or named(about)
            if plainly and self.script.can_transfer and not state.transferring:
                first = next(iter(self.script.agent.transfers))
                return after(before, putting_through.begin(state, wanted or first, self.script))
            return after(before, putting_through.offer(state, wanted, self.script))
        if Wish.MESSAGE in found:
            return after(before, taking_message.start(state, self.script, text))
        if told := answer_from_file(text, self.script.agent, self.script.variables):
            return state.at(Stage.OPEN), Reply(told)
        if facts:
            return self.say_facts(state, facts[:ANSWERS_IN_ONE_TURN])
        if Wish.ANGRY in found:
            return putting_through.offer(state, self.meaning.destination(found[Wish.ANGRY]), self.script)
        for wish in (Wish.REPEAT, Wish.MENU, Wish.IDENTITY, Wish.HOLD_ON):
            if wish in found:
                return self.simple(state, wish)
        doubtful = [part for part, wish, _ in wishes if wish is None]
        if doubtful:
            return self.doubtful(state, max(doubtful, key=len))
        for wish in (Wish.CLOSING, Wish.THANKS, Wish.NO, Wish.YES, Wish.GREETING):
            if wish in found:
                return self.simple(state, wish)
        return state.at(Stage.OPEN), Reply(self.script.line("go_on"), hesitant=True)
