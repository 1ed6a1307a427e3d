"""Webhooks without a secret, mails without a server: one line at start, with the fix."""

import pytest

from calls.outbox.notices import Channel, Kind
from calls.outbox.receivers import NotDelivered
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.agents.owner import OwnersSystems
from deployment.checkup import agent_problems, settings_findings
from settings import ENV_FILE, load_settings, read_given
from tests.receiver import SECRET

LEAST = 'greeting = "Hello."\ninstructions = "x"\n'
URL = "https://example.com/calls"
OTHER = "whsec_" + "QUJD" * 12


@pytest.fixture
def with_agent(tmp_path, monkeypatch):
    """The settings for an agent `desk` with these tables, and these variables in the environment."""

    def make(text="", **environment):
        (tmp_path / "desk.toml").write_text(LEAST + text)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return load_settings(agents_dir=tmp_path, agent="desk")

    return make


def row(agent="desk"):
    return {"agent": agent, "parameters": {}}


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("", {"WEBHOOK_URL": URL}, "WEBHOOK_URL is set without WEBHOOK_SECRET"),
        ("", {"WEBHOOK_URL": URL, "WEBHOOK_SECRET": "hunter2"}, "WEBHOOK_SECRET must be whsec_"),
        (f'[webhooks]\nurl = "{URL}"', {}, "desk.toml: webhooks.url has no secret"),
        (
            f'[webhooks]\nurl = "{URL}"\nsecret = "DESK_SECRET"',
            {"WEBHOOK_SECRET": SECRET},
            "desk.toml: webhooks.secret names DESK_SECRET, which is not set",
        ),
        (
            f'[webhooks]\nurl = "{URL}"\nsecret = "DESK_SECRET"',
            {"DESK_SECRET": "x"},
            "DESK_SECRET must be whsec_",
        ),
        (
            '[email]\nto = ["a@example.com"]',
            {},
            "desk.toml: email.to names mailboxes, but SMTP_HOST is not set",
        ),
        ('[email]\nto = ["a@example.com"]', {"SMTP_HOST": "mail.example.com"}, "SMTP_FROM is not set"),
    ],
)
def test_what_keeps_the_owner_from_being_told_is_one_line(with_agent, text, environment, words):
    (problem,) = agent_problems(with_agent(text, **environment))
    assert words in problem
    assert "hunter2" not in problem and "\n" not in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[webhooks]\nurl = "http://example.com/"', "must be an https:// address"),
        (f'[webhooks]\nsecret = "{SECRET}"', "the name of an environment variable"),
        ('[webhooks]\nevents = ["call.end"]', "webhooks.events"),
        ('[email]\nto = ["desk"]', "no address"),
        ("[after_call]\ntimeout_secs = 600", "after_call.timeout_secs"),
    ],
)
def test_what_cannot_be_in_a_file_is_told(with_agent, text, words):
    settings = with_agent(text)
    with pytest.raises(AgentError, match=r"desk\.toml") as told:
        load_agent("desk", settings.agents_dir)
    assert words in str(told.value)
    assert SECRET not in str(told.value)


def test_nothing_is_wrong_with_an_owner_who_can_be_told(with_agent):
    text = f'[webhooks]\nurl = "{URL}"\nsecret = "DESK_SECRET"\n[email]\nto = ["a@example.com"]'
    known = {"SMTP_HOST": "mail.example.com", "SMTP_FROM": "bot@example.com", "DESK_SECRET": OTHER}
    settings = with_agent(text, **known)
    assert agent_problems(settings) == []
    owner = OwnersSystems(settings)
    receiver = owner.receiver("desk")
    assert (receiver.url, receiver.secret) == (URL, OTHER)
    assert OTHER not in repr(receiver) and "/calls" not in repr(receiver)
    server, to = owner.mailbox("desk")
    assert (server.host, server.port, server.sender, to) == (
        "mail.example.com",
        587,
        "bot@example.com",
        ["a@example.com"],
    )


def test_an_agents_address_wins_and_others_get_the_settings_one(with_agent, tmp_path):
    settings = with_agent(
        '[webhooks]\nurl = "https://desk.example.com/"', WEBHOOK_URL=URL, WEBHOOK_SECRET=SECRET
    )
    (tmp_path / "other.toml").write_text(LEAST)
    owner = OwnersSystems(settings)
    assert owner.receiver("desk").url == "https://desk.example.com/"
    assert owner.receiver("other").url == URL
    (tmp_path / "other.toml").write_text("broken")
    assert owner.receiver("other").url == URL
    assert [way.channel for way in owner.wants(row("other"), Kind.CALL_ENDED)] == [Channel.WEBHOOK]


def test_only_what_is_wanted_is_sent(with_agent):
    text = (
        '[webhooks]\nevents = ["call.ended"]\n[email]\nto = ["a@example.com"]\n[after_call]\nsummary = true'
    )
    owner = OwnersSystems(with_agent(text, WEBHOOK_URL=URL, WEBHOOK_SECRET=SECRET))
    ways = {kind: [way.channel for way in owner.wants(row(), kind)] for kind in Kind}
    assert ways == {
        Kind.CALL_STARTED: [],
        Kind.CALL_ENDED: [Channel.AFTER_CALL, Channel.WEBHOOK],
        Kind.MESSAGE_TAKEN: [Channel.EMAIL],
        Kind.RECORDING_READY: [],
    }


def test_nobody_is_told_without_an_address(with_agent):
    owner = OwnersSystems(with_agent())
    assert [owner.wants(row(), kind) for kind in Kind] == [[]] * 4
    assert owner.receiver("desk") is None
    assert owner.mailbox("desk") is None


def test_a_secret_that_is_gone_later_is_no_end_of_the_notice(with_agent, monkeypatch):
    settings = with_agent(f'[webhooks]\nurl = "{URL}"\nsecret = "DESK_SECRET"', DESK_SECRET=OTHER)
    monkeypatch.delenv("DESK_SECRET")
    with pytest.raises(NotDelivered, match="DESK_SECRET") as missing:
        OwnersSystems(settings).receiver("desk")
    assert not missing.value.for_good


def test_a_variable_that_an_agent_names_is_no_misspelt_setting(with_agent, tmp_path, monkeypatch):
    file = tmp_path / ".env"
    file.write_text(f"WEBHOOKS_SECRET={OTHER}\n")
    monkeypatch.setenv(ENV_FILE, str(file))

    def told(settings):
        return [one.subject for one in settings_findings(settings, read_given())]

    assert "WEBHOOKS_SECRET" in told(with_agent())
    assert "WEBHOOKS_SECRET" not in told(with_agent(f'[webhooks]\nurl = "{URL}"\nsecret = "WEBHOOKS_SECRET"'))
