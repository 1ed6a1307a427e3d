"""On a host like Pipecat Cloud the bot itself tells the owner: at once what it can, the rest at the call's end."""

import pytest

from emulator import Digits, HangUp, Wait
from tests.receiver import SECRET, receiving
from tests.talking_bot import talking

MESSAGE = {"caller_name": "Ann", "message": "Call me."}


def takes_a_message(words):
    if "1" in words:
        return [("take_message", MESSAGE)]
    return [("end_call", {"farewell": "Bye."})] if words.startswith("(") else []


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize("webhooks", [True, False])
async def test_a_call_is_told_by_server_or_bot(monkeypatch, tmp_path, carrier, webhooks):
    async with (
        receiving() as receiver,
        talking(
            monkeypatch,
            tmp_path,
            carrier,
            takes_a_message,
            webhooks=webhooks,
            ALLOW_TOKENLESS_STREAMS="true",
            WEBHOOK_URL=receiver.url,
            WEBHOOK_SECRET=SECRET,
        ) as bot,
    ):
        url = bot.url if webhooks else bot.url.replace("http", "ws") + "/ws"
        await bot.network.call(url, [Digits("1#")])
        await receiver.has("call.started", "message.taken", "call.ended", secs=30)
    assert receiver.kinds() == ["call.started", "message.taken", "call.ended"]
    ended = receiver.taken[-1]["data"]
    assert (ended["ended_by"], ended["messages"][0]["message"]) == ("bot", "Call me.")
    assert [one["text"] for one in ended["transcript"] if one["role"] == "bot"][-1] == "Bye."
    assert ended["latency"]["first_words_ms"] is not None
    assert ended["call"]["carrier"] == carrier


async def test_a_receiver_that_hangs_does_not_keep_the_caller_waiting(monkeypatch, tmp_path):
    async with (
        receiving(60.0, 60.0) as receiver,
        talking(
            monkeypatch, tmp_path, "twilio", lambda _: [], WEBHOOK_URL=receiver.url, WEBHOOK_SECRET=SECRET
        ) as bot,
    ):
        result = await bot.network.call(bot.url, [Wait(3), HangUp()])
        (call,) = bot.store.list()
        assert receiver.got and not receiver.taken
    assert result.report.errors == []
    assert [event.data["text"] for event in call.events if event.kind == "bot_heard"] == ["Hello."]
