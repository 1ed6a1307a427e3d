"""Pages of the console: who gets them, and what a browser is told with them."""

import gzip
import re

import pytest

from calls.events.lifecycle import ErrorHappened
from calls.events.talk import MessageTaken, ToolUsed
from desk.api_keys import Scope
from tests.console.calls import MadeUp
from tests.console.pages import Shown, console
from tests.web_service import running
from web.console.words import clock, duration, ms, phone, ticked

HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(1)>"\'{{ 7*7 }}<hx-partial hx-target="#main">'
PAGES = ("/console/", "/console/calls/CALL", "/console/setup")


def talk(service) -> MadeUp:
    return MadeUp(service.store).answered().bot("Hello.").caller("Hi.")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_harmless_and_is_not_kept(tmp_path, path):
    async with console(tmp_path) as desk:
        call = talk(desk.service).call
        page = await desk.get(path.replace("CALL", call.id))
        assert page.answer.status_code == 200
        page.is_harmless()
        headers = page.answer.headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert {one.get("aria-current") for one in page.all("a")} >= {"page"}
        assert page.all("html")[0]["lang"] == "en" and page.all("h1")


@pytest.mark.parametrize(
    ("scope", "setup"), [(Scope.VIEW, 403), (Scope.READ, 403), (Scope.CALL, 403), (Scope.ADMIN, 200)]
)
async def test_each_scope_sees_what_it_may(tmp_path, scope, setup):
    async with console(tmp_path, scope) as desk:
        call = talk(desk.service).call
        live, one = await desk.get("/console/"), await desk.get(f"/console/calls/{call.id}")
        assert (live.answer.status_code, one.answer.status_code) == (200, 200)
        assert f"ann · {scope}" in live.text
        assert ("Setup" in live.text) is (setup == 200)
        refused = await desk.get("/console/setup")
        assert refused.answer.status_code == setup
        assert setup == 200 or ("the scope" in refused.text and "Live" in refused.text)
        sees, acts = scope is not Scope.VIEW, scope.covers(Scope.CALL)
        for page in (live, one):
            assert ("+1 202 555 0143" in page.text) is sees
            assert ("+1…0143" in page.text) is not sees
            assert sees or "2025550143" not in page.answer.text
        assert ("Hang up" in one.text) is acts


@pytest.mark.parametrize("path", PAGES)
async def test_a_stranger_is_sent_to_the_login_and_comes_back(tmp_path, path):
    async with running(tmp_path, api_key="secret") as service:
        answer = await service.http.get(f"{path}?x=1")
        wanted = f"{path.rstrip('/')}%3Fx%3D1"
        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/login?next={wanted}")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/console/live/feed", "/console/calls/CALL/feed"])
async def test_a_stream_is_refused_to_strangers_at_once(tmp_path, path):
    async with running(tmp_path, api_key="secret") as service:
        call = talk(service).call
        assert (await service.http.get(path.replace("CALL", call.id))).status_code == 401


async def test_what_strangers_write_stays_text(tmp_path):
    async with console(tmp_path) as desk:
        made = MadeUp(desk.service.store, number=f"sip:{HOSTILE}@x", agent=HOSTILE, parameters={"a": HOSTILE})
        made.answered().caller(HOSTILE).bot(HOSTILE).bot(HOSTILE, heard=False)
        made.happens(ToolUsed(name=HOSTILE, arguments={"x": HOSTILE}, result={HOSTILE: HOSTILE}, ok=False))
        made.happens(MessageTaken(caller_name=HOSTILE, callback_number=HOSTILE, message=HOSTILE))
        made.happens(ErrorHappened(HOSTILE))
        for path in ("/console/", f"/console/calls/{made.call.id}"):
            page = await desk.get(path)
            page.is_harmless()
            assert not page.all("img") and not page.all("hx-partial")
            assert HOSTILE[:20] in page.text, "it is shown as it is"
            assert "{{ 7*7 }}" in page.text
        made.ended()
        (await desk.get(f"/console/calls/{made.call.id}")).is_harmless()
        (await desk.get("/console/")).is_harmless()


async def test_a_call_that_is_not_there_is_told_on_a_page(tmp_path):
    async with console(tmp_path) as desk:
        page = await desk.get("/console/calls/call_nothing")
        assert page.answer.status_code == 404 and "no such call" in page.text
        page.is_harmless()


async def test_nobody_on_the_line_is_said_and_the_last_calls_are_shown(tmp_path):
    async with console(tmp_path) as desk:
        assert "Nobody is on the line." in (await desk.get("/console/")).text
        talk(desk.service).caller("About a visit.").ended()
        page = await desk.get("/console/")
        assert "The last calls" in page.text and "answered" in page.text


async def test_pages_are_compressed_and_those_with_secrets_are_not(tmp_path):
    async with console(tmp_path) as desk:
        packed = await desk.get("/console/", headers={"Accept-Encoding": "gzip"})
        plain = await desk.get("/console/", headers={"Accept-Encoding": "gzip;q=0, identity"})
        assert packed.answer.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.answer.headers
        assert packed.text == plain.text
        assert "content-encoding" not in (await desk.get("/console/setup")).answer.headers


