"""The product's list of live calls, asked of the emulated carriers while a caller is on the line."""

import asyncio

import pytest

from carriers import carrier_for
from carriers.carrier import CALL_CONTROL, MARKUP
from carriers.checks import Addresses
from carriers.errors import CallNotFound
from carriers.live_calls import LiveCall
from emulator import Account, Application, Credentials, OwnNumber, PhoneNetwork, Wait
from emulator.line.caller import Manners
from tests.fake_bot import FakeBot
from tests.web_service import make_settings

NUMBER = "+12025550100"
CONNECTION = Credentials().telnyx_connection_id
QUICK = Manners(patience=0.2, goodbye_timeout=2.0)
STREAM = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp" enableReconnect="false"/></Connect>'
OURS = Addresses("https://h/voice", "https://h/status", "https://h/events")
LISTED_SECS = 8.0
"""The emulated lists are late, as the carriers' are."""


def owned(carrier, url):
    """An account whose number, or whose application, has an address at the carrier."""
    if carrier == "twilio":
        return Account([OwnNumber(NUMBER, url=url)])
    return Account(
        [OwnNumber(NUMBER, application=CONNECTION)], [], [Application(CONNECTION, "texml", url, "POST")]
    )


async def while_a_caller_is_on_the_line(carrier, url, look):
    async with PhoneNetwork(carrier, account=owned(carrier, url)) as network:
        values = {
            key.lower(): value for key, value in network.environment().items() if carrier in key.lower()
        }
        asks = carrier_for(carrier, make_settings(**values), MARKUP)

        async def talk(line):
            await look(line, asks, network)
            await asks.hang_up(line.call_id)

        async with FakeBot(talk, {f"/{carrier}/voice": STREAM}) as bot:
            await network.call(bot.url, [Wait(30)], manners=QUICK)
        async with asyncio.timeout(LISTED_SECS):
            while await asks.live_calls(OURS, ()):
                await asyncio.sleep(0.1)
        await asks.aclose()


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_one_call_of_a_number_that_leads_here_is_listed_until_it_ends(carrier):
    found = []

    async def look(line, asks, network):
        async with asyncio.timeout(LISTED_SECS):
            while not found:
                found.extend(await asks.live_calls(OURS, ()))
                await asyncio.sleep(0.1)
        assert [one.id for one in found] == [line.call_id]
        assert {one.fault for one in network.requests.entries} == {None}
        assert {one.status for one in network.requests.entries} == {200}

    await while_a_caller_is_on_the_line(carrier, OURS.voice, look)
    assert isinstance(found[0], LiveCall)
    if carrier == "twilio":
        assert found[0].to_number == NUMBER


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_call_of_a_number_that_leads_elsewhere_is_not(carrier):
    async def look(line, asks, network):
        await asyncio.sleep(3)  # the emulated lists are late
        assert await asks.live_calls(OURS, ()) == []

    await while_a_caller_is_on_the_line(carrier, "https://shop.example.org/voice", look)


async def test_an_application_of_the_other_kind_is_said_to_be_missing():
    """TELNYX_CONNECTION_ID is of a TeXML application, and TELNYX_MODE is call_control."""
    async with PhoneNetwork("telnyx", account=owned("telnyx", OURS.voice)) as network:
        values = {
            key.lower(): value for key, value in network.environment().items() if "telnyx" in key.lower()
        }
        asks = carrier_for("telnyx", make_settings(**values), CALL_CONTROL)
        with pytest.raises(CallNotFound):
            await asks.live_calls(OURS, ())
        await asks.aclose()
