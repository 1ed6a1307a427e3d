"""deploy/observability: each expression names what `/metrics` has, and each alert fires when it is to.

promtool, of the Prometheus that Debian has (`apt-get install prometheus`), judges the files where it is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from prometheus_client.parser import text_string_to_metric_families

from calls.events.lifecycle import HangUpFailed, TurnedAway
from calls.events.talk import DeadAirNoticed, ServiceFailedOver, TurnMeasured
from calls.states import CallState
from carriers.errors import CarrierUnavailable
from carriers.watched import watched
from conversation.playout import LOST_MARKS
from serializers.base import IGNORED
from settings import ROOT
from tests.web_service import running, until

FOLDER = ROOT / "deploy" / "observability"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "grafana" / "phonebot.json").read_text(encoding="utf-8"))
OF_PROMETHEUS = {"instance", "job", "le"}
"""Labels that Prometheus adds, or that a histogram has."""

SELECTOR = re.compile(r"\b(phonebot_\w+|up)\b(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def filled(expression: str) -> str:
    """A dashboard's expression with what Grafana puts in it."""
    return re.sub(r"\$\w+", lambda match: "5m" if match[0].startswith("$__") else ".*", expression)


def expressions() -> list[tuple[str, str]]:
    found = [(rule["alert"], rule["expr"]) for rule in RULES]
    found += [(panel["title"], filled(target["expr"])) for panel in panels() for target in panel["targets"]]
    for variable in DASHBOARD["templating"]["list"]:
        name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
        found.append((variable["name"], f"count by ({label}) ({name})"))
    return found


async def exposed(tmp_path: Path) -> str:
    """What a service says on which everything has happened once."""
    async with running(tmp_path) as service:
        call = service.store.open(carrier="twilio", carrier_call_id="CA1", agent="receptionist")
        call.move(CallState.IN_PROGRESS, cause="answered")
        part = {
            "key": "llm_inference",
            "stage": "model",
            "owner": "OpenAILLMService",
            "kind": "service",
            "ms": 400,
        }
        call.record(TurnMeasured(0, "caller", 400, [part], True, True, 700))
        for event in (
            HangUpFailed("no"),
            TurnedAway("full", "say"),
            ServiceFailedOver("llm", "openai", "anthropic", "stalled"),
            DeadAirNoticed("filler", "model_silent", 1.5),
        ):
            call.record(event)
        call.move(CallState.COMPLETED, cause="over")
        IGNORED["bad_json"] += 1
        LOST_MARKS["end"] += 1
        service.app.state.service.refusals.note("a test", "unsigned", "a test")
        with pytest.raises(CarrierUnavailable), watched("twilio", "hang_up"):
            raise CarrierUnavailable("no answer")
        await service.http.post("/twilio/voice", data={"CallSid": "CA2"})
        counting = service.app.state.observing._counting
        await until(lambda: not counting._settled._waiting)
        counting.look()
        return (await service.http.get("/metrics")).text


def known(text: str) -> dict[str, set[str]]:
    """The labels of each metric."""
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_each_expression_names_metrics_and_labels_that_there_are(tmp_path):
    there = known(await exposed(tmp_path))
    assert len(there) > 40
    asked = set()
    for where, expression in expressions():
        labels = set(OF_PROMETHEUS)
        for name, matchers in SELECTOR.findall(expression):
            assert name in there, f"{where} asks for {name}, which /metrics has not"
            asked.add(name)
            labels |= there[name]
            matched = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', matchers))
            assert matched <= there[name] | OF_PROMETHEUS, f"{where}: {name} has no {matched - there[name]}"
        for grouping in GROUPING.findall(expression):
            by = {one.strip() for one in grouping.split(",")}
            assert by <= labels, f"{where} groups by {by - labels}, which nothing in it has"
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in there} - {"up"}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert families - shown == set(), "a metric that nobody looks at: show it, or leave it out"


async def test_no_metric_of_the_documents_is_made_up(tmp_path):
    there = known(await exposed(tmp_path))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in there} - {"up"}
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `(phonebot_\w+)`", text, flags=re.MULTILINE))
    assert table == families
    named = set(re.findall(r"`(phonebot_\w+)", text))
    assert named <= families | set(there)


