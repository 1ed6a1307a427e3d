"""Agents whose tools are an HTTP service's or an MCP server's, in a folder outside the project, in whole calls."""

import asyncio
import json
import os
import re
import shutil
import socket
import sys
from contextlib import asynccontextmanager

import pytest
from loguru import logger

from conversation.agents.files import load_agent
from emulator import Digits
from settings import ROOT
from tests.fake_services import calls, endpoint, words
from tests.talking_bot import talking

PAGE = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
KEY = "open-s3same"


@pytest.fixture
def folder(tmp_path):
    """A folder of somebody's, with nothing in it."""
    folder = tmp_path / "my-bots"
    folder.mkdir()
    return folder


@pytest.fixture
def log():
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    yield lines
    logger.remove(sink)


def put(example, folder):
    for file in (ROOT / "examples" / example).iterdir():
        if file.is_file():
            shutil.copy(file, folder)


@asynccontextmanager
async def running(program, folder, **environment):
    """A program beside the bot, with the address that it answers at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, cwd=folder, env=os.environ | environment | {"PORT": str(port)}
    )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def heard(call):
    return [event.data["text"] for event in call.events if event.kind == "bot_heard"]


def used(call):
    return [
        (one.data["name"], one.data["ok"], one.data["result"]) for one in call.events if one.kind == "tool"
    ]


def answers(words):
    if "1" in words:
        return [("check_stock", {"shoe": "runner", "size": 42})]
    if "2" in words:
        return [("check_stock", {"shoe": "../kept"})]
    if "3" in words:
        return [("keep_pair", {"shoe": "runner", "size": "42", "name": "Ann"})]
    if "4" in words:
        return [("keep_pair", {"shoe": "runner", "size": 41, "name": "Ann"})]
    if "9" in words:
        return [("end_call", {"farewell": "Bye."})]
    return ["Fine."]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_an_agent_with_http_tools(monkeypatch, tmp_path, folder, log, carrier):
    put("shop", folder)
    async with running("stock.py", folder, SHOP_KEY=KEY) as (url, _):
        settings = {"AGENTS_DIR": str(folder), "AGENT": "shop", "SHOP_URL": url, "SHOP_KEY": KEY}
        async with talking(monkeypatch, tmp_path, carrier, answers, **settings) as bot:
            await bot.network.call(bot.url, [Digits(f"{digit}#") for digit in "12349"])
    (call,) = bot.store.list()
    results = used(call)
    assert results[0] == ("check_stock", True, '{"left": {"42": 3}, "price": "eighty dollars"}')
    assert results[1][:2] == ("check_stock", False) and "cannot stand there" in results[1][2]
    assert results[2] == ("keep_pair", True, "tomorrow at six")
    assert results[3][:2] == ("keep_pair", False) and "HTTP 409" in results[3][2]
    assert heard(call)[-1] == "Bye."
    everywhere = json.dumps([bot.contexts, [event.data for event in call.events]], default=str) + "".join(log)
    assert KEY not in everywhere


async def test_a_caller_hears_the_tools_own_words_while_a_service_is_slow(monkeypatch, tmp_path, folder):
    put("shop", folder)
    file = folder / "stock.py"
    slow = "def let_in(", "import time\n\n\ndef let_in("
    file.write_text(
        file.read_text().replace(*slow).replace("    key = os", "    time.sleep(3)\n    key = os")
    )
    async with running("stock.py", folder, SHOP_KEY=KEY) as (url, _):
        settings = {"AGENTS_DIR": str(folder), "AGENT": "shop", "SHOP_URL": url, "SHOP_KEY": KEY}
        async with talking(monkeypatch, tmp_path, "twilio", answers, **settings) as bot:
            await bot.network.call(bot.url, [Digits("1#"), Digits("9#")])
    (call,) = bot.store.list()
    assert used(call)[0][:2] == ("check_stock", True)
    said = [text for text in heard(call) if not text.startswith("Hello")]
    assert said == ["Let me look into the stock.", "Fine.", "Bye."]


async def test_a_hosted_model_is_offered_an_http_tool_and_gets_its_answer(monkeypatch, tmp_path, folder):
    """Over OpenAI's protocol, so that what it is offered is what the provider would be sent."""
    put("shop", folder)
    said = [
        calls("check_stock", '{"shoe": "boot"}'),
        words("Two are left."),
        calls("end_call", '{"farewell": "Bye."}'),
    ]
    async with running("stock.py", folder, SHOP_KEY=KEY) as (url, _), endpoint(*said) as model:
        settings = {"AGENTS_DIR": str(folder), "AGENT": "shop", "SHOP_URL": url, "SHOP_KEY": KEY}

        def hosted():
            from pipecat.services.openai.llm import OpenAILLMService

            return OpenAILLMService(api_key="k", base_url=model.url)

        async with talking(monkeypatch, tmp_path, "twilio", answers, model=hosted, **settings) as bot:
            await bot.network.call(bot.url, [Digits("1#"), Digits("9#")])
    (call,) = bot.store.list()
    assert used(call)[0] == (
        "check_stock",
        True,
        '{"left": {"44": 2}, "price": "one hundred and twenty dollars"}',
    )
    assert "Two are left." in heard(call)
    offered = {
        tool["function"]["name"]: tool["function"]["parameters"] for tool in model.requests[0]["tools"]
    }
    assert set(offered) == {"end_call", "take_message", "check_stock", "keep_pair"}
    assert offered["check_stock"]["required"] == ["shoe"]
    assert offered["check_stock"]["properties"]["size"]["type"] == "integer"
    assert KEY not in json.dumps(model.requests) and url not in json.dumps(model.requests)


