"""A call of the emulator is recorded there, and heard through us afterwards, on the same clock as its lines."""

import httpx
import pytest

from calls.events.talk import BotHeard
from emulator import Digits, Wait
from tests.talking_bot import API_KEY, QUICK_AGENT, talking
from tests.web_service import until


def goodbye(words):
    return [("end_call", {"farewell": "Bye."})] if "1" in words else ["A few words."]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_what_the_caller_heard_is_in_it_where_the_lines_say(monkeypatch, tmp_path, carrier):
    agent = QUICK_AGENT + "[recording]\nenabled = true\n"
    async with talking(monkeypatch, tmp_path, carrier, goodbye, agent=agent) as bot:
        await bot.network.call(bot.url, [Wait(7), Digits("2#"), Wait(4), Digits("1#")])
        (call,) = bot.store.list()
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx.AsyncClient(base_url=bot.url, headers=headers, trust_env=False) as http:

            async def shown():
                return (await http.get(f"/calls/{call.id}")).json()

            await until(lambda: any(getattr(one, "state", "") == "completed" for one in call.events))
            found = await shown()
            [recording] = [one for one in found["recordings"] if one["state"] == "completed"]
            sound = await http.get(f"/calls/{call.id}/recording")
            peaks = (await http.get(f"/calls/{call.id}/peaks")).json()
    assert sound.status_code == 200 and sound.headers["content-type"] == "audio/wav"
    assert sound.content[:4] == b"RIFF"
    assert abs(peaks["duration_secs"] - len(sound.content) / 32_000) < 0.1
    assert len(peaks["sides"]) == 2
    assert abs(peaks["after_answer_ms"] - recording["after_answer_ms"]) <= 1000
    # Where the events say that the caller has heard the last word, the bot's side of the recording falls silent. With
    # one turn only the moment is known at which we were told that it records: the carrier begins before.
    [heard] = [one for one in call.events if isinstance(one, BotHeard) and one.text == "Bye."]
    end = (heard.at - call.answered_at).total_seconds() - peaks["after_answer_ms"] / 1000
    loud = [number for number, one in enumerate(peaks["sides"][1]) if one > 5]
    assert (loud[-1] + 1) / peaks["per_sec"] == pytest.approx(end, abs=0.7)
