"""Each thing that a service can do wrong has a defined result for the model, within the tool's time, and no other."""

import asyncio
import gzip
import json
import time
import zlib
from contextlib import asynccontextmanager

import pytest

from conversation.agents.http_tables import HttpTool
from conversation.tools.answers import LONGEST_TOLD
from conversation.tools.http_client import shared_client
from conversation.tools.http_tools import ask


def answer(body=b"", kind="application/json", status="200 OK", *headers, length=True):
    """An answer, whole."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    lines += [f"Content-Type: {kind}"] if kind else []
    lines += [f"Content-Length: {len(body)}"] if length else []

    async def write(writer):
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return write


def chunks(part, times, secs=0.0, kind="application/json", *headers):
    """An answer without an end in sight."""

    async def write(writer):
        head = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", "Transfer-Encoding: chunked", *headers, "", ""]
        writer.write("\r\n".join(head).encode())
        for _ in range(times):
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(secs)
        writer.write(b"0\r\n\r\n")

    return write


async def silence(_writer):
    await asyncio.Event().wait()


async def hang_up(writer):
    writer.close()


async def noise(writer):
    writer.write(b"\x16\x03\x01 SSH-2.0\r\n\r\n")


@asynccontextmanager
async def service(*behaviours):
    """A service on this machine; each request is answered by the next behaviour, the last one goes on for ever."""
    asked, running = [], set()

    async def serve(reader, writer):
        running.add(asyncio.current_task())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                (int(x.split(":")[1]) for x in head.split("\r\n") if x.lower().startswith("content-length")),
                0,
            )
            body = await reader.readexactly(length)
            asked.append((head.split("\r\n")[0], head, body))
            await behaviours[min(len(asked), len(behaviours)) - 1](writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for task in running:
            task.cancel()


async def told(url, *, arguments=None, path="/stock/{{ sku }}", **keys):
    table = HttpTool.model_validate(
        {
            "description": "Look.",
            "url": url + path,
            "parameters": {"sku": {"description": "What."}},
            "timeout_secs": 2,
            **keys,
        }
    )
    table.check("look", ())
    client = shared_client()
    try:
        return await ask(table, "look", {"sku": "1"} if arguments is None else arguments, {}, client)
    finally:
        await client.aclose()


STOCK = json.dumps({"items": [{"count": 3, "where": "aisle ä"}]}).encode()
BOMB = gzip.compress(b"0" * 200_000_000)


@pytest.mark.parametrize(
    ("behaviour", "keys", "expected"),
    [
        (answer(STOCK), {"answer": "items[0].count"}, "3"),
        (answer(STOCK), {"answer": "items[0]"}, '{"count": 3, "where": "aisle ä"}'),
        (answer(STOCK), {"answer": "items[5]"}, "nothing about that"),
        (answer(STOCK, "text/plain"), {"answer": "items[0].count"}, "3"),
        (answer(STOCK, ""), {"answer": "items[0].count"}, "3"),
        (answer(STOCK, "application/vnd.shop+json; charset=utf-8"), {"answer": "items[0].count"}, "3"),
        (
            answer(gzip.compress(STOCK), "application/json", "200 OK", "Content-Encoding: gzip"),
            {"answer": "items[0].count"},
            "3",
        ),
        (
            answer(zlib.compress(STOCK), "application/json", "200 OK", "Content-Encoding: deflate"),
            {"answer": "items[0].count"},
            "3",
        ),
        (answer("drei Stück".encode("latin-1"), "text/plain; charset=ISO-8859-1"), {}, "drei Stück"),
        (answer("drei Stück".encode(), "text/plain; charset=no-such"), {}, "drei Stück"),
        (answer("\ufeffdrei".encode(), "text/plain; charset=utf-8"), {}, "drei"),
        (answer('"drei"'.encode("utf-16")), {}, "drei"),
        (answer(b"0"), {}, "0"),
        (answer(b"a\0b\x1bc", "text/plain"), {}, "a b c"),
        (answer(b"", "", "204 No Content", length=False), {"method": "POST"}, "Done."),
        (answer(b"", "text/plain", "201 Created"), {"method": "POST"}, "Done."),
    ],
)
async def test_an_answer_is_told(behaviour, keys, expected):
    async with service(behaviour) as (url, _):
        result = await told(url, **keys)
    assert result.ok
    assert expected in result.told


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(b"{}", status="500 No"), "HTTP 500"),
        (answer(b"{}", status="503 No"), "HTTP 503"),
        (answer(b"{}", status="404 No"), "Not found"),
        (answer(b"{}", status="401 No"), "does not let us in"),
        (answer(b"{}", status="422 No"), "takes what was given for wrong"),
        (answer(b"{}", status="429 No"), "too much to do"),
        (answer(b"{}", status="304 No"), "HTTP 304"),
        (answer(b""), "it is empty"),
        (answer(b" \n"), "it is empty"),
        (answer(b"{'broken'"), "broken JSON"),
        (answer(b"[" * 100_000), "broken JSON"),
        (answer(b"NaN"), "broken JSON"),
        (answer(b"1" * 5000), "broken JSON"),
        (answer(b"<!DOCTYPE html><p>Hi", "text/html"), "web page"),
        (answer(b"  <html>Hi", "text/plain"), "web page"),
        (answer(b"<html>Hi", ""), "web page"),
        (answer(b"\x89PNG", "image/png"), "neither JSON nor a text"),
        (answer(b"\xff\xfe\xfd", "text/plain"), "letters cannot be read"),
        (answer("ä".encode("latin-1"), "text/plain; charset=utf-8"), "letters cannot be read"),
        (answer(b"x" * 10_000_000), "too long"),
        (chunks(b"x" * 1000, 5000), "too long"),
        (answer(BOMB, "application/json", "200 OK", "Content-Encoding: gzip"), "too long"),
        (answer(STOCK, "application/json", "200 OK", "Content-Encoding: gzip"), "not compressed as it says"),
        (
            answer(gzip.compress(STOCK)[:-12], "application/json", "200 OK", "Content-Encoding: gzip"),
            "too early",
        ),
        (answer(STOCK, "application/json", "200 OK", "Content-Encoding: br"), "compressed in a way"),
        (silence, "No answer in time"),
        (chunks(b" ", 1000, 0.1), "No answer in time"),
        (hang_up, "connection to the service was lost"),
        (noise, "connection to the service was lost"),
    ],
)
async def test_what_goes_wrong_is_told_in_time(behaviour, expected):
    began = time.monotonic()
    async with service(behaviour) as (url, _):
        result = await told(url)
    assert not result.ok
    assert expected in result.told
    assert time.monotonic() - began < 4


async def test_a_service_that_is_not_there_is_told():
    async with service(silence) as (url, _):
        pass
    result = await told(url)
    assert not result.ok
    assert "cannot be reached" in result.told


async def test_what_is_long_is_cut_for_all_to_see():
    async with service(answer(json.dumps("word " * 1000).encode())) as (url, _):
        result = await told(url)
    assert result.ok
    assert len(result.told) == LONGEST_TOLD
    assert result.told.endswith("[cut: the answer is longer]")


@pytest.mark.parametrize(
    "behaviour", [silence, hang_up, answer(b"", status="500 No"), answer(b"<html>", "text/html")]
)
async def test_an_order_is_not_repeated_when_it_is_not_known_whether_it_was_done(behaviour):
    async with service(behaviour) as (url, asked):
        result = await told(url, method="POST", timeout_secs=0.5)
    assert not result.ok
    assert "do not call it again" in result.told
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "GET", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "DELETE", "GET"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
        (302, "PUT", "PUT"),
    ],
)
async def test_a_redirect_of_the_same_origin_is_followed_as_the_standard_says(status, method, then):
    moved = answer(b"", "", f"{status} Moved", "Location: /there?x=1")
    async with service(moved, answer(b'"here"')) as (url, asked):
        result = await told(url, method=method, headers={"X-Key": "k"})
    assert (result.ok, result.told) == (True, "here")
    assert asked[1][0] == f"{then} /there?x=1 HTTP/1.1"
    assert "x-key: k" in asked[1][1].lower()
    assert asked[1][2] == (asked[0][2] if then == method else b"")


async def test_redirects_come_to_an_end():
    async with service(answer(b"", "", "302 Found", "Location: /again")) as (url, asked):
        result = await told(url)
    assert not result.ok
    assert "without end" in result.told
    assert len(asked) == 3


@pytest.mark.parametrize(
    "location",
    ["{other}/x", "//{host}/x", "https://{here}/x", "http://me@{here}/x", "http://[", "gopher://x/"],
)
async def test_a_redirect_to_elsewhere_is_not_followed(location):
    async with service(answer(b'"stolen"')) as (other, asked_there):
        hosts = {"other": other, "host": other.removeprefix("http://")}
        async with service(hang_up) as (spare, _):
            pass

        async def moved(writer):
            here = f"127.0.0.1:{writer.get_extra_info('sockname')[1]}"
            await answer(b"", "", "307 Moved", "Location: " + location.format(**hosts, here=here))(writer)

        async with service(moved) as (url, asked):
            result = await told(url, method="POST", headers={"X-Key": "k"})
        assert spare != url
    assert not result.ok
    assert "another host" in result.told
    assert asked_there == []
    assert len(asked) == 1


async def test_a_secret_is_sent_and_never_told(monkeypatch):
    """Nor is it told when the service repeats it: some answer with the request."""
    monkeypatch.setenv("SHOP_KEY", "s3cr3t/key")

    async def echo(writer):
        await answer(json.dumps({"you": "Bearer s3cr3t/key", "url": "?k=s3cr3t%2Fkey"}).encode())(writer)

    async with service(echo) as (url, asked):
        result = await told(
            url,
            path="/?k={{ env.SHOP_KEY }}",
            env=["SHOP_KEY"],
            headers={"Authorization": "Bearer {{ env.SHOP_KEY }}"},
        )
    assert asked[0][0] == "GET /?k=s3cr3t%2Fkey&sku=1 HTTP/1.1"
    assert "authorization: bearer s3cr3t/key" in asked[0][1].lower()
    assert result.ok
    assert "s3cr3t" not in result.told
    assert result.told == '{"you": "Bearer [secret]", "url": "?k=[secret]"}'


async def test_a_secret_that_is_not_set_is_told_to_the_owner_alone():
    async with service(answer(b'"x"')) as (url, asked):
        result = await told(url, env=["SHOP_KEY"])
    assert not result.ok
    assert "SHOP_KEY" not in result.told
    assert asked == []


async def test_a_value_that_cannot_be_sent_is_told():
    async with service(answer(b'"x"')) as (url, asked):
        result = await told(url, arguments={"sku": "../orders"})
    assert not result.ok
    assert "Check what was given with the caller" in result.told
    assert asked == []


async def test_nothing_secret_or_said_is_logged(monkeypatch):
    from loguru import logger

    monkeypatch.setenv("SHOP_KEY", "s3cr3t")
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    try:
        for behaviour in (
            answer(b'"x"'),
            answer(b"no", status="500 No"),
            hang_up,
            noise,
            answer(b"<html>", "text/html"),
        ):
            async with service(behaviour) as (url, _):
                await told(
                    url, arguments={"sku": "word"}, path="/{{ sku }}?k={{ env.SHOP_KEY }}", env=["SHOP_KEY"]
                )
    finally:
        logger.remove(sink)
    assert len(lines) == 4
    assert [line for line in lines if "s3cr3t" in line or "word" in line] == []