def calendar_answers(words):
    if "1" in words:
        return [("free_hours", {"day": "Monday"})]
    if "2" in words:
        return [("book", {"day": "Monday", "hour": 9, "name": "Ann"})]
    if "3" in words:
        return [("book", {"day": "Monday", "hour": 10, "name": "Ann"})]
    if "9" in words:
        return [("end_call", {"farewell": "Bye."})]
    return ["Fine."]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_an_agent_with_an_mcp_server_that_is_a_program(monkeypatch, tmp_path, folder, carrier):
    put("calendar", folder)
    file = folder / "calendar.toml"
    text = file.read_text().replace('env = ["CALENDAR_URL"]\n', "")
    text = text.replace('url = "{{ env.CALENDAR_URL }}/mcp"', 'command = ["python", "appointments.py"]')
    file.write_text(text)
    settings = {"AGENTS_DIR": str(folder), "AGENT": "calendar"}
    async with talking(monkeypatch, tmp_path, carrier, calendar_answers, **settings) as bot:
        await bot.network.call(bot.url, [Digits(f"{digit}#") for digit in "1239"])
    (call,) = bot.store.list()
    results = used(call)
    assert results[0] == ("free_hours", True, "Free on Monday: 10, 11.")
    assert results[1][:2] == ("book", False)
    assert results[1][2].endswith("Monday at 9 is taken. Offer another hour.")
    assert results[2] == ("book", True, "Booked: Monday at 10 for Ann.")
    assert heard(call)[-1] == "Bye."


async def test_a_call_goes_on_when_its_mcp_server_dies(monkeypatch, tmp_path, folder, log):
    put("calendar", folder)
    async with running("appointments.py", folder) as (url, process):
        settings = {"AGENTS_DIR": str(folder), "AGENT": "calendar", "CALENDAR_URL": url}

        def and_it_dies(words):
            if "2" in words:
                process.kill()
            return calendar_answers(words)

        async with talking(monkeypatch, tmp_path, "twilio", and_it_dies, **settings) as bot:
            await bot.network.call(bot.url, [Digits("1#"), Digits("2#"), Digits("9#")])
            (call,) = bot.store.list()
            # Its tools are known, so the next caller's model is told that they do not work.
            await bot.network.call(bot.url, [Digits("1#"), Digits("9#")])
    assert [result[:2] for result in used(call)] == [
        ("free_hours", True),
        ("book", False),
        ("end_call", True),
    ]
    assert heard(call)[-1] == "Bye."
    other = next(one for one in bot.store.list() if one is not call)
    assert used(other)[0][1] is False
    assert heard(other)[-1] == "Bye."


async def test_a_call_goes_on_without_the_tools_of_a_server_that_is_away(monkeypatch, tmp_path, folder, log):
    put("calendar", folder)
    settings = {"AGENTS_DIR": str(folder), "AGENT": "calendar", "CALENDAR_URL": "http://127.0.0.1:9"}
    async with endpoint(words("Later, please."), calls("end_call", '{"farewell": "Bye."}')) as model:

        def hosted():
            from pipecat.services.openai.llm import OpenAILLMService

            return OpenAILLMService(api_key="k", base_url=model.url)

        async with talking(monkeypatch, tmp_path, "twilio", answers, model=hosted, **settings) as bot:
            await bot.network.call(bot.url, [Digits("1#"), Digits("9#")])
    (call,) = bot.store.list()
    assert heard(call)[-2:] == ["Later, please.", "Bye."]
    assert [tool["function"]["name"] for tool in model.requests[0]["tools"]] == ["end_call", "take_message"]
    assert [line for line in log if "calendar.toml: mcp.appointments is away" in line]


def test_the_examples_of_the_page_load(tmp_path):
    tables = [
        text
        for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
        if re.search(r"^\[(http|mcp)\.", text)
    ]
    assert len(tables) == 2
    for number, text in enumerate(tables):
        (tmp_path / f"page-{number}.toml").write_text('greeting = "Hello."\ninstructions = "Help."\n' + text)
        load_agent(f"page-{number}", tmp_path)
