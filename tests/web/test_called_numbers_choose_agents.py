"""One deployment answers each of the owner's numbers as the agent that the number is bound to."""

import pytest

from conversation.agents.files import load_agent
from conversation.agents.numbers import agent_of_number, any_bound, bound_twice
from deployment.checkup import agent_problems, findings_of_agent
from deployment.start import StartError, check
from tests.fake_rest import fake_rest
from tests.web.test_web_call_control_events import DONE, commands, event, initiated, serving, tell, until
from tests.web_service import make_settings, running, stream_of

LEAST = 'greeting = "Hello."\ninstructions = "x"\n'
SALES = "+12025550101"
FORM = {"CallSid": "CA1", "From": "+14155550100", "To": SALES, "CallStatus": "ringing"}
CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])


def bind(tmp_path, numbers='["+1 (202) 555-0101"]', name="sales"):
    folder = tmp_path / "bound"
    folder.mkdir(exist_ok=True)
    (folder / "receptionist.toml").write_text(LEAST)
    (folder / "other.toml").write_text(LEAST)
    (folder / f"{name}.toml").write_text(f"numbers = {numbers}\n{LEAST}")
    return folder


@CARRIERS
@pytest.mark.parametrize("written", [SALES, SALES.removeprefix("+"), " 12025550101"])
async def test_the_number_that_was_called_chooses_the_agent(tmp_path, carrier, written):
    async with running(tmp_path, agents_dir=bind(tmp_path)) as service:
        answer = await service.post(f"/{carrier}/voice", **{**FORM, "To": written})
        assert stream_of(answer.text)[1]["agent"] == "sales"
        assert service.store.list()[0].agent == "sales"


@CARRIERS
async def test_another_number_gets_the_configured_agent(tmp_path, carrier):
    async with running(tmp_path, agents_dir=bind(tmp_path)) as service:
        answer = await service.post(f"/{carrier}/voice", **{**FORM, "To": "+12025550102"})
        assert stream_of(answer.text)[1]["agent"] == "receptionist"


@CARRIERS
async def test_an_agent_in_the_address_wins(tmp_path, carrier):
    async with running(tmp_path, agents_dir=bind(tmp_path)) as service:
        answer = await service.post(f"/{carrier}/voice?agent=other", **FORM)
        assert stream_of(answer.text)[1]["agent"] == "other"


@CARRIERS
async def test_a_file_that_breaks_while_the_server_runs_keeps_no_call_from_its_agent(tmp_path, carrier):
    folder = bind(tmp_path)
    async with running(tmp_path, agents_dir=folder) as service:
        (folder / "other.toml").write_text("greeting = ")
        answer = await service.post(f"/{carrier}/voice", **FORM)
        assert stream_of(answer.text)[1]["agent"] == "sales"


async def test_a_call_that_is_run_by_commands_gets_the_agent_of_its_number(tmp_path):
    folder = bind(tmp_path)
    async with fake_rest(DONE) as rest, serving(tmp_path, rest, agents_dir=folder) as service:
        await tell(service, initiated(to=SALES), event("call.answered"))
        await until(lambda: commands(rest) == ["answer"])
        assert service.store.list()[0].agent == "sales"


async def test_a_call_that_we_made_to_a_number_is_not_one_that_came_in_for_it(tmp_path):
    async with running(tmp_path, agents_dir=bind(tmp_path)) as service:
        answer = await service.post("/twilio/voice", **{**FORM, "Direction": "outbound-api"})
        assert stream_of(answer.text)[1]["agent"] == "receptionist"


def test_numbers_are_kept_as_carriers_write_them(tmp_path):
    folder = bind(tmp_path, '["+1 (202) 555-0101", "+49 30 901820"]')
    assert load_agent("sales", folder).numbers == [SALES, "+4930901820"]
    assert agent_of_number("+4930901820", folder) == "sales"
    assert agent_of_number(None, folder) is None
    assert any_bound(folder)
    (folder / "sales.toml").unlink()
    assert not any_bound(folder)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ('["2025550101"]', "E.164"),
        ('["+1"]', "E.164"),
        ('["sales"]', "E.164"),
        ('["+12025550101", "+1 202 555 0101"]', "twice"),
    ],
)
def test_what_is_no_number_or_stands_there_twice_is_told(tmp_path, numbers, reason):
    settings = make_settings(agents_dir=bind(tmp_path, numbers))
    (problem,) = agent_problems(settings)
    assert problem.startswith("sales.toml")
    assert "numbers" in problem and reason in problem


def test_a_number_in_two_files_is_one_line_that_names_both_and_keeps_the_service_from_starting(tmp_path):
    bind(tmp_path)
    folder = bind(tmp_path, '["+12025550101"]', "support")
    settings = make_settings(agents_dir=folder)
    (line,) = bound_twice(folder)
    assert line.startswith("sales.toml and support.toml: ")
    assert "0101" in line and SALES not in line
    assert agent_problems(settings) == [line]
    for name in ("sales", "support"):
        assert line in [one.text for one in findings_of_agent(name, settings)]
    assert line not in [one.text for one in findings_of_agent("other", settings)]
    with pytest.raises(StartError, match=r"sales\.toml and support\.toml"):
        check(settings)


def test_two_agents_with_numbers_of_their_own_are_fine(tmp_path):
    bind(tmp_path)
    folder = bind(tmp_path, '["+12025550102"]', "support")
    assert bound_twice(folder) == []
