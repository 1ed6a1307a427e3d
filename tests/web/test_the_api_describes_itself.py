"""`/openapi.json` and `/docs`: what the API takes and answers, for those who have the key, loaded from nowhere else."""

import re
import tomllib
from base64 import b64encode

import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from calls.events.reading import read_event
from calls.states import CallState, EndedBy
from desk.dial_requests import DialBody
from settings import ROOT
from tests.web_service import running
from web import api, callers, listening, lists, recordings
from web.documentation import VERSION, document, page

KEY = {"Authorization": "Bearer secret"}
PATHS = ("/docs", "/openapi.json")
OURS = "https://bot.example.com"


def basic(password: str, user: str = "") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("path", PATHS)
async def test_whoever_has_the_key_may_read_it(tmp_path, path):
    async with running(tmp_path, api_key="secret") as service:
        for given in ("Bearer secret", basic("secret"), basic("secret", "ann")):
            answer = await service.http.get(path, headers={"Authorization": given})
            assert answer.status_code == 200
            assert "/calls/{call_id}" in answer.text
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PATHS)
async def test_a_stranger_learns_nothing_not_even_whether_there_is_a_key(tmp_path, path):
    wrong = (
        None,
        "Bearer wrong",
        "Bearer",
        basic("wrong"),
        basic(""),
        basic("x", "secret"),
        "Basic secret",
        "Basic ??",
    )
    answers = []
    for key in ("secret", None):
        async with running(tmp_path, api_key=key) as service:
            for given in wrong:
                answer = await service.http.get(path, headers={"Authorization": given} if given else {})
                answers.append((answer.status_code, answer.text, answer.headers["www-authenticate"]))
    assert set(answers) == {
        (401, '{"error":"unauthorized"}', 'Basic realm="phonebot: API_KEY is the password", charset="UTF-8"')
    }


async def test_a_browsers_password_does_nothing_to_calls(tmp_path):
    """A browser sends it along with what a page of somebody else's has it ask for."""
    async with running(tmp_path, api_key="secret") as service:
        for method, path in (("GET", "/calls"), ("POST", "/calls")):
            answer = await service.http.request(method, path, headers={"Authorization": basic("secret")})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_the_document_is_one_by_the_specification():
    validate(document(OURS))


def test_it_has_the_routes_of_the_api_and_no_others():
    made = document(OURS)
    described = {(method.upper(), path) for path, methods in made["paths"].items() for method in methods}
    assert described == {
        (method, route.path)
        for router in (lists.router, api.router, recordings.router, listening.router, callers.router)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert made["servers"] == [{"url": OURS}]
    assert made["security"] == [{"key": []}]
    for _, path in described:
        assert path.startswith(("/calls", "/callers/", "/events", "/messages", "/stats"))
    assert "HTTPValidationError" not in str(made)


def test_everything_in_it_has_a_description():
    made = document(OURS)
    for methods in made["paths"].values():
        for operation in methods.values():
            assert operation["description"] and operation["summary"]
            assert all(parameter["description"] for parameter in operation.get("parameters", []))
            assert all(
                answer["description"] != "Successful Response" for answer in operation["responses"].values()
            )
            assert "401" in operation["responses"]
    for name in ("DialBody", "TransferBody", "SayBody", "NoteBody", "DigitsBody"):
        schema = made["components"]["schemas"][name]
        assert all(field.get("description") for field in schema["properties"].values()), name


def test_it_has_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION == document(OURS)["info"]["version"]


@pytest.mark.parametrize(
    "body", [DialBody, api.TransferBody, api.SayBody, api.NoteBody, api.DigitsBody, api.RecordingBody]
)
def test_the_examples_of_bodies_are_taken(body):
    [example] = document(OURS)["components"]["schemas"][body.__name__]["examples"]
    body.model_validate(example)


def closed(schemas: dict) -> dict:
    """The schemas, with nothing allowed that they do not name, but for events."""
    return {
        name: schema if name in ("Event", "Recording") else {**schema, "additionalProperties": False}
        for name, schema in schemas.items()
        if schema.get("type") == "object"
    } | {name: schema for name, schema in schemas.items() if schema.get("type") != "object"}


def must_be(name: str, content: object) -> None:
    schemas = closed(document(OURS)["components"]["schemas"])
    Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    ).validate(content)


async def test_what_is_answered_is_what_is_described(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        call = service.store.open(carrier="twilio", carrier_call_id="CA1", from_number="+12025550143")
        must_be("CallDescription", (await service.http.get("/calls/CA1", headers=KEY)).json())
        call.move(CallState.IN_PROGRESS, cause="media stream")
        for kind, data in [
            ("caller_said", {"text": "Hi!"}),
            ("bot_heard", {"text": "Hello."}),
            ("transfer_started", {"destination": "desk", "warm": True}),
            ("transfer_ended", {"destination": "desk", "outcome": "busy"}),
            ("recording", {"state": "completed", "recording_id": "RE1", "url": "https://h/1", "channels": 2}),
        ]:
            call.record(read_event(call.clock(), kind, data))
        call.move(CallState.COMPLETED, cause="goodbye", ended_by=EndedBy.BOT)
        shown = (await service.http.get("/calls/CA1", headers=KEY)).json()
        must_be("CallDescription", shown)
        assert len(shown["events"]) > 8 and shown["transfers"] and shown["recordings"] and shown["turns"]
        must_be("Calls", (await service.http.get("/calls", headers=KEY)).json())
        for path, status in (("/calls/CA2", 404), ("/calls?limit=no", 422)):
            answer = await service.http.get(path, headers=KEY)
            assert answer.status_code == status
            must_be("Problem", answer.json())
        answer = await service.http.post("/calls/CA1/digits", headers=KEY, json={"digits": "1"})
        assert answer.status_code == 409
        must_be("Problem", answer.json())


async def test_a_browser_loads_nothing_else_for_the_page_and_runs_nothing(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        answer = await service.http.get("/docs", headers=KEY)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'"
    )
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|@import|url\(|\bon\w+=", answer.text)
    assert "prefers-color-scheme: dark" in answer.text and "width=device-width" in answer.text


def test_the_page_shows_all_and_each_of_its_links_leads_somewhere():
    made, shown = document(OURS), page(OURS)
    anchors = set(re.findall(r'\bid="(\w+)"', shown))
    assert set(re.findall(r'href="#(\w+)"', shown)) <= anchors
    assert set(re.findall(r'href="([^"#]+)"', shown)) == {"openapi.json"}
    for name, schema in made["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert f"<code>{field}</code>" in shown, f"{name}.{field}"
    for path, methods in made["paths"].items():
        for operation in methods.values():
            assert operation["operationId"] in anchors
            address = path.replace("{call_id}", "CALL_ID").replace("{seq}", "SEQ")
            assert f"{OURS}{address}" in shown
