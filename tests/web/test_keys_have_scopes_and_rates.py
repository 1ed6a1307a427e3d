"""Keys with names: what each may do, how often, and what becomes of one that is revoked."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from loguru import logger

from calls.events.talk import CallerSaid
from calls.states import CallState
from desk.api_keys import FILE, ApiKeys, KeysUnusable, Scope, add, new_key, read_entry, revoke
from tests.fake_rest import Answer, fake_rest
from tests.web_service import make_settings, running
from web.access import OperatorsRoute, needs_of
from web.documentation import document
from web.pages import PagesRoute
from web.rates import MINUTE, WRONG_PER_MINUTE, Guesses, Rates

STREAMED = ("GET", "/events", Scope.VIEW)
"""Its answer has no end, so it is asked for by a test of its own."""
OWNER = {"Authorization": "Bearer secret"}
ROUTES = [
    ("GET", "/calls", Scope.VIEW),
    ("GET", "/calls.csv", Scope.READ),
    ("GET", "/calls/CA1", Scope.VIEW),
    ("GET", "/calls/CA1/events", Scope.VIEW),
    ("GET", "/calls/CA1/listen", Scope.READ),
    ("GET", "/messages", Scope.VIEW),
    ("GET", "/stats", Scope.VIEW),
    ("PATCH", "/calls/CA1", Scope.CALL),
    ("PATCH", "/messages/CA1/1", Scope.CALL),
    ("GET", "/docs", Scope.VIEW),
    ("GET", "/openapi.json", Scope.VIEW),
    ("GET", "/drain", Scope.VIEW),
    ("POST", "/calls", Scope.CALL),
    ("POST", "/calls/CA1/hangup", Scope.CALL),
    ("POST", "/calls/CA1/transfer", Scope.CALL),
    ("POST", "/calls/CA1/say", Scope.CALL),
    ("POST", "/calls/CA1/note", Scope.CALL),
    ("POST", "/calls/CA1/digits", Scope.CALL),
    ("POST", "/calls/CA1/recording", Scope.CALL),
    ("DELETE", "/callers/%2B12025550143", Scope.ADMIN),
    ("POST", "/drain", Scope.ADMIN),
    ("DELETE", "/drain", Scope.ADMIN),
]


WITHOUT_WORDS = ("/docs", "/openapi.json", "/drain")
"""These are not in the document of the API."""


def template(path: str) -> str:
    """A path as its route has it."""
    return (
        path.replace("CA1/1", "{call_id}/{seq}")
        .replace("CA1", "{call_id}")
        .replace("%2B12025550143", "{number}")
    )


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def keys_in(tmp_path, *wanted: tuple[str, Scope, int]) -> list[str]:
    """Keys in the file of a service's folder."""
    made = []
    for name, scope, per_minute in wanted:
        key, kept = new_key(name, scope, per_minute)
        add(tmp_path / "data" / FILE, kept)
        made.append(key)
    return made


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    yield lines
    logger.remove(sink)


async def test_each_scope_does_what_it_may_and_nothing_else(tmp_path, log):
    made = dict(zip(Scope, keys_in(tmp_path, *((str(one), one, 0) for one in Scope)), strict=True))
    async with running(tmp_path, api_key="secret") as service:
        for method, path, needed in ROUTES:
            for scope, key in made.items():
                answer = await service.http.request(method, path, headers=bearer(key))
                assert (answer.status_code == 403) is (not scope.covers(needed)), (method, path, scope)
                assert answer.status_code != 401
                if answer.status_code == 403:
                    error = answer.json()["error"]
                    assert f"the key {scope} has the scope {scope}" in error and f"needs {needed}" in error
            assert (await service.http.request(method, path, headers=OWNER)).status_code not in (401, 403)
    assert not [line for line in log for key in made.values() if key in line]


async def test_the_document_says_which_scope_each_route_needs():
    made = document("https://bot.example.com")
    said = {
        (method.upper(), path): operation["security"]
        for path, methods in made["paths"].items()
        for method, operation in methods.items()
    }
    tried = {(method, template(path)): [{"key": [needed]}] for method, path, needed in (*ROUTES, STREAMED)}
    assert {route: needed for route, needed in tried.items() if route[1] not in WITHOUT_WORDS} == said


async def test_each_route_for_the_operators_people_says_what_it_needs_and_is_tried_here(tmp_path):
    """Pages of the console are tried in tests/console/test_each_page_says_who_may_see_it.py."""
    async with running(tmp_path) as service:
        found = {
            (method, route.path): route.endpoint
            for included in service.app.routes
            for route in included.original_router.routes
            if isinstance(route, OperatorsRoute | PagesRoute) and not route.path.startswith("/console")
            for method in route.methods
        }
    assert {route: vars(endpoint).get("needs") for route, endpoint in found.items()} == {
        (method, template(path)): needed
        for method, path, needed in (*ROUTES, STREAMED)
        if path not in ("/docs", "/openapi.json")
    }


