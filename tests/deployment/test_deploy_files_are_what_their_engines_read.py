"""deploy/compose.yaml and deploy/kubernetes, as far as this can be found out without Docker and without a cluster.

The judges are other people's: a parser of the Compose Specification, and the schemas that Kubernetes publishes of
itself, in their strict form, which knows no field besides. kubectl, where it is installed, puts the manifests together.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import sqlalchemy as sa
import yaml
from compose_spec import PyCompose

from calls.database.schema import METADATA
from calls.states import CallState
from desk.draining import STOP_SECS
from settings import ROOT, settings_class
from tests.web_service import make_settings
from web import health

COMPOSE = ROOT / "deploy" / "compose.yaml"
KUBERNETES = ROOT / "deploy" / "kubernetes"
DEPLOY_ENV = {"BOT_HOST": "bot.example.com", "POSTGRES_PASSWORD": "c0ffee"}
SETTINGS = {name.upper() for name in settings_class().model_fields}
OLDEST_KUBERNETES = "1.30"
DRAIN_SECS = settings_class().model_fields["drain_secs"].get_default()
VARIABLE = re.compile(r"\$\{(\w+)(?:(:?[-?])([^}]*))?\}")


def assigned(text: str) -> dict[str, str]:
    """What a file of variables sets."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, flags=re.MULTILINE))


def compose(**values: str) -> dict[str, Any]:
    """The file with its variables filled in. Source: Compose Specification, 12-interpolation.md."""

    def filled(match: re.Match[str]) -> str:
        value = values.get(match[1], "")
        assert value or match[2] != ":?", f"{match[1]} {match[3]}"
        return value or (match[3] if match[2] == ":-" else "")

    text = VARIABLE.sub(filled, COMPOSE.read_text(encoding="utf-8"))
    return yaml.safe_load(text)  # which puts anchors and "<<" in place


@pytest.fixture
def services() -> dict[str, Any]:
    return compose(**DEPLOY_ENV)["services"]


def test_compose_yaml_is_as_the_specification_says():
    PyCompose.from_json(json.dumps(compose(**DEPLOY_ENV)))


def test_the_judge_of_compose_yaml_finds_mistakes():
    for key, value in {
        "stop_grace_perod": "11m",
        "stop_grace_period": "11 minutes",
        "restart": "often",
    }.items():
        wrong = compose(**DEPLOY_ENV)
        wrong["services"]["bot1"][key] = value
        with pytest.raises(ValueError):
            PyCompose.from_json(json.dumps(wrong))


@pytest.mark.parametrize("missing", DEPLOY_ENV)
def test_compose_yaml_asks_for_what_it_cannot_guess(missing):
    with pytest.raises(AssertionError, match=f"{missing} is"):
        compose(**{name: value for name, value in DEPLOY_ENV.items() if name != missing})


def test_the_example_beside_compose_yaml_has_its_variables():
    files = (COMPOSE, ROOT / "deploy" / "observability" / "compose.yaml")
    named = {one for file in files for one in VARIABLE.findall(file.read_text(encoding="utf-8"))}
    example = (ROOT / "deploy" / "compose.env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#? ?([A-Z_]+)=", example, flags=re.MULTILINE)) == {name for name, *_ in named}


