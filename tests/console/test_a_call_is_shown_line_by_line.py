"""Lines of a call's page: what was said, what of it was heard, and what happened between."""

from calls.events.lifecycle import TransferStarted
from calls.events.talk import (
    BotHeard,
    BotSaid,
    Detached,
    Interrupted,
    Responded,
    ToolStarted,
    ToolUsed,
    TurnMeasured,
)
from calls.store import CallStore
from tests.console.calls import MadeUp
from web.console.lines import lines
from web.descriptions import description


def made_up() -> MadeUp:
    return MadeUp(CallStore()).answered()


def shown(talk: MadeUp, *kinds: str):
    return [one for one in lines(description(talk.call)) if not kinds or one.kind in kinds]


def test_both_sides_are_lines_with_their_turns():
    talk = made_up().bot("Hello.", "How can I help?").caller("Are you open?").bot("We are.", ms=2050)
    said = shown(talk, "bot", "caller")
    assert [(one.kind, one.text) for one in said] == [
        ("bot", "Hello. How can I help?"),
        ("caller", "Are you open?"),
        ("bot", "We are."),
    ]
    assert [one.turn and one.turn["response_ms"] for one in said] == [660, None, 2050]
    assert list(said[2].turn["stages"]) == ["end_of_turn", "recogniser", "model", "voice"]
    assert sum(said[2].turn["stages"].values()) == 2050 and said[2].turn["measured"]


def test_words_that_nobody_heard_are_told_from_those_that_were():
    talk = made_up()
    for text in ("One.", "Two is longer.", "Three."):
        talk.happens(BotSaid(text=text))
    [line] = shown(talk, "bot")
    assert (line.text, line.pending, line.unheard) == ("", "One. Two is longer. Three.", "")
    talk.happens(BotHeard(text="One."))
    [line] = shown(talk, "bot")
    assert (line.text, line.pending, line.unheard) == ("One.", "Two is longer. Three.", "")
    talk.happens(Interrupted(heard="Two is"))
    [line] = shown(talk, "bot")
    assert (line.text, line.pending, line.unheard) == ("One. Two is", "", "longer. Three.")
    assert line.interrupted
    talk.caller("Stop.").happens(BotSaid(text="Yes?")).happens(Detached(reason="gone"))
    last = shown(talk, "bot")[-1]
    assert (last.text, last.unheard) == ("", "Yes?")


def test_a_mark_that_was_lost_is_made_up_for_by_the_next():
    talk = (
        made_up().happens(BotSaid(text="One.")).happens(BotSaid(text="Two.")).happens(BotHeard(text="Two."))
    )
    [line] = shown(talk, "bot")
    assert (line.text, line.unheard, line.pending) == ("One. Two.", "", "")


def test_what_was_said_at_the_end_and_never_heard_is_struck_out():
    talk = made_up().happens(BotSaid(text="Goodbye.")).ended()
    [line] = shown(talk, "bot")
    assert (line.text, line.unheard) == ("", "Goodbye.")


def test_a_tool_is_one_line_before_and_after_it_has_returned():
    talk = made_up().happens(ToolStarted(name="order", arguments={"n": 2}))
    [line] = shown(talk, "tool")
    assert (line.text, line.more) == ("order", {"arguments": '{"n": 2}'})
    talk.happens(ToolUsed(name="order", arguments={"n": 2}, result={"error": "none left"}, ok=False))
    [line] = shown(talk, "tool")
    assert line.more == {"arguments": '{"n": 2}', "result": '{"error": "none left"}', "ok": "no"}


def test_lines_stay_the_same_when_more_happens():
    talk = made_up().bot("Hello.").caller("Hi.")
    before = shown(talk)
    talk.happens(TransferStarted(destination="desk")).bot("One moment.")
    assert shown(talk)[: len(before)] == before


def test_a_turn_is_shown_when_the_bot_begins_and_put_right_when_it_is_measured():
    talk = (
        made_up().happens(Responded(to="caller", ms=500, stages={"model": 500})).happens(BotSaid(text="Yes."))
    )
    [line] = shown(talk, "bot")
    assert (line.turn["response_ms"], line.turn["measured"]) == (500, False)
    talk.happens(
        TurnMeasured(
            n=0, to="caller", response_ms=560, parts=[{"stage": "model", "ms": 560}], interrupted=True
        )
    )
    [line] = shown(talk, "bot")
    assert (line.turn["response_ms"], line.turn["measured"], line.turn["interrupted"]) == (560, True, True)


def test_what_another_version_wrote_is_a_line_all_the_same():
    talk = made_up()
    call = description(talk.call)
    at = call["created_at"]
    call["events"] = [
        {"kind": "of_the_future", "at": at, "x": 1},
        {"kind": "turn", "at": at, "parts": "none", "response_ms": "long"},
        {"kind": "responded", "at": at, "stages": []},
        {"kind": "bot_said", "at": at},
        {"kind": "tool", "at": at, "ok": "perhaps", "result": None},
        {"kind": "recording", "at": at, "duration_secs": "1"},
    ]
    assert [one.text for one in lines(call) if one.kind == "event"] == ["of the future", "recording "]
