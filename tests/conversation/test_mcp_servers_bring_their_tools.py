"""Tools of MCP servers, with servers of the protocol's own package, as real processes: over pipes and over HTTP."""

import asyncio
import os
import re
import socket
import sys
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web
from loguru import logger

from conversation.agents.agent import AgentError
from conversation.agents.files import load_agent
from conversation.agents.needed_variables import check_secrets
from conversation.tools import mcp_servers
from conversation.tools.answers import LONGEST_TOLD
from conversation.tools.arguments import arguments_for
from conversation.tools.face import Face
from conversation.tools.offered import tools_of
from settings import ROOT

HEAD = 'greeting = "Hello."\ninstructions = "Help."\n'
STDIO = f'[mcp.calendar]\ncommand = ["python", "{ROOT / "tests" / "mcp_server.py"}"]\n'
ALL = ["free_slots", "book", "die", "hang", "long_story", "whoami"]


class Session:
    """As much of a session as these tools use."""

    def __init__(self, **variables):
        self.variables = variables


@pytest.fixture
def said():
    """The lines of the log."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


def agent_of(tmp_path, text, name="desk"):
    (tmp_path / f"{name}.toml").write_text(text if "greeting" in text else HEAD + text, encoding="utf-8")
    return load_agent(name, tmp_path)


async def learnt(tmp_path, text):
    if "timeout_secs" not in text:  # a busy machine is no fault of the code
        text = text.replace("[mcp.calendar]\n", "[mcp.calendar]\ntimeout_secs = 30\n")
    agent = agent_of(tmp_path, text)
    await mcp_servers.learn_all_tools(agent, tmp_path)
    return agent


async def use(agent, face, name, **arguments):
    """As a model does: checked by the schema, then run."""
    tool = tools_of(agent)[name]
    params = SimpleNamespace(function_name=name, app_resources=face)
    return await tool.function(params, **arguments_for(tool.schema, arguments))


@asynccontextmanager
async def calling(**variables):
    face = Face(Session(**variables))
    try:
        yield face
    finally:
        await face.close()


@asynccontextmanager
async def serving(port=0, **environment):
    """The server over HTTP."""
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.mcp_server", str(port)),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield port, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def over_http(port, more=""):
    return f'[mcp.calendar]\nurl = "http://127.0.0.1:{port}/mcp"\n{more}'


async def test_the_tools_are_learnt_at_start_and_used_in_a_call(tmp_path, said):
    agent = await learnt(tmp_path, STDIO + 'filler = "Let me see."\n')
    tools = tools_of(agent)
    assert list(tools) == ["end_call", "take_message", *ALL]
    assert tools["free_slots"].schema.description == "Name the free hours of a day."
    assert tools["free_slots"].filler == "Let me see."
    assert not tools["free_slots"].outlives_interruption and tools["book"].outlives_interruption
    assert [line for line in said if "odd.name" in line]
    async with calling() as face:
        result = await use(agent, face, "free_slots", day="Monday")
    assert (result.ok, result.told) == (True, "On Monday: 9, 10 and 14 o'clock.")


async def test_schemas_have_nothing_that_refers_to_elsewhere(tmp_path):
    """Pipecat's schema of a function has no place for `$defs`, and a provider refuses a reference to nothing."""
    agent = await learnt(tmp_path, STDIO)
    schema = tools_of(agent)["book"].schema
    assert "$ref" not in str(schema.properties)
    assert schema.properties["slot"]["properties"]["hour"]["type"] == "integer"
    async with calling() as face:
        result = await use(agent, face, "book", slot={"day": "Monday", "hour": 9}, others=[])
    assert result.ok
    assert "Monday 9" in result.told


async def test_what_the_server_calls_an_error_is_one(tmp_path):
    agent = await learnt(tmp_path, STDIO)
    async with calling() as face:
        result = await use(agent, face, "book", slot={"day": "Monday", "hour": 13})
        assert not result.ok
        assert "closed at 13" in result.told
        assert (await use(agent, face, "free_slots", day="Friday")).ok


async def test_a_long_result_is_cut(tmp_path):
    agent = await learnt(tmp_path, STDIO)
    async with calling() as face:
        result = await use(agent, face, "long_story")
    assert result.ok
    assert len(result.told) == LONGEST_TOLD
    assert result.told.endswith("longer]")


async def test_a_server_that_dies_in_a_call_is_told_and_is_back_for_the_next_use(tmp_path):
    agent = await learnt(tmp_path, STDIO)
    async with calling() as face:
        result = await use(agent, face, "die")
        assert not result.ok
        assert "not known whether it was done" in result.told
        assert (await use(agent, face, "free_slots", day="Friday")).ok


async def test_a_tool_that_hangs_is_told_in_time(tmp_path):
    agent = await learnt(tmp_path, STDIO + "timeout_secs = 4\n")
    async with calling() as face:
        assert (await use(agent, face, "free_slots", day="Friday")).ok  # it has started
        began = asyncio.get_running_loop().time()
        result = await use(agent, face, "hang")
        assert asyncio.get_running_loop().time() - began < 6
    assert not result.ok
    assert "No answer in time" in result.told


