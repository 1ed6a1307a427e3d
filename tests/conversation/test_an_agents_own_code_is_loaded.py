"""The Python file beside an agent's is imported once, and what is wrong with it is one line at start."""

import re

import pytest

from conversation.agents.contradictions import contradictions
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.tools.offered import tools_of

TOML = 'greeting = "Hello."\ninstructions = "x"\n'
TOOL = '''
async def price(params, cake: str, pieces: int = 1):
    """Say what a cake costs.

    Args:
        cake: Which one.
        pieces: How many.
    """
    return 3.5
'''


@pytest.fixture
def shop(tmp_path):
    def write(code, toml=TOML, name="shop"):
        (tmp_path / f"{name}.toml").write_text(toml)
        (tmp_path / f"{name}.py").write_text(code)
        return load_agent(name, tmp_path)

    write.folder = tmp_path
    return write


def test_own_tools_are_offered_with_the_default_ones(shop):
    agent = shop(TOOL)
    assert agent.tools == ["end_call", "take_message", "price"]
    schema = tools_of(agent)["price"].schema
    assert schema.description == "Say what a cake costs."
    assert schema.properties == {
        "cake": {"type": "string", "description": "Which one."},
        "pieces": {"type": "integer", "description": "How many."},
    }
    assert schema.required == ["cake"]


def test_the_file_can_name_the_set(shop):
    assert shop(TOOL, TOML + 'tools = ["price"]\n').tools == ["price"]


def test_a_hyphen_in_the_name_and_a_neighbour_are_no_trouble(shop):
    (shop.folder / "cakes.py").write_text("PRICE = 3.5\n")
    agent = shop("from . import cakes\nfrom .cakes import PRICE\n" + TOOL, name="front-desk")
    assert "price" in agent.tools


def test_it_is_imported_once_whatever_becomes_of_the_file(shop):
    code = f"open({str(shop.folder / 'count')!r}, 'a').write('x')\n" + TOOL
    shop(code)
    shop(code, TOML + 'language = "de"\n')
    assert (shop.folder / "count").read_text() == "x"


def test_what_is_private_imported_or_takes_no_params_is_no_tool(shop):
    agent = shop(
        "import asyncio\nfrom asyncio import sleep\nfrom conversation.default_tools import transfer_call\n"
        + "async def _secret(params): ...\nasync def helper(text): ...\n"
        + TOOL
    )
    assert agent.tools == ["end_call", "take_message", "price"]


def test_an_imported_tool_counts_when_it_is_listed(shop):
    (shop.folder / "cakes.py").write_text(TOOL)
    agent = shop("from .cakes import price\n__all__ = ['price']\n")
    assert agent.tools[-1] == "price"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\ndef broken(:\n    pass\n", r"shop\.py line 2: .*; correct it"),
        (
            "x = 1\nimport no_such_library\n",
            r"shop\.py line 2: raises ModuleNotFoundError .*no_such_library.*install",
        ),
        ("import sys\nsys.exit('no')\n", r"shop\.py line 2: raises SystemExit"),
        ("\n1 / 0\n", r"shop\.py line 2: raises ZeroDivisionError"),
        ("async def price(params): ...\n", r"shop\.py line 1: price has no docstring"),
        ('async def price(params, cake):\n    """x."""\n', r"price has no type hint for cake: .*`cake: str`"),
        (
            'async def price(params, cake: "Cake"):\n    """x."""\n',
            r"price cannot be a tool: NameError: .*Cake",
        ),
        ('async def price(params, *cakes: str):\n    """x."""\n', r"price takes \*cakes"),
        ('async def price(params, **cakes: str):\n    """x."""\n', r"price takes \*\*cakes"),
        (
            'def price(params):\n    """x."""\n',
            r"price has a first parameter `params` and is no async function",
        ),
        (
            'async def price(params, cake: str):\n    """x.\n\n    Args:\n        cakes: y\n    """\n',
            r"price has no parameter 'cakes', which its docstring describes; did you mean 'cake'\?",
        ),
        (
            'async def end_call(params):\n    """x."""\n',
            r"shop\.py has a tool 'end_call', as every agent has: rename",
        ),
        (
            "async def on_call_started(session): ...\n",
            r"on_call_started is no hook; did you mean 'on_call_start'\?",
        ),
        ("async def on_turn(session): ...\n", r"on_turn must take 3 argument"),
        ("def on_call_end(session): ...\n", r"on_call_end must be an async function"),
        ("def processors(): ...\n", r"processors must take 1 argument"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_place_and_the_fix(shop, code, said):
    with pytest.raises(AgentError) as refused:
        shop(code)
    text = str(refused.value)
    assert re.search(said, text), text
    assert text.startswith("shop.") and "\n" not in text


def test_a_key_calls_an_own_tool_that_needs_nothing(shop):
    code = 'async def hours(params, day: str = "today"):\n    """Say the hours."""\n' + TOOL
    agent = shop(code, TOML + '[menu.1]\nlabel = "the hours"\ntool = "hours"\n')
    assert agent.menu["1"].tool == "hours"
    for tool, said in (
        ("price", "needs cake"),
        ("hour", "did you mean 'hours'"),
        ("transfer_call", "cannot call"),
    ):
        fact = f'[[facts]]\ntopic = "x"\nquestions = ["x"]\ntool = "{tool}"\n'
        for table in (f'[menu.1]\nlabel = "x"\ntool = "{tool}"\n', fact):
            with pytest.raises(AgentError, match=said):
                shop(code, TOML + table)
    assert (
        shop(code, TOML + '[[facts]]\ntopic = "x"\nquestions = ["x"]\ntool = "hours"\n').facts[0].answer == ""
    )
    for more in ("", 'tool = "hours"\nanswer = "x"\n'):
        with pytest.raises(AgentError, match="give either answer or tool"):
            shop(code, TOML + f'[[facts]]\ntopic = "x"\nquestions = ["x"]\n{more}')


def test_a_tool_that_is_called_and_not_allowed_is_found_at_start(shop):
    code = 'async def hours(params):\n    """Say the hours."""\n'
    called = (
        '[menu.1]\nlabel = "x"\ntool = "hours"\n[[facts]]\ntopic = "y"\nquestions = ["y"]\ntool = "hours"\n'
    )
    assert contradictions(shop(code, TOML + called)) == []
    assert contradictions(shop(code, TOML + 'tools = ["end_call"]\n' + called)) == [
        "shop.toml: menu.1 calls the tool 'hours', but the agent may not use it: add \"hours\" to tools",
        "shop.toml: the fact 'y' is answered by the tool 'hours', but the agent may not use it: add \"hours\" to tools",
    ]
