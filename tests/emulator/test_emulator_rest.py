"""The emulator's REST servers answer as the carriers do; their own client libraries are among the callers."""

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import telnyx
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from emulator import Credentials, PhoneNetwork, Wait
from tests.fake_bot import FakeBot, Line

STREAM = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect><Pause length="30"/>'
ACCOUNT = Credentials().twilio_account_sid
Act = Callable[[str, str], Awaitable[None]]


async def during_a_call(carrier: str, act: Act, **documents: str):
    """Place a call whose bot does `act(rest_url, call_id)` and then stays on the line."""
    async with PhoneNetwork(carrier) as network:

        async def talk(line: Line) -> None:
            await line.beep(100)
            await asyncio.sleep(0.3)
            await act(network.rest_url, line.call_id)
            await line.until_closed()

        served = {f"/{carrier}/voice": STREAM} | {f"/{name}": text for name, text in documents.items()}
        async with FakeBot(talk, served) as bot:
            result = await network.call(bot.url, [Wait(8)])
            return result, bot, network


async def request(method: str, url: str, auth: str | None = None, **body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": auth} if auth else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, url, **body) as response,
    ):
        return response.status, await response.json()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


AUTH = basic(ACCOUNT, Credentials().twilio_auth_token)
BEARER = f"Bearer {Credentials().telnyx_api_key}"


@contextlib.asynccontextmanager
async def twilio_library(rest_url: str):
    async with AsyncTwilioHttpClient() as http:
        client = Client(ACCOUNT, Credentials().twilio_auth_token, http_client=http)
        client.api.base_url = rest_url
        yield client


async def test_twilios_library_fetches_a_call_and_hangs_it_up():
    seen: list[str] = []

    async def act(rest_url: str, call_id: str) -> None:
        async with twilio_library(rest_url) as client:
            call = await client.calls(call_id).fetch_async()
            seen.extend([call.status, call.direction, call._from, str(call.duration)])
            updated = await client.calls(call_id).update_async(status="completed")
            seen.append(updated.sid)

    result, bot, _ = await during_a_call("twilio", act)
    assert seen == ["in-progress", "inbound", "+12025550143", "None", result.report.call_id]
    assert bot.lines[0].messages[-1]["event"] == "stop"
    assert (result.report.ended_by, result.report.goodbye_heard) == ("bot", True)
    assert 150 < result.report.hangup_after_goodbye_ms < 5000
    kinds = [entry.kind for entry in result.timeline.entries]
    assert kinds.index("rest") < kinds.index("hang_up") < kinds.index("socket_closed")


async def test_a_hang_up_before_the_last_words_were_played_is_a_goodbye_not_heard():
    async with PhoneNetwork() as network:

        async def talk(line: Line) -> None:
            await line.beep(2000)
            await asyncio.sleep(0.3)
            url = f"{network.rest_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/{line.call_id}.json"
            await request("POST", url, AUTH, data={"Status": "completed"})

        async with FakeBot(talk, {"/twilio/voice": STREAM}) as bot:
            result = await network.call(bot.url, [Wait(5)])
    assert (result.report.ended_by, result.report.goodbye_heard) == ("bot", False)
    assert [error for error in result.report.errors if "last words" in error]


async def test_a_call_that_is_over_can_be_fetched_but_not_changed():
    async def act(rest_url: str, call_id: str) -> None:
        await request(
            "POST",
            f"{rest_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/{call_id}.json",
            AUTH,
            data={"Status": "completed"},
        )

    async with PhoneNetwork() as network:

        async def talk(line: Line) -> None:
            await act(network.rest_url, line.call_id)

        async with FakeBot(talk, {"/twilio/voice": STREAM}) as bot:
            result = await network.call(bot.url, [Wait(5)])
            async with twilio_library(network.rest_url) as client:
                call = await client.calls(result.report.call_id).fetch_async()
                assert call.status == "completed"
                with pytest.raises(TwilioRestException) as refused:
                    await client.calls(result.report.call_id).update_async(status="completed")
                assert (refused.value.status, refused.value.code) == (400, 21220)
                with pytest.raises(TwilioRestException) as unknown:
                    await client.calls("CA" + "0" * 32).fetch_async()
                assert (unknown.value.status, unknown.value.code) == (404, 20404)
    assert result.report.errors == []


