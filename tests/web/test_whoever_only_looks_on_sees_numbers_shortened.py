"""A key with the scope `view`: the API itself shows it numbers shortened, no recordings, no pressed keys."""

import asyncio
import json
from urllib.parse import quote

import pytest
from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from calls.events.people import Reviewed
from calls.events.reading import read_event
from calls.events.talk import DtmfReceived, MessageTaken
from calls.states import CallState
from desk.api_keys import FILE, Scope, add, new_key
from tests.calls_on_disk import store_on
from tests.web_service import running, until
from web.access import OperatorsRoute, needs
from web.shortened import HIDDEN, shortened

ANN = "+12025550143"


async def test_no_answer_of_the_api_has_a_number_in_full(tmp_path):
    keys = {}
    for scope in (Scope.VIEW, Scope.READ):
        key, kept = new_key(str(scope), scope, 0)
        add(tmp_path / "data" / FILE, kept)
        keys[scope] = {"Authorization": f"Bearer {key}"}
    async with running(tmp_path) as service:
        call = service.store.open(
            carrier="twilio",
            carrier_call_id="CA2d654b35a3037585142025550143734588",
            from_number=ANN,
            to_number="+12025550100",
        )
        call.move(CallState.IN_PROGRESS, cause="answered")
        for kind, data in [
            ("caller_said", {"text": "Call me at 202-555-0143, or (202) 555 0143."}),
            ("caller_said", {"text": "DTMF: 4711"}),
            ("dtmf", {"digits": "4"}),
            (
                "tool",
                {
                    "name": "look",
                    "arguments": {"caller_id": ANN, "n": 12025550143, ANN: [ANN]},
                    "result": ANN,
                },
            ),
            (
                "message_taken",
                {"caller_name": "Ann", "callback_number": ANN, "message": "sip:ann@example.com"},
            ),
            ("error", {"message": f"the carrier does not call {ANN}"}),
            (
                "recording",
                {"state": "completed", "recording_id": "RE1", "url": "https://h/RE1", "channels": 2},
            ),
        ]:
            call.record(read_event(call.clock(), kind, data))
        call.move(CallState.COMPLETED, cause=f"{ANN} hung up")
        texts = {}
        for scope, headers in keys.items():
            texts[scope] = [
                (await service.http.get(path, headers=headers)).text
                for path in ("/calls", f"/calls/{call.id}", f"/calls/{call.id}/events")
            ]
        for text in texts[Scope.VIEW]:
            for secret in (ANN, "2025550143", "202-555", "555 0143", "4711", "https://h/", "ann@example"):
                # The carrier's id has such digits by chance.
                assert secret not in text.replace(call.carrier_call_id, ""), secret
            assert "kind" in text or "+1…0143" in text
        assert all(ANN in text for text in texts[Scope.READ])
        shown = json.loads(texts[Scope.VIEW][1])
        assert (shown["id"], shown["carrier_call_id"]) == (call.id, call.carrier_call_id)
        assert (shown["from_number"], shown["recordings"][0]["url"]) == ("+1…0143", None)
        assert json.loads(texts[Scope.READ][1])["recordings"][0]["url"] == "https://h/RE1"
        assert shown["created_at"].startswith("20")


