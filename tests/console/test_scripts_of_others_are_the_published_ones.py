"""The scripts that the console loads from other projects: whole, named, licensed, and all that there are."""

import re
import tomllib

from requirements.vendor import LIST, integrity, stem
from web.console.assets import FOLDER

FILES = tomllib.loads(LIST.read_text(encoding="utf-8"))["file"]
LICENCES = {"0BSD": "Zero-Clause BSD", "MIT": "MIT", "BSD-3-Clause": "BSD 3-Clause"}


def test_each_is_the_one_that_was_published():
    for one in FILES:
        content = (LIST.parent / f"{stem(one)}.js").read_bytes()
        assert integrity(content) == one["integrity"], f"{stem(one)}: make vendor"


def test_each_has_its_licence_beside_it():
    for one in FILES:
        text = (LIST.parent / f"{stem(one)}.LICENSE").read_text(encoding="utf-8")
        assert LICENCES[one["licence"]] in text


def test_there_are_no_others():
    named = {LIST.name} | {stem(one) + end for one in FILES for end in (".js", ".LICENSE")}
    assert {path.name for path in LIST.parent.iterdir()} == named


def test_pages_name_files_that_are_there():
    templates = (FOLDER.parent / "templates").glob("*.html")
    named = {name for one in templates for name in re.findall(r"static\('([^']+)'\)", one.read_text("utf-8"))}
    assert named and all((FOLDER / name).is_file() for name in named)


def test_nothing_of_ours_is_loaded_from_elsewhere():
    for path in FOLDER.glob("*.*"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|//[a-z]", re.sub(r"^\s*//.*$", "", text, flags=re.M)), (
            path.name
        )