def test_what_the_examples_are_copied_to_is_not_committed():
    names = ["deploy/.env", "deploy/kubernetes/secrets.env"]
    command = ["git", "check-ignore", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout.split() == names


def test_the_two_servers_differ_by_their_volume_alone(services):
    bots = [dict(services[name]) for name in ("bot1", "bot2")]
    assert len({str(bot.pop("volumes")) for bot in bots}) == 2
    assert bots[0] == bots[1]


def test_a_server_of_compose_yaml_has_time_to_end_its_calls(services):
    minutes = re.fullmatch(r"(\d+)m", services["bot1"]["stop_grace_period"])
    drain_secs = float(services["bot1"]["environment"]["DRAIN_SECS"])
    assert int(minutes[1]) * 60 >= drain_secs + STOP_SECS
    assert services["bot1"]["stop_signal"] == "SIGTERM"


def test_the_proxy_has_noticed_before_callers_are_turned_away(services):
    caddyfile = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    interval = int(re.search(r"health_interval (\d+)ms", caddyfile)[1]) / 1000
    timeout = int(re.search(r"health_timeout (\d+)s", caddyfile)[1])
    assert float(services["bot1"]["environment"]["DRAIN_NOTICE_SECS"]) >= 2 * interval + timeout


def test_nothing_but_the_proxy_is_reached_from_outside(services):
    assert [name for name, service in services.items() if service.get("ports")] == ["proxy"]
    assert set(services["postgres"]["networks"]).isdisjoint(services["proxy"]["networks"])
    assert compose(**DEPLOY_ENV)["networks"]["inside"]["internal"] is True


def test_images_of_compose_yaml_have_versions(services):
    for name, service in services.items():
        assert re.search(r":\d+\.\d+", service["image"]), f"{name} is any version of {service['image']}"


@pytest.mark.parametrize("lock", ["hosted", "local"])
def test_the_image_has_the_driver_of_the_database(services, lock):
    assert services["bot1"]["environment"]["DATABASE_URL"].startswith("postgresql://")
    assert "\nasyncpg==" in (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")


def test_compose_yaml_mounts_and_builds_what_there_is(services):
    build = services["bot1"]["build"]
    assert ((COMPOSE.parent / build["context"]).resolve() / build["dockerfile"]).is_file()
    assert (COMPOSE.parent / "caddy" / "Caddyfile").is_file()
    servers = re.search(r"\{\$BOT_SERVERS:(.+?)\}", (COMPOSE.parent / "caddy" / "Caddyfile").read_text())
    assert servers[1].split() == ["bot1:7860", "bot2:7860"]


def manifests(folder: Path = KUBERNETES) -> dict[str, dict[str, Any]]:
    """Every object by `Kind/name`."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    texts = [(folder / name).read_text(encoding="utf-8") for name in kustomization["resources"]]
    objects = [one for text in texts for one in yaml.safe_load_all(text)]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in objects}


def container() -> dict[str, Any]:
    return manifests()["Deployment/phonebot"]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", manifests())
def test_a_manifest_is_as_kubernetes_schema_says(name, version):
    kubernetes_validate.validate(manifests()[name], version, strict=True)


def test_the_judge_of_manifests_finds_mistakes():
    wrong = manifests()["Deployment/phonebot"]
    wrong["spec"]["template"]["spec"]["terminationGracePeriodSecs"] = 660
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, OLDEST_KUBERNETES, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed here")
def test_kubectl_puts_the_manifests_together(tmp_path):
    folder = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    shutil.copy(folder / "secrets.env.example", folder / "secrets.env")
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    for one in objects:
        kubernetes_validate.validate(one, OLDEST_KUBERNETES, strict=True)
    made = {one["metadata"]["name"] for one in objects if one["kind"] in ("ConfigMap", "Secret")}
    [deployment] = [one for one in objects if one["kind"] == "Deployment"]
    [bot] = deployment["spec"]["template"]["spec"]["containers"]
    assert {source["name"] for one in bot["envFrom"] for source in one.values()} == made
    assert bot["image"].startswith("registry.example.com/phonebot-server:")


def test_selectors_find_the_pods():
    objects = manifests()
    deployment = objects["Deployment/phonebot"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    found = [deployment["selector"]["matchLabels"]]
    found += [objects[name]["spec"]["selector"] for name in ("Service/phonebot", "Service/phonebot-any")]
    found += [objects["PodDisruptionBudget/phonebot"]["spec"]["selector"]["matchLabels"]]
    assert found == [labels] * 4
    scaled = objects["HorizontalPodAutoscaler/phonebot"]["spec"]["scaleTargetRef"]["name"]
    assert f"Deployment/{scaled}" in objects
    assert "replicas" not in deployment, "the autoscaler's number would be undone by each `kubectl apply`"


def test_a_pod_has_time_to_end_its_calls():
    spec = manifests()["Deployment/phonebot"]["spec"]["template"]["spec"]
    given = assigned((KUBERNETES / "settings.env").read_text(encoding="utf-8"))
    [_, waits] = container()["lifecycle"]["preStop"]["exec"]["command"]
    needed = int(waits) + float(given["DRAIN_SECS"]) + STOP_SECS
    assert spec["terminationGracePeriodSeconds"] >= needed
    # Who hangs is not waited for
    assert container()["livenessProbe"]["terminationGracePeriodSeconds"] < 30


def test_probes_ask_what_the_service_answers():
    routes = {getattr(route, "path", None) for route in health.router.routes}
    asked = {name: one["httpGet"]["path"] for name, one in container().items() if name.endswith("Probe")}
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert set(asked.values()) <= routes
    assert container()["ports"][0]["containerPort"] == settings_class().model_fields["port"].get_default()


def test_a_pod_runs_as_the_user_of_the_image():
    image = (ROOT / "deploy" / "Dockerfile.server").read_text(encoding="utf-8")
    spec = manifests()["Deployment/phonebot"]["spec"]["template"]["spec"]
    assert f"--uid {spec['securityContext']['runAsUser']} phonebot" in image
    mounts = {mount["mountPath"] for mount in container()["volumeMounts"]}
    assert {"/data", "/tmp"} == mounts and "VOLUME /data" in image


@pytest.mark.parametrize(
    "given",
    [
        assigned((KUBERNETES / "settings.env").read_text(encoding="utf-8")),
        assigned((KUBERNETES / "secrets.env.example").read_text(encoding="utf-8")),
        compose(**DEPLOY_ENV)["services"]["bot1"]["environment"],
    ],
    ids=["settings.env", "secrets.env.example", "compose.yaml"],
)
def test_every_variable_is_a_setting(given):
    assert given and set(given) - SETTINGS == set()
    usable = {name.lower(): value for name, value in given.items() if value}
    assert make_settings(**usable).drain_secs == DRAIN_SECS


def test_the_autoscaler_counts_calls_that_are_in_the_database():
    trigger = yaml.safe_load((KUBERNETES / "keda.yaml").read_text(encoding="utf-8"))["spec"]["triggers"][0]
    query = trigger["metadata"]["query"]
    named = set(re.findall(r"'(\w+)'", query))
    with_people = {CallState.TRANSFERRED}
    assert named == {state.value for state in CallState if not state.is_end and state not in with_people}
    engine = sa.create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.connect() as connection:
        assert connection.execute(sa.text(query)).scalar_one() == 0
