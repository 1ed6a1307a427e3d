"""A mistake in an agent's file is found before a call, and reported as one line with the file, the key and the fix."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from carriers.dialling import check_destination, check_ring_timeout
from conversation.agents.errors import AgentError, UnknownAgent
from conversation.agents.files import agent_names, load_agent

AGENTS = Path(__file__).parents[2] / "agents"
LEAST = 'greeting = "Hello."\ninstructions = "Be short."\n'
FACT = '[[facts]]\ntopic = "parking"\nquestions = ["Where can I park?"]\nanswer = "Behind the house."\n'


@pytest.fixture
def load(tmp_path):
    def write_and_load(text, name="desk"):
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return load_agent(name, tmp_path)

    return write_and_load


def mistake(load, text):
    with pytest.raises(AgentError) as caught:
        load(text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("desk.toml")
    return message


@pytest.mark.parametrize("name", agent_names(AGENTS))
def test_the_agents_that_come_with_the_project_load_and_render(name):
    agent = load_agent(name, AGENTS)
    variables = agent.call_variables({"business": "Another Practice"}, caller_number="+12025550147")
    for key, template in agent.templates():
        rendered = agent.render(template, variables)
        assert rendered and "{{" not in rendered, key


def test_the_receptionist_knows_the_facts_of_a_practice():
    agent = load_agent("receptionist", AGENTS)
    assert 12 <= len(agent.facts) <= 18
    assert all(3 <= len(fact.questions) <= 12 for fact in agent.facts)
    assert not any(
        character.isdigit() for fact in agent.facts for character in fact.answer
    )  # written as spoken
    assert {"billing", "front-desk"} <= set(agent.transfers)
    assert all("55501" in target.number for target in agent.transfers.values())  # fictional numbers
    assert "Willow Dental" in agent.render(agent.greeting, agent.call_variables())


def test_the_least_that_an_agent_needs_is_a_greeting_and_instructions(load):
    agent = load(LEAST)
    assert agent.name == "desk"
    assert agent.tools == ["end_call", "take_message"]
    assert (agent.services.stt, agent.services.llm, agent.services.tts) == ("auto", "auto", "auto")
    assert agent.limits.max_duration_secs == 1200
    assert len(agent.lines.silence_prompts) == 2


def test_the_brains_sentences_may_stand_among_the_lines_as_they_once_did(load):
    agent = load(
        LEAST + '[lines]\ngoodbye = "Bye."\nidentity = "A bot."\nhelp = "Hm."\n[brain]\nhelp = "Well."'
    )
    assert agent.lines.goodbye == "Bye."
    assert agent.brain.identity == "A bot."
    assert agent.brain.help == "Well."
    assert ("brain.identity", "A bot.") in agent.templates()
    assert load(LEAST + '[brain]\nidentity = "A bot."', "other").brain.identity == "A bot."


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('greetng = "Hello."\ninstructions = "x"', ["line 1", "greetng", "did you mean 'greeting'?"]),
        (LEAST + FACT.replace("answer", "answr"), ["facts[0].answr", "did you mean 'answer'?"]),
        (LEAST + '[lines]\ngoodby = "Bye."', ["line 4", "lines.goodby", "did you mean 'goodbye'?"]),
        (LEAST + '[lines]\nidentty = "A bot."', ["line 4", "lines.identty", "did you mean 'identity'?"]),
        (LEAST + '[brain]\nidentty = "A bot."', ["line 4", "brain.identty", "did you mean 'identity'?"]),
        (LEAST + "[lines]\nidentity = 7", ["line 4", "identity", "valid string"]),
        (LEAST + '[services.options.sst]\nmodel = "x"', ["services.options.sst", "did you mean 'stt'?"]),
        (LEAST + 'tools = ["end_cal"]', ["end_cal", "did you mean 'end_call'?"]),
        (LEAST + '[limits]\nsilence_secs = "soon"', ["line 4", "limits.silence_secs", "valid number"]),
        (LEAST + "[limits]\nnotice_secs = 90\nmax_duration_secs = 60", ["notice_secs", "shorter"]),
        (
            LEAST + FACT + '[menu.1]\nlabel = "x"\nfact = "parkin"',
            ["menu.1", "parkin", "did you mean 'parking'?"],
        ),
        (LEAST + '[menu.12]\nlabel = "x"\nsay = "y"', ["menu.12", "one digit"]),
        (LEAST + '[menu.1]\nlabel = "x"', ["menu.1", "exactly one of fact, transfer, tool and say"]),
        (LEAST + FACT + FACT, ["parking", "twice"]),
        (LEAST + FACT + 'offer = "billing"', ["parking", "billing", "use one of take_message"]),
        (LEAST + '[transfers.sales]\nnumber = "0123"', ["transfers.sales", "E.164", "+12025550100"]),
        (LEAST + '[transfers.sales]\ndescription = "x"', ["transfers.sales", "either number or sip"]),
        (LEAST + '[transfers.sales]\nsip = "sip:sales"', ["transfers.sales", "sip:desk@pbx.example.com"]),
        (
            LEAST + '[transfers.sales]\nnumber = "+12025550100"\nring_timeout_secs = 4',
            ["line 5", "transfers.sales.ring_timeout_secs", "greater than or equal to 5"],
        ),
        (
            LEAST + '[transfers.sales]\nnumber = "+12025550100"\ncaller_id = "callers"',
            ["transfers.sales", "caller_id", "E.164"],
        ),
        (
            LEAST + '[transfers.sales]\nnumber = "+12025550100"\nrefer = true',
            ["transfers.sales", "refer needs sip"],
        ),
        (
            LEAST + '[transfers.sales]\nsip = "sip:sales@example.com"\nrefer = true\nwarm = true',
            ["transfers.sales", "cannot be warm"],
        ),
        (LEAST + '[dial_out]\non_voicemail = "leave_message"', ["dial_out", "needs a voicemail_message"]),
        (LEAST + '[dial_out]\ngreeting = "{{ name"', ["dial_out.greeting", "not a template"]),
        (LEAST + '[recording]\nannouncment = "x"', ["announcment", "did you mean 'announcement'?"]),
        (LEAST + '[recording]\nformat = "ogg"', ["line 4", "recording.format", "'wav' or 'mp3'"]),
        (LEAST + "[monitoring]\nlistens = true", ["listens", "did you mean 'listen'?"]),
        (LEAST + '[monitoring]\nlisten = "sometimes"', ["line 4", "monitoring.listen", "valid boolean"]),
        (LEAST + '[monitoring]\nannounce = "later"', ["monitoring.announce", "'before' or 'after'"]),
        (LEAST + '[monitoring]\nannouncement = "{{ x"', ["monitoring.announcement", "not a template"]),
        (LEAST + '[menu.1]\nlabel = "x"\ntool = "end_call"\nnote = "y"', ["menu.1", "goes with say"]),
        (
            LEAST + '[menu.1]\nlabel="x"\nsay="y"\nanswer="yes"\n[menu.2]\nlabel="z"\nsay="y"\nanswer="yes"',
            ["menu", "only one key can mean yes"],
        ),
        (LEAST + '[transfers."Sales Team"]\nnumber = "+12025550100"', ["Sales Team", "lower-case"]),
        (LEAST + 'timezone = "Mars/Olympus"', ["timezone", "Mars/Olympus", "Europe/Berlin"]),
        (LEAST + "variables = { a = [1] }", ["variables.a", "a text, a number"]),
        (LEAST + 'name = "other"', ["'other'", "'desk'", "make them the same"]),
        ('instructions = "x"', ["'greeting' is missing", "add it"]),
        ('greeting = "{{ business"\ninstructions = "x"', ["greeting", "not a template", "line 1 of it"]),
        ('greeting = "{% for x in y %}"\ninstructions = "x"', ["greeting", "not a template"]),
        ('greeting = "{{ 1 / 0 }}"\ninstructions = "x"', ["greeting", "does not render"]),
        ('greeting = "Hello\ninstructions = "x"', ["not valid TOML", "line 1, column 18"]),
        ("greeting =\n", ["not valid TOML", "line 1"]),
        ("greeting = " + "[" * 5000, ["has brackets in brackets without end"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_fix(load, text, parts):
    message = mistake(load, text)
    assert [part for part in parts if part not in message] == [], message


def test_a_file_that_is_not_text_says_so(tmp_path):
    (tmp_path / "desk.toml").write_bytes(b"greeting = '\xff\xfe'")
    with pytest.raises(AgentError, match="UTF-8"):
        load_agent("desk", tmp_path)


@pytest.mark.parametrize(
    "name", ["../settings", "..", "a/b", "", "RECEPTIONISTS", "receptionist.toml", "x" * 5000, "\n"]
)
def test_a_name_from_the_network_only_finds_agents_that_are_there(name):
    with pytest.raises(UnknownAgent) as caught:
        load_agent(name, AGENTS)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_an_unknown_agent_gets_the_closest_name_and_the_list():
    with pytest.raises(UnknownAgent, match=r"did you mean 'receptionist'.*use one of minimal, re"):
        load_agent("receptonist", AGENTS)


def test_a_directory_without_agents_says_so(tmp_path):
    assert agent_names(tmp_path / "nothing") == []
    with pytest.raises(UnknownAgent, match=r"no \.toml file"):
        load_agent("desk", tmp_path)


def test_a_missing_variable_renders_as_nothing(load):
    agent = load('greeting = "Hello {{ caller.name }}{{ nobody }}."\ninstructions = "x"')
    assert agent.render(agent.greeting, {}) == "Hello ."


def test_a_calls_parameters_win_over_the_file_but_not_over_the_call(load):
    agent = load(LEAST + '[variables]\nbusiness = "A"\ncity = "B"')
    now = datetime(2025, 11, 21, 10, 30)
    variables = agent.call_variables(
        {"business": "C", "caller_number": "forged", "agent": "forged"}, caller_number="+12025550147", now=now
    )
    text = agent.render("{{ business }} {{ city }} {{ caller_number }} {{ agent }} {{ today }}", variables)
    assert text == "C B +12025550147 desk Friday, November 21"


def test_what_was_looked_up_stands_between_the_file_and_the_calls_own_parameters(load):
    agent = load(LEAST + '[variables]\nbusiness = "A"\ncity = "B"\nplan = "C"')
    variables = agent.call_variables(
        {"plan": "E"}, looked_up={"city": "D", "plan": "D", "now": "never", "caller_number": "forged"}
    )
    assert agent.render("{{ business }} {{ city }} {{ plan }}{{ caller_number }}", variables) == "A D E"
    assert variables["now"] != "never"


def test_the_other_side_of_a_call_is_the_caller_whoever_dialled(load):
    agent = load(LEAST)
    variables = agent.call_variables(
        {"direction": "sideways"}, direction="outbound", caller_number="+12025550147"
    )
    assert agent.render("{{ direction }} {{ caller_number }}", variables) == "outbound +12025550147"


def test_every_destination_of_an_agent_can_be_dialled():
    for name in agent_names(AGENTS):
        for target in load_agent(name, AGENTS).transfers.values():
            check_destination("to", target.number or target.sip or "")
            check_ring_timeout(target.ring_timeout_secs)


@pytest.mark.parametrize("sip", ["sip:desk@pbx.example.com", "sips:a.b+c@10.0.0.1:5061;transport=tls"])
def test_a_sip_address_in_a_file_is_one_that_carriers_take(load, sip):
    agent = load(LEAST + f'[transfers.desk]\nsip = "{sip}"\nrefer = true')
    check_destination("to", agent.transfers["desk"].sip or "")


def test_without_a_word_on_it_nothing_is_recorded_and_no_machine_gets_a_message(load):
    agent = load(LEAST + '[transfers.desk]\nnumber = "+12025550100"')
    assert not agent.recording.enabled
    assert agent.dial_out.on_voicemail == "hang_up"
    target = agent.transfers["desk"]
    assert (target.warm, target.refer, target.ring_timeout_secs, target.caller_id) == (False, False, 25, None)


def test_a_parameter_is_never_run_as_a_template(load):
    agent = load('greeting = "Hello {{ name }}."\ninstructions = "x"')
    variables = agent.call_variables({"name": "{{ 7 * 7 }}"})
    assert agent.render(agent.greeting, variables) == "Hello {{ 7 * 7 }}."


def test_a_template_cannot_reach_into_python(load):
    agent = load(LEAST)
    assert "class" not in agent.render("{{ ''.__class__.__mro__ }}", {})
    with pytest.raises(AgentError, match="does not render"):
        agent.render("{{ range(10000000) | list }}", {})


def test_a_changed_file_is_read_again(load, tmp_path):
    assert load(LEAST).greeting == "Hello."
    path = tmp_path / "desk.toml"
    path.write_text(LEAST.replace("Hello.", "Hello again."))
    os.utime(path, (0, 0))
    assert load_agent("desk", tmp_path).greeting == "Hello again."


def test_the_time_is_that_of_the_agents_zone(load):
    agent = load(LEAST + 'timezone = "Asia/Tokyo"')
    noon_in_london = datetime.fromisoformat("2025-11-21T20:00:00+00:00")
    assert agent.call_variables(now=noon_in_london)["today"] == "Saturday, November 22"


@pytest.mark.parametrize("written", ["night-desk", "Night-Desk", "NIGHT_DESK", "night_desk"])
@pytest.mark.parametrize("file", ["night-desk", "Night_Desk"])
def test_capitals_and_underscores_in_a_name_do_not_matter(tmp_path, written, file):
    (tmp_path / f"{file}.toml").write_text(LEAST)
    assert load_agent(written, tmp_path).name == file


def test_of_two_names_that_are_alike_the_exact_one_is_meant(tmp_path):
    for name in ("night-desk", "night_desk"):
        (tmp_path / f"{name}.toml").write_text(LEAST)
    assert load_agent("night_desk", tmp_path).name == "night_desk"
    with pytest.raises(UnknownAgent, match="did you mean"):
        load_agent("Night-Desk", tmp_path)
