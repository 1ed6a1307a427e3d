"""The files of recordings, from the carrier through us: our credentials stay here, and nothing is kept on this machine.

The carrier is asked where the file is each time, so what an event says of it, which comes from outside, leads nowhere.
A file may be of any length: it goes through in pieces, and no more of it is held than one of them.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx
from loguru import logger

from calls.call import Call
from calls.errors import NotDone, NotPossible
from calls.peaks import NoWave, Peaks, PeaksOfWave
from calls.recordings import COMPLETED, DELETED, IN_PROGRESS, PAUSED, STOPPED, recordings
from carriers.carrier import Carrier
from carriers.errors import CallNotFound, CarrierError
from carriers.recording import RecordingFile

MOST_AT_ONCE = 24
"""How many files may be under way: each one holds a connection, and a browser that pauses holds it for long."""

MOST_BYTES = 1 << 30
"""Of a file: nine hours of both sides."""

MOST_DRAWN_BYTES = 512 << 20
"""Of a file of which a waveform is made, which has to be read whole."""

PEAKS_SECS = 60.0
"""How long the making of a waveform may take."""

KNOWN_PEAKS = 64
"""Of how many recordings the waveform is remembered."""

BLOCK_BYTES = 1 << 18

MOST_REDIRECTS = 3

TIMEOUT = httpx.Timeout(15.0, connect=5.0)

KINDS = {
    "audio/wav": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mpeg": "audio/mpeg",
    "audio/mp3": "audio/mpeg",
}
"""What is sound, and how browsers name it."""

UNNAMED = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""What a bucket says of a file of which it was told nothing: then its name counts."""

ENDINGS = {".wav": "audio/wav", ".mp3": "audio/mpeg"}

RANGE = re.compile(r"bytes=(?:(\d{1,12})-(\d{0,12})|-(\d{1,12}))")
"""One part of a file. Source: RFC 9110, section 14.1.2."""

CONTENT_RANGE = re.compile(r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12}|\*)")


class NoRecording(NotDone):
    """There is no file, and will be none; the message says why."""


class NoSound(NotDone):
    """The carrier, or what it refers to, has not sent the sound."""


class NoSuchPart(NotDone):
    """The file does not have the part that was asked for.

    Parameters:
        total: How many bytes it has.
    """

    def __init__(self, total: int):
        super().__init__("the recording has no such part")
        self.total = total


class TooMuch(NotDone):
    """More files are under way than may be, or a file is too long for this."""


@dataclass(frozen=True)
class Sound:
    """A file, or a part of it, while it is read.

    Parameters:
        kind: Its media type.
        blocks: Its bytes.
        length: How many these are; None where the carrier does not say.
        part: The first and the last byte, and how many the file has, where this is a part.
    """

    kind: str
    blocks: AsyncIterator[bytes]
    length: int | None
    part: tuple[int, int, int] | None = None


