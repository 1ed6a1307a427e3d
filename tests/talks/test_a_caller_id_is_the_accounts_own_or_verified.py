"""Carriers dial only with a caller id of the account: any other is refused in the emulator, and named by the doctor."""

import pytest

from calls.events.lifecycle import TransferEnded
from calls.store import CallStore
from carriers.carrier import CarrierRejected, CarrierUnauthorized, DialOut, StreamDocument
from carriers.telnyx.call_control import TelnyxCallControl
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier
from conversation.agents.destinations import target_of
from conversation.agents.files import load_agent
from deployment import outside
from emulator import Account, Colleague, Digits, HangUp, OwnNumber, PhoneNetwork, Wait
from emulator.network import BOT_NUMBER, CALLER_NUMBER
from tests.fake_bot import FakeBot
from tests.rest_client import ACCOUNT
from tests.talking_bot import QUICK_AGENT, talking
from tests.web_service import make_settings

DESK, THEIRS, VERIFIED = "+12025550111", "+12025550177", "+12025550188"
KINDS = pytest.mark.parametrize("kind", [TwilioCarrier, TelnyxCarrier, TelnyxCallControl])
MARKUP = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])


def account():
    return Account([OwnNumber(BOT_NUMBER)], [VERIFIED])


def of(kind, url):
    if kind is TwilioCarrier:
        return kind(
            account_sid=ACCOUNT.twilio_account_sid, auth_token=ACCOUNT.twilio_auth_token, base_url=url
        )
    return kind(
        api_key=ACCOUNT.telnyx_api_key,
        account_sid=ACCOUNT.telnyx_account_id,
        connection_id=ACCOUNT.telnyx_connection_id,
        base_url=f"{url}/v2",
    )


@KINDS
async def test_a_call_from_a_number_of_somebody_else_is_refused(kind):
    name = "twilio" if kind is TwilioCarrier else "telnyx"
    async with PhoneNetwork(name, account=account()) as network:
        carrier = of(kind, network.rest_url)
        try:
            for ours in (BOT_NUMBER, VERIFIED):
                await carrier.dial(DialOut(DESK, ours, StreamDocument("wss://h/ws")))
            with pytest.raises(CarrierRejected, match="21210" if name == "twilio" else "D38") as refused:
                await carrier.dial(DialOut(DESK, THEIRS, StreamDocument("wss://h/ws")))
        finally:
            await carrier.aclose()
    # The key is not what is wrong, and the number is not written down.
    assert not isinstance(refused.value, CarrierUnauthorized)
    assert THEIRS not in str(refused.value)


@MARKUP
@pytest.mark.parametrize(
    ("caller_id", "outcome"),
    [(BOT_NUMBER, "completed"), (VERIFIED, "completed"), (CALLER_NUMBER, "completed"), (THEIRS, "failed")],
)
async def test_a_dial_by_a_document_shows_an_own_a_verified_or_the_callers_number(
    carrier, caller_id, outcome
):
    dial = f'<Dial callerId="{caller_id}" action="/next">{DESK}</Dial>'
    async with (
        PhoneNetwork(
            carrier, account=account(), people=[Colleague(DESK, 0.1, script=[Wait(0.2), HangUp()])]
        ) as network,
        FakeBot(None, {f"/{carrier}/voice": dial, "/next": "<Hangup/>"}) as bot,
    ):
        result = await network.call(bot.url, [Wait(10)])
    assert [one.outcome for one in result.colleagues] == [outcome]
    told = next(seen.form for seen in bot.seen if seen.path == "/next")
    assert told["DialCallStatus"] == outcome
    code = "13214" if carrier == "twilio" else "D38"
    noted = [entry.text for entry in result.timeline.of("colleague_not_reached")]
    assert bool([text for text in noted if code in text]) == (outcome == "failed")


@pytest.mark.parametrize("caller_id", ["caller", THEIRS])
async def test_a_commanded_transfer_may_show_the_callers_number_and_no_other_strangers(
    monkeypatch, tmp_path, caller_id
):
    def model(words):
        if "1" in words:
            return [("transfer_call", {"destination": "desk", "reason": "a question"})]
        return [("end_call", {"farewell": "Bye."})]

    agent = QUICK_AGENT.replace('spoken = "the desk"', f'spoken = "the desk"\ncaller_id = "{caller_id}"', 1)
    async with talking(
        monkeypatch, tmp_path, "telnyx", model, agent=agent, TELNYX_MODE="call_control"
    ) as bot:
        bot.network.add_person(Colleague(DESK, 0.2, script=[Wait(0.5), HangUp()]))
        result = await bot.network.call(bot.url, [Digits("1#")], mode="call_control")
        (call,) = bot.store.list()
    connected = caller_id == "caller"
    assert [one.caller_id for one in result.colleagues] == ([CALLER_NUMBER] if connected else [])
    assert call.last(TransferEnded).data["outcome"] == ("connected" if connected else "failed")


@pytest.mark.parametrize(
    ("warm", "from_number", "shown"),
    [
        (False, CALLER_NUMBER, CALLER_NUMBER),
        (True, CALLER_NUMBER, None),
        (False, "sip:ann@example.com", None),
    ],
)
def test_the_callers_number_is_passed_on_where_carriers_let_it_be(tmp_path, warm, from_number, shown):
    """On a leg of its own, and for a caller who has no number, the number that was called is shown (None)."""
    text = f'spoken = "the desk"\ncaller_id = "caller"\nwarm = {str(warm).lower()}'
    agent = (
        'greeting = "Hello."\ninstructions = "x"\ntools = ["transfer_call"]\n'
        f'[transfers.desk]\nnumber = "{DESK}"\n{text}\n'
    )
    (tmp_path / "a.toml").write_text(agent)
    call = CallStore().open(carrier="c", carrier_call_id="1", from_number=from_number, to_number=BOT_NUMBER)
    assert target_of(load_agent("a", tmp_path), "desk", call).caller_id == shown


@MARKUP
async def test_the_doctor_finds_a_wrong_caller_id_in_the_settings_and_in_a_transfer(tmp_path, carrier):
    (tmp_path / "desk.toml").write_text(
        'greeting = "Hello."\ninstructions = "x"\ntools = ["transfer_call"]\n'
        f'[transfers.good]\nnumber = "{DESK}"\ncaller_id = "{VERIFIED}"\n'
        f'[transfers.own]\nnumber = "{DESK}"\ncaller_id = "caller"\n'
        f'[transfers.wrong]\nnumber = "{DESK}"\ncaller_id = "{THEIRS}"\n'
    )
    async with PhoneNetwork(carrier, account=account()) as network:
        values = {
            name.lower(): value for name, value in network.environment().items() if carrier in name.lower()
        }
        settings = make_settings(**values, agents_dir=tmp_path, agent="desk", caller_id=THEIRS)
        found = await outside.outside_findings(settings, None)
    about = {one.subject: str(one.verdict) for one in found if one.subject.upper().startswith("CALLER_ID")}
    assert about == {
        "CALLER_ID": "fault",
        "caller_id in [transfers.good] of desk.toml": "ok",
        "caller_id in [transfers.wrong] of desk.toml": "fault",
    }
