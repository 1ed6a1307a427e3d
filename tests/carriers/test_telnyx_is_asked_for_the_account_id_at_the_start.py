"""TeXML's REST has the account's ID in its paths:
Telnyx is asked for it at the start, and a line says when it does not tell."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from loguru import logger

from carriers import descriptor_of
from server import create_app
from settings import ROOT
from tests.fake_rest import Answer, FakeRest, fake_rest
from tests.web_service import make_settings, write_agents

ORGANIZATION = "3df3f1ac-6a5c-4b3c-9c9a-000000000001"
TOLD = Answer.json(200, {"data": {"organization_id": ORGANIZATION}})
NOT_TOLD = Answer.json(200, {"data": {"user_id": "u"}})


@pytest.fixture
def warned():
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


async def nothing_to_load() -> None:
    return None


@asynccontextmanager
async def started(tmp_path, rest: FakeRest, **values):
    """A server that has started and is ready, at which nobody has called yet."""
    given = {
        "telnyx_api_key": "KEY",
        "telnyx_api_base_url": f"{rest.url}/v2",
        "agents_dir": write_agents(tmp_path / "agents"),
        "database_url": "memory",
        **values,
    }
    elsewhere = "pipecat_cloud_public_key" in values
    app = create_app(make_settings(**given), warm_up=None if elsewhere else nothing_to_load)
    async with app.router.lifespan_context(app):
        async with asyncio.timeout(30):
            while app.state.service.readiness.reason is not None:
                await asyncio.sleep(0.01)
        yield app.state.service


def asked(rest: FakeRest) -> list[str]:
    return [request.path for request in rest.requests]


@pytest.mark.parametrize("bot", [{}, {"pipecat_cloud_public_key": "pk_1"}], ids=["here", "on Pipecat Cloud"])
async def test_the_id_is_known_before_the_first_call(tmp_path, warned, bot):
    nobody = Answer.json(200, {"calls": []})
    async with fake_rest(TOLD, nobody) as rest, started(tmp_path, rest, **bot) as service:
        assert asked(rest) == ["/v2/whoami"]
        carrier = service.carrier_named("telnyx", descriptor_of("telnyx").dialling_mode(service.settings))
        await carrier.find_recent_call("+12025550143", "+12025550100", datetime.now(UTC))
        assert f"/Accounts/{ORGANIZATION}/" in asked(rest)[1]
        assert len(asked(rest)) == 2
    assert warned == []


@pytest.mark.parametrize("answer", [NOT_TOLD, Answer.json(401, {"errors": [{"code": "10009"}]}), Answer(503)])
async def test_a_line_says_what_fails_without_it(tmp_path, warned, answer):
    async with fake_rest(answer) as rest, started(tmp_path, rest):
        pass
    lines = "".join(warned).splitlines()
    assert [
        line for line in lines if "TELNYX_ACCOUNT_SID is not set" in line and "transfers, recordings" in line
    ] == lines
    assert len(lines) == 1


async def test_whoever_has_set_it_is_not_asked_about_it(tmp_path, warned):
    async with fake_rest(NOT_TOLD) as rest, started(tmp_path, rest, telnyx_account_sid=ORGANIZATION):
        assert asked(rest) == []
    assert warned == []


def test_the_documents_say_that_there_is_such_an_id():
    readme, first = (
        " ".join((ROOT / name).read_text().split()) for name in ("README.md", "docs/first-number.md")
    )
    assert "Telnyx' account ID, which transfers need, is asked for at the start" in readme
    assert (
        "`TELNYX_ACCOUNT_SID`, without which nothing can be transferred or recorded, is asked for at the start"
        in first
    )
    example = (ROOT / ".env.example").read_text()
    comment = example[: example.index("\nTELNYX_ACCOUNT_SID=")].rsplit("\n\n", 1)[-1].replace("\n# ", " ")
    assert "every transfer, recording and call of a TeXML application needs it" in comment
