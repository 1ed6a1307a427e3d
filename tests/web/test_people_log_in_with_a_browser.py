"""Sessions of browsers: the login, the cookie, who may not use it, and when it ends."""

import re
import time

import pytest
from fastapi import APIRouter, Request
from itsdangerous import TimestampSigner
from loguru import logger
from starlette.requests import HTTPConnection

from desk.api_keys import FILE, ApiKeys, Scope, add, new_key, revoke
from tests.console.pages import Shown
from tests.web_service import Running, make_settings, running
from web.access import Person, admit, needs, who
from web.pages import PagesRoute, local_path
from web.rates import WRONG_PER_MINUTE
from web.refusals import Refused
from web.sessions import SESSION_SECS, Sessions
from web.trust import foreign_page

LOGIN, LOGOUT = "/console/login", "/console/logout"
PUBLIC = "https://bot.example.com"


async def log_in(service: Running, key: str = "secret", **fields: str):
    headers = {"Origin": service.url}
    return await service.http.post(LOGIN, data={"key": key, **fields}, headers=headers)


def a_key(tmp_path, name: str = "desk", scope: Scope = Scope.READ) -> str:
    key, kept = new_key(name, scope, 0)
    add(tmp_path / "data" / FILE, kept)
    return key


async def test_a_person_logs_in_sees_calls_and_logs_out(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        assert (await service.http.get("/calls")).status_code == 401
        answer = await log_in(service, next="/docs?x=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/docs?x=1")
        assert answer.headers["cache-control"] == "no-store"
        assert "secret" not in answer.headers["set-cookie"]
        assert (await service.http.get("/calls")).status_code == 200
        assert (await service.http.get("/docs")).status_code == 200
        shown = await service.http.get(LOGIN)
        assert "logged in as <strong>API_KEY</strong>, with the scope admin" in shown.text
        out = await service.http.post(LOGOUT, headers={"Origin": service.url})
        assert (out.status_code, out.headers["location"]) == (303, LOGIN)
        assert (await service.http.get("/calls")).status_code == 401


@pytest.mark.parametrize("public_url", [None, PUBLIC])
async def test_the_cookie_is_only_for_http_this_site_and_https_where_there_is_one(tmp_path, public_url):
    async with running(tmp_path, api_key="secret", public_url=public_url) as service:
        headers = {"Origin": public_url or service.url}
        answer = await service.http.post(LOGIN, data={"key": "secret"}, headers=headers)
        cookie = answer.headers["set-cookie"]
        parts = {part.strip().lower() for part in cookie.split(";")}
        assert {"httponly", "samesite=lax", "path=/", f"max-age={SESSION_SECS}"} <= parts
        assert ("secure" in parts, cookie.startswith("__Host-phonebot=")) == (bool(public_url),) * 2
        assert "domain" not in cookie.lower()


async def test_the_page_runs_nothing_loads_nothing_and_is_not_kept(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        first = await service.http.get(LOGIN)
        policy = first.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        for directive in ("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert directive in policy
        assert "unsafe" not in policy
        Shown(first).is_harmless()
        assert "<style" not in first.text and "url(" not in first.text
        assert first.headers["cache-control"] == "no-store"
        assert first.headers["x-content-type-options"] == "nosniff"
        assert '<label for="key">' in first.text and '<html lang="en">' in first.text


async def test_a_wrong_key_is_said_to_be_wrong_and_guesses_are_few(tmp_path):
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    async with running(tmp_path, api_key="secret") as service:
        for number in range(WRONG_PER_MINUTE):
            answer = await log_in(service, f"hunter{number}")
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
            assert "This is no key of this service." in answer.text and "hunter" not in answer.text
        answer = await log_in(service)  # even the right one: else the time-out would tell that it is
        assert (answer.status_code, "set-cookie" in answer.headers) == (429, False)
        assert int(answer.headers["retry-after"]) <= 60
        assert (await service.http.get("/calls", headers={"Authorization": "Bearer secret"})).is_success
    logger.remove(sink)
    assert not any("hunter" in line for line in lines)


async def test_a_stranger_learns_nothing_from_the_page(tmp_path):
    texts = set()
    for key in ("secret", None):
        async with running(tmp_path, api_key=key) as service:
            for answer in (await service.http.get(LOGIN), await log_in(service, "wrong")):
                texts.add((answer.status_code, re.sub(r'nonce="[^"]+"', "", answer.text)))
    assert len(texts) == 2


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"key": "secret"}', 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/x-www-form-urlencoded", b"a=1&" * 50, 400),
        ("application/x-www-form-urlencoded", b"\xff\xfe=%ff", 403),
        ("application/x-www-form-urlencoded", b"", 403),
        ("application/x-www-form-urlencoded", b"key=" + b"x" * 70_000, 413),
    ],
)
async def test_what_is_no_form_of_ours_is_refused(tmp_path, kind, body, status):
    async with running(tmp_path, api_key="secret") as service:
        headers = {"Origin": service.url, "Content-Type": kind}
        assert (await service.http.post(LOGIN, content=body, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/a\\b", "", "x", "/\n", "/é", "/" * 600],
)
def test_nobody_is_led_elsewhere_by_the_login(wanted):
    assert local_path(wanted, "/docs") == "/docs"


@pytest.mark.parametrize("wanted", ["/", "/console/calls?q=a&before=1", "/console/calls/call_1#t=17"])
def test_whoever_logs_in_comes_back_to_where_they_were(wanted):
    assert local_path(wanted, "/docs") == wanted


# When it ends


async def test_a_session_ends_with_its_key(tmp_path):
    key = a_key(tmp_path)
    file = tmp_path / "data" / FILE
    async with running(tmp_path, api_key="secret") as service:
        await log_in(service, key)
        assert (await service.http.get("/calls")).status_code == 200
        assert (
            await service.http.post("/calls/x/hangup", headers={"Origin": service.url})
        ).status_code == 403
        [kept] = [one for one in ApiKeys(make_settings(data_dir=file.parent)).good() if one.name == "desk"]
        revoke(file, kept)
        assert (await service.http.get("/calls")).status_code == 401


async def test_another_api_key_logs_everybody_out_and_a_restart_nobody(tmp_path):
    cookies = {}
    for key, status in (("secret", 200), ("secret", 200), ("another", 401)):
        async with running(tmp_path, api_key=key) as service:
            if not cookies:
                cookies = dict((await log_in(service)).cookies)
                service.http.cookies.clear()
            service.http.cookies.update(cookies)
            assert (await service.http.get("/calls")).status_code == status


def sessions_of(tmp_path, deployment=("one secret of this deployment",), **values) -> Sessions:
    return Sessions(ApiKeys(make_settings(data_dir=tmp_path, **values)), deployment, PUBLIC)


def cookie_of(sessions: Sessions, key) -> str:
    from starlette.responses import Response

    response = Response()
    sessions.begin(key, response)
    return response.headers["set-cookie"].split(";")[0].partition("=")[2]


def test_a_session_ends_after_its_time(tmp_path, monkeypatch):
    sessions = sessions_of(tmp_path, api_key="secret")
    cookie = cookie_of(sessions, sessions._keys.named("API_KEY"))
    assert sessions.key_of({sessions.cookie: cookie}).name == "API_KEY"
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + SESSION_SECS - 5)
    assert sessions.key_of({sessions.cookie: cookie}) is not None
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + SESSION_SECS + 5)
    assert sessions.key_of({sessions.cookie: cookie}) is None


