"""People who listen in on a whole call hear both sides of it, in this process and by way of another one."""

import asyncio
import audioop
import json
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conversation.overhearing import HEAD
from emulator import Audio, Digits, HangUp, Wait, tone
from tests.calls_on_disk import url_of
from tests.talking_bot import API_KEY, QUICK_AGENT, talking
from tests.talks.test_a_call_is_one_over_all_processes import two_servers
from tests.web_service import until

LISTEN = '[monitoring]\nlisten = true\nannouncement = "Others may listen."\n'
BOT_HZ, CALLER_HZ = 440, 1000
KEY = {"Authorization": f"Bearer {API_KEY}"}
HELD = [
    Wait(4),
    Audio(tone(700, frequency=CALLER_HZ), after_reply=False),
    Wait(1),
    Digits("1#", after_reply=False),
    Wait(3),
    HangUp(),
]


class Ear:
    """Hears a call as somebody does who listens in: each side's sound as 16-bit samples at 8000 Hz."""

    def __init__(self, socket):
        self._socket = socket
        self.said = []
        self.sides = {0: b"", 1: b"", 2: b""}
        self.code = None

    async def hear(self):
        """Listen to the end."""
        try:
            async for message in self._socket:
                if isinstance(message, str):
                    self.said.append(json.loads(message))
                    continue
                while message:
                    side, length = HEAD.unpack(message[: HEAD.size])
                    self.sides[side] += message[HEAD.size : HEAD.size + length]
                    message = message[HEAD.size + length :]
        except ConnectionClosed:
            pass
        self.code = self._socket.close_code

    def pitches(self, side):
        """How many seconds of the two tones are in a side's sound."""
        encoding = self.said[0][("caller", "bot")[side]]["encoding"]
        decode = {"PCMU": audioop.ulaw2lin, "PCMA": audioop.alaw2lin}[encoding]
        samples = np.frombuffer(decode(self.sides[side], 2), np.int16).astype(float)
        found = {BOT_HZ: 0.0, CALLER_HZ: 0.0}
        for start in range(0, len(samples) - 400, 400):
            piece = samples[start : start + 400]
            if np.sqrt(np.mean(piece**2)) < 500:
                continue
            pitch = np.argmax(np.abs(np.fft.rfft(piece))) * 20
            for hz in found:
                if abs(pitch - hz) <= 20:
                    found[hz] += 0.05
        return found


@asynccontextmanager
async def listening(url, call_id):
    async with websockets.connect(
        f"ws{url.removeprefix('http')}/calls/{call_id}/listen", additional_headers=KEY, proxy=None
    ) as socket:
        ear = Ear(socket)
        hearing = asyncio.create_task(ear.hear())
        try:
            yield ear
        finally:
            await socket.close()
            await hearing


def answers(words):
    return ["Anything else that you would like?"]


async def greeted(service):
    """The id of the call whose caller has heard the announcement, as `b` knows it."""
    async with asyncio.timeout(60):
        while True:
            for call in (await service.b.get("/calls")).json()["calls"]:
                if "Others may listen. Hello." in " ".join(await service.heard(call["id"])):
                    return call["id"]
            await asyncio.sleep(0.05)


def kinds(call):
    return [event.kind for event in call.events]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_both_sides_of_a_call_are_heard(monkeypatch, tmp_path, carrier):
    async with talking(monkeypatch, tmp_path, carrier, answers, agent=QUICK_AGENT + LISTEN) as bot:
        calling = asyncio.create_task(bot.network.call(bot.url, HELD))
        await until(bot.store.list)
        (call,) = bot.store.list()
        await until(lambda: "attached" in kinds(call))
        with pytest.raises(InvalidStatus) as early:
            async with listening(bot.url, call.id):
                pass
        assert early.value.response.status_code == 409
        assert b"has not heard to its end" in early.value.response.body
        await until(
            lambda: (
                "Others may listen."
                in str([event.data for event in call.events if event.kind == "bot_heard"])
            )
        )
        async with listening(bot.url, call.id) as ear:
            result = await calling
            await until(lambda: ear.code is not None)
    caller, spoken = ear.pitches(0), ear.pitches(1)
    assert caller[CALLER_HZ] == pytest.approx(0.7, abs=0.11) and caller[BOT_HZ] == 0
    assert spoken[BOT_HZ] > 1.0 and spoken[CALLER_HZ] == 0
    assert [one["type"] for one in ear.said] == ["start"]
    assert ear.code == 4001
    assert [event.data["why"] for event in call.events if event.kind == "listening_ended"] == ["detached"]
    assert not result.report.errors


