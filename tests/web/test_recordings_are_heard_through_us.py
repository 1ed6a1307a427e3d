"""A recording comes from the carrier through us: in parts, at any length, and never from where a stranger says."""

import asyncio
import gzip
import io
import resource
import wave
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiohttp import web

from calls.events.lifecycle import RecordingReported
from calls.states import CallState, EndedBy
from carriers.recording import RecordingFile
from carriers.twilio.api import FILE_HOSTS
from desk import recording_files
from tests.web_service import running, until

KEY = {"Authorization": "Bearer secret"}
RECORDING = "RE" + "0" * 32
HUGE = 300 << 20


def wav(secs=2.0):
    sound = np.zeros((int(secs * 8000), 2), dtype="<i2")
    sound[: len(sound) // 2, 0] = 16_384
    sound[len(sound) // 2 :, 1] = -32_768
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(sound.tobytes())
    return file.getvalue()


class Host:
    """A carrier's host with files, which does as it is told."""

    def __init__(self):
        self.asked = []
        self.content, self.kind, self.status = wav(), "audio/x-wav", 200
        self.parts, self.headers, self.breaks_off, self.huge, self.waits = True, {}, False, False, None

    async def answer(self, request):
        self.asked.append(request)
        if self.waits is not None:
            await self.waits.wait()
        if self.huge:
            return await self._huge(request)
        if self.parts and (wanted := request.http_range) != slice(None, None, 1):
            piece = self.content[wanted]
            first = len(self.content) + wanted.start if wanted.start < 0 else wanted.start
            if not piece:
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(self.content)}"})
            about = f"bytes {first}-{first + len(piece) - 1}/{len(self.content)}"
            return web.Response(
                body=piece, status=206, content_type=self.kind, headers={"Content-Range": about}
            )
        if self.breaks_off:
            response = web.StreamResponse(headers={"Content-Length": "99999", "Content-Type": self.kind})
            await response.prepare(request)
            await response.write(self.content[:5000])
            request.transport.abort()
            return response
        return web.Response(
            body=self.content, status=self.status, headers={"Content-Type": self.kind, **self.headers}
        )

    async def _huge(self, request):
        response = web.StreamResponse(headers={"Content-Length": str(HUGE), "Content-Type": "audio/x-wav"})
        await response.prepare(request)
        head = bytearray(self.content[:44])
        head[40:44] = (HUGE - 44).to_bytes(4, "little")
        await response.write(bytes(head))
        left, block = HUGE - 44, bytes(1 << 20)
        while left:
            await response.write(block[:left])
            left -= min(left, len(block))
        return response


@asynccontextmanager
async def serving(host):
    app = web.Application()
    app.router.add_get("/{path:.*}", host.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def host():
    host = Host()
    async with serving(host) as host.url:
        yield host


@pytest.fixture
async def service(tmp_path, host):
    async with running(
        tmp_path,
        api_key="secret",
        twilio_account_sid="AC1",
        twilio_auth_token="token",
        twilio_api_base_url=host.url,
    ) as service:
        yield service


def recorded(service, name="CA1", state="completed", recording_id=RECORDING, url="http://169.254.169.254/"):
    call = service.store.open(carrier="twilio", carrier_call_id=name)
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.record(
        RecordingReported(
            state=state, recording_id=recording_id, url=url, duration_secs=2, channels=2, reason=""
        )
    )
    call.move(CallState.COMPLETED, cause="hung up", ended_by=EndedBy.CALLER)
    return call


async def get(service, path, **headers):
    return await service.http.get(path, headers={**KEY, **headers})


async def test_the_file_comes_with_our_password_and_from_the_carriers_api_whatever_an_event_says(
    service, host
):
    call = recorded(service)
    answer = await get(service, f"/calls/{call.id}/recording")
    assert (answer.status_code, answer.content) == (200, host.content)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["cache-control"] == "no-store" and answer.headers["accept-ranges"] == "bytes"
    [asked] = host.asked
    assert asked.path == f"/2010-04-01/Accounts/AC1/Recordings/{RECORDING}.wav"
    assert asked.headers["authorization"].startswith("Basic ")
    assert not {"x-accel-redirect", "set-cookie", "www-authenticate"} & set(answer.headers)


async def test_nobody_without_a_key_hears_it(service, host):
    call = recorded(service)
    for path in ("recording", "peaks"):
        assert (await service.http.get(f"/calls/{call.id}/{path}")).status_code == 401
    assert host.asked == []


@pytest.mark.parametrize("parts", [True, False], ids=["host-with-parts", "host-without"])
@pytest.mark.parametrize(
    ("wanted", "place"),
    [("bytes=0-99", slice(0, 100)), ("bytes=1000-", slice(1000, None)), ("bytes=-50", slice(-50, None))],
)
async def test_a_part_is_a_part_also_from_a_host_that_has_none(service, host, parts, wanted, place):
    host.parts = parts
    call = recorded(service)
    answer = await get(service, f"/calls/{call.id}/recording", Range=wanted)
    assert (answer.status_code, answer.content) == (206, host.content[place])
    first = range(len(host.content))[place][0]
    assert answer.headers["content-range"] == (
        f"bytes {first}-{first + len(answer.content) - 1}/{len(host.content)}"
    )


@pytest.mark.parametrize("parts", [True, False])
async def test_a_part_that_is_not_there(service, host, parts):
    host.parts = parts
    call = recorded(service)
    answer = await get(service, f"/calls/{call.id}/recording", Range="bytes=999999-")
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(host.content)}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-9", "lines=1-2", "bytes=", "x" * 100])
async def test_what_is_no_single_part_gets_all(service, host, wanted):
    call = recorded(service)
    answer = await get(service, f"/calls/{call.id}/recording", Range=wanted)
    assert (answer.status_code, len(answer.content)) == (200, len(host.content))


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"content": b"<h1>Log in</h1>", "kind": "text/html"}, 502, "no sound"),
        ({"status": 404}, 404, "does not have the file"),
        ({"status": 410}, 404, "does not have the file"),
        ({"status": 500}, 502, "answered 500"),
        ({"status": 401}, 502, "answered 401"),
        ({"headers": {"Content-Encoding": "gzip"}}, 502, "compressed"),
        ({"kind": "image/svg+xml"}, 502, "no sound"),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/x"}}, 502, "none of those"),
        ({"status": 302, "headers": {"Location": "http://169.254.169.254/latest/meta-data"}}, 502, "none of"),
        ({"status": 302, "headers": {"Location": "file:///etc/passwd"}}, 502, "none of those"),
        ({"status": 302, "headers": {"Location": "https://evil.example/twilio.com"}}, 502, "none of those"),
        ({"status": 302, "headers": {"Location": "/again.wav"}}, 502, "from one address to the next"),
    ],
)
async def test_what_is_no_recording_is_said_and_not_passed_on(service, host, change, status, says):
    vars(host).update(change, parts=False)
    call = recorded(service)
    for path in ("recording", "peaks"):
        answer = await get(service, f"/calls/{call.id}/{path}")
        assert answer.status_code == status and says in answer.json()["error"]


