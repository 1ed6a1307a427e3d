"""`/calls/ID/recording` and `/calls/ID/peaks`: a call's recording, through us, for a person's ears."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from loguru import logger
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from calls.call import Call
from calls.errors import NotDone, NotPossible
from calls.events.talk import TurnMeasured
from calls.peaks import Peaks, put_right
from calls.recordings import began
from desk.api_keys import Scope
from desk.recording_files import NoRecording, NoSuchPart, Sound, TooMuch, place_of_file
from web.access import OperatorsRoute, needs
from web.answers import PeaksOfRecording, problems
from web.api import TheCall
from web.web_service import TheService

router = APIRouter(
    prefix="/calls", route_class=OperatorsRoute, generate_unique_id_function=lambda route: route.name
)

ENDINGS = {"audio/wav": "wav", "audio/mpeg": "mp3"}

PART: dict[str, Any] = {"description": "The part that was asked for.", "content": {"audio/wav": {}}}

Number = Annotated[
    int | None,
    Query(ge=1, le=1000, description="Which, where the call has several; the first that has a file."),
]


class SoundFile(Response):
    """A file of sound, for the document of the API."""

    media_type = "audio/wav"


@router.get(
    "/{call_id}/recording",
    summary="Hear a recording",
    response_class=SoundFile,
    response_description="The file, WAV or MP3: the caller left, the bot right.",
    responses={206: PART, **problems(404, 416, 502, 503)},
)
@needs(Scope.READ)
async def recording_file(
    call: TheCall,
    service: TheService,
    n: Number = None,
    range_: Annotated[
        str, Header(alias="range", max_length=100, description="Which part, such as `bytes=0-99`.")
    ] = "",
    download: Annotated[bool, Query(description="Have a browser keep it as a file.")] = False,
) -> Response:
    """The recording of a call, read from the carrier with its credentials, which stay here. Nothing is kept of it."""
    stack = AsyncExitStack()
    try:
        sound = await stack.enter_async_context(service.recording_files.open(call, n, range_))
    except NotDone as error:
        raise _refused(error) from None
    headers = {"Content-Disposition": "inline"}
    if download:
        headers["Content-Disposition"] = f'attachment; filename="{call.id}.{ENDINGS[sound.kind]}"'
    return _SoundResponse(stack, sound, headers)


@router.get(
    "/{call_id}/peaks",
    summary="Draw a recording",
    response_model=PeaksOfRecording,
    response_description="How loud it is, from beginning to end.",
    responses=problems(404, 422, 502, 503),
)
@needs(Scope.READ)
async def peaks(request: Request, call: TheCall, service: TheService, n: Number = None) -> Response:
    """How loud each side of a recording is, for its waveform. It takes as long as reading the recording once."""
    try:
        found = await service.recording_files.peaks(call, n)
    except NotDone as error:
        raise _refused(error) from None
    answer = {**asdict(found), "after_answer_ms": _begin(call, found, n)}
    content = json.dumps(answer, separators=(",", ":")).encode()
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = gzip.compress(content, 6, mtime=0), "gzip"
    return Response(content, media_type="application/json", headers=headers)


def _begin(call: Call, peaks: Peaks, number: int | None) -> int | None:
    """When the first sample of a recording was, in milliseconds after the answer."""
    at = began(call).get(place_of_file(call, number))
    if at is None or call.answered_at is None:
        return None
    secs = (at - call.answered_at).total_seconds()
    spoke = [one.after_answer_ms for one in call.events if isinstance(one, TurnMeasured) and one.by_sound]
    begins = [ms / 1000 - secs for ms in spoke if ms is not None]
    both_sides = len(peaks.sides) == 2
    shift = put_right(peaks.sides[1], peaks.per_sec, begins) if both_sides else 0.0
    return round((secs - shift) * 1000)


def _refused(error: NotDone) -> HTTPException:
    match error:
        case NoRecording():
            return HTTPException(404, str(error))
        case NoSuchPart():
            return HTTPException(416, str(error), {"Content-Range": f"bytes */{error.total}"})
        case NotPossible():
            return HTTPException(422, str(error))
        case TooMuch():
            return HTTPException(503, str(error))
    return HTTPException(502, str(error))


class _SoundResponse(StreamingResponse):
    """Sound as it comes; the carrier's connection is closed with it, also when nobody has read a byte."""

    def __init__(self, stack: AsyncExitStack, sound: Sound, headers: dict[str, str]):
        self._stack = stack
        about = dict(headers)
        if sound.length is not None:
            about["Content-Length"] = str(sound.length)
            about["Accept-Ranges"] = "bytes"
        if sound.part is not None:
            first, last, total = sound.part
            about["Content-Range"] = f"bytes {first}-{last}/{total}"
        blocks: AsyncIterator[Any] = sound.blocks
        super().__init__(blocks, 206 if sound.part else 200, about, sound.kind)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except NotDone as error:
            # Too late for another status: the connection is closed in the middle, which says it.
            logger.warning("A recording was not sent to its end: {}", error)
        finally:
            await self._stack.aclose()
