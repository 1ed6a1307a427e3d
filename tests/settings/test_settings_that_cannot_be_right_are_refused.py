"""A value that could never work is refused at the start, in one line that says what it must be."""

import re
import sqlite3
from pathlib import Path

import pytest

from calls.database.engine import readable
from calls.database.errors import DatabaseUnusable, explained
from deployment.checkup import PLACEHOLDER, settings_findings
from deployment.start import StartError, notes
from server import listen
from settings import SettingsError, load_settings, read_given, settings_class


def refusal(**values):
    with pytest.raises(SettingsError) as refused:
        load_settings(**values)
    [line] = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize("name", sorted(settings_class().ADDRESSES))
@pytest.mark.parametrize(
    "value",
    [
        "host.example.com/v2",
        "host.example.com:8000",
        "ftp://host.example.com/v2",
        "https://",
        "https://host .example.com/v2",
        "https://host.example.com:99999/v2",
        "https://host.example.com:/v2",
        "https://https://host.example.com/v2",
        "https://host..example.com/v2",
        "https://one.example.com,https://two.example.com",
        "https://[::1/v2",
    ],
)
def test_an_address_that_leads_nowhere(name, value):
    line = refusal(**{name: value})
    assert line.startswith(f"{name.upper()} is not usable: ")
    assert value not in line


@pytest.mark.parametrize("name", sorted(settings_class().ADDRESSES))
@pytest.mark.parametrize(
    "value",
    ["http://localhost:8000/v2", "https://[::1]:8443/v2", "https://a_b.example.com/v2", "http://10.0.0.1/v2"],
)
def test_an_address_that_leads_somewhere(name, value):
    if name in ("caller_lookup_url", "webhook_url") and "10.0.0.1" in value:
        value = value.replace("http:", "https:")
    assert getattr(load_settings(**{name: f" {value} "}), name) == value


def test_every_setting_that_is_an_address_is_looked_at():
    named = {name for name in settings_class().model_fields if name.endswith(("_url", "_endpoint"))}
    assert named - {"public_url", "database_url"} == set(settings_class().ADDRESSES)


@pytest.mark.parametrize(
    "value",
    [
        "https://bot..example.com",
        "https://.",
        "https://https://bot.example.com",
        "https://bot.example.com,https://b",
        "https://bot.example.com/healthz",
        "https://bot.example.com/calls/",
    ],
)
def test_a_public_address_that_no_carrier_can_call(value):
    assert "write only what comes before the path" in refusal(public_url=value)


def test_a_scheme_in_capitals_is_a_scheme():
    assert load_settings(public_url="HTTPS://bot.example.com").public_url == "https://bot.example.com"


def test_a_start_says_that_an_https_address_of_this_machine_is_no_public_one():
    lines = notes(load_settings(public_url="https://localhost:7860"), read_given())
    assert "PUBLIC_URL is this machine's own name: set the one that carriers can reach" in lines


@pytest.mark.parametrize(
    ("value", "said"),
    [("UK", "write GB"), ("US,XX", "has XX, which is no country"), ("USA", "by their two letters")],
)
def test_a_country_that_there_is_not(value, said):
    assert said in refusal(dial_countries=value)


@pytest.mark.parametrize("value", ["US", " us, ca ", "*", "XK,GB,"])
def test_a_country_that_there_is(value):
    assert load_settings(dial_countries=value).dial_countries == value.replace(" ", "").strip(",").upper()


@pytest.mark.parametrize(
    "value",
    [
        "sip:pbx.example.com",
        "me@pbx.example.com",
        "pbx.example.com:5060",
        "a.example.com;b.example.com",
        "*",
        "a b",
    ],
)
def test_a_sip_host_that_no_address_would_ever_match(value):
    assert "must be names of hosts with commas" in refusal(dial_sip_hosts=value)