@pytest.mark.parametrize(
    ("state", "recording_id", "says"),
    [
        ("in_progress", RECORDING, "not there yet"),
        ("stopped", RECORDING, "not there yet"),
        ("absent", RECORDING, "no recording of it"),
        ("deleted", RECORDING, "was deleted"),
    ],
)
async def test_a_recording_without_a_file(service, host, state, recording_id, says):
    call = recorded(service, state=state, recording_id=recording_id)
    answer = await get(service, f"/calls/{call.id}/recording")
    assert answer.status_code == 404 and says in answer.json()["error"]
    assert host.asked == []


async def test_an_id_that_a_stranger_made_up_leads_nowhere(service, host):
    call = recorded(service, recording_id="../../../Calls")
    assert (await get(service, f"/calls/{call.id}/recording")).status_code == 502
    assert host.asked == []


async def test_a_call_that_was_not_recorded_and_none_at_all(service, host):
    call = service.store.open(carrier="twilio", carrier_call_id="CA1")
    assert "not recorded" in (await get(service, f"/calls/{call.id}/recording")).json()["error"]
    assert (await get(service, "/calls/nobody/peaks")).status_code == 404
    recorded(service, "CA2")
    assert "no such recording" in (await get(service, "/calls/CA2/recording?n=2")).json()["error"]