@pytest.mark.parametrize("auth", [None, basic(ACCOUNT, "wrong"), basic("AC1", "x"), "Basic !", BEARER])
async def test_twilio_refuses_wrong_credentials(auth):
    async with PhoneNetwork() as network:
        url = f"{network.rest_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/CA1.json"
        status, body = await request("GET", url, auth)
    assert (status, body["code"], body["status"]) == (401, 20003, 401)
    assert body["more_info"].endswith("/20003")


async def test_an_api_key_is_as_good_as_the_auth_token():
    async with PhoneNetwork() as network:
        key = basic(network.credentials.twilio_api_key, network.credentials.twilio_api_secret)
        url = f"{network.rest_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/CA1.json"
        assert (await request("GET", url, key))[0] == 404


async def test_new_twiml_interrupts_the_stream_and_replaces_the_document():
    async def act(rest_url: str, call_id: str) -> None:
        url = f"{rest_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/{call_id}.json"
        status, _ = await request("POST", url, AUTH, data={"Twiml": "<Response><Pause/><Hangup/></Response>"})
        assert status == 200

    result, bot, _ = await during_a_call("twilio", act)
    assert bot.lines[0].messages[-1]["event"] == "stop"
    assert [entry.kind for entry in result.timeline.of("pause", "hang_up")] == ["pause", "hang_up"]
    assert (result.report.ended_by, result.report.errors) == ("bot", [])


async def test_a_new_url_is_fetched_and_obeyed():
    async def act(rest_url: str, call_id: str) -> None:
        async with twilio_library(rest_url) as client:
            await client.calls(call_id).update_async(url=f"http://127.0.0.1:{ports[0]}/next", method="POST")

    ports: list[int] = []
    async with PhoneNetwork() as network:

        async def talk(line: Line) -> None:
            await act(network.rest_url, line.call_id)
            await line.until_closed()

        async with FakeBot(talk, {"/twilio/voice": STREAM, "/next": "<Hangup/>"}) as bot:
            ports.append(bot.port)
            result = await network.call(bot.url, [Wait(5)])
    assert bot.paths()[:2] == ["/twilio/voice", "/next"]
    assert result.report.ended_by == "bot"


async def test_bad_twiml_by_rest_ends_the_call_with_an_application_error():
    async def act(rest_url: str, call_id: str) -> None:
        url = f"{rest_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/{call_id}.json"
        await request("POST", url, AUTH, data={"Twiml": "<Response><Nonsense/></Response>"})

    result, _, _ = await during_a_call("twilio", act)
    assert result.report.ended_by == "error"
    assert result.report.errors[0].startswith("12100")


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"Twiml": "x" * 4001}, 32018),
        ({"Status": "finished"}, 21218),
        ({"Status": "canceled"}, 21220),
        ({"Twiml": "<Response/>", "Url": "http://h/"}, 21218),
    ],
)
async def test_an_update_that_cannot_be_is_refused_and_an_error_of_the_call(form, code):
    answers: list[tuple[int, dict[str, Any]]] = []

    async def act(rest_url: str, call_id: str) -> None:
        url = f"{rest_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/{call_id}.json"
        answers.append(await request("POST", url, AUTH, data=form))
        await request("POST", url, AUTH, data={"Status": "completed"})

    result, _, _ = await during_a_call("twilio", act)
    assert (answers[0][0], answers[0][1]["code"]) == (400, code)
    assert len(result.report.errors) == 1


