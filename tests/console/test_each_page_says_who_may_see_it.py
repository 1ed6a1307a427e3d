"""Every route of the console, whatever there will be: it says which scope it needs, and keeps to it."""

import re

import pytest

from desk.api_keys import Scope
from tests.console.calls import MadeUp
from tests.console.pages import Console, console
from web.access import OperatorsRoute
from web.pages import PagesRoute


def routes_of(desk: Console) -> dict[tuple[str, str], Scope]:
    """The scope that each route for people says that it needs, by its method and its path."""
    return {
        (method, route.path): vars(route.endpoint)["needs"]
        for included in desk.service.app.routes
        for route in included.original_router.routes
        if isinstance(route, OperatorsRoute | PagesRoute) and route.path.startswith("/console")
        for method in route.methods
    }


@pytest.mark.parametrize("scope", Scope)
async def test_each_page_is_for_who_may_see_it(tmp_path, scope):
    async with console(tmp_path, scope) as desk:
        call = MadeUp(desk.service.store).answered().bot("Hello.").call
        routes = routes_of(desk)
        assert {"/console", "/console/calls/{call_id}", "/console/setup"} <= {path for _, path in routes}
        for (method, path), needed in routes.items():
            address = re.sub(r"\{\w+\}", "1", path.replace("{call_id}", call.id))
            headers = {"Origin": desk.service.url, "Sec-Fetch-Site": "same-origin"}
            async with desk.http.stream(method, address, headers=headers) as answer:
                refused = answer.status_code == 403
                assert refused is not scope.covers(needed), (method, path, scope)
                assert answer.status_code not in (401, 500), (method, path)
                assert refused or answer.headers["cache-control"] == "no-store", (method, path)
                if not answer.headers["content-type"].startswith("text/event-stream"):
                    text = (await answer.aread()).decode()
                    assert not refused or f"the key ann has the scope {scope}" in text


async def test_nobody_without_a_session_gets_anything(tmp_path):
    async with console(tmp_path) as desk:
        call = MadeUp(desk.service.store).answered().caller("A secret.").call
        desk.http.cookies.clear()
        for method, path in routes_of(desk):
            address = re.sub(r"\{\w+\}", "1", path.replace("{call_id}", call.id))
            headers = {"Origin": desk.service.url, "Sec-Fetch-Site": "same-origin"}
            answer = await desk.http.request(method, address, headers=headers)
            assert answer.status_code in (303, 401), (method, path)
            assert "secret" not in answer.text and "5550143" not in answer.text
