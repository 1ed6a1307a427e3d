"""GET or POST: what a number or an application says, then what a document says, then the carrier's own default."""

import aiohttp
import pytest
from twilio.request_validator import RequestValidator

from emulator import Colleague, Credentials, HangUp, PhoneNetwork, Wait
from emulator.account import Account, Application, OwnNumber
from emulator.network import BOT_NUMBER
from tests.fake_bot import FakeBot

HANG_UP = [Wait(0.2), HangUp()]
CONNECTION = Credentials().telnyx_connection_id


def account(carrier: str, **how: str) -> Account:
    """The bot's number, configured like this."""
    if carrier == "twilio":
        return Account([OwnNumber(BOT_NUMBER, **how)])
    return Account(
        [OwnNumber(BOT_NUMBER, application=CONNECTION)],
        applications=[Application(CONNECTION, "texml", **how)],
    )


async def asked(carrier, documents, how=None, **options):
    """The methods and paths of all requests of a call."""
    own = None if how is None else account(carrier, **how)
    async with FakeBot(None, documents) as bot, PhoneNetwork(carrier, account=own) as network:
        await network.call(bot.url, HANG_UP, **options)
    return [(seen.method, seen.path) for seen in bot.seen], bot


@pytest.mark.parametrize(("carrier", "default"), [("twilio", "POST"), ("telnyx", "GET")])
async def test_the_voice_address_is_asked_by_the_carriers_own_method_unless_another_one_is_configured(
    carrier, default
):
    documents = {f"/{carrier}/voice": "<Hangup/>"}
    requests, _ = await asked(carrier, documents)
    assert requests[0] == (default, f"/{carrier}/voice")
    other = {"POST": "GET", "GET": "POST"}[default]
    requests, _ = await asked(carrier, documents, {"method": other})
    assert requests[0] == (other, f"/{carrier}/voice")
    requests, _ = await asked(carrier, documents, {"method": default}, method=other)
    assert requests[0] == (other, f"/{carrier}/voice")


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_addresses_in_documents_are_asked_by_post_unless_the_document_says_get(carrier):
    documents = {
        f"/{carrier}/voice": "<Redirect>/one</Redirect>",
        "/one": '<Redirect method="GET">/two?a=b%20c</Redirect>',
        "/two": '<Redirect method="POST">/four</Redirect>',
        "/four": "<Hangup/>",
    }
    requests, bot = await asked(carrier, documents, {"method": "GET"})
    assert requests[:4] == [
        ("GET", f"/{carrier}/voice"),
        ("POST", "/one"),
        ("GET", "/two"),
        ("POST", "/four"),
    ]
    by_get, by_post = bot.seen[2], bot.seen[3]
    assert by_get.body == b""
    assert by_get.form["a"] == "b c"
    assert by_get.form["CallSid"] == by_post.form["CallSid"]
    assert "Content-Type" not in by_get.headers


async def test_twilios_library_accepts_the_signature_of_a_get_over_the_whole_address():
    documents = {"/twilio/voice": "<Hangup/>"}
    _, bot = await asked("twilio", documents, {"method": "GET", "status_method": "GET"})
    validator = RequestValidator(Credentials().twilio_auth_token)
    voice, status = bot.seen
    assert (voice.method, status.method) == ("GET", "GET")
    for seen in (voice, status):
        assert validator.validate(seen.url, {}, seen.headers["X-Twilio-Signature"])
        assert not validator.validate(seen.url + "x", {}, seen.headers["X-Twilio-Signature"])


async def test_telnyx_asks_a_url_of_a_request_by_the_applications_method():
    credentials = Credentials()
    methods = []
    async with FakeBot(None, {"/doc": "<Hangup/>"}) as bot:
        for how, given in (({}, {}), ({"method": "POST"}, {}), ({"method": "POST"}, {"UrlMethod": "GET"})):
            async with (
                PhoneNetwork("telnyx", account=account("telnyx", **how)) as network,
                aiohttp.ClientSession() as session,
            ):
                network.add_person(Colleague("+12025550111", 0.1, "answers"))
                base = f"{network.rest_url}/v2/texml/Accounts/{credentials.telnyx_account_id}/Calls"
                body = {
                    "ApplicationSid": CONNECTION,
                    "To": "+12025550111",
                    "From": BOT_NUMBER,
                    "Url": f"{bot.url}/doc",
                    **given,
                }
                headers = {"Authorization": f"Bearer {credentials.telnyx_api_key}"}
                async with session.post(base, json=body, headers=headers) as response:
                    assert response.status == 200, await response.text()
                await network.next_result("+12025550111")
            methods.append(bot.seen[-1].method)
    assert methods == ["GET", "POST", "GET"]