async def test_telnyx_library_fetches_a_call_and_hangs_it_up_and_a_repeated_command_is_ignored():
    alive: list[bool] = []

    async def act(rest_url: str, call_id: str) -> None:
        client = telnyx.AsyncTelnyx(
            api_key=Credentials().telnyx_api_key, base_url=f"{rest_url}/v2", max_retries=0
        )
        async with client:
            alive.append((await client.calls.retrieve_status(call_id)).data.is_alive)
            for _ in range(2):
                answer = await client.calls.actions.hangup(call_id, command_id="one")
                assert answer.data.result == "ok"
            with pytest.raises(telnyx.UnprocessableEntityError) as ended:
                await client.calls.actions.hangup(call_id, command_id="two")
            assert ended.value.body["errors"][0]["code"] == "90018"
            alive.append((await client.calls.retrieve_status(call_id)).data.is_alive)

    result, bot, _ = await during_a_call("telnyx", act)
    assert alive == [True, False]
    assert bot.lines[0].messages[-1]["event"] == "stop"
    assert (result.report.ended_by, result.report.errors) == ("bot", [])


async def test_telnyx_refuses_wrong_keys_unknown_calls_and_unknown_commands():
    async with PhoneNetwork("telnyx") as network:
        base = f"{network.rest_url}/v2"
        status, body = await request("GET", f"{base}/calls/v3:x", "Bearer wrong")
        assert (status, body["errors"][0]["code"]) == (401, "10009")
        status, body = await request("GET", f"{base}/calls/v3:x", BEARER)
        assert (status, body["errors"][0]["code"]) == (404, "10005")
        status, body = await request("POST", f"{base}/calls/v3:x/actions/hangup", BEARER, json={})
        assert (status, body["errors"][0]["code"]) == (422, "90015")
        status, _ = await request("POST", f"{base}/calls/v3:x/actions/hangup", BEARER, data="{")
        assert status == 400


async def test_a_texml_call_is_updated_by_a_form_and_not_by_json():
    async def act(rest_url: str, call_id: str) -> None:
        url = f"{rest_url}/v2/texml/Accounts/{Credentials().telnyx_account_id}/Calls/{call_id}"
        fields = {"Texml": "<Response><Pause/></Response>"}
        for below in ("", "/Recordings.json", "/Recordings/r1.json"):
            status, body = await request("POST", url + below, BEARER, json=fields)
            assert (status, body["errors"][0]["code"]) == (415, "10034")
        status, body = await request("POST", url, BEARER, data=fields)
        assert (status, body["status"]) == (200, "in-progress")
        status, _ = await request("GET", url, BEARER)
        assert status == 200

    result, _, _ = await during_a_call("telnyx", act)
    assert result.timeline.of("pause")
    assert result.report.ended_by == "bot"
    assert len(result.report.errors) == 3, "a refusal is an error of the bot's"


async def test_a_texml_call_is_ordered_by_json_and_not_by_a_form():
    async with PhoneNetwork("telnyx") as network:
        url = f"{network.rest_url}/v2/texml/Accounts/{Credentials().telnyx_account_id}/Calls"
        order = {"ApplicationSid": "1", "To": "+12025550111", "From": "+12025550100", "Texml": "<Response/>"}
        status, body = await request("POST", url, BEARER, data=order)
        assert (status, body["errors"][0]["code"]) == (415, "10014")
        assert (await request("POST", url, BEARER, json=order))[0] == 200


async def test_twilio_takes_forms_only():
    async with PhoneNetwork("twilio") as network:
        url = f"{network.rest_url}/2010-04-01/Accounts/{Credentials().twilio_account_sid}/Calls.json"
        status, body = await request("POST", url, AUTH, json={"To": "+12025550111"})
        assert (status, body["code"]) == (415, 19056)


async def test_a_texml_call_is_ended_by_status():
    async def act(rest_url: str, call_id: str) -> None:
        url = f"{rest_url}/v2/texml/Accounts/{Credentials().telnyx_account_id}/Calls/{call_id}"
        assert (await request("POST", url, BEARER, data={"Status": "completed"}))[0] == 200
        status, body = await request("POST", url, BEARER, data={"Status": "completed"})
        assert (status, body["errors"][0]["code"]) == (422, "90018")

    result, _, _ = await during_a_call("telnyx", act)
    assert result.report.ended_by == "bot"
