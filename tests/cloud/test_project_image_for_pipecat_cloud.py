"""The image for Pipecat Cloud: it has what a call needs, and replaces nothing of the platform's own."""

import re
import subprocess
import sys
import tomllib
from xml.etree import ElementTree

import pipecatcloud.cli.config as tool
import pytest
from packaging.specifiers import SpecifierSet
from pipecatcloud._utils.deploy_utils import load_deploy_config_file

from carriers.cloud import cloud_documents
from settings import ROOT

# Source: daily-co/pipecat-cloud-images, pipecat-base/Dockerfile 0.1.19; newer images may have more, which is untried
MODULES_OF_THE_BASE_IMAGE = {
    "app",
    "waiting_server",
    "pipecatcloud_system",
    "feature_manager",
    "pcc_observers",
}

# Source: the same, pipecat-base/pyproject.toml; our locks are installed over what it brings
ASKED_BY_THE_BASE_IMAGE = {
    "fastapi": ">=0.115.6,<1",
    "loguru": "~=0.7.3",
    "pipecatcloud": ">=0.4.4",
    "pip": ">=26",
    "nltk": ">=3.9.4,<4",
}

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def copied() -> set[str]:
    lines = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY")]
    return {name for line in lines for name in line if not name.startswith("requirements/")}


def test_the_base_image_is_pinned():
    assert re.search(r"^FROM dailyco/pipecat-base:\d+\.\d+\.\d+-py3\.1[123]$", DOCKERFILE, flags=re.MULTILINE)


def test_nothing_that_is_copied_hides_a_module_of_the_base_image():
    assert {name.removesuffix(".py") for name in copied()} & MODULES_OF_THE_BASE_IMAGE == set()


@pytest.mark.parametrize("lock", ["hosted", "local", "build"])
def test_what_is_installed_over_the_base_image_is_what_it_asks_for(lock):
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    installed = dict(re.findall(r"^([a-z0-9-]+)==([\w.]+)", text, flags=re.MULTILINE))
    assert installed
    for name, asked in ASKED_BY_THE_BASE_IMAGE.items():
        if name in installed:
            assert installed[name] in SpecifierSet(asked), name
    if lock != "build":
        assert {"fastapi", "loguru"} <= installed.keys()


def test_the_bot_runs_from_the_copied_files_alone(tmp_path):
    for name in copied():
        (tmp_path / name).symlink_to(ROOT / name)
    loaded = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import sys; sys.path.insert(0, '.'); import bot; print(bot.bot.__name__, bot.readyz.__name__)",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert loaded.stdout.split() == ["bot", "readyz"], loaded.stderr


def test_the_deploy_file_is_what_the_platforms_tool_reads(monkeypatch):
    monkeypatch.setattr(tool, "deploy_config_path", str(ROOT / "pcc-deploy.toml"))
    deploy = load_deploy_config_file()
    assert deploy is not None
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])", deploy.agent_name)
    assert deploy.scaling.min_agents >= 1
    assert (ROOT / deploy.build_config.context_dir / deploy.build_config.dockerfile).exists()
    # They would not count: there is a .dockerignore.
    assert deploy.build_config.exclude_patterns == []


def test_the_platform_cuts_no_agent_off_before_its_own_goodbye():
    deploy = tomllib.loads((ROOT / "pcc-deploy.toml").read_text(encoding="utf-8"))
    for path in (ROOT / "agents").glob("*.toml"):
        limits = tomllib.loads(path.read_text(encoding="utf-8")).get("limits", {})
        assert limits.get("max_duration_secs", 1200) + 60 <= deploy["max_session_duration"], path.name


def test_the_documents_to_paste_are_those_that_the_server_prints():
    def shape(element: ElementTree.Element) -> tuple:
        return element.tag, sorted(element.attrib.items()), [shape(child) for child in element]

    page = (ROOT / "docs" / "pipecat-cloud.md").read_text(encoding="utf-8")
    shown = [
        shape(ElementTree.fromstring(block))
        for block in re.findall(r"```xml\n.*?\n(.*?)```", page, flags=re.S)
    ]
    printed = cloud_documents("phonebot.YOUR-ORGANIZATION", "us-west")
    assert shown == [shape(ElementTree.fromstring(printed[name])) for name in ("twilio", "telnyx")]
