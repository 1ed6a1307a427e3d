"""`python -m emulator`: options, exit status, one-line errors, a server started for the call, real speech."""

import asyncio
import json
import os
import signal
import socket
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from emulator import Audio, Credentials, Digits, HangUp, Say, tone
from emulator.errors import EmulatorError
from emulator.line.speech import Ears, Voice, read_wav, segments, write_stereo
from emulator.terminal.calling import script_of
from emulator.terminal.cli import build_parser, main
from tests.fake_bot import FakeBot, Line
from tests.receiver import free_port

ROOT = Path(__file__).resolve().parents[2]
STREAM = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect>'

SERVER = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
from aiohttp import web
from tests.fake_bot import FakeBot

async def talk(line):
    await line.beep(300)
    await line.until("dtmf")
    await line.beep(300)
    await line.mark("m")
    await line.until("mark")

async def main():
    names = ("TWILIO_AUTH_TOKEN", "TELNYX_API_BASE_URL", "TELNYX_PUBLIC_KEY", "PUBLIC_URL", "API_KEY")
    print("started with", *(os.environ[name] for name in names), flush=True)
    bot = FakeBot(talk, {{"/twilio/voice": {stream!r}, "/readyz": ""}}, port=int(os.environ["PORT"]))
    async with bot:
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def emulator(*arguments: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "emulator",
        *arguments,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def keys_bot(line: Line) -> None:
    await line.beep(300)
    await line.until("dtmf")
    await line.beep(300)
    await line.mark("m")
    await line.until("mark")


async def test_a_good_call_exits_with_0_and_writes_recording_and_report(tmp_path):
    async with FakeBot(keys_bot, {"/telnyx/voice": STREAM}) as bot:
        recording, report = tmp_path / "deep" / "call.wav", tmp_path / "call.json"
        status, out, err = await emulator(
            *("call", "--carrier", "telnyx", "--url", bot.url, "--digits", "1", "--no-voice-report"),
            *("--record", str(recording), "--report", str(report), "--patience", "0.3"),
        )
    assert (status, err) == (0, ""), out
    assert "Good call." in out
    assert "keys     1" in out
    assert json.loads(report.read_text())["recording"] == str(recording)
    with wave.open(str(recording)) as reader:
        assert (reader.getnchannels(), reader.getframerate(), reader.getsampwidth()) == (2, 8000, 2)
        samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype=np.int16).reshape(-1, 2)
    assert not samples[:, 0].any()
    assert 500 < np.count_nonzero(samples[:, 1]) / 8 < 700


async def test_a_call_that_is_handed_over_to_a_colleague_is_a_good_one_and_both_legs_are_recorded(tmp_path):
    sam = "+12025550111"
    async with FakeBot(None, {"/twilio/voice": f'<Dial timeLimit="2">{sam}</Dial>'}) as bot:
        status, out, _ = await emulator(
            *("call", "--url", bot.url, "--digits", "1", "--patience", "0.2", "--no-voice-report"),
            *("--colleague", f"{sam}=voicemail:0.2", "--record", str(tmp_path / "call.wav")),
        )
    assert status == 0, out
    assert f"Who was called\n  {sam}" in out
    assert "completed, answered [00:00." in out
    assert "colleague bridged" in out
    assert "the colleague hears key 1" in out
    with wave.open(str(tmp_path / "call-colleague-1.wav")) as reader:
        assert 1.5 < reader.getnframes() / reader.getframerate() < 2.8


async def test_a_caller_with_a_question_of_their_own_hangs_up_after_the_answer():
    async def answers_and_stays(line: Line) -> None:
        await line.beep(200)
        await line.until("dtmf")
        await line.beep(300)
        await line.until_closed()

    async with FakeBot(answers_and_stays, {"/twilio/voice": STREAM}) as bot:
        status, out, _ = await emulator(
            *("call", "--url", bot.url, "--digits", "1", "--patience", "0.3", "--no-voice-report")
        )
    assert status == 0, out
    assert "Good call" in out


