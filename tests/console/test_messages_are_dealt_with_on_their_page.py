"""The page of messages: what is open, what was done by whom, and forms that work without scripts."""

import pytest

from calls.events.people import MessageHandled
from calls.events.talk import MessageTaken
from desk.api_keys import Scope
from tests.calls_on_disk import store_on
from tests.console.calls import MadeUp
from tests.console.pages import console

HOSTILE = "<b onmouseover=alert(1)>Call me</b>"


def leaves(store, name="Ann Cole", text="Call me.", number="+12025550143"):
    call = MadeUp(store).answered().happens(MessageTaken(name, number, text)).ended().call
    return call, next(n for n, one in enumerate(call.events, 1) if isinstance(one, MessageTaken))


@pytest.fixture
async def desk(tmp_path):
    async with store_on(tmp_path / "calls.db") as store, console(tmp_path, store=store) as desk:
        yield desk


async def test_a_message_is_done_and_opened_again(desk):
    call, seq = leaves(desk.service.store)
    await desk.service.store.flush()
    page = await desk.get("/console/messages")
    assert "Ann Cole" in page.text and "Call me." in page.text and "+1 202 555 0143" in page.text
    action = f"/console/messages/{call.id}/{seq}"
    assert {"method": "post", "action": action} in page.all("form")
    answer = await desk.post(action, handled="true", back="/console/messages?show=open")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/messages?show=open")
    assert "No open message" in (await desk.get("/console/messages")).text
    done = await desk.get("/console/messages?show=done")
    assert "by ann" in done.text and "Open again" in done.text
    await desk.post(action, handled="false")
    assert "Ann Cole" in (await desk.get("/console/messages")).text
    handled = [
        one for one in (await desk.service.store.fetch(call.id)).events if isinstance(one, MessageHandled)
    ]
    assert [(one.handled, one.by) for one in handled] == [(True, "ann"), (False, "ann")]


async def test_nobody_is_led_elsewhere(desk):
    call, seq = leaves(desk.service.store)
    await desk.service.store.flush()
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        answer = await desk.post(f"/console/messages/{call.id}/{seq}", handled="true", back=back)
        assert answer.headers["location"] == "/console/messages"


async def test_a_page_of_another_site_deals_with_nothing(desk):
    call, seq = leaves(desk.service.store)
    await desk.service.store.flush()
    for headers in (
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {},
    ):
        answer = await desk.http.post(
            f"/console/messages/{call.id}/{seq}", data={"handled": "true"}, headers=headers
        )
        assert answer.status_code == 403
    assert "Ann Cole" in (await desk.get("/console/messages")).text


@pytest.mark.parametrize("scope", [Scope.VIEW, Scope.READ])
async def test_who_may_not_act_has_no_buttons_and_does_nothing(tmp_path, scope):
    async with console(tmp_path, scope) as desk:
        call, seq = leaves(desk.service.store, text="Ring +1 202 555 0177 please")
        page = await desk.get("/console/messages")
        assert "Done" not in page.text
        assert ("555 0177" in page.text) == (scope is Scope.READ)
        assert (await desk.post(f"/console/messages/{call.id}/{seq}", handled="true")).status_code == 403
        assert (await desk.http.get("/messages.csv")).status_code == (200 if scope is Scope.READ else 403)


async def test_one_that_is_not_there_is_told_on_a_page(desk):
    for path in ("nobody/1", "nobody/0", "nobody/x"):
        answer = await desk.post(f"/console/messages/{path}", handled="true")
        assert answer.status_code in (404, 422) and "text/html" in answer.headers["content-type"]
    call, seq = leaves(desk.service.store)
    answer = await desk.post(f"/console/messages/{call.id}/{seq}", handled="perhaps")
    assert answer.status_code == 422


async def test_what_callers_leave_stays_words(desk):
    leaves(desk.service.store, HOSTILE, HOSTILE, HOSTILE)
    leaves(desk.service.store, "", "", "")
    await desk.service.store.flush()
    page = await desk.get("/console/messages")
    page.is_harmless()
    assert page.text.count("<b onmouseover=alert(1)>") >= 2
    assert "recorded: it is heard in the call" in page.text


async def test_a_long_list_has_pages_and_a_csv(desk):
    for number in range(70):
        leaves(desk.service.store, f"Nr {number:02d}.")
    await desk.service.store.flush()
    page = await desk.get("/console/messages?agent=receptionist")
    links = {one.get("rel"): one["href"] for one in page.all("a")}
    further = await desk.get(links["next"])
    names = [f"Nr {n:02d}." for n in range(70)]
    assert sum(one in page.text for one in names) == 50 and sum(one in further.text for one in names) == 20
    assert "next" not in {one.get("rel") for one in further.all("a")}
    [csv] = [one["href"] for one in page.all("a") if "csv" in one["href"]]
    assert len((await desk.http.get(csv)).text.splitlines()) == 71
    assert "No such messages" in (await desk.get("/console/messages?agent=nobody")).text