async def test_a_carrier_without_credentials(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        recorded(service)
        answer = await get(service, "/calls/CA1/recording")
    assert answer.status_code == 502 and "no credentials" in answer.json()["error"]


async def test_one_of_300_mb_passes_in_little_memory(service, host):
    host.huge = True
    recorded(service)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = 0
    async with service.http.stream("GET", "/calls/CA1/recording", headers=KEY) as answer:
        assert answer.headers["content-length"] == str(HUGE)
        async for block in answer.aiter_raw():
            size += len(block)
    assert size == HUGE
    answer = await service.http.get("/calls/CA1/peaks", headers=KEY, timeout=60)
    made = answer.json()
    assert made["duration_secs"] == pytest.approx(HUGE / 32_000, abs=1)
    assert len(made["sides"][0]) <= 6000 and len(answer.content) < 60_000
    # The host, the client and we are one process here
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 120


async def test_the_waveform_is_made_once_whoever_asks_meanwhile(service, host):
    recorded(service)
    host.waits = asyncio.Event()
    asking = [asyncio.create_task(get(service, "/calls/CA1/peaks")) for _ in range(3)]
    await until(lambda: host.asked)
    host.waits.set()
    made = [(await one).json() for one in asking]
    assert made[0] == made[1] == made[2] == (await get(service, "/calls/CA1/peaks")).json()
    assert made[0]["duration_secs"] == 2.0 and made[0]["per_sec"] == 50
    assert made[0]["sides"] == [[50] * 50 + [0] * 50, [0] * 50 + [100] * 50]
    assert len(host.asked) == 1


async def test_a_deleted_recording_has_no_waveform_any_more(service, host):
    call = recorded(service)
    assert (await get(service, "/calls/CA1/peaks")).status_code == 200
    call.record(
        RecordingReported(
            state="deleted", recording_id=RECORDING, url=None, duration_secs=None, channels=None
        )
    )
    assert (await get(service, "/calls/CA1/peaks")).status_code == 404


async def test_the_waveform_goes_compressed_to_who_takes_it_so(service, host):
    recorded(service)
    async with service.http.stream(
        "GET", "/calls/CA1/peaks", headers={**KEY, "Accept-Encoding": "gzip"}
    ) as answer:
        raw = b"".join([block async for block in answer.aiter_raw()])
    assert b"duration_secs" in gzip.decompress(raw)


async def test_an_mp3_is_heard_and_not_drawn(service, host):
    host.content, host.kind = b"ID3\x04" + bytes(500), "audio/mpeg"
    recorded(service)
    assert (
        (await get(service, "/calls/CA1/recording?download=true"))
        .headers["content-disposition"]
        .endswith('.mp3"')
    )
    assert "only WAV" in (await get(service, "/calls/CA1/peaks")).json()["error"]


async def test_one_that_breaks_off_ends_the_answer_in_the_middle(service, host):
    host.breaks_off, host.parts = True, False
    recorded(service)
    import httpx

    with pytest.raises(httpx.HTTPError):
        await get(service, "/calls/CA1/recording")
    assert "broke off" in (await get(service, "/calls/CA1/peaks")).json()["error"]


async def test_who_leaves_holds_nothing(service, host, monkeypatch):
    monkeypatch.setattr(recording_files, "MOST_AT_ONCE", 2)
    host.huge = True
    recorded(service)
    files = service.app.state.service.recording_files
    for _ in range(4):
        async with service.http.stream("GET", "/calls/CA1/recording", headers=KEY) as answer:
            assert answer.status_code == 200
            async for _block in answer.aiter_raw():
                break
        await until(lambda: files._under_way == 0)


async def test_not_any_number_is_read_at_once(service, host, monkeypatch):
    monkeypatch.setattr(recording_files, "MOST_AT_ONCE", 1)
    host.waits = asyncio.Event()
    recorded(service)
    first = asyncio.create_task(get(service, "/calls/CA1/recording"))
    await until(lambda: host.asked)
    answer = await get(service, "/calls/CA1/recording")
    assert answer.status_code == 503 and "at once" in answer.json()["error"]
    host.waits.set()
    assert (await first).status_code == 200


FILE = RecordingFile("https://api.twilio.com/x", "https://api.twilio.com/x", FILE_HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.twilio.com/2010-04-01/x.wav",
        "https://api.dublin.ie1.twilio.com/x",
        "https://media.twiliocdn.com/x",
        "https://s3.amazonaws.com/telephony-recorder-prod/x.wav?X-Amz-Expires=600",
        "https://my-bucket.s3.eu-central-1.amazonaws.com/x",
        "https://s3-us-west-2.amazonaws.com/b/x",
        "https://b.s3.dualstack.us-east-1.amazonaws.com/x",
        "https://storage.googleapis.com/b/x",
    ],
)
def test_carriers_keep_files_there(url):
    assert FILE.may_lead_to(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://s3.amazonaws.com/x",
        "https://s3.amazonaws.com:8443/x",
        "https://user@s3.amazonaws.com/x",
        "https://ec2-10-0-0-1.eu-west-1.compute.amazonaws.com/x",
        "https://ip-10-0-0-1.compute.internal/",
        "https://s3.amazonaws.com.evil.example/",
        "https://eviltwilio.com/",
        "https://twilio.com.evil.example/",
        "https://api.twilio.com@evil.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::1/",
        "https://localhost/",
        "https://s3.amazonaws.com:99999999/",
        "gopher://api.twilio.com/",
        "//api.twilio.com/",
        "",
    ],
)
def test_nothing_is_fetched_from_there(url):
    assert not FILE.may_lead_to(url)