def test_a_forged_cookie_is_none(tmp_path):
    sessions = sessions_of(tmp_path, api_key="secret")
    _, kept = new_key("desk", Scope.VIEW, 0)
    add(tmp_path / FILE, kept)
    good = cookie_of(sessions, kept)
    assert sessions.key_of({sessions.cookie: good}) == kept
    _, _, rest = good.partition("~")
    stranger = TimestampSigner(b"a guess", salt=b"phonebot session").sign("API_KEY~x").decode()
    for forged in (
        "",
        "API_KEY",
        f"API_KEY~{rest}",  # of a key with more scope
        good[:-1],
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good.rpartition(".")[0],
        "x" * 5000,
        "é",
        stranger,
        good.replace("desk", "nobody"),
    ):
        assert sessions.key_of({sessions.cookie: forged}) is None, forged
    # The deployment's secret alone, which a phone company may know, makes none; nor does the file of keys alone.
    for others in (
        sessions_of(tmp_path, api_key="other"),
        sessions_of(tmp_path, ("x" * 32,), api_key="secret"),
    ):
        made = cookie_of(others, others._keys.named("API_KEY"))
        assert sessions.key_of({sessions.cookie: made}) is None


def test_sessions_outlive_a_new_secret_behind_which_the_old_one_is_known(tmp_path):
    old = sessions_of(tmp_path, ("old",), api_key="secret")
    cookie = cookie_of(old, old._keys.named("API_KEY"))
    new = sessions_of(tmp_path, ("new", "old"), api_key="secret")
    assert new.key_of({new.cookie: cookie}) is not None
    assert old.key_of({old.cookie: cookie_of(new, new._keys.named("API_KEY"))}) is None


# Pages of other sites


