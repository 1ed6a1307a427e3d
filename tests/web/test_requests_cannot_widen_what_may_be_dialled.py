"""Limits on calls that we place: whose number they come from, how many there are, and who asked not to be called."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from calls.control import CallControl
from calls.do_not_call import DoNotCall, DoNotCallUnusable
from calls.errors import NotPossible
from calls.policy import DialPolicy, DialRefused, TooManyCalls
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.transfer import Target
from calls.transferring import call_colleague, transfer
from settings import SettingsError, load_settings
from tests.dial_limits import check_again
from tests.fake_carrier import FakeCarrier
from tests.fake_rest import Answer, fake_rest
from tests.web_service import running

HERE, ABROAD, THEM = "+12025550100", "+442079460100", "+12025550143"
KEY = {"Authorization": "Bearer secret"}
SET = {"api_key": "secret", "twilio_account_sid": "AC1", "twilio_auth_token": "t", "caller_id": HERE}


@asynccontextmanager
async def service_with_a_carrier(tmp_path, **settings):
    """The service, and Twilio's REST API, which takes on every call."""
    taken_on = [Answer.json(201, {"sid": f"CA{number}", "status": "queued"}) for number in range(100)]
    async with (
        fake_rest(*taken_on) as rest,
        running(tmp_path, **(SET | settings), twilio_api_base_url=rest.url) as service,
    ):
        yield service, rest


def callers(rest):
    """From which numbers the carrier was asked to call."""
    return [parse_qs(request.body)["From"][0] for request in rest.requests if request.method == "POST"]


@pytest.mark.parametrize("number", ["+5352345679", "+12025550199", "sip:a@example.com", "", "+", ABROAD])
async def test_a_request_cannot_bring_a_number_of_its_own(tmp_path, number):
    async with service_with_a_carrier(tmp_path) as (service, rest):
        to = number if number.startswith("+53") else THEM
        answer = await service.http.post("/calls", json={"to": to, "from": number}, headers=KEY)
        assert answer.status_code == 422
        assert "CALLER_ID" in answer.json()["error"]
        assert "555" not in answer.json()["error"]
        assert callers(rest) == []


async def test_a_request_may_name_another_number_of_the_owners(tmp_path):
    async with service_with_a_carrier(tmp_path, caller_ids=f"{ABROAD},+12025550101") as (service, rest):
        to = {"to": "+442079460123", "from": "+44 20 7946 0100"}
        assert (await service.http.post("/calls", json=to, headers=KEY)).status_code == 202
        to = {"to": "+442079460123", "from": HERE}
        assert (await service.http.post("/calls", json=to, headers=KEY)).status_code == 422
        assert callers(rest) == [ABROAD]


def test_numbers_of_the_owner_are_checked_at_start(monkeypatch):
    assert load_settings(caller_id=HERE, caller_ids=f" {ABROAD} ,{HERE},").numbers == (HERE, ABROAD)
    with pytest.raises(SettingsError, match="CALLER_IDS is not usable"):
        load_settings(caller_ids="+12025550101,2025550102")


@pytest.mark.parametrize(
    "number",
    ["+12025551212", "+18005551212", "+19175551212", "+12029760123", "(212) 976-1234", "555-1212", "411"],
)
def test_directory_assistance_and_premium_exchanges_are_never_called(number):
    with pytest.raises(DialRefused):
        DialPolicy(frozenset("*")).check(number, HERE)


class Clock:
    now = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def dial(store, last_digits):
    return store.dial_out(carrier="c", from_number=HERE, to_number=f"+1202555{last_digits:04}")


async def test_only_so_many_calls_are_placed_within_an_hour():
    clock = Clock()
    store, policy = CallStore(clock=clock), DialPolicy(per_hour=3, at_once=100)
    for number in range(3):
        await check_again(policy, THEM, store)
        dial(store, number)
    with pytest.raises(TooManyCalls, match="DIAL_MAX_PER_HOUR"):
        await check_again(policy, THEM, store)
    clock.now += timedelta(minutes=61)
    await check_again(policy, THEM, store)


async def test_only_so_many_are_up_at_once():
    store, policy = CallStore(), DialPolicy(at_once=2)
    calls = [dial(store, number) for number in range(2)]
    with pytest.raises(TooManyCalls, match="DIAL_MAX_AT_ONCE"):
        await check_again(policy, THEM, store)
    calls[0].move(CallState.COMPLETED, cause="over", ended_by=EndedBy.BOT)
    await check_again(policy, THEM, store)


async def test_the_minutes_of_a_day_have_an_end():
    clock = Clock()
    store, policy = CallStore(clock=clock), DialPolicy(minutes_per_day=60)
    call = dial(store, 1)
    call.move(CallState.IN_PROGRESS, cause="answered")
    clock.now += timedelta(minutes=40)
    await check_again(policy, THEM, store)
    clock.now += timedelta(minutes=20)
    with pytest.raises(TooManyCalls, match="DIAL_MAX_MINUTES_PER_DAY"):
        await check_again(policy, THEM, store)
    call.move(CallState.COMPLETED, cause="over", ended_by=EndedBy.BOT)
    clock.now += timedelta(hours=1)
    with pytest.raises(TooManyCalls, match="DIAL_MAX_MINUTES_PER_DAY"):
        await check_again(policy, THEM, store)
    clock.now += timedelta(days=1)
    await check_again(policy, THEM, store)