def test_what_is_used_in_labels_is_explained_where_it_is_shown():
    for panel in panels():
        assert panel["description"], f"{panel['title']} says nothing of what it shows"
        for target in panel["targets"]:
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            by = {one.strip() for grouping in GROUPING.findall(target["expr"]) for one in grouping.split(",")}
            assert legend <= by | {"instance"}, panel["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24


def test_the_compose_file_is_as_the_specification_says_and_what_it_mounts_is_there():
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    text = re.sub(r"\$\{\w+:([-?])([^}]*)\}", lambda match: match[2] if match[1] == "-" else "given", text)
    made = yaml.safe_load(text)
    PyCompose.from_json(json.dumps(made))
    for name, service in made["services"].items():
        assert service["profiles"] == ["observability"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (
                (ROOT / "deploy" / source).exists() if source.startswith(".") else source in made["volumes"]
            )
    bots = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    targets = [target.split(":")[0] for target in job["static_configs"][0]["targets"]]
    assert targets == [name for name in bots if name.startswith("bot")]
    assert (job["job_name"], config["rule_files"]) == ("phonebot", ["alerts.yml"])
    secret = Path(made["secrets"]["metrics_token"]["file"])
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret.name}"
    assert f"/deploy/{secret}" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: `apt-get install prometheus` brings it")
    return found


def judged(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_prometheus_reads_what_we_expose(promtool, tmp_path):
    judged(promtool, "check", "metrics", given=await exposed(tmp_path))


def test_prometheus_reads_its_files_and_the_dashboards_expressions(promtool, tmp_path):
    judged(promtool, "check", "config", "--syntax-only", str(FOLDER / "prometheus.yml"))
    rules = [
        {"record": f"r{number}", "expr": expression} for number, (_, expression) in enumerate(expressions())
    ]
    file = tmp_path / "expressions.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in judged(promtool, "check", "rules", str(file))


RESPONSES = 'phonebot_response_seconds_bucket{agent="desk",instance="a",le="%s"}'
LAGS = 'phonebot_event_loop_lag_seconds_bucket{instance="a",le="%s"}'
CALLS = 'phonebot_calls_total{carrier="twilio",direction="inbound",agent="desk",outcome="%s",instance="a"}'
REQUESTS = 'phonebot_carrier_request_seconds_count{carrier="twilio",what="hang_up",status="%s",instance="a"}'
PLACES, CAPACITY = 'phonebot_places_taken{instance="a"}', 'phonebot_capacity{instance="a"}'
AWAY = 'phonebot_turned_away_total{reason="%s",instance="a"}'
FAILOVERS = 'phonebot_failovers_total{job="llm",cause="stalled",instance="a"}'

CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    # Values a minute for half an hour with which an alert fires, and others with which it does not
    "PhonebotIsGone": (
        {'up{job="phonebot",instance="a"}': "0x30"},
        {'up{job="phonebot",instance="a"}': "1x30"},
    ),
    "PhonebotRespondsSlowly": (
        {RESPONSES % "2.0": "0+8x30", RESPONSES % "3.0": "0+10x30", RESPONSES % "+Inf": "0+10x30"},
        {RESPONSES % "2.0": "0+10x30", RESPONSES % "3.0": "0+10x30", RESPONSES % "+Inf": "0+10x30"},
    ),
    "PhonebotEventLoopIsLate": (
        {LAGS % "0.1": "0+250x30", LAGS % "0.2": "0+300x30", LAGS % "+Inf": "0+300x30"},
        {LAGS % "0.1": "0+299x30", LAGS % "0.2": "0+300x30", LAGS % "+Inf": "0+300x30"},
    ),
    "PhonebotLosesCalls": (
        {CALLS % "answered": "0+18x30", CALLS % "lost": "0+1x30", CALLS % "failed": "0+1x30"},
        {CALLS % "answered": "0+39x30", CALLS % "lost": "0+1x30", CALLS % "abandoned": "0+9x30"},
    ),
    "PhonebotDatabaseIsBehind": (
        {'phonebot_database_behind_seconds{instance="a"}': "0+60x30"},
        {'phonebot_database_behind_seconds{instance="a"}': "0.3x30"},
    ),
    "PhonebotIsNearlyFull": ({PLACES: "28x30", CAPACITY: "30x30"}, {PLACES: "500x30", CAPACITY: "0x30"}),
    "PhonebotTurnsCallersAway": (
        {AWAY % "full": "0x20 1x10"},
        {AWAY % "full": "3x30", AWAY % "draining": "0+1x30"},
    ),
    "PhonebotCarrierFails": (
        {REQUESTS % "ok": "0+3x30", REQUESTS % "unavailable": "0+1x30"},
        {REQUESTS % "ok": "0+9x30", REQUESTS % "rejected": "0+5x30", REQUESTS % "unavailable": "0+1x30"},
    ),
    "PhonebotServicesFail": ({FAILOVERS: "0+1x30"}, {FAILOVERS: "0x20 2x10"}),
}


def test_there_is_a_case_for_each_alert():
    assert list(CASES) == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("alert", CASES)
@pytest.mark.parametrize("fires", [True, False])
def test_an_alert_fires_when_it_is_to_and_not_else(promtool, tmp_path, alert, fires):
    series = CASES[alert][0 if fires else 1]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                "eval_time": "25m",
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }
    file = tmp_path / "case.yml"
    rules = [str(FOLDER / "alerts.yml")]
    file.write_text(json.dumps({"rule_files": rules, "evaluation_interval": "1m", "tests": [case]}))
    judged(promtool, "test", "rules", str(file))