async def test_a_call_with_shortcomings_exits_with_1():
    async def silent(line: Line) -> None:
        await asyncio.sleep(0.2)

    async with FakeBot(silent, {"/twilio/voice": STREAM}) as bot:
        status, out, _ = await emulator(
            "call", "--url", bot.url, "--digits", "1", "--no-voice-report", "--quiet"
        )
    assert status == 1
    assert "Not a good call" in out
    assert "timeline" not in out.lower()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--url", "http://127.0.0.1:9", "--digits", "1"),
            "nothing listens at http://127.0.0.1:9: start the server",
        ),
        (("--url", "nonsense", "--digits", "1"), "--url 'nonsense' is not usable"),
        (("--digits", "12x"), "--digits '12x' is not usable"),
        (("--wav", "/no/such/file.wav"), "--wav /no/such/file.wav: No such file"),
        (("--wav", str(ROOT / "settings.py")), "is not a PCM WAV file"),
        (("--param", "novalue", "--digits", "1"), "--param 'novalue' is not usable"),
        (("--param", "a=b", "--digits", "1"), "--param needs a ws://"),
        (
            ("--colleague", "+12025550111=sleeps", "--digits", "1"),
            "--colleague '+12025550111=sleeps' is not usable",
        ),
        (("--digits", "1", "--serve", "no-such-program", "--url", "http://127.0.0.1:9"), "cannot be started"),
        (
            ("--digits", "1", "--serve", "x", "--url", "https://bot.example.com"),
            "--serve starts a server on this machine",
        ),
        (("--digits", "1", "--serve", "python 'server.py"), '--serve "python \'server.py" is not usable'),
        (
            (
                "--digits",
                "1",
                "--serve",
                "x",
                "--url",
                "http://127.0.0.1:9",
                "--server-log",
                "/dev/null/x/log",
            ),
            "the server's output /dev/null/x/log cannot be written (Not a directory): name a file with --server-log",
        ),
        (("--digits", "1", "--rest-port", "99999"), "--rest-port must be 1 to 65535, or 0 for a free one"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_cause_and_fix_and_exits_with_2(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["call", "--no-voice-report", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken_is_said(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        common = ["call", "--no-voice-report", "--digits", "1", "--url", f"http://127.0.0.1:{port}"]
        assert main([*common, "--serve", "true"]) == 2
        assert f"port {port} is in use already" in capsys.readouterr().err
        assert main([*common, "--rest-port", str(port)]) == 2
        assert f"port {port} is in use" in capsys.readouterr().err


def test_the_script_keeps_the_order_of_the_options(tmp_path):
    write_stereo(tmp_path / "a.wav", [tone(100)], [tone(100)])
    options = build_parser().parse_args(
        ["call", "--say", "one", "--digits", "2", "--wav", str(tmp_path / "a.wav"), "--say", "four"]
    )
    one, two, three, four, last = script_of(options.script)
    assert (one, two, four, last) == (Say("one"), Digits("2"), Say("four"), HangUp(after_reply=True))
    assert script_of(options.script, hang_up=False)[-1] == Say("four")
    assert isinstance(three, Audio)
    assert three.text == "(a.wav)"
    assert script_of(None) == [Say("What are your opening hours?"), Say("Thank you, goodbye.")]


@pytest.mark.parametrize(
    ("rate", "width", "channels"), [(8000, 2, 1), (44100, 2, 2), (16000, 1, 1), (48000, 3, 2), (22050, 4, 1)]
)
def test_any_pcm_wav_is_read_as_8_khz_mono(tmp_path, rate, width, channels):
    time = np.arange(rate) / rate
    wanted = 0.5 * np.sin(2 * np.pi * 440 * time)
    whole = np.repeat((wanted * (2 ** (8 * width - 1) - 1)).astype(np.int64), channels)
    raw = (
        (whole + 128).astype(np.uint8).tobytes()
        if width == 1
        else b"".join(int(value).to_bytes(width, "little", signed=True) for value in whole)
    )
    with wave.open(str(tmp_path / "x.wav"), "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(raw)
    samples = read_wav(tmp_path / "x.wav").astype(float)
    expected = 16383 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    assert abs(len(samples) - 8000) <= 2
    middle = slice(500, 7500)
    assert np.abs(samples[middle] - expected[middle]).max() < 600


async def test_a_server_is_started_for_the_call_with_the_right_environment_and_stopped_after_it(tmp_path):
    port = free_port()
    script = tmp_path / "bot.py"
    script.write_text(SERVER.format(root=str(ROOT), stream=STREAM))
    status, out, err = await emulator(
        *("call", "--url", f"http://127.0.0.1:{port}", "--digits", "1", "--no-voice-report"),
        *(
            "--serve",
            f"{sys.executable} {script}",
            "--record",
            str(tmp_path / "r" / "c.wav"),
            "--patience",
            "0.3",
        ),
    )
    assert status == 0, out + err
    log = (tmp_path / "r" / "server.log").read_text()
    assert f"http://127.0.0.1:{port} emulated-api-key" in log
    assert "emulated-twilio-auth-token" in log
    assert "/v2" in log
    assert str(tmp_path / "r" / "server.log") in out
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_server_that_dies_is_reported_with_its_last_lines(tmp_path):
    port = free_port()
    status, _, err = await emulator(
        *("call", "--url", f"http://127.0.0.1:{port}", "--digits", "1", "--no-voice-report"),
        *("--serve", f'{sys.executable} -c "raise SystemExit(chr(110)+chr(111)+chr(33))"'),
        cwd=tmp_path,
    )
    assert status == 2
    assert "the server ended with status 1" in err
    assert "no!" in err
    assert "Traceback" not in err
    assert (tmp_path / "recordings" / "server.log").exists()


async def test_a_terminated_emulator_stops_the_server_that_it_started(tmp_path):
    port = free_port()
    script = tmp_path / "bot.py"
    script.write_text(SERVER.format(root=str(ROOT), stream=STREAM))
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "emulator",
            "call",
            "--url",
            f"http://127.0.0.1:{port}",
            "--digits",
            "wwwwwwwwwwwwwwwwwwwwwwww1",
        ),
        *("--no-voice-report", "--serve", f"{sys.executable} {script}"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while b"media socket open" not in await process.stdout.readline():
            pass
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
    assert (process.returncode, b"Traceback" in err) == (1, False)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_env_prints_what_a_server_by_hand_needs(capsys):
    assert main(["env", "--rest-port", "9321", "--url", "http://127.0.0.1:8000"]) == 0
    lines = dict(line.removeprefix("export ").split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["TWILIO_API_BASE_URL"] == "http://127.0.0.1:9321"
    assert lines["TELNYX_API_BASE_URL"] == "http://127.0.0.1:9321/v2"
    assert lines["PUBLIC_URL"] == "http://127.0.0.1:8000"
    for name, value in Credentials().environment("http://127.0.0.1:9321").items():
        assert lines[name] == value


def test_credentials_may_come_from_the_environment():
    credentials = Credentials.from_environment(
        {"TWILIO_AUTH_TOKEN": "t", "TELNYX_API_KEY": "", "EMULATOR_API_KEY": "k"}
    )
    assert (credentials.twilio_auth_token, credentials.api_key) == ("t", "k")
    assert credentials.telnyx_api_key == Credentials().telnyx_api_key


def test_a_voice_that_is_not_installed_is_told_with_the_fix(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "piper", None)
    assert main(["call", "--say", "Hello."]) == 2
    assert "`make setup` brings it" in capsys.readouterr().err


def test_pieces_for_the_ears_are_cut_at_pauses():
    quiet = np.zeros(8000, dtype=np.int16)
    pieces = segments(np.concatenate([quiet, tone(1000), quiet, tone(500), quiet[:1600], tone(500), quiet]))
    assert [round(len(piece) / 8000, 1) for piece in pieces] == [1.1, 1.3]
    with pytest.raises(EmulatorError):
        write_stereo(Path("/proc/no/such.wav"), [quiet], [quiet])


async def test_what_the_local_voice_says_over_a_call_the_local_ears_understand():
    pytest.importorskip("piper", reason="the local voice is not installed")
    pytest.importorskip("moonshine_voice", reason="the local ears are not installed")
    from emulator import PhoneNetwork

    voice, ears = await asyncio.to_thread(Voice), await asyncio.to_thread(Ears)
    answer = voice.speak("We are open from nine to five, Monday to Friday.")

    async def talk(line: Line) -> None:
        await line.caller_spoke()
        await line.play(answer)
        await line.mark("m")
        await line.until("mark")

    async with FakeBot(talk, {"/twilio/voice": STREAM}) as bot:
        async with PhoneNetwork(speak=voice.speak, transcribe=ears.transcribe) as network:
            result = await network.call(bot.url, [Say("What are your opening hours?", after_reply=False)])
    heard = result.report.turns[1].heard_by_caller or ""
    said = ears.transcribe(result.said)
    assert "open from" in heard.lower()
    assert "friday" in heard.lower()
    assert "opening hours" in said.lower()
    assert np.array_equal(voice.speak("Hello."), voice.speak("Hello."))
    assert len(ears.transcribe(answer[:800])) < 20  # a tenth of a second is too short for the model itself