class RecordingFiles:
    """The files of recordings of one process.

    Parameters:
        carrier_of: The carrier of a call; None when there are no credentials for it.
    """

    def __init__(self, carrier_of: Callable[[Call], Carrier | None]):
        self._carrier_of = carrier_of
        self._client: httpx.AsyncClient | None = None
        self._under_way = 0
        self._known: OrderedDict[str, Peaks] = OrderedDict()
        self._making: dict[str, asyncio.Task[Peaks]] = {}

    @asynccontextmanager
    async def open(self, call: Call, number: int | None = None, part: str = "") -> AsyncIterator[Sound]:
        """A recording of a call, while the context lasts.

        Args:
            call: The call.
            number: Which of its recordings, from 1; the first one that has a file when not given.
            part: The header `Range` of whoever asks; one that asks for several parts is answered with all.

        Raises:
            NotDone: `NoRecording`, `NoSound`, `NoSuchPart`, `TooMuch`.
        """
        recording_id = file_of(call, number)
        if self._under_way >= MOST_AT_ONCE:
            raise TooMuch("too many recordings are being heard at once: try again in a moment")
        self._under_way += 1
        try:
            file = await self._where(call, recording_id)
            response = await self._get(file, part if RANGE.fullmatch(part) else "")
            try:
                yield _sound(response, RANGE.fullmatch(part))
            finally:
                await response.aclose()
        finally:
            self._under_way -= 1

    async def peaks(self, call: Call, number: int | None = None) -> Peaks:
        """How loud a recording of a call is, to draw it. It is made once, whoever asks meanwhile.

        Args:
            call: The call.
            number: As for `open`.

        Raises:
            NotDone: As with `open`.
            NotPossible: It cannot be drawn: it is no WAV file, or too long.
        """
        key = f"{call.id} {file_of(call, number)}"
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.create_task(self._make(call, number), name="peaks")
            making.add_done_callback(lambda done: self._made(key, done))
        # Whoever leaves must not stop it for the others
        return await asyncio.shield(making)

    def _made(self, key: str, done: asyncio.Task[Peaks]) -> None:
        self._making.pop(key, None)
        if not done.cancelled() and done.exception() is None:
            self._known[key] = done.result()
            while len(self._known) > KNOWN_PEAKS:
                self._known.popitem(last=False)

    async def _make(self, call: Call, number: int | None) -> Peaks:
        made, held, size = PeaksOfWave(), bytearray(), 0
        try:
            async with asyncio.timeout(PEAKS_SECS), self.open(call, number) as sound:
                if sound.kind != "audio/wav":
                    raise NotPossible("only WAV files are drawn")
                async for block in sound.blocks:
                    size += len(block)
                    if size > MOST_DRAWN_BYTES:
                        raise NotPossible("the recording is too long to be drawn")
                    held += block
                    if len(held) >= BLOCK_BYTES:
                        piece, held = bytes(held), bytearray()
                        await asyncio.to_thread(made.feed, piece)
                await asyncio.to_thread(made.feed, bytes(held))
                return await asyncio.to_thread(made.result)
        except TimeoutError:
            raise TooMuch(f"the recording took longer than {PEAKS_SECS:g} s to be read") from None
        except NoWave as error:
            raise NoSound(f"the carrier's file cannot be drawn: {error}") from None

    async def _where(self, call: Call, recording_id: str) -> RecordingFile:
        carrier = self._carrier_of(call)
        if carrier is None:
            raise NoSound(f"there are no credentials for {call.carrier}, which has the recording")
        try:
            return await carrier.recording_file(recording_id)
        except CallNotFound:
            raise NoRecording("the carrier does not have the recording (any more)") from None
        except CarrierError as error:
            raise NoSound(f"the carrier does not say where the recording is: {error}") from None

    async def _get(self, file: RecordingFile, part: str) -> httpx.Response:
        """The answer with the file, of which nothing has been read yet."""
        client, url = await self._connected(), file.url
        headers = {"Accept": "audio/*", "Accept-Encoding": "identity", **({"Range": part} if part else {})}
        for _ in range(MOST_REDIRECTS + 1):
            if not file.may_lead_to(url):
                logger.warning("A carrier's recording was not fetched: it is at a host that is not known")
                raise NoSound("the carrier refers to a host that is none of those that it keeps files on")
            login = httpx.BasicAuth(*file.login) if file.login and file.is_api(url) else None
            request = client.build_request("GET", url, headers=headers)
            try:
                response = await client.send(request, auth=login, stream=True)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise NoSound(f"the recording cannot be fetched ({type(error).__name__})") from None
            if not response.has_redirect_location:
                return response
            await response.aclose()
            url = urljoin(url, response.headers["location"])
        raise NoSound("the carrier refers from one address to the next")

    async def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            # It reads the certificates that it believes, which takes longer than a frame of a call.
            made = await asyncio.to_thread(httpx.AsyncClient, timeout=TIMEOUT, follow_redirects=False)
            if self._client is None:
                self._client = made
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        for task in self._making.values():
            task.cancel()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def file_of(call: Call, number: int | None) -> str:
    """The carrier's id of a recording that has a file; see `place_of_file`."""
    recording_id = recordings(call)[place_of_file(call, number)].id
    assert recording_id is not None
    return recording_id