async def test_each_call_has_a_server_of_its_own_and_leaves_none_behind(tmp_path):
    agent = await learnt(tmp_path, STDIO)
    async with calling() as one, calling() as other:
        pids = [int((await use(agent, face, "whoami")).told.split()[0]) for face in (one, one, other)]
    assert pids[0] == pids[1] != pids[2]
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_server_over_http_gets_headers_and_no_one_sees_the_key(tmp_path, monkeypatch):
    monkeypatch.setenv("CALENDAR_KEY", "s3cr3t-key")
    value = "Bearer {{ env.CALENDAR_KEY }} {{ caller_number }}"
    headers = f'env = ["CALENDAR_KEY"]\nheaders = {{ Authorization = "{value}" }}\n'
    async with serving(CALENDAR_KEY="") as (port, _):
        agent = await learnt(tmp_path, over_http(port, headers))
        async with calling(caller_number="+12025550100") as face:
            result = await use(agent, face, "whoami")
    assert result.ok
    assert result.told.split(maxsplit=1)[1] == "Bearer [secret] +12025550100"


async def test_a_program_gets_the_variables_that_are_named_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("CALENDAR_KEY", "s3cr3t-key")
    agent = await learnt(tmp_path, STDIO)
    named = await learnt(tmp_path, STDIO + 'env = ["CALENDAR_KEY"]\n')
    async with calling() as one, calling() as other:
        assert "secret" not in (await use(agent, one, "whoami")).told
        assert (await use(named, other, "whoami")).told.endswith("[secret]")


async def test_a_server_that_is_away_is_one_warning_and_is_asked_again_at_the_next_call(tmp_path, said):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    agent = await learnt(tmp_path, over_http(port))
    assert len(said) == 1
    assert re.match(r"desk\.toml: mcp\.calendar is away \(\w+\): calls go on without its tools", said[0])
    async with serving(port):
        assert list(tools_of(agent)) == ["end_call", "take_message"]  # this call's; and it is asked meanwhile
        async with asyncio.timeout(15):
            while "free_slots" not in tools_of(agent):
                await asyncio.sleep(0.05)
        async with calling() as face:
            assert (await use(agent, face, "free_slots", day="Friday")).ok


async def test_a_server_that_is_away_in_a_call_is_told(tmp_path):
    async with serving() as (port, process):
        agent = await learnt(tmp_path, over_http(port))
        process.kill()
        await process.wait()
        async with calling() as face:
            result = await use(agent, face, "free_slots", day="Friday")
            assert not result.ok
            assert "cannot be reached" in result.told


async def test_a_server_that_is_started_anew_in_a_call_is_found_again(tmp_path):
    async with serving() as (port, _):
        agent = await learnt(tmp_path, over_http(port))
        face = Face(Session())
        assert (await use(agent, face, "free_slots", day="Friday")).ok
    assert not (await use(agent, face, "free_slots", day="Friday")).ok
    async with serving(port):
        assert (await use(agent, face, "free_slots", day="Friday")).ok
        await face.close()


async def test_a_server_that_takes_long_to_start_holds_nobody_up(tmp_path, said, monkeypatch):
    text = STDIO + 'timeout_secs = 0.5\nenv = ["MCP_START_SECS"]\n'
    monkeypatch.setenv("MCP_START_SECS", "30")
    agent = agent_of(tmp_path, text)
    began = asyncio.get_running_loop().time()
    await mcp_servers.learn_all_tools(agent, tmp_path)
    assert asyncio.get_running_loop().time() - began < 8
    assert "no answer in time" in said[0]
    assert [
        task for task in asyncio.all_tasks() if "::session" in task.get_name()
    ] == []  # its program has ended
    began = asyncio.get_running_loop().time()
    assert "free_slots" not in tools_of(agent)
    assert asyncio.get_running_loop().time() - began < 0.2
    for task in list(mcp_servers._learning.values()):
        await task


async def test_a_command_that_does_not_exist_is_one_warning(tmp_path, said):
    agent = await learnt(tmp_path, '[mcp.calendar]\ncommand = ["no-such-program"]\n')
    assert len(said) == 1
    assert "mcp.calendar is away (FileNotFoundError)" in said[0]
    assert "free_slots" not in tools_of(agent)
    for task in list(mcp_servers._learning.values()):
        await task