async def test_sixty_requests_in_a_moment_place_no_more_than_allowed(tmp_path):
    async with service_with_a_carrier(tmp_path, dial_max_at_once=100, max_calls=0) as (service, rest):
        codes = []
        for number in range(60):
            order = {"to": f"+1202555{100 + number:04}"}
            codes.append((await service.http.post("/calls", json=order, headers=KEY)).status_code)
    assert (codes.count(202), codes.count(429)) == (30, 30)
    assert len(callers(rest)) == 30


def listed(tmp_path, text):
    path = tmp_path / "never.txt"
    path.write_text(text)
    return DoNotCall(path)


def test_who_asked_not_to_be_called_is_not(tmp_path):
    never = listed(
        tmp_path, "# asked on 3 May\n+1 (202) 555-0143  # Ann\n\nsip:Bob@example.com\n442079460123,\n"
    )
    policy = DialPolicy(frozenset("*"), sip_hosts=frozenset({"example.com"}), do_not_call=never)
    for number in (THEM, "202 555 0143", "sip:bob@example.com;transport=tcp", "+442079460123"):
        with pytest.raises(NotPossible, match="do-not-call list"):
            policy.check(number, HERE)
    assert policy.check("+12025550144", HERE)
    (tmp_path / "never.txt").write_text("+12025550144\n")
    assert policy.check(THEM, HERE)
    with pytest.raises(NotPossible):
        policy.check("+12025550144", HERE)


def test_a_list_that_cannot_be_read_lets_nobody_be_called(tmp_path):
    for never in (DoNotCall(tmp_path / "gone.txt"), listed(tmp_path, f"{THEM}\nAnn Miller\n")):
        with pytest.raises(DoNotCallUnusable, match="nobody is called") as caught:
            DialPolicy(do_not_call=never).check("+12025550144", HERE)
        assert THEM not in str(caught.value)
    assert "line 2" in str(caught.value)


async def test_nobody_is_put_through_to_them_either(tmp_path):
    store, carrier = CallStore(), FakeCarrier()
    call = store.open(carrier=carrier.name, carrier_call_id="CA1", to_number=HERE)
    control = CallControl(call, carrier, store, do_not_call=listed(tmp_path, THEM))
    target = Target(name="ann", address=THEM, warm=True)
    for act in (lambda: transfer(control, target), lambda: call_colleague(control, target, "a cut")):
        with pytest.raises(NotPossible, match="do-not-call list"):
            await act()
    assert call.state is not CallState.TRANSFERRING


@pytest.mark.parametrize(
    "same",
    [
        "sip:+12025550144@example.com",
        "sip:12025550144@example.com",
        "sip:2025550144@example.com;user=phone",
        "sip:%2B12025550144@example.com",
        "sip:+1-202-555-0144@example.com",
        "sip:%61nn@example.com",
        "sips:ann@example.com",
        "SIP:ANN@Example.com:5060;transport=tcp",
    ],
)
def test_who_asked_not_to_be_called_is_not_called_by_another_form_of_the_address(tmp_path, same):
    never = listed(tmp_path, "+1 202 555 0144\nsip:ann@example.com\n")
    policy = DialPolicy(frozenset("*"), sip_hosts=frozenset({"example.com"}), do_not_call=never)
    with pytest.raises(NotPossible, match="do-not-call"):
        policy.check(same, HERE)
    assert policy.check("sip:joe@example.com", HERE)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("sip:ann@example.com;maddr=evil.example", "maddr"),
        ("sip:ann@example.com:5060;transport=tcp;MADDR=192.0.2.1", "maddr"),
        ("sip:911@example.com", "emergency"),
        ("sip:%39%31%31@example.com", "emergency"),
        ("sip:112@example.com;user=phone", "emergency"),
        ("sip:+5352345679@example.com", "DIAL_COUNTRIES"),
        ("sip:%2B5352345679@example.com", "DIAL_COUNTRIES"),
        ("sip:+19005551234@example.com", "premium"),
        ("sip:+12025551212@example.com", "directory"),
    ],
)
def test_a_sip_address_opens_no_way_around_what_holds_for_numbers(address, words):
    policy = DialPolicy(sip_hosts=frozenset({"example.com"}))
    with pytest.raises(DialRefused, match=words):
        policy.check(address, HERE)


def test_extensions_and_numbers_of_home_are_called_by_sip():
    policy = DialPolicy(sip_hosts=frozenset({"example.com"}))
    for address in ("sip:101@example.com", "sip:+12025550143@example.com", "sip:a@example.com;transport=tls"):
        assert policy.check(address, HERE) == address


async def test_other_forms_of_an_address_are_the_same_one_for_the_days_limit():
    store = CallStore()
    policy = DialPolicy(per_number_per_day=1, sip_hosts=frozenset({"example.com"}))
    store.dial_out(carrier="twilio", from_number=HERE, to_number="sip:ann@example.com")
    with pytest.raises(DialRefused, match="DIAL_MAX_PER_NUMBER_PER_DAY"):
        await check_again(policy, "sip:ANN@example.com;transport=tcp", store)
    await check_again(policy, "sip:joe@example.com", store)