def place_of_file(call: Call, number: int | None) -> int:
    """Which of a call's recordings has the file that is meant, from 0.

    Args:
        call: The call.
        number: Which, from 1; the first one that has a file when not given.

    Raises:
        NoRecording: There is none; it says why.
    """
    found = list(enumerate(recordings(call)))
    if number is not None:
        found = found[number - 1 : number]
    for place, one in found:
        if one.state == COMPLETED and one.id is not None:
            return place
    if not found:
        raise NoRecording("the call has no such recording" if number else "the call was not recorded")
    state = found[-1][1].state
    if state in (IN_PROGRESS, PAUSED, STOPPED):
        raise NoRecording("the recording is not there yet: carriers make the file after its end")
    raise NoRecording(
        "the recording was deleted" if state == DELETED else "the carrier has no recording of it"
    )


def _sound(response: httpx.Response, wanted: re.Match[str] | None) -> Sound:
    """What has come, if it is sound: the file, or the part that is wanted, also from who sends no parts.

    Raises:
        NotDone: It is none.
    """
    status, headers = response.status_code, response.headers
    if status in (404, 410):
        raise NoRecording("the carrier does not have the file (any more)")
    if status == 416 and (told := re.fullmatch(r"bytes \*/(\d{1,12})", headers.get("content-range", ""))):
        raise NoSuchPart(int(told[1]))
    if status not in (200, 206):
        raise NoSound(f"the recording cannot be fetched: its host answered {status}")
    if headers.get("content-encoding", "identity") != "identity":
        raise NoSound("the recording's host sends it compressed, which was not asked for")
    kind = _kind(response)
    length = int(headers["content-length"]) if headers.get("content-length", "").isdecimal() else None
    if length is not None and length > MOST_BYTES:
        raise TooMuch("the recording is too large to be heard here")
    blocks = _at_most(response, MOST_BYTES if length is None else length)
    if status == 206:
        told = CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if wanted is None or told is None or told[3] == "*":
            raise NoSound("the recording's host sends a part that was not asked for")
        return Sound(kind, blocks, length, (int(told[1]), int(told[2]), int(told[3])))
    if wanted is None or length is None:
        return Sound(kind, blocks, length)
    first, last = _part(wanted, length)
    return Sound(kind, _cut(blocks, first, last), last - first + 1, (first, last, length))


def _kind(response: httpx.Response) -> str:
    told = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = KINDS.get(told)
    if kind is None and told in UNNAMED:
        path = urlsplit(str(response.url)).path.lower()
        kind = next((one for ending, one in ENDINGS.items() if path.endswith(ending)), None)
    if kind is None:
        raise NoSound("the recording's host sent something that is no sound: a page of a proxy or a login?")
    return kind


def _part(wanted: re.Match[str], length: int) -> tuple[int, int]:
    """The first and the last byte that are wanted of so many.

    Raises:
        NoSuchPart: There are none of these.
    """
    begin, end, of_end = wanted.groups()
    first = int(begin) if begin is not None else max(0, length - int(of_end))
    last = min(int(end), length - 1) if end else length - 1
    if first > last:
        raise NoSuchPart(length)
    return first, last


async def _at_most(response: httpx.Response, most: int) -> AsyncIterator[bytes]:
    """The bytes of an answer; no more than were announced."""
    left = most
    try:
        async for block in response.aiter_raw(BLOCK_BYTES // 4):
            yield block[:left]
            left -= len(block)
            if left <= 0:
                return
    except httpx.HTTPError as error:
        raise NoSound(f"the recording broke off ({type(error).__name__})") from None


async def _cut(blocks: AsyncIterator[bytes], first: int, last: int) -> AsyncIterator[bytes]:
    place = 0
    async for block in blocks:
        if (piece := block[max(0, first - place) : last + 1 - place]) and place <= last:
            yield piece
        place += len(block)
        if place > last:
            return
