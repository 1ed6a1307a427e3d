"""Tests see neither the developer's `.env` nor keys in the environment, and no process that they start does.

Nor do they find the calls of other tests in a database, or what others have kept: those that are about databases and
files name them. No hosted voice is asked at start for what calls may need.
"""

import os
import re
import tempfile
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from settings import ENV_FILE, settings_class

os.environ[ENV_FILE] = ""
for _field in settings_class().model_fields:
    os.environ.pop(_field.upper(), None)
os.environ["DATABASE_URL"] = "memory"
os.environ["VOICE_CACHE_MB"] = "0"
_scratch = tempfile.TemporaryDirectory(prefix="phonebot-tests-")
os.environ["DATA_DIR"] = _scratch.name

hypothesis.settings.register_profile("phonebot", deadline=None)  # a busy machine is no fault of the code
hypothesis.settings.load_profile("phonebot")

# Files that place calls, start programs, load speech models or look at a watch
SLOW = re.compile(
    r"^\s*(?:from|import) (?:emulator|subprocess|attack)\b"
    r"|^from tests(?:\.| import )(?:talking_bot|brain_talk|story_bot|cloud_host|voices)\b"
    r"|importorskip|local_models|monotonic|perf_counter",
    re.MULTILINE,
)


@cache
def is_slow(path: Path) -> bool:
    return SLOW.search(path.read_text(encoding="utf-8")) is not None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the others alone when only the fast part is wanted: each worker would import all of them."""
    is_test = collection_path.match("test_*.py")
    return (config.option.markexpr == "not slow" and is_test and is_slow(collection_path)) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is not of the fast part, `-m "not slow"`, which is what other versions of Python are tried with."""
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)
    # First come whole calls, which wait most of their time, and last what fills the gaps at the end
    items.sort(key=lambda item: (not is_slow(item.path), item.path.parent.name != "talks"))
