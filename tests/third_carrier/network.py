"""Larkline itself: a number that somebody calls, its REST API, and a line that plays what it gets in real time."""

import asyncio
import hashlib
import hmac
import json
from contextlib import asynccontextmanager, suppress

import httpx
import websockets
from aiohttp import web

KEY, SIGNING_SECRET = "lk-0123456789", "ls-0123456789"
SILENCE = b"\xd5" * 160
"""20 ms of it in A-law."""


class Larkline:
    """The network. A call is what it has seen of it: `document`, `heard`, `asked`, `over`."""

    def __init__(self):
        self.calls = {}

    @asynccontextmanager
    async def serving(self):
        app = web.Application()
        app.add_routes([web.get("/v1/calls/{call}", self._tell), web.post("/v1/calls/{call}/end", self._end)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        finally:
            await runner.cleanup()

    async def call(self, voice_url, status_url, *, call_id="LL-1", keys="1#"):
        """Call a number, press keys when the greeting is over, and stay until the other side ends the call."""
        call = self.calls[call_id] = Line(call_id)
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            people = {"caller": "+14155550101", "called": "+14155550100"}
            answer = await http.post(voice_url, json={"call": {"id": call_id, **people}})
            assert answer.headers["content-type"] == "application/json"
            call.document = answer.json()
            async with websockets.connect(call.document["url"]) as socket:
                opened = {
                    "type": "line.open",
                    "line": "line-1",
                    "call": call_id,
                    **people,
                    "note": call.document["note"],
                }
                await socket.send(json.dumps({"type": "line.ready"}))
                await socket.send(json.dumps(opened))
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(call.say_nothing(socket)),
                        group.create_task(call.listen(socket)),
                        group.create_task(call.press(socket, keys)),
                    ]
                    async with asyncio.timeout(20):
                        await call.over.wait()
                    for task in tasks:
                        task.cancel()
                with suppress(websockets.ConnectionClosed):
                    await socket.send(json.dumps({"type": "line.closed"}))
            body = json.dumps({"call": {"id": call_id, "now": "over"}}).encode()
            told = await http.post(
                status_url,
                content=body,
                headers={
                    "content-type": "application/json",
                    "larkline-signature": hmac.new(SIGNING_SECRET.encode(), body, hashlib.sha256).hexdigest(),
                },
            )
            call.told = told.status_code
        return call

    async def _tell(self, request):
        call = self._known(request)
        return web.json_response({"state": "over" if call.over.is_set() else "talking"})

    async def _end(self, request):
        call = self._known(request)
        was = "over" if call.over.is_set() else "talking"
        call.asked.append(await request.json())
        call.over.set()
        return web.json_response({"was": was})

    def _known(self, request):
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise web.HTTPUnauthorized
        if request.match_info["call"] not in self.calls:
            raise web.HTTPNotFound
        return self.calls[request.match_info["call"]]


class Line:
    """One call.

    Parameters:
        document: What the number's answer address said.
        heard: The audio between two cues, in seconds, each with the cue that followed it.
        unheard: Cues that were not reached when the call ended.
        asked: What REST was asked to do.
        told: The status of the answer to the last callback.
    """

    def __init__(self, call_id):
        self.call_id = call_id
        self.document, self.heard, self.asked, self.told = None, [], [], None
        self.unheard = []
        self.over = asyncio.Event()
        self._played_until = 0.0
        self._reached = asyncio.Condition()

    async def say_nothing(self, socket):
        while True:
            await socket.send(SILENCE)
            await asyncio.sleep(0.02)

    async def press(self, socket, keys):
        async with self._reached:
            await self._reached.wait_for(lambda: self.heard and not self.unheard)
        for key in keys:
            await socket.send(json.dumps({"type": "key", "value": key}))

    async def listen(self, socket):
        clock = asyncio.get_running_loop().time
        loud = 0
        async with asyncio.TaskGroup() as reaching:
            async for message in socket:
                if isinstance(message, bytes):
                    self._played_until = max(self._played_until, clock()) + len(message) / 8000
                    loud += sum(sample not in b"\xd5\x55" for sample in message)
                    continue
                told = json.loads(message)
                if told["type"] == "flush":
                    self._played_until = clock()
                    continue
                assert told["type"] == "cue"
                self.unheard.append(told["cue"])
                reaching.create_task(self._reach(socket, told["cue"], loud / 8000))
                loud = 0

    async def _reach(self, socket, cue, secs):
        await asyncio.sleep(self._played_until - asyncio.get_running_loop().time())
        await socket.send(json.dumps({"type": "cue.reached", "cue": cue}))
        self.unheard.remove(cue)
        async with self._reached:
            self.heard.append((cue, secs))
            self._reached.notify_all()
