"""`[services] tts = "module:Class"`: from the agent's folder first, with its options, or one line that says why not."""

import sys

import pytest

from conversation import services
from conversation.services import ServiceError
from conversation.services.patience import Patience
from conversation.services.tool_calls import CheckedCalls
from settings import load_settings
from tests.conversation.test_services_are_chosen_by_name import agent

VOICE = """
from dataclasses import dataclass
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

@dataclass
class OwnSettings(TTSSettings):
    mood: str | None = None

class Own(TTSService):
    Settings = OwnSettings

    def __init__(self, *, settings=None, pitch=1.0, **kwargs):
        super().__init__(settings=settings or OwnSettings(), **kwargs)
        self.pitch = pitch

    async def run_tts(self, text, context_id):
        yield None

class Plain(TTSService):
    def __init__(self, colour="blue"):
        super().__init__()
        self.colour = colour

    async def run_tts(self, text, context_id):
        yield None

class Unfinished(TTSService):
    pass

class Fails(Own):
    def __init__(self, **kwargs):
        raise RuntimeError("no disk")

def Function():
    pass
"""

MODEL = """
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from .voices import Own
from shelf.names import NAME

class Model(LLMService):
    def __init__(self, **kwargs):
        super().__init__(settings=LLMSettings(), **kwargs)
        self.knows = (Own, NAME)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "voices.py").write_text(VOICE, encoding="utf-8")
    return tmp_path


def built(folder, named, kind="tts", **options):
    settings = load_settings(agents_dir=folder)
    who = agent(**{kind: named}, options={kind: options})
    choice = services.resolve(who, settings)
    services.check(choice, settings)
    return getattr(services, f"build_{kind}")(choice, who, settings)


def refused(folder, named, kind="tts", **options):
    with pytest.raises(ServiceError) as caught:
        built(folder, named, kind, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_options_are_settings_or_arguments(folder):
    voice = built(folder, "voices:Own", mood="merry", voice="anna", pitch=1.5)
    assert (voice._settings.mood, voice._settings.voice, voice.pitch) == ("merry", "anna", 1.5)
    assert type(voice).__name__ == "Own"


async def test_a_class_without_settings_gets_arguments(folder):
    assert built(folder, "voices:Plain", colour="red").colour == "red"
    assert built(folder, "voices:Plain").colour == "blue"


async def test_its_waiting_is_bounded_like_that_of_all(folder, monkeypatch):
    assert built(folder, "voices:Own").patience == Patience.of(load_settings())
    (folder / "shelf").mkdir()
    (folder / "shelf" / "__init__.py").touch()
    (folder / "shelf" / "names.py").write_text("NAME = 'n'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    (folder / "mind.py").write_text(MODEL, encoding="utf-8")
    model = built(folder, "mind:Model", "llm")
    assert isinstance(model, CheckedCalls)
    assert model.knows[1] == "n", "an installed module is found as usual"


async def test_a_module_of_the_folder_wins_over_an_installed_one_and_hides_it_from_nobody(folder):
    (folder / "wave.py").write_text(VOICE, encoding="utf-8")
    assert built(folder, "wave:Own").pitch == 1.0
    import wave

    assert hasattr(wave, "Wave_read")
    assert not hasattr(sys.modules["wave"], "Own")


async def test_an_installed_module_is_found(folder):
    voice = built(folder, "tests.talking_bot:Beeps")
    assert type(voice).__name__ == "Beeps"


async def test_two_folders_have_their_own_modules(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "voices.py").write_text(VOICE.replace("blue", "green"), encoding="utf-8")
    assert built(folder, "voices:Plain").colour == "blue"
    assert built(other, "voices:Plain").colour == "green"


def test_a_module_that_is_not_there_is_one_line(folder):
    assert refused(folder, "voces:Own") == (
        f"services: tts voces:Own: there is no module voces, neither in {folder} nor installed: correct the name, "
        "or put the file beside the agent's."
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def:", "SyntaxError"),
        (
            "import not_a_package_of_anybody",
            "ModuleNotFoundError: No module named 'not_a_package_of_anybody'",
        ),
        ("from . import nobody", "ImportError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_does_not_import_is_one_line_with_the_reason(folder, text, reason):
    (folder / "broken.py").write_text(text, encoding="utf-8")
    said = refused(folder, "broken:Own")
    assert said.startswith(f"services: tts broken:Own cannot be imported ({reason}")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("voices:Owm", "voices has no class Owm: did you mean Own?"),
        ("voices:Function", "voices has no class Function"),
        ("voices:OwnSettings", "OwnSettings must be a subclass of Pipecat's TTSService."),
        ("voices:Unfinished", "Unfinished must have the method run_tts."),
        ("voices:", 'tts = "voices:" is no service: write module:Class, such as my_tts:MyTTS.'),
        ("../voices:Own", "is no service: write module:Class"),
    ],
)
def test_a_class_that_cannot_serve_is_one_line(folder, named, said):
    assert said in refused(folder, named)


def test_a_voice_is_no_recogniser(folder):
    assert "must be a subclass of Pipecat's STTService." in refused(folder, "voices:Own", "stt")


def test_an_option_that_it_does_not_know_is_one_line(folder):
    said = refused(folder, "voices:Own", mod="merry")
    assert 'voices:Own has no option mod (agent desk, [services.options.tts]): did you mean "mood"?' in said


async def test_a_class_that_fails_when_it_is_built_is_one_line(folder):
    settings = load_settings(agents_dir=folder)
    who = agent(tts="voices:Fails")
    choice = services.resolve(who, settings)
    with pytest.raises(ServiceError, match=r"tts voices:Fails cannot be built \(RuntimeError: no disk\)"):
        services.build_tts(choice, who, settings)
