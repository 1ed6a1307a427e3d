"""A user who sets a service's key need not install anything, and no document says so."""

import re

import pytest

from conversation.services.catalogue import SERVICES as TUNED
from requirements.install import locks_of, names_in
from settings import ROOT
from tests.document_commands import documents

README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
SERVICES = {service.name: service for service in TUNED}


def test_it_is_said():
    assert "The set-up has the packages of all of them." in README


@pytest.mark.parametrize("name", SERVICES)
def test_it_is_so(name):
    dev = ROOT / "requirements" / "dev.lock"
    wanted = set().union(*map(names_in, locks_of([SERVICES[name].extra], dev)))
    assert wanted <= names_in(dev), "the set-up would have to add them"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_no_document_tells_anybody_to_install_them(path):
    text = " ".join(path.read_text(encoding="utf-8").split())
    # The project is an application, which runs from its folder, and no package.
    assert re.findall(r"""pip install (?:-\S+ )*["']?(?:phonebot|\.)["'\[]?""", text) == []
    assert re.findall(r"\binstall\w* (?:their|its|the services'?|those) packages", text) == []