async def test_a_redirect_to_another_host_is_not_followed(tmp_path, said):
    """Pipecat's client would follow it; the protocol's package does not. The header would go there too."""
    asked = []

    async def elsewhere(request):
        asked.append(request.headers)
        return web.Response(status=500)

    async def redirect(_request):
        raise web.HTTPTemporaryRedirect(f"http://localhost:{other_port}/mcp")

    ports = []
    runners = []
    for handler in (elsewhere, redirect):
        app = web.Application()
        app.router.add_route("*", "/mcp", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(site._server.sockets[0].getsockname()[1])
        runners.append(runner)
    other_port = ports[0]
    await learnt(tmp_path, over_http(ports[1], 'headers = { X-Key = "k" }\ntimeout_secs = 2\n'))
    for runner in runners:
        await runner.cleanup()
    assert asked == []
    assert "mcp.calendar is away" in said[0]


ASKED = """
import asyncio, sys
from pathlib import Path
from conversation.tools.mcp_connection import Connection, program

async def main():
    command, quiet = [sys.executable, "tests/mcp_server.py"], sys.argv[1] == "quiet"
    connection = Connection(program(command, folder=Path(), environment={}, quiet=quiet))
    print((await connection.ask("book", {"slot": {"day": "Monday", "hour": 13}})).words)
    await connection.release()

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["quiet", "loud"])
async def test_what_a_program_logs_of_a_call_is_not_in_our_log(how):
    """The protocol's own package has its servers write to their standard error what a tool has said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ASKED, how),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LOGURU_LEVEL": "ERROR"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, logged = await process.communicate()
    assert b"closed at 13" in said
    assert (b"Tool 'book' failed" in logged) == (how == "loud")


async def test_only_the_tools_that_are_named_are_offered(tmp_path, said):
    agent = await learnt(tmp_path, STDIO + 'tools = ["free_slots", "no_such"]\n')
    assert list(tools_of(agent)) == ["end_call", "take_message", "free_slots"]
    assert [line for line in said if "mcp.calendar has no tool 'no_such'" in line]
    agent = await learnt(tmp_path, HEAD + 'tools = ["end_call", "book"]\n' + STDIO)
    assert list(tools_of(agent)) == ["end_call", "book"]
    agent = await learnt(tmp_path, HEAD + 'tools = ["end_call"]\n' + STDIO)
    assert list(tools_of(agent)) == ["end_call"]


async def test_a_name_that_is_taken_is_left_out(tmp_path, said):
    mine = '[http.book]\ndescription = "Mine."\nurl = "https://shop.example.com/"\n'
    agent = await learnt(tmp_path, STDIO + mine)
    assert tools_of(agent)["book"].schema.description == "Mine."
    tools_of(agent)
    assert len([line for line in said if "mcp.calendar has a tool 'book'" in line]) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mcp.x]\n", ["mcp.x", "either url or command"]),
        ('[mcp.x]\nurl = "https://a.example/"\ncommand = ["x"]\n', ["mcp.x", "either url or command"]),
        ('[mcp.x]\nurl = "http://a.example/"\n', ["mcp.x.url", "https"]),
        ('[mcp.x]\nurl = "https://{{ caller_number }}.example/"\n', ["mcp.x.url", "caller_number"]),
        ('[mcp.x]\nurl = "https://a.example/{{ env.K }}"\n', ["mcp.x.url", "env.K"]),
        ('[mcp.x]\ncommand = ["x"]\nheaders = { A = "b" }\n', ["mcp.x", "headers go with url"]),
        ('[mcp.x]\nurl = "https://a.example/"\nheaders = { A = "{{ who }}" }\n', ["mcp.x.headers.A", "who"]),
        ('[mcp.x]\nurl = "https://a.example/"\nheaders = { Host = "b" }\n', ["mcp.x.headers", "Host"]),
        ('[mcp.x]\ncommand = ["x"]\nenv = ["a b"]\n', ["mcp.x.env", "a b"]),
        ('[mcp.x]\ncommand = ["x"]\ntool = ["a"]\n', ["mcp.x.tool", "tools"]),
        ('[mcp.x]\ncommand = ["x"]\ntools = ["end_call"]\n', ["mcp.x.tools", "end_call"]),
        ('[mcp.x]\ncommand = ["x"]\ntimeout_secs = 99\n', ["mcp.x.timeout_secs", "30"]),
    ],
)
def test_a_mistake_is_one_line(tmp_path, text, words):
    with pytest.raises(AgentError) as raised:
        agent_of(tmp_path, text)
    assert [word for word in words if word not in str(raised.value)] == [], str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_variable_that_is_not_set_is_found_at_start(tmp_path, monkeypatch):
    text = '[http.look]\ndescription = "Look."\nurl = "{{ env.SHOP_URL }}/x"\nenv = ["SHOP_URL"]\n'
    agent = agent_of(tmp_path, text)
    with pytest.raises(
        AgentError, match=r"desk\.toml: http\.look needs SHOP_URL, which is not set: set it in \.env"
    ):
        check_secrets(agent)
    monkeypatch.setenv("SHOP_URL", "http://shop.example.com")
    with pytest.raises(
        AgentError, match=r"http\.look\.url begins with SHOP_URL, and http is for this machine alone"
    ):
        check_secrets(agent)
    monkeypatch.setenv("SHOP_URL", "https://shop.example.com")
    check_secrets(agent)