async def test_the_feed_is_for_who_may_look_on_and_ends_with_the_key(tmp_path):
    [key] = keys_in(tmp_path, ("desk", Scope.VIEW, 0))
    file = tmp_path / "data" / FILE
    async with running(tmp_path) as service:
        async with service.http.stream("GET", "/events", headers=bearer(key)) as answer:
            assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
            lines = answer.aiter_lines()
            reading = asyncio.create_task(anext(lines))
            await asyncio.sleep(0.2)
            call = service.store.open(carrier="twilio", carrier_call_id="CA1", from_number="+12025550143")
            await reading
            revoke(file, next(one for one in ApiKeys(make_settings(data_dir=file.parent)).good()))
            call.record(CallerSaid("Rosebud"))
            async with asyncio.timeout(10):
                rest = [line async for line in lines]
        assert not any("Rosebud" in line for line in rest)
        assert (await service.http.get("/events", headers=bearer(key))).status_code == 401


def test_a_route_of_which_nothing_is_said_is_for_admins():
    async def route() -> None: ...

    assert needs_of(route) is Scope.ADMIN


async def test_no_key_at_all_leaves_the_api_closed_and_a_named_one_opens_it(tmp_path):
    async with running(tmp_path) as service:
        assert (await service.http.get("/calls", headers={"Authorization": "Bearer"})).status_code == 401
        [key] = keys_in(tmp_path, ("desk", Scope.READ, 0))
        assert (await service.http.get("/calls", headers=bearer(key))).status_code == 200
        assert (await service.http.get("/calls", headers=bearer(key + "x"))).status_code == 401
        assert (await service.http.get("/calls", headers=bearer(key[:-1]))).status_code == 401


async def test_keys_of_the_environment_count_and_the_file_can_revoke_them(tmp_path):
    made = [new_key(name, Scope.READ, 0) for name in ("desk", "crm")]
    entries = ", ".join(kept.line for _, kept in made)
    async with running(tmp_path, api_keys=entries) as service:

        async def statuses() -> list[int]:
            return [(await service.http.get("/calls", headers=bearer(key))).status_code for key, _ in made]

        assert await statuses() == [200, 200]
        revoke(tmp_path / "data" / FILE, made[0][1])
        assert await statuses() == [401, 200]


async def test_a_revoked_key_is_worthless_without_a_restart_and_ends_its_stream(tmp_path):
    keys = keys_in(tmp_path, ("desk", Scope.READ, 0), ("crm", Scope.READ, 0))
    file = tmp_path / "data" / FILE
    async with running(tmp_path) as service:
        call = service.store.open(carrier="twilio", carrier_call_id="CA1", from_number="+12025550143")
        call.move(CallState.IN_PROGRESS, cause="answered")
        async with service.http.stream("GET", "/calls/CA1/events", headers=bearer(keys[0])) as answer:
            assert answer.headers["cache-control"] == "no-store"
            lines = answer.aiter_lines()
            await anext(lines)
            revoke(file, next(one for one in ApiKeys(make_settings(data_dir=file.parent)).good()))
            call.record(CallerSaid("Rosebud"))
            async with asyncio.timeout(10):
                rest = [line async for line in lines]
        assert not any("Rosebud" in line for line in rest)
        assert (await service.http.get("/calls", headers=bearer(keys[0]))).status_code == 401
        assert (await service.http.get("/calls", headers=bearer(keys[1]))).status_code == 200


def test_a_key_with_another_scope_is_not_the_one_that_was_admitted(tmp_path):
    keys_in(tmp_path, ("desk", Scope.READ, 0))
    file = tmp_path / "data" / FILE
    keys = ApiKeys(make_settings(data_dir=file.parent))
    [kept] = keys.good()
    assert keys.is_good(kept)
    file.write_text(file.read_text().replace(":read:", ":view:"))
    os.utime(file, ns=(0, 1))  # the same size, and perhaps the same moment
    assert not keys.is_good(kept) and keys.named("desk").scope is Scope.VIEW


async def test_a_key_is_good_for_so_many_requests_a_minute(tmp_path):
    keys = keys_in(tmp_path, ("slow", Scope.READ, 2), ("fast", Scope.READ, 0))
    async with running(tmp_path) as service:
        answers = [await service.http.get("/calls", headers=bearer(keys[0])) for _ in "123"]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 0 < int(answers[2].headers["retry-after"]) <= 30
        assert "the key slow is good for 2 requests a minute" in answers[2].json()["error"]
        assert (await service.http.get("/calls", headers=bearer(keys[1]))).status_code == 200


