"""WHEN_FULL=call_back: who was promised a call gets one when there is room, as the dial policy allows."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from calls.call_backs import LEASE, WITHIN, CallBack, CallBacks
from calls.events.lifecycle import TurnedAway
from calls.states import CallState
from conversation.agents.agent import Agent
from conversation.agents.purpose import CALLED_BACK, who_calls
from desk import calling_back
from tests.calls_on_disk import rows, store_on
from tests.fake_rest import Answer, fake_rest
from tests.web.test_web_call_control_events import DONE, commands, initiated, serving, tell
from tests.web_service import running, until, verbs

ANN, BOB, HERE = "+12025550143", "+12025550199", "+14155550101"
CALL = {"CallSid": "CA1", "From": BOB, "To": HERE}
SECOND = {"CallSid": "CA2", "From": ANN, "To": HERE}
LATER = "I'm sorry, all our lines are busy at the moment. We will call you back as soon as we can. Goodbye."
BUSY = "I'm sorry, all our lines are busy at the moment. Please call again in a few minutes. Goodbye."
MINUTE = timedelta(minutes=1)


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Full:
    """A service that is full, with one caller, and the REST API by which it places calls."""

    def __init__(self, service, rest, clock, file):
        self.service, self.rest, self.clock, self._file = service, rest, clock, file

    @property
    def dialled(self) -> list[str]:
        """Whom calls were placed to, in turn."""
        placed = [
            one for one in self.rest.requests if one.method == "POST" and one.path.endswith("/Calls.json")
        ]
        return [parse_qs(one.body)["To"][0] for one in placed]

    @property
    def listed(self) -> list[tuple]:
        return rows(self._file, "select number, tries from call_backs order by asked_at")

    async def call(self, form) -> list[tuple[str, str | None]]:
        return verbs((await self.service.post("/twilio/voice", **form)).text)

    async def end(self, form) -> None:
        await self.service.post("/twilio/status", **form, CallStatus="completed")

    async def ended(self, number: int, status: str, *, answered: bool = False) -> None:
        """A call that was placed comes to its end."""
        call = self.service.store.find("twilio", f"CAout{number}")
        path = self.service.way_back_path(call, "status")
        for one in (["in-progress"] if answered else []) + [status]:
            await self.service.post(path, CallSid=f"CAout{number}", CallStatus=one)


@asynccontextmanager
async def full(tmp_path, monkeypatch, **values):
    monkeypatch.setattr(calling_back, "LOOK_SECS", 0.02)
    clock, file = Clock(), tmp_path / "calls.db"
    answers = [Answer.json(201, {"sid": f"CAout{number}", "status": "queued"}) for number in range(1, 9)]
    given = {
        "max_calls": 1,
        "when_full": "call_back",
        "caller_id": HERE,
        "twilio_account_sid": "AC1",
        "twilio_auth_token": "t",
        "allow_unsigned_webhooks": True,
    }
    async with (
        fake_rest(*answers) as rest,
        store_on(file, clock=clock) as store,
        running(tmp_path, store=store, **(given | {"twilio_api_base_url": rest.url} | values)) as service,
    ):
        one = Full(service, rest, clock, file)
        await one.call(CALL)
        yield one


async def test_who_was_promised_a_call_gets_it_when_there_is_room(tmp_path, monkeypatch):
    async with full(tmp_path, monkeypatch) as one:
        assert (await one.call(SECOND))[0] == ("Say", LATER)
        assert (await one.call(SECOND))[0] == ("Say", LATER)  # the carrier asks again
        turned = one.service.store.find("twilio", "CA2").last(TurnedAway)
        assert (turned.reason, turned.how) == ("full", "call_back")
        await one.end(SECOND)
        assert one.listed == [(ANN, 0)]
        assert one.dialled == []  # there is no room yet
        await one.end(CALL)
        await until(lambda: one.dialled == [ANN])
        await until(lambda: one.service.store.find("twilio", "CAout1"))
        call = one.service.store.find("twilio", "CAout1")
        assert (call.from_number, call.agent, call.parameters) == (HERE, "receptionist", {CALLED_BACK: "yes"})
        await one.ended(1, "completed", answered=True)
        await until(lambda: one.listed == [])
        assert one.dialled == [ANN]


async def test_three_tries_and_no_more(tmp_path, monkeypatch):
    async with full(tmp_path, monkeypatch) as one:
        await one.call(SECOND)
        await one.end(SECOND)
        await one.end(CALL)
        for tries, pause in ((1, 10), (2, 45)):
            await until(lambda count=tries: len(one.dialled) == count)
            await until(lambda count=tries: one.service.store.find("twilio", f"CAout{count}"))
            await one.ended(tries, "no-answer")
            await until(lambda: rows(one._file, "select leased_until from call_backs") == [(None,)])
            assert one.listed == [(ANN, tries)]
            one.clock.now += pause * MINUTE
        await until(lambda: len(one.dialled) == 3)
        await until(lambda: one.service.store.find("twilio", "CAout3"))
        await one.ended(3, "busy")
        await until(lambda: one.listed == [])


async def test_one_at_a_time_and_the_oldest_first(tmp_path, monkeypatch):
    third = {"CallSid": "CA3", "From": "+12025550177", "To": HERE}
    async with full(tmp_path, monkeypatch, max_calls=2) as one:
        await one.call({"CallSid": "CA0", "From": "+12025550188", "To": HERE})
        for form in (SECOND, third):
            assert (await one.call(form))[0] == ("Say", LATER)
            await one.end(form)
            one.clock.now += MINUTE
        await one.end(CALL)
        await until(lambda: one.dialled == [ANN])
        await until(lambda: one.service.store.find("twilio", "CAout1"))
        await one.end({"CallSid": "CA0", "From": "+12025550188", "To": HERE})
        await one.ended(1, "completed", answered=True)
        await until(lambda: one.dialled == [ANN, "+12025550177"])


async def test_who_calls_again_and_is_answered_is_not_called(tmp_path, monkeypatch):
    async with full(tmp_path, monkeypatch) as one:
        await one.call(SECOND)
        await one.end(SECOND)
        monkeypatch.setattr(calling_back, "LOOK_SECS", 3600)
        one.clock.now -= timedelta(days=1)  # nobody is due
        await one.end(CALL)
        assert (await one.call({**SECOND, "CallSid": "CA4"}))[0][0] == "Connect"
        await until(lambda: one.listed == [])
        assert one.dialled == []


@pytest.mark.parametrize(
    ("number", "values"),
    [
        ("anonymous", {}),
        ("+442079460000", {}),  # no country of ours
        (ANN, {"caller_id": None}),
        (ANN, {"twilio_auth_token": None}),
        (ANN, {"dial_do_not_call": "list.txt"}),
    ],
)
async def test_nothing_is_promised_that_may_not_be_done(tmp_path, monkeypatch, number, values):
    (tmp_path / "list.txt").write_text(ANN)
    if "dial_do_not_call" in values:
        values = {"dial_do_not_call": tmp_path / "list.txt"}
    async with full(tmp_path, monkeypatch, **values) as one:
        assert (await one.call({**SECOND, "From": number}))[0] == ("Say", BUSY)
        assert one.service.store.find("twilio", "CA2").last(TurnedAway).how == "say"
        assert one.listed == []


async def test_without_a_database_nothing_is_promised(tmp_path, monkeypatch):
    given = {
        "caller_id": HERE,
        "twilio_account_sid": "AC1",
        "twilio_auth_token": "t",
        "allow_unsigned_webhooks": True,
    }
    async with running(tmp_path, max_calls=1, when_full="call_back", **given) as service:
        await service.post("/twilio/voice", **CALL)
        assert verbs((await service.post("/twilio/voice", **SECOND)).text)[0] == ("Say", BUSY)


async def test_a_call_that_is_run_by_commands_is_promised_the_same(tmp_path):
    file = tmp_path / "calls.db"
    async with (
        fake_rest(DONE) as rest,
        store_on(file) as store,
        serving(
            tmp_path,
            rest,
            store=store,
            max_calls=1,
            when_full="call_back",
            caller_id=HERE,
            telnyx_mode="call_control",
            telnyx_connection_id="1",
        ) as service,
    ):
        await tell(service, initiated())
        await until(lambda: commands(rest) == ["answer"])
        await tell(service, initiated(call_control_id="v3:2"))
        await until(lambda: "speak" in commands(rest))
        spoken = next(one for one in rest.requests if one.path.endswith("/speak"))
        assert "We will call you back" in spoken.body
        assert rows(file, "select number from call_backs") == [("+12025550100",)]


def entry(number: str, at: datetime) -> CallBack:
    return CallBack(number, "twilio", None, HERE, asked_at=at, due_at=at)


async def test_two_processes_take_one_entry_and_a_dead_ones_comes_back(tmp_path):
    clock, file = Clock(), tmp_path / "calls.db"
    async with store_on(file) as one, store_on(file) as other:
        mine, theirs = CallBacks(one), CallBacks(other)
        start = clock()
        await mine.keep(entry(ANN, start))
        await theirs.keep(entry(BOB, start + MINUTE))
        await theirs.keep(entry(ANN, start + 2 * MINUTE))  # stays where it was
        now = start + 3 * MINUTE
        assert (await mine.take(now)).number == ANN
        assert await theirs.take(now) is None  # one at a time
        await mine.hold(ANN, now, tries=1, call_id="call_1")
        now += LEASE
        taken = await theirs.take(now)
        assert (taken.number, taken.tries, taken.call_id) == (ANN, 1, "call_1")
        await theirs.put_off(ANN, now + 10 * MINUTE)
        assert (await mine.take(now)).number == BOB
        await mine.take_off(BOB)
        assert await mine.take(now) is None
        assert (await mine.take(now + 10 * MINUTE)).number == ANN
        assert await mine.take(start + WITHIN + 11 * MINUTE) is None
        assert rows(file, "select * from call_backs") == []  # too late, and forgotten


async def test_a_call_of_a_process_that_died_is_looked_at_before_another_is_made(tmp_path, monkeypatch):
    async with full(tmp_path, monkeypatch) as one:
        monkeypatch.setattr(calling_back, "LOOK_SECS", 3600)
        store = one.service.store
        made = store.dial_out(carrier="twilio", from_number=HERE, to_number=ANN)
        for state in (CallState.RINGING, CallState.IN_PROGRESS, CallState.COMPLETED):
            made.move(state, cause="test")
        service = one.service.app.state.service
        await service.call_backs.keep(entry(ANN, one.clock()))
        await service.call_backs.hold(ANN, one.clock(), tries=1, call_id=made.id)
        one.clock.now += LEASE
        await calling_back._serve(service, await service.call_backs.take(one.clock()))
        assert (one.listed, one.dialled) == ([], [])


async def test_many_numbers_do_not_make_many_calls(tmp_path, monkeypatch):
    monkeypatch.setattr("calls.call_backs.MAX_WAITING", 2)
    async with store_on(tmp_path / "calls.db") as store:
        kept = [await CallBacks(store).keep(entry(f"+1202555010{n}", Clock()())) for n in (0, 1, 2, 1)]
    assert kept == [True, True, False, True]


async def test_a_list_of_another_time_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(calling_back, "LOOK_SECS", 0.02)
    file = tmp_path / "calls.db"
    async with store_on(file) as store:
        await CallBacks(store).keep(entry(ANN, Clock()()))
        async with running(tmp_path, store=store, when_full="say"):
            await until(lambda: rows(file, "select * from call_backs") == [])


def test_who_is_called_back_is_told_why():
    agent = Agent(
        name="a",
        greeting="Hi.",
        instructions="x",
        variables={"business": "Willow Dental"},
        dial_out={"purpose": "a bill"},
    )
    told = who_calls(agent, agent.call_variables({CALLED_BACK: "yes"}, direction="outbound"))
    assert told == (
        "Hello, this is Willow Dental. You called us a while ago when all our lines were busy, so we are calling you "
        "back. How can I help you?"
    )
    assert "bill" in who_calls(agent, agent.call_variables(direction="outbound"))
