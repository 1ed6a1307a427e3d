"""What happens when a caller talks over the bot, says nothing, or would talk for ever."""

from calls.states import EndedBy
from emulator import Digits
from tests.talking_bot import talking

LONG = "This is a long answer that nobody wants to hear to its end because it goes on and on."


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


def kinds(call):
    return [event.kind for event in call.events]


async def test_a_barge_in_empties_the_carriers_queue_and_the_rest_counts_as_unheard(monkeypatch, tmp_path):
    def answers(words):
        return [("end_call", {"farewell": "Bye."})] if words.endswith("2#") else [LONG]

    script = [Digits("1#"), Digits("WW2#", after_reply=False)]
    async with talking(monkeypatch, tmp_path, "twilio", answers) as bot:
        result = await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    assert "interrupted" in kinds(call)
    assert LONG in texts(call, "bot_said")
    assert texts(call, "bot_heard") == ["Hello.", "Bye."]
    assert [entry.kind for entry in result.timeline.entries].count("clear") >= 1
    assert result.report.marks_returned == result.report.marks_sent


async def test_a_silent_caller_is_asked_twice_and_then_told_goodbye(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "telnyx", lambda _: ["Yes."], silence_secs=0.7) as bot:
        result = await bot.network.call(bot.url)
    (call,) = bot.store.list()
    assert texts(call, "bot_heard") == ["Hello.", "Still there?", "Hello again?", "I hear nothing."]
    assert result.report.ended_by == "bot"
    assert result.report.goodbye_heard
    assert (call.ended_by, call.end_cause) == (EndedBy.BOT, "silence")


async def test_a_caller_who_answers_is_asked_anew_the_next_time(monkeypatch, tmp_path):
    script = [Digits("WW1#")]
    async with talking(monkeypatch, tmp_path, "twilio", lambda _: ["Yes."], silence_secs=1.5) as bot:
        await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    heard = texts(call, "bot_heard")
    assert heard[0] == "Hello."
    assert heard[-4:] == ["Yes.", "Still there?", "Hello again?", "I hear nothing."]


async def test_a_call_ends_at_its_limit_with_a_notice_before(monkeypatch, tmp_path):
    async with talking(
        monkeypatch, tmp_path, "twilio", lambda _: ["Yes."], max_duration_secs=4, notice_secs=2.5
    ) as bot:
        result = await bot.network.call(bot.url)
    (call,) = bot.store.list()
    assert texts(call, "bot_heard") == ["Hello.", "One moment left.", "Time is up."]
    assert (call.ended_by, call.end_cause) == (EndedBy.LIMIT, "max_duration")
    assert result.report.goodbye_heard


async def test_a_message_is_kept_in_a_file_and_in_the_calls_history(monkeypatch, tmp_path):
    import json

    def answers(words):
        if "1" in words:
            return [
                ("take_message", {"caller_name": "Ann", "message": "Call me.", "callback_number": "555 0101"})
            ]
        return ["Done."] if words == "(tool)" else [("end_call", {"farewell": "Bye."})]

    async with talking(monkeypatch, tmp_path, "twilio", answers) as bot:
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    assert result.report.errors == []
    (line,) = (tmp_path / "messages.jsonl").read_text().splitlines()
    message = json.loads(line)
    (call,) = bot.store.list()
    assert (message["caller_name"], message["text"], message["call_id"]) == ("Ann", "Call me.", call.id)
    assert "message_taken" in kinds(call)
    assert "Done." in texts(call, "bot_heard")