async def test_a_page_is_light(tmp_path):
    """At the first visit: the page, and all files that it loads, as they are sent."""
    async with console(tmp_path) as desk:
        for number in range(20):
            MadeUp(desk.service.store, number=f"+120255501{number:02d}").answered().bot("Hello.").caller(
                "Hi."
            )
        page = await desk.get("/console/", headers={"Accept-Encoding": "identity"})
        sent = len(gzip.compress(page.answer.content, 5))
        for tag, name in (("script", "src"), ("link", "href")):
            for one in page.all(tag):
                file = await desk.http.get(one[name], headers={"Accept-Encoding": "gzip"})
                sent += int(file.headers["content-length"])
        assert sent <= 25_000


async def test_files_have_their_hash_in_their_address_and_are_kept_for_ever(tmp_path):
    async with running(tmp_path) as service:  # without a login
        page = Shown(await service.http.get("/console/login"))
        [style] = [one["href"] for one in page.all("link") if one["rel"] == "stylesheet"]
        answer = await service.http.get(style)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/css")
        assert "immutable" in answer.headers["cache-control"]
        of_another_version = re.sub(r"/[0-9a-f]{12}/", "/000000000000/", style)
        answer = await service.http.get(of_another_version)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert (await service.http.get("/favicon.ico")).headers["content-type"].startswith("image/svg")


@pytest.mark.parametrize(
    "name",
    ["../words.py", "..%2fwords.py", "vendor/vendor.toml", "vendor/htmx-4.0.1.LICENSE", "nothing.js", ""],
)
async def test_no_other_files_are_served(tmp_path, name):
    async with running(tmp_path) as service:
        assert (await service.http.get(f"/console/static/000000000000/{name}")).status_code == 404


async def test_setup_shows_what_the_doctor_finds_and_what_to_enter(tmp_path):
    async with console(tmp_path, telnyx_api_key="KEY_1") as desk:
        page = await desk.get("/console/setup")
        assert "TELNYX_PUBLIC_KEY" in page.text, "what is missing is named"
        assert f"{desk.service.url}{desk.service.telnyx_voice}" in page.text
        assert f"{desk.service.url}/twilio/voice" in page.text
        assert "broken.toml" in page.text and "receptionist default" in page.text
        assert "KEY_1" not in page.answer.text


# Without any key


async def test_this_machine_is_let_in_once_by_the_link_of_the_start(tmp_path):
    async with running(tmp_path) as service:
        console_of = service.app.state.console
        [line] = console_of.lines()
        link = re.search(r"link=([\w-]+)", line)[1]
        assert line.startswith(f"Console: {service.url}/console/login?link=")
        shown = Shown(await service.http.get(f"/console/login?link={link}"))
        assert "Log in on this machine" in shown.text
        shown.is_harmless()
        answer = await take(service, link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
        assert "This machine · admin" in Shown(await service.http.get("/console/")).text
        service.http.cookies.clear()
        assert (await take(service, link)).status_code == 403, "it is good once"
        assert (await service.http.get("/console/")).status_code == 303


async def take(service, link: str, **headers: str):
    headers = {"Origin": service.url, **headers}
    return await service.http.post("/console/login/link", data={"link": link}, headers=headers)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via"])
async def test_the_link_is_worthless_through_a_proxy(tmp_path, name):
    async with running(tmp_path) as service:
        link = service.app.state.console.link.make()
        assert (await take(service, link, **{name: "127.0.0.1"})).status_code == 403
        assert (await take(service, "")).status_code == 403
        assert (await take(service, link)).status_code == 303


async def test_the_link_ends_with_its_time_and_with_the_first_key(tmp_path):
    from desk.api_keys import FILE, add, new_key
    from web.console.console import LINK_SECS, Link

    now = 0.0
    link = Link(lambda: now)
    good = link.make()
    now = LINK_SECS - 1
    assert link.is_good(good)
    now = LINK_SECS + 1
    assert not link.is_good(good)
    async with running(tmp_path) as service:
        good = service.app.state.console.link.make()
        assert (await take(service, good)).status_code == 303
        assert (await service.http.get("/console/")).status_code == 200
        add(tmp_path / "data" / FILE, new_key("desk", Scope.READ, 0)[1])
        assert (await service.http.get("/console/")).status_code == 303
        assert (await take(service, service.app.state.console.link.make())).status_code == 403


async def test_no_link_is_printed_where_there_is_a_key(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        assert service.app.state.console.lines() == [f"Console: {service.url}/console/"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `make <call>` & wait", "run <code>make &lt;call&gt;</code> &amp; wait"),
        ("one ` alone <b>", "one ` alone &lt;b&gt;"),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
    ],
)
def test_code_in_a_finding_is_code(text, shown):
    assert str(ticked(text)) == shown


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (clock(17_449), "0:17.4"),
        (clock(-5), "0:00.0"),
        (clock(3_661_000), "61:01.0"),
        (duration(48.9), "0:48"),
        (duration(3723), "1:02:03"),
        (duration(None), ""),
        (ms(2050), "2,050 ms"),
        (ms(None), ""),
        (phone("+12025550143"), "+1 202 555 0143"),
        (phone("+1…0143"), "+1…0143"),
        (phone("+4930123456"), "+4930123456"),
        (phone(None), "unknown"),
    ],
)
def test_values_are_written_as_people_read_them(shown, text):
    assert shown == text
