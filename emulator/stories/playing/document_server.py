"""The documents that a story has in the server's place, served on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from emulator.carriers import CARRIERS
from emulator.stories.story import Story


@asynccontextmanager
async def documents_of(
    story: Story, base: str, carrier: str, kept: Mapping[str, str]
) -> AsyncIterator[str | None]:
    """Serve the story's own documents; gives the base of their URLs, or None if there are none.

    Args:
        story: The story.
        base: The server's base URL.
        carrier: The carrier's name.
        kept: Documents that the carrier keeps for the server, by name.
    """
    known = {**story.documents, **kept}
    if not known:
        yield None
        return
    places: dict[str, str] = {"server": base, "socket": base.replace("http", "ws", 1)}
    places["rtp"] = CARRIERS[carrier].stream_attributes

    async def answer(request: web.Request) -> web.Response:
        text = known.get(request.path.strip("/"))
        if text is None:
            return web.Response(status=404)
        for name, value in places.items():
            text = text.replace(f"{{{name}}}", value)
        if "<Response" not in text:
            text = f"<Response>{text}</Response>"
        return web.Response(text=text, content_type="text/xml")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        places["documents"] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield places["documents"]
    finally:
        await runner.cleanup()
