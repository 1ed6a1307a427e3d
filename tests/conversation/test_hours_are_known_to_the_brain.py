"""`[hours]` of an agent's file: what is open when, said by the local brain; and who calls, when we have called."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from conversation.agents.contradictions import contradictions, unknown_variables
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.agents.opening import in_words, opening_at
from conversation.local.from_the_file import answer_from_file
from tests.brain_talk import Talk

AGENT = """
greeting = "Hello."
instructions = "x"
timezone = "Europe/Berlin"
[hours]
monday = ["08:00-12:00", "13:00-18:00"]
tuesday = "08:00-18:00"
wednesday = "closed"
thursday = "08:00-18:00"
friday = "18:00-02:00"
[hours.holidays]
2026-12-24 = { name = "Christmas Eve", open = "09:00-12:00" }
12-25 = "Christmas Day"
"12-27 to 01-01" = "the company holidays"
[[facts]]
topic = "hours"
questions = ["What are your opening hours?"]
answer = "As it says on the door."
"""


def load(tmp_path, text=AGENT):
    (tmp_path / "front.toml").write_text(text, encoding="utf-8")
    return load_agent("front", tmp_path)


def state(agent, *moment):
    return in_words(opening_at(agent.hours, datetime(*moment, tzinfo=ZoneInfo("Europe/Berlin"))))


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ((2026, 11, 23, 9, 0), "open now, until noon"),
        ((2026, 11, 23, 12, 0), "closed, opens today at one in the afternoon"),
        ((2026, 11, 23, 18, 0), "closed, opens tomorrow at eight in the morning"),
        ((2026, 11, 27, 23, 59), "open now, until two in the morning"),
        ((2026, 11, 28, 1, 59), "open now, until two in the morning"),
        ((2026, 11, 28, 2, 0), "closed, opens on Monday at eight in the morning"),
        ((2026, 12, 24, 10, 0), "open now, until noon"),
        (
            (2026, 12, 25, 20, 0),
            "closed for Christmas Day, opens on Monday, January fourth at eight in the morning",
        ),
        ((2027, 12, 31, 20, 0), "closed for the company holidays, opens on Monday at eight in the morning"),
    ],
)
def test_the_state_at_a_moment(tmp_path, moment, words):
    assert state(load(tmp_path), *moment) == words


def test_hours_go_on_through_midnight_and_round_the_clock(tmp_path):
    days = "monday tuesday wednesday thursday friday saturday sunday".split()
    whole = "\n".join(f'{day} = "00:00-24:00"' for day in days)
    base = AGENT[: AGENT.index("monday")]
    assert state(load(tmp_path, base + whole), 2026, 11, 23, 3, 0) == "open now, around the clock"
    two = 'monday = "18:00-24:00"\ntuesday = "00:00-03:00"\n'
    assert state(load(tmp_path, base + two), 2026, 11, 23, 20, 0) == "open now, until three in the morning"


def test_the_nights_on_which_clocks_are_changed(tmp_path):
    base = AGENT[: AGENT.index("monday")]
    agent = load(tmp_path, base + 'saturday = "20:00-04:00"\n')
    zone = ZoneInfo("Europe/Berlin")
    # On October 25, 2026 the hour from two to three comes twice: from eight to four are nine hours.
    opening = opening_at(agent.hours, datetime(2026, 10, 24, 20, 0, tzinfo=zone))
    assert (opening.changes.timestamp() - opening.at.timestamp()) / 3600 == 9
    second = datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=1)
    assert opening_at(agent.hours, second).is_open
    # On March 29 it does not come at all.
    opening = opening_at(agent.hours, datetime(2026, 3, 28, 20, 0, tzinfo=zone))
    assert (opening.changes.timestamp() - opening.at.timestamp()) / 3600 == 7


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('monday = "8-12"', "'8-12' is no range of hours: write it like"),
        ('monday = "09:00-25:00"', "has a time that no clock shows"),
        ('monday = "09:00-09:00"', 'for all day write "00:00-24:00"'),
        ('monday = ["08:00-12:00", "11:00-13:00"]', "08:00-12:00 and 11:00-13:00 overlap"),
        ('monday = "18:00-10:00"\ntuesday = "09:00-11:00"', "overlaps with tuesday 09:00-11:00"),
        ('mondey = "08:00-12:00"', "unknown key 'hours.mondey'; did you mean 'monday'?"),
        ('sunday = "closed"', "no day has hours"),
        ('monday = "08:00-12:00"\n[hours.holidays]\n"2026-02-30" = "Carnival"', "is on no calendar"),
        ('monday = "08:00-12:00"\n[hours.holidays]\neaster = "Easter"', "'easter' is no date: write"),
        (
            'monday = "08:00-12:00"\n[hours.holidays]\n"2026-12-24 to 01-01" = "x"',
            "has a year on one side only",
        ),
        (
            'monday = "08:00-12:00"\n[hours.holidays]\n"2026-12-24 to 2026-12-01" = "x"',
            "ends before it begins",
        ),
        ('monday = "08:00-12:00"\n[hours.holidays.12-25]\nname = "x"\nopen = "1-2"', "is no range of hours"),
    ],
)
def test_mistakes_are_found_with_their_line(tmp_path, table, complaint):
    base = AGENT[: AGENT.index("monday")]
    with pytest.raises(AgentError) as error:
        load(tmp_path, base + table)
    text = str(error.value)
    assert complaint in text and text.startswith("front.toml line ") and "\n" not in text


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Are you open now?", "We are open now, until noon."),
        ("Are you open?", "We are open now, until noon."),
        ("Are you still open?", "We are open now, until noon."),
        (
            "When do you close today?",
            "Today we are open from eight in the morning until noon and from one in the afternoon until six in the "
            "evening.",
        ),
        (
            "Will you be open tomorrow?",
            "Tomorrow we are open from eight in the morning until six in the evening.",
        ),
        ("Are you open on Christmas?", "On Christmas Day we are closed."),
        (
            "Are you closed on Christmas Eve?",
            "On Christmas Eve we are open from nine in the morning until noon.",
        ),
        ("Are you open on December 25th?", "On Christmas Day we are closed."),
        (
            "Are you open on the second of December?",
            "On Wednesday, December second we are closed.",
        ),
        ("What are your opening hours?", "As it says on the door."),
    ],
)
def test_the_brain_answers_from_the_hours(tmp_path, question, answer):
    agent = load(tmp_path)
    talk = Talk(agent=agent)
    talk.variables = agent.call_variables(now=datetime(2026, 11, 23, 9, 0))
    assert talk.say(question) == answer


@pytest.mark.parametrize(
    "question",
    [
        "Can I open an account today?",
        "What is the weather today?",
        "Are you close to the station?",
        "I would like an appointment tomorrow.",
        "When are you open?",
    ],
)
def test_what_is_no_question_about_hours_is_left_alone(tmp_path, question):
    agent = load(tmp_path)
    assert answer_from_file(question, agent, agent.call_variables(now=datetime(2026, 11, 23, 9, 0))) == ""


def test_a_weekday_that_is_a_holiday_is_not_a_usual_one(tmp_path):
    agent = load(tmp_path)
    given = agent.call_variables(now=datetime(2026, 12, 22, 9, 0))
    assert answer_from_file("Are you open on Friday?", agent, given) == "On Christmas Day we are closed."
    assert answer_from_file("Are you open on Wednesday?", agent, given) == ""


def test_who_calls_is_said_by_the_brain_on_our_calls_alone(tmp_path):
    agent = load(tmp_path, AGENT + '[dial_out]\npurpose = "to bring your order"\n')
    given = agent.call_variables(direction="outbound")
    assert answer_from_file("Sorry, who is this?", agent, given) == "I'm calling to bring your order."
    assert answer_from_file("Who is this?", agent, agent.call_variables()) == ""


@pytest.mark.parametrize(
    ("purpose", "said"),
    [
        ("your appointment.", "This is Shoes. I'm calling about your appointment."),
        ("to bring it", "This is Shoes. I'm calling to bring it."),
        ("It's about {{ what }}.", "This is Shoes. It's about your order."),
    ],
)
def test_a_purpose_is_said_as_a_sentence(tmp_path, purpose, said):
    lines = f'[variables]\nbusiness = "Shoes"\nwhat = "your order"\n[outbound]\npurpose = "{purpose}"\n'
    agent = load(tmp_path, AGENT + lines)
    assert agent.dial_out.purpose == purpose
    assert answer_from_file("Who's calling?", agent, agent.call_variables(direction="outbound")) == said


def test_texts_know_whether_it_is_open(tmp_path):
    text = AGENT.replace('"Hello."', '"{% if is_open %}Hello.{% else %}We are {{ opening }}.{% endif %}"')
    agent = load(tmp_path, text)
    monday, night = datetime(2026, 11, 23, 9, 0), datetime(2026, 11, 23, 20, 0)
    assert agent.render(agent.greeting, agent.call_variables(now=monday)) == "Hello."
    closed = agent.render(agent.greeting, agent.call_variables(now=night))
    assert closed == "We are closed, opens tomorrow at eight in the morning."
    assert unknown_variables(agent) == ([], [])


def test_hours_without_a_zone_are_warned_of(tmp_path):
    agent = load(tmp_path, AGENT.replace('timezone = "Europe/Berlin"\n', ""))
    assert any("zone of the machine" in line for line in contradictions(agent))