def test_a_rate_fills_up_again_and_no_further_than_a_minutes_worth():
    now = 0.0
    rates = Rates(lambda: now)
    assert [rates.take("a", 60) for _ in range(60)] == [0.0] * 60
    assert rates.take("a", 60) == pytest.approx(1.0)
    assert rates.take("b", 60) == 0.0
    now = 1.0
    assert rates.take("a", 60) == 0.0
    assert rates.take("a", 60) > 0
    now = 1000.0
    assert sum(rates.take("a", 60) == 0.0 for _ in range(100)) == 60
    assert [rates.take("c", 0) for _ in range(1000)] == [0.0] * 1000


def test_wrong_guesses_are_counted_by_address_for_a_minute():
    now = 0.0
    guesses = Guesses(lambda: now)
    for _ in range(WRONG_PER_MINUTE):
        assert guesses.wait_secs("1.2.3.4") == 0.0
        guesses.was_wrong("1.2.3.4")
    assert guesses.wait_secs("1.2.3.4") == MINUTE
    assert guesses.wait_secs("1.2.3.5") == 0.0
    now = MINUTE
    assert guesses.wait_secs("1.2.3.4") == 0.0


# What is kept


def test_no_key_is_kept_and_the_file_is_its_owners(tmp_path):
    [key] = keys_in(tmp_path, ("desk", Scope.READ, 0))
    file = tmp_path / "data" / FILE
    assert key not in file.read_text() and key.removeprefix("phonebot_") not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == [FILE]
    assert key not in repr(ApiKeys(make_settings(data_dir=file.parent)).good())
    assert len(key) > 50 and key.startswith("phonebot_")


def test_a_name_is_used_once_so_that_events_say_who_it_was(tmp_path):
    keys_in(tmp_path, ("desk", Scope.READ, 0))
    file = tmp_path / "data" / FILE
    [kept] = ApiKeys(make_settings(data_dir=file.parent)).good()
    revoke(file, kept)
    with pytest.raises(KeysUnusable, match="choose another"):
        keys_in(tmp_path, ("desk", Scope.READ, 0))
    for name in ("", "API_KEY", "Desk", "a b", "a:b", "ü", "x" * 41):
        with pytest.raises(KeysUnusable, match="no name of a key"):
            new_key(name, Scope.READ, 0)


@pytest.mark.parametrize(
    "line",
    [
        "desk",
        "phonebot_a-key-that-was-pasted-by-mistake",
        "desk:boss:0:" + "0" * 64,
        "desk:read:-1:" + "0" * 64,
        "desk:read:9999999:" + "0" * 64,
        "desk:read:0:" + "0" * 63,
        "desk:read:0:phonebot_key",
        "DESK:read:0:" + "0" * 64,
    ],
)
def test_an_entry_that_cannot_be_read_is_one_line_that_does_not_repeat_it(line):
    with pytest.raises(KeysUnusable) as error:
        read_entry(line)
    assert "\n" not in str(error.value)
    assert "phonebot_" not in str(error.value) and "0" * 20 not in str(error.value)


async def test_a_damaged_file_closes_what_is_damaged_and_says_so(tmp_path, log):
    keys = keys_in(tmp_path, ("desk", Scope.READ, 0), ("crm", Scope.READ, 0))
    file = tmp_path / "data" / FILE
    lines = file.read_text().splitlines()
    async with running(tmp_path, api_key="secret") as service:

        async def statuses() -> list[int]:
            given = [*keys, "secret"]
            return [(await service.http.get("/calls", headers=bearer(key))).status_code for key in given]

        assert await statuses() == [200, 200, 200]
        file.write_text("\n".join([lines[0], lines[1][:-3], lines[2]]))
        assert await statuses() == [401, 200, 200]
        assert "line 2 has no SHA-256 for desk" in "".join(log)
        file.write_text("\n".join([*lines, lines[1]]))  # whichever is meant, one of both may be revoked
        assert await statuses() == [401, 200, 200]
        file.write_bytes(b"\xff\xfe\x00")
        assert await statuses() == [401, 401, 200]
        file.unlink()
        file.mkdir()
        assert await statuses() == [401, 401, 200]
        file.rmdir()
        assert await statuses() == [401, 401, 200]


# Acting


async def test_a_read_key_does_not_dial(tmp_path):
    made = keys_in(tmp_path, ("reader", Scope.READ, 0), ("dialler", Scope.CALL, 0))
    credentials = {"twilio_account_sid": "AC1", "twilio_auth_token": "t", "caller_id": "+12025550100"}
    async with fake_rest(Answer.json(201, {"sid": "CA1", "status": "queued"})) as rest:
        async with running(tmp_path, twilio_api_base_url=rest.url, **credentials) as service:
            order = {"to": "+12025550143"}
            refused = await service.http.post("/calls", json=order, headers=bearer(made[0]))
            assert (refused.status_code, rest.requests, service.store.list()) == (403, [], [])
            taken = await service.http.post("/calls", json=order, headers=bearer(made[1]))
            assert taken.status_code == 202
            by = {event["kind"]: event.get("by") for event in taken.json()["events"]}
            assert by["dialling"] == "dialler"