async def test_who_listens_hears_nothing_of_a_card_number_and_is_told_so(monkeypatch, tmp_path):
    agent = QUICK_AGENT + LISTEN + '[recording]\nenabled = true\nannouncement = ""\n'
    script = [Wait(4), Audio(tone(700, frequency=CALLER_HZ), after_reply=False), Wait(4), HangUp()]
    async with talking(monkeypatch, tmp_path, "twilio", answers, agent=agent) as bot:
        calling = asyncio.create_task(bot.network.call(bot.url, script))
        await until(bot.store.list)
        (call,) = bot.store.list()
        await until(lambda: "bot_heard" in kinds(call))
        async with listening(bot.url, call.id) as ear:
            async with httpx.AsyncClient(base_url=bot.url, headers=KEY, trust_env=False) as http:
                answer = await http.post(f"/calls/{call.id}/recording", json={"action": "pause"})
                assert answer.status_code == 200, answer.text
                await calling
            await until(lambda: ear.code is not None)
    assert ear.pitches(0)[CALLER_HZ] == 0
    assert [one for one in ear.said if one["type"] == "silent"] == [{"type": "silent", "silent": True}]


@pytest.mark.timeout(300)
async def test_a_call_of_another_process_is_heard_by_way_of_this_one(tmp_path):
    agent = QUICK_AGENT + LISTEN
    async with two_servers(tmp_path, "twilio", url_of(tmp_path / "calls.db"), agent=agent) as service:
        calling = service.call(
            [Wait(8), Audio(tone(700, frequency=CALLER_HZ), after_reply=False), Wait(3), HangUp()], ""
        )
        call_id = await greeted(service)
        other = str(service.b.base_url).rstrip("/")
        may = await service.b.get(f"/calls/{call_id}/listen")
        assert (may.status_code, may.json()) == (200, {"listeners": []})
        async with listening(other, call_id) as ear:
            seen = await service.until(call_id, lambda call: call["listeners"])
            assert seen["listeners"] == ["API_KEY"]
            async with listening(str(service.a.base_url).rstrip("/"), call_id) as nearby:
                await service.until(call_id, lambda call: len(call["listeners"]) == 2)
                await calling
                async with asyncio.timeout(10):
                    while ear.code is None or nearby.code is None:
                        await asyncio.sleep(0.05)
    for one in (ear, nearby):
        assert one.code == 4001
        assert one.pitches(0)[CALLER_HZ] == pytest.approx(0.7, abs=0.11)
    assert {"type": "listeners", "listeners": 2} in ear.said
    # What came by way of the other process is what came at once
    assert abs(len(ear.sides[0]) - len(nearby.sides[0])) < 8000 * 3


@pytest.mark.timeout(300)
async def test_who_listens_by_way_of_another_process_is_told_when_the_one_that_talks_dies(tmp_path):
    async with two_servers(
        tmp_path, "twilio", url_of(tmp_path / "calls.db"), agent=QUICK_AGENT + LISTEN
    ) as service:
        calling = service.call([Wait(20)], "")
        call_id = await greeted(service)
        async with listening(str(service.b.base_url).rstrip("/"), call_id) as ear:
            await service.until(call_id, lambda call: call["listeners"])
            service.process_a.kill()
            async with asyncio.timeout(10):
                while ear.code is None:
                    await asyncio.sleep(0.05)
        assert ear.code == 4001
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
