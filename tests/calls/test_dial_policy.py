"""Who may be called, and who may not."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from calls.policy import NOBODY_KNOWS, DialPolicy, DialRefused
from calls.states import CallState, EndedBy
from calls.store import CallStore
from tests.calls_on_disk import store_on
from tests.dial_limits import check_again, place

HERE = "+12025550100"
THEM = "+12025550143"


@pytest.mark.parametrize(
    ("text", "caller_id", "number"),
    [
        ("+12025550143", None, "+12025550143"),
        (" +1 (202) 555-0143 ", None, "+12025550143"),
        ("202-555-0143", HERE, "+12025550143"),
        ("020 7946 0123", "+442079460100", "+442079460123"),
        ("tel:+1-202-555-0143", None, "+12025550143"),
        ("+49 30 123456", HERE, "+4930123456"),
    ],
)
def test_numbers_are_read_as_people_write_them(text, caller_id, number):
    assert DialPolicy(frozenset({"*"})).check(text, caller_id) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a telephone number"),
        ("hello", "not a telephone number"),
        ("+", "not a telephone number"),
        ("2025550143", "has no country"),
        ("+999123456789", "not a telephone number"),
        ("+1202555014", "no such telephone number"),
        ("+120255501433", "no such telephone number"),
        ("+15551234567", "no such telephone number"),
        ("+12025550143 ext. 5", "has an extension"),
        ("+" + "1" * 400, "not a telephone number"),
        ("911", "emergency"),
        ("112", "emergency"),
        ("40404", "emergency"),
    ],
)
def test_junk_is_refused_without_repeating_it(text, words):
    with pytest.raises(DialRefused, match=words) as caught:
        DialPolicy(frozenset({"*"})).check(text)
    digits = "".join(filter(str.isdigit, text))
    assert not digits or digits not in str(caught.value)


def test_only_the_country_that_is_called_from_is_allowed_by_default():
    policy = DialPolicy()
    assert policy.check(THEM, HERE) == THEM
    assert policy.check("202 555 0143", HERE) == THEM
    assert policy.check("+44 20 7946 0123", "+442079460100") == "+442079460123"
    with pytest.raises(
        DialRefused, match=r"numbers in GB may not be called, only those in US: add GB to DIAL_COUNTRIES"
    ):
        policy.check("+442079460123", HERE)
    with pytest.raises(DialRefused, match="numbers in JM may not be called"):  # +1, too
        policy.check("+18765550100", HERE)


@pytest.mark.parametrize("caller_id", [None, "sip:bot@example.com", "+80012345678"])
def test_a_caller_id_without_a_country_allows_none(caller_id):
    with pytest.raises(DialRefused, match="list some in DIAL_COUNTRIES"):
        DialPolicy().check(THEM, caller_id)
    assert DialPolicy(frozenset({"US"})).check(THEM, caller_id) == THEM


def test_countries_are_allowed_by_the_setting():
    policy = DialPolicy.read("gb, CA", 5, None)
    assert policy.check("+442079460123", HERE) == "+442079460123"
    assert policy.check("+18005550199", HERE) == "+18005550199"  # toll-free, in Canada as in the US
    with pytest.raises(DialRefused, match="numbers in US may not be called, only those in CA, GB"):
        policy.check(THEM, HERE)
    assert DialPolicy.read("*", 5, None).check("+442079460123", HERE) == "+442079460123"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("+19005550100", "premium-rate"),
        ("+33899123456", "premium-rate"),
        ("+491805123456", "premium-rate|shared-cost"),
        ("+447012345678", "personal number"),
        ("+445551234567", "company-wide"),
        ("+881612345678", "no country"),
        ("+80012345678", "no country"),
        ("911", "emergency"),
        ("+911", "not a telephone number"),
        ("+1911", "no such telephone number"),
        ("+44999", "no such telephone number"),
    ],
)
def test_expensive_emergency_and_short_numbers_are_never_called(number, words):
    with pytest.raises(DialRefused, match=words):
        DialPolicy(frozenset("*")).check(number, HERE)


def test_sip_addresses_are_called_at_listed_hosts_only():
    policy = DialPolicy.read(None, 5, "pbx.example.com, Sip.Example.org")
    for address in (
        "sip:desk@pbx.example.com",
        "sips:desk@PBX.example.com:5061",
        "sip:a@sip.example.org;transport=tcp",
    ):
        assert policy.check(address, HERE) == address
    for address in ("sip:desk@example.com", "sip:desk@pbx.example.com.evil.net"):
        with pytest.raises(DialRefused, match="add it to DIAL_SIP_HOSTS"):
            policy.check(address, HERE)
    for address in ("sip:pbx.example.com", "sip:a@b@pbx.example.com", "sip:desk@pbx.example.com?X-Header=1"):
        with pytest.raises(DialRefused, match=r"neither an E\.164 number nor a SIP address"):
            policy.check(address, HERE)
    with pytest.raises(DialRefused, match="DIAL_SIP_HOSTS"):
        DialPolicy(frozenset("*")).check("sip:desk@pbx.example.com", HERE)


class Clock:
    now = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


def dial(store, number=THEM, **more):
    return store.dial_out(carrier="c", from_number=HERE, to_number=number, **more)


async def test_the_same_number_is_called_so_often_a_day_and_no_more():
    clock = Clock()
    store, policy = CallStore(clock=clock), DialPolicy(per_number_per_day=2)
    for _ in range(2):
        await check_again(policy, THEM, store)
        dial(store)
    with pytest.raises(DialRefused, match="called 2 times within 24 hours") as caught:
        await check_again(policy, THEM, store)
    assert THEM not in str(caught.value)
    await check_again(policy, "+12025550144", store)
    clock.now += timedelta(hours=24)
    await check_again(policy, THEM, store)


async def test_calls_before_a_restart_count(tmp_path):
    policy = DialPolicy(per_number_per_day=2)
    async with store_on(tmp_path / "a.db") as store:
        dial(store)
    async with store_on(tmp_path / "a.db") as store:
        await check_again(policy, THEM, store)
        dial(store)
        await store.flush()  # in memory and in the database: one call
        with pytest.raises(DialRefused):
            await check_again(policy, THEM, store)


async def test_only_calls_that_may_have_rung_for_a_stranger_count():
    store, policy = CallStore(), DialPolicy(per_number_per_day=1)
    dial(store, parameters={"role": "colleague"})
    store.open(carrier="c", carrier_call_id="CA9", from_number=THEM, to_number=THEM)
    dial(store).move(CallState.FAILED, cause="401: check the key", ended_by=EndedBy.ERROR)
    await check_again(policy, THEM, store)
    dial(store).move(CallState.FAILED, cause=NOBODY_KNOWS, ended_by=EndedBy.ERROR)
    with pytest.raises(DialRefused):
        await check_again(policy, THEM, store)


async def test_many_who_ask_at_once_do_not_get_past_the_limit(tmp_path):
    policy = DialPolicy(per_number_per_day=3)
    async with store_on(tmp_path / "a.db") as store:

        async def try_it():
            await place(policy, THEM, store)

        results = await asyncio.gather(*(try_it() for _ in range(10)), return_exceptions=True)
    assert [isinstance(result, DialRefused) for result in results].count(False) == 3