OURS = {"sec-fetch-site": "same-origin"}
CASES = [
    ("POST", OURS, True),
    ("POST", {"origin": PUBLIC}, True),
    ("POST", {**OURS, "origin": PUBLIC}, True),
    ("POST", {"origin": "https://127.0.0.1:7860", "host": "127.0.0.1:7860"}, True),
    ("POST", {}, False),
    ("POST", {"origin": "null"}, False),
    ("POST", {"origin": "https://evil.example"}, False),
    ("POST", {"origin": "https://bot.example.com.evil.example"}, False),
    ("POST", {"origin": "http://bot.example.com"}, False),
    ("POST", {"origin": "https://bot.example.com:8443"}, False),
    ("POST", {"origin": "https://[", "host": "x"}, False),
    ("POST", {**OURS, "origin": "https://evil.example"}, False),
    ("POST", {"sec-fetch-site": "cross-site", "origin": PUBLIC}, False),
    ("POST", {"sec-fetch-site": "same-site"}, False),
    ("POST", {"sec-fetch-site": "none"}, False),
    ("POST", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),
    ("DELETE", {}, False),
    ("WEBSOCKET", {}, False),
    ("WEBSOCKET", {"origin": PUBLIC}, True),
    ("WEBSOCKET", {"origin": "https://evil.example"}, False),
    ("GET", {}, True),
    ("GET", OURS, True),
    ("GET", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, True),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
    (
        "GET",
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "origin": "https://x.example.com"},
        False,
    ),
    ("GET", {"origin": "https://evil.example"}, False),
]


@pytest.mark.parametrize(("method", "headers", "is_ours"), CASES)
def test_only_pages_of_ours_use_a_persons_cookie(method, headers, is_ours):
    assert (foreign_page(method, headers, PUBLIC) is None) is is_ours


async def test_a_page_of_another_site_does_nothing_with_a_persons_cookie(tmp_path):
    foreign = (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://127.0.0.1:1"},  # another port of this machine is another site
        {},
    )
    async with running(tmp_path, api_key="secret") as service:
        call = service.store.open(carrier="twilio", carrier_call_id="CA1")
        await log_in(service)
        for headers in foreign:
            for path in ("/calls/CA1/hangup", "/drain", LOGOUT, LOGIN):
                answer = await service.http.post(path, headers=headers)
                assert (answer.status_code, answer.json()) == (403, {"error": "forbidden"}), (path, headers)
        assert not call.is_over and call.ending is None
        assert not service.app.state.service.drain.announced
        answer = await service.http.post("/calls/CA1/hangup", headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code != 403 and call.ending is not None


async def test_a_key_in_the_header_counts_and_not_the_cookie_beside_it(tmp_path):
    key = a_key(tmp_path, scope=Scope.VIEW)
    async with running(tmp_path, api_key="secret") as service:
        await log_in(service)
        for given, status in ((f"Bearer {key}", 403), ("Bearer wrong", 401), ("Basic c2VjcmV0", 401)):
            headers = {"Authorization": given, "Origin": service.url}
            assert (await service.http.post("/drain", headers=headers)).status_code == status


async def test_a_socket_with_a_cookie_is_for_pages_of_ours_and_for_who_may(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        logged_in = await log_in(service, a_key(tmp_path))
        [cookie] = [f"{name}={value}" for name, value in logged_in.cookies.items()]

        def admitted(needed: Scope, **headers: str) -> Person:
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            scope = {"type": "websocket", "path": "/", "headers": raw, "app": service.app, "state": {}}
            return admit(HTTPConnection(scope), needed)

        assert admitted(Scope.READ, cookie=cookie, origin=service.url).name == "desk"
        for needed, headers, status in (
            (Scope.READ, {"cookie": cookie}, 403),
            (Scope.READ, {"cookie": cookie, "origin": "https://evil.example"}, 403),
            (Scope.CALL, {"cookie": cookie, "origin": service.url}, 403),
            (Scope.READ, {"origin": service.url}, 401),
        ):
            with pytest.raises(Refused) as refused:
                admitted(needed, **headers)
            assert refused.value.status_code == status


# Pages that others build


async def test_a_page_sends_who_is_not_logged_in_to_the_login_and_back(tmp_path):
    router = APIRouter(route_class=PagesRoute)

    @router.get("/console/calls")
    @needs(Scope.VIEW)
    async def calls(request: Request) -> dict[str, str]:
        return {"who": who(request).name}

    @router.post("/console/calls")
    async def act(request: Request) -> dict[str, str]:
        return {"who": who(request).name}

    key = a_key(tmp_path)
    async with running(tmp_path, api_key="secret") as service:
        service.app.include_router(router)
        answer = await service.http.get("/console/calls?q=a%20b&x=1")
        assert answer.status_code == 303
        shown = await service.http.get(answer.headers["location"])
        assert 'name="next" value="/console/calls?q=a%20b&amp;x=1"' in shown.text
        assert (await service.http.post("/console/calls")).status_code == 401
        await log_in(service, key)
        assert (await service.http.get("/console/calls?q=a")).json() == {"who": "desk"}
        headers = {"Origin": service.url}
        assert (await service.http.post("/console/calls", headers=headers)).status_code == 403