def test_sip_hosts_may_have_blanks_between_them():
    assert load_settings(dial_sip_hosts="a.example.com, 10.0.0.1,").dial_sip_hosts == "a.example.com,10.0.0.1"


@pytest.mark.parametrize("name", ["twilio_region", "twilio_edge"])
def test_a_word_that_goes_into_a_hosts_name(name):
    assert "must be one word of Twilio's list" in refusal(**{name: "dublin.example.com/x"})


@pytest.mark.parametrize("name", ["agents_dir", "data_dir", "dial_do_not_call"])
def test_a_path_below_ones_home_is_there_though_no_shell_has_seen_it(monkeypatch, name):
    monkeypatch.setenv("HOME", "/home/ann")
    assert getattr(load_settings(**{name: "~/bot"}), name) == Path("/home/ann/bot")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", "many", "must be a whole number, at least 1 and at most 65535"),
        ("port", "70000", "must be a whole number, at least 1 and at most 65535"),
        ("max_connections", "1", "must be a whole number, at least 16"),
        ("connect_secs", "3s", "must be a number, more than 0 and at most 60"),
        ("connect_secs", "nan", "must be a number, more than 0 and at most 60"),
        ("log_level", "loud", "must be 'TRACE', 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_what_it_must_be(name, value, said):
    assert refusal(**{name: value}) == f"{name.upper()} is not usable: {said}. Change it on the command line."


def test_no_number_is_refused_in_a_programmers_words():
    for name, field in settings_class().model_fields.items():
        if field.annotation in (int, float):
            line = refusal(**{name: "x"})
            assert re.search(r"must be a (whole )?number, (at least|more than) \d", line), line


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg2://u:pw@h/db", "write postgresql+asyncpg://..."),
        ("sqlite+pysqlite:///x.db", "write sqlite+aiosqlite://..."),
        ("mysql://u:pw@h/db", "names the driver mysql"),
        ("postgresql+asyncpg://u:pw@h:port/db", "is not an address of a database"),
    ],
)
def test_a_database_that_cannot_be_asked_without_waiting_or_at_all(url, said):
    with pytest.raises(DatabaseUnusable) as refused:
        readable(url)
    assert said in str(refused.value)
    assert "pw" not in str(refused.value).replace("psycopg2", "")


def test_a_host_that_is_too_long_for_a_name_is_a_line():
    with pytest.raises(StartError, match="is not an address of this machine"):
        listen("a" * 300, 0)


@pytest.mark.parametrize(
    "value",
    [
        "KEY...",
        "your_auth_token",
        "sk-your-key",
        "ACxxxxxxxxxxxxxxxx",
        "KEYxxxxx",
        "pk_...",
        "<key>",
        "key_here",
        "sk-…",
    ],
)
def test_what_an_example_has_in_a_keys_place_is_a_fault(value):
    assert PLACEHOLDER.search(value)


@pytest.mark.parametrize(
    "value", ["KEY0187xxxA7_Qbvm", "sk-proj-example1"[:8] + "9f", "pk_0123456789", "AC" + "0f" * 16]
)
def test_a_real_key_is_none(value):
    assert not PLACEHOLDER.search(value)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (sqlite3.OperationalError("database is locked"), "find the program that keeps it open"),
        (sqlite3.OperationalError("database or disk is full"), "make room"),
        (sqlite3.OperationalError("unable to open database file"), "it must be a file on a local disk"),
        (OSError(30, "Read-only file system"), "check that it is there, and DATABASE_URL"),
        (RuntimeError(), "check that it runs"),
    ],
)
def test_every_word_about_a_database_has_a_fix(error, fix):
    assert fix in str(explained(error, "sqlite+aiosqlite:///data/calls.db"))


def test_a_secret_behind_addresses_that_can_be_guessed_is_a_fault():
    found = {
        one.subject: one
        for one in settings_findings(load_settings(stream_token_secret="secret"), read_given())
    }
    assert found["STREAM_TOKEN_SECRET"].text.startswith("can be guessed, and with it every address")