async def test_lists_counts_and_the_feed_have_no_number_in_full_and_do_not_tell_who_has_which(tmp_path):
    key, kept = new_key("viewer", Scope.VIEW, 0)
    add(tmp_path / "data" / FILE, kept)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        store_on(tmp_path / "calls.db") as store,
        running(tmp_path, api_key="secret", store=store) as service,
    ):

        async def ask(path, status=200, **more):
            answer = await service.http.get(path, headers={**headers, **more})
            assert answer.status_code == status, answer.text
            return answer.json()

        def call_of(name):
            call = store.open(carrier="twilio", carrier_call_id=name, from_number=ANN, agent="a")
            call.move(CallState.IN_PROGRESS, cause="answered")
            call.record(MessageTaken("Ann", ANN, f"My number is {ANN}."))
            call.record(Reviewed(outcome="message", note=f"Call {ANN} back.", by="ann"))
            call.record(DtmfReceived("4711"))
            call.move(CallState.COMPLETED, cause=f"{ANN} hung up")
            return call

        for name in ("CA1", "CA2"):
            call_of(name)
        await store.flush()
        seen, path = [], "/calls?limit=1"
        while path:
            listed = await ask(path)
            seen += listed["calls"]
            path = f"/calls?limit=1&before={quote(listed['next'])}" if listed["next"] else None
        assert [one["carrier_call_id"] for one in seen] == ["CA2", "CA1"]
        assert (seen[0]["from_number"], seen[0]["note"]) == ("+1…0143", "Call +1…0143 back.")
        messages = (await ask("/messages?limit=1")) | {"further": await ask("/messages?limit=2")}
        further = await ask(f"/messages?limit=1&before={quote(messages['next'])}")
        assert messages["further"]["messages"][1] == further["messages"][0]
        assert further["messages"][0]["callback_number"] == "+1…0143"
        assert (await ask("/stats"))["totals"]["calls"] == 2

        seen_live = []
        async with service.http.stream("GET", "/events", headers=headers, timeout=20) as answer:

            async def read():
                async for line in answer.aiter_lines():
                    seen_live.append(line)

            reading = asyncio.create_task(read())
            await asyncio.sleep(0.7)
            call_of("CA3")
            await until(lambda: any(line == "event: ended" for line in seen_live))
            reading.cancel()
        for text in (*map(str, (seen, messages)), "\n".join(seen_live)):
            assert "0143" in text and "2025550143" not in text and "4711" not in text

        for path in (
            "/calls?q=0143",
            "/calls?q=Ann",
            "/calls?number=0143",
            "/events?q=0143",
            "/events?number=5",
        ):
            assert "looking for words or numbers needs read" in (await ask(path, 403))["error"]
        await ask("/calls?q=&outcome=message")
        for path in ("/calls", "/messages"):
            await ask(path, 403, accept="text/csv")
        await ask("/calls.csv", 403)
        table = await service.http.get("/calls.csv", headers={"Authorization": "Bearer secret"})
        assert table.status_code == 200 and f"'{ANN}" in table.text


async def test_a_route_that_answers_anything_but_json_and_events_is_not_for_them(tmp_path):
    router = APIRouter(route_class=OperatorsRoute)

    @router.get("/table")
    @needs(Scope.VIEW)
    async def csv() -> PlainTextResponse:
        return PlainTextResponse(ANN, media_type="text/csv")

    async with running(tmp_path, api_key="secret") as service:
        service.app.include_router(router)
        key, kept = new_key("viewer", Scope.VIEW, 0)
        add(tmp_path / "data" / FILE, kept)
        for given, status in ((key, 403), ("secret", 200)):
            answer = await service.http.get("/table", headers={"Authorization": f"Bearer {given}"})
            assert (answer.status_code, ANN in answer.text) == (status, status == 200)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+12025550143", "+1…0143"),
        ("12025550143", "…0143"),
        ("+49 (30) 1234-5678 now", "+4…5678 now"),
        ("sip:+12025550143@pbx.example.com", "sip:…0143"),
        ("sip:ann@pbx.example.com", "sip:…"),
        ("at 10:30 for 5 people", "at 10:30 for 5 people"),
        ("room 1234", "room 1234"),
        ("on 2026-11-27, or 2026-11-27T10:00", "on 2026-11-27, or 2026-11-27T10:00"),
        ("2026-11-25T09:14:02.113000+00:00", "2026-11-25T09:14:02.113000+00:00"),
        ("tel:+12025550143", "tel:+1…0143"),
        ("call (202) 555 0143.", "call …0143."),
        ("it is 4111 1111 1111 1111", "it is …1111"),
        ("call_0f6c7f0b7d5e4e0c9a3b1d2e3f405162", "call_0f6c7f0b7d5e4e0c9a3b1d2e3f405162"),
        ("DTMF: 12#", f"DTMF: {HIDDEN}"),
        ("", ""),
        (None, None),
        (True, True),
        (378, 378),
        (12025550143, "…0143"),
    ],
)
def test_a_number_is_shortened_and_nothing_else(value, shown):
    assert shortened({"text": value}) == {"text": shown}


def test_times_and_ids_stay_as_they_are():
    kept = {
        "at": "2026-11-27T10:00:00.000Z",
        "ended_at": "2026-11-27T10:00:00.000Z",
        "recording_id": "RE12025550143",
    }
    assert shortened(kept) == kept
