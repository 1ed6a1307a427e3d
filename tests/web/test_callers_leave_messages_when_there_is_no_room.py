"""WHEN_FULL=message: the carrier records a message, which is one like any other, whatever reports are late or lost."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from loguru import logger

from calls import message_box
from calls.events.lifecycle import CarrierSpoke, RecordingChanged, TurnedAway
from calls.events.talk import MessageRecorded, MessageTaken
from calls.message_box import MESSAGE_BOX, note_message
from calls.outbox.mail import mail_of
from calls.outbox.making import notice
from calls.outbox.notices import Kind
from calls.reconcile import APOLOGY, LEAVES_MESSAGE, _patience
from calls.recordings import recordings, was_reported
from carriers.recording import RecordingState, RecordingUpdate
from desk import carrier_words
from desk import message_box as desk_box
from settings import MESSAGE
from tests.calls_on_disk import store_on, url_of
from tests.fake_rest import Answer, fake_rest
from tests.sharing import two
from tests.web.test_web_call_control_events import DONE, commands, event, initiated, serving, tell
from tests.web_service import running, until, verbs

HERE, ANN = "+14155550101", "+14155550100"
CALL = {"CallSid": "CA1", "From": "+14155550199", "To": HERE}
SECOND = {"CallSid": "CA2", "From": ANN, "To": HERE}
LEAVE = "I'm sorry, all our lines are busy at the moment. Please leave a message after the tone."
THANKS = "Thank you, I've passed that on. Thank you for calling. Goodbye."
BYE = "Thank you for calling. Goodbye."
SID = "RE" + "0123456789abcdef" * 2
URL = f"https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/{SID}"
CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])


def said(document: str) -> str:
    return verbs(document)[0][1] or ""


class Box:
    """A service without room, and a caller who hears so."""

    def __init__(self, service, carrier: str):
        self.service, self.carrier = service, carrier

    @property
    def call(self):
        return self.service.store.find(self.carrier, "CA2")

    async def begin(self) -> str:
        await self.service.post(f"/{self.carrier}/voice", **CALL)
        return (await self.service.post(f"/{self.carrier}/voice", **SECOND)).text

    async def recorded(self, *, by="service", **told: str) -> str:
        """The carrier asks what comes after the message."""
        path = self.service.way_back_path(self.call, "message").partition("#")[0]
        answer = await self.service.post(path, **{**SECOND, "CallStatus": "in-progress"}, **told)
        assert answer.status_code == 200
        return answer.text

    async def reported(self, status: str = "completed", **told: str) -> None:
        path = self.service.way_back_path(self.call, "recording")
        fields = {"RecordingSid": SID, "RecordingUrl": URL, "RecordingDuration": "7"} | told
        await self.service.post(path, **SECOND, RecordingStatus=status, **fields)

    async def end(self) -> None:
        await self.service.post(f"/{self.carrier}/status", **SECOND, CallStatus="completed")

    @property
    def messages(self) -> list[dict]:
        path = self.service.app.state.service.settings.data_dir / "messages.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def taken(self) -> list[MessageTaken]:
        return [one for one in self.call.events if isinstance(one, MessageTaken)]


@asynccontextmanager
async def full(tmp_path, carrier="twilio", **values):
    async with running(tmp_path, max_calls=1, when_full="message", **values) as service:
        yield Box(service, carrier)


@CARRIERS
async def test_a_caller_is_asked_for_a_message_after_a_tone(tmp_path, carrier):
    async with full(tmp_path, carrier) as box:
        document = ElementTree.fromstring((await box.begin()).encode())
        assert [verb.tag for verb in document] == ["Say", "Record", "Say", "Pause", "Hangup"]
        assert (document[0].text, document[2].text) == (LEAVE, BYE)
        record = dict(document[1].attrib)
        common = {"maxLength": "120", "timeout": "5", "finishOnKey": "#", "playBeep": "true"}
        assert common.items() <= record.items()
        assert (
            "/message?call=" in record["action"] and "/recording?call=" in record["recordingStatusCallback"]
        )
        assert box.call.last(TurnedAway).how == MESSAGE_BOX == MESSAGE
        # The carrier asks again, as the first answer was lost
        again = (await box.service.post(f"/{carrier}/voice", **SECOND)).text
        assert [verb.tag for verb in ElementTree.fromstring(again.encode())][1] == "Record"
        assert len([one for one in box.call.events if isinstance(one, TurnedAway)]) == 1


async def test_the_agents_language_is_the_carriers(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "wirt.toml").write_text('greeting = "x"\ninstructions = "x"\nlanguage = "de"\n')
    async with full(tmp_path) as box:
        await box.service.post("/twilio/voice", **CALL)
        document = (await box.service.post("/twilio/voice?agent=wirt", **SECOND)).text
        assert "nach dem Signalton" in document and document.count('language="de-DE"') == 2
        thanks = await box.recorded(RecordingUrl=URL, RecordingDuration="9")
        assert "Danke" in thanks and 'language="de-DE"' in thanks


@CARRIERS
async def test_what_was_recorded_is_a_message_with_its_address_and_length(tmp_path, carrier):
    logged = []
    handler = logger.add(lambda line: logged.append(str(line)), level="TRACE")
    try:
        async with full(tmp_path, carrier) as box:
            await box.begin()
            # Telnyx documents no field of what this is told.
            told = (
                {"RecordingUrl": URL, "RecordingDuration": "12", "Digits": ""} if carrier == "twilio" else {}
            )
            document = await box.recorded(**told)
            assert [verb for verb, _ in verbs(document)] == ["Say", "Pause", "Hangup"]
            assert said(document) == THANKS
            assert len(box.taken) == (1 if carrier == "twilio" else 0)
            await box.end()
            await box.reported()
            await box.reported()  # twice
            (taken,) = box.taken
            assert taken == MessageRecorded(callback_number=ANN, recorded=True)
            (recording,) = recordings(box.call)
            assert (recording.id, recording.state) == (SID, "completed")
            (kept,) = box.messages
            assert (kept["call_id"], kept["callback_number"], kept["text"]) == (box.call.id, ANN, "")
            assert kept["recording_url"] == URL
            assert kept["recording_secs"] == (12 if carrier == "twilio" else 7)
            assert (box.call.state, box.call.ended_by) == ("completed", "limit")
            # Where the carrier asks late, once it is over
            assert said(await box.recorded(**told)) == THANKS
            assert len(box.messages) == 1

            seq = box.call.events.index(taken) + 1
            made = notice(Kind.MESSAGE_TAKEN, box.call, seq, taken.at)
            message = made["data"]["message"]
            assert (message["message"], message["callback_number"]) == ("", ANN)
            assert (message["recording"]["url"], message["recording"]["duration_secs"]) == (URL, 7)
            mail = mail_of(
                Kind.MESSAGE_TAKEN, made, message_id="m1", sender="bot@example.com", to=["a@example.com"]
            )
            assert f"A message was recorded (7 s): {URL}" in mail.get_content()
            ended = notice(Kind.CALL_ENDED, box.call, seq, taken.at)["data"]
            assert ended["messages"] == [message] and ended["tools"] == []
    finally:
        logger.remove(handler)
    text = "".join(logged)
    assert "a message was left" in text
    assert ANN not in text and URL not in text and SID not in text


async def test_a_report_that_comes_first_or_alone_is_enough(tmp_path):
    async with full(tmp_path) as box:
        await box.begin()
        await box.reported()
        assert len(box.taken) == 1
        assert said(await box.recorded(RecordingUrl=URL, RecordingDuration="12")) == THANKS
        assert [one.state for one in recordings(box.call)] == ["completed"]
        assert len(box.taken) == len(box.messages) == 1


@pytest.mark.parametrize(
    ("told", "words", "is_message"),
    [
        ({"RecordingDuration": "12"}, THANKS, True),
        (
            {"RecordingDuration": "2"},
            THANKS,
            True,
        ),  # less than the silence that has ended it, which is cut off
        ({"RecordingDuration": "3", "Digits": "hangup"}, THANKS, True),
        ({"RecordingDuration": "3", "Digits": "#"}, THANKS, True),
        # Five seconds of silence have ended it, of which it has no more: perhaps nothing was said
        ({"RecordingDuration": "5"}, BYE, False),
        ({"RecordingDuration": "1", "Digits": "hangup"}, THANKS, False),
    ],
)
async def test_without_any_report_what_surely_has_words_is_a_message(tmp_path, told, words, is_message):
    async with full(tmp_path) as box:
        await box.begin()
        assert said(await box.recorded(RecordingUrl=URL, **told)) == words
        assert len(box.taken) == len(box.messages) == is_message
        (recording,) = recordings(box.call)
        assert (recording.id, recording.state) == (SID, "stopped")  # so it can be deleted


async def test_a_short_message_is_one_by_its_report(tmp_path):
    async with full(tmp_path) as box:
        await box.begin()
        await box.recorded(RecordingUrl=URL, RecordingDuration="5")
        assert box.taken == []
        await box.reported(RecordingDuration="2")  # without the silence
        assert len(box.taken) == len(box.messages) == 1


@pytest.mark.parametrize(
    "report",
    [{"status": "absent"}, {"RecordingDuration": "0"}, {"RecordingDuration": "1"}, {"RecordingUrl": ""}],
    ids=str,
)
async def test_a_caller_who_says_nothing_leaves_no_message(tmp_path, report):
    async with full(tmp_path) as box:
        await box.begin()
        await box.recorded(RecordingUrl=URL, RecordingDuration="5")
        await box.reported(**report)
        await box.end()
        assert box.taken == box.messages == []


@CARRIERS
async def test_a_caller_who_hangs_up_at_once_leaves_nothing_open(tmp_path, carrier):
    async with full(tmp_path, carrier) as box:
        await box.begin()
        drain = box.service.app.state.service.room
        assert (drain.taken, drain.awaited) == (1, 2)  # it takes nobody's place, and a stop waits for it
        await box.end()
        assert (drain.taken, drain.awaited) == (1, 1)
        assert (box.call.state, box.call.ended_by) == ("completed", "limit")
        assert box.taken == []


async def test_a_strangers_request_is_no_message(tmp_path):
    async with full(tmp_path, "telnyx") as box:
        await box.begin()
        first = box.service.store.find("telnyx", "CA1")
        path = box.service.way_back_path(first, "message")
        # The key of another call's address; and a call that the bot has
        document = (await box.service.post(path, **SECOND, RecordingUrl=URL)).text
        assert [verb for verb, _ in verbs(document)] == ["Hangup"]
        await box.service.post(path, **CALL, RecordingUrl=URL, RecordingDuration="9")
        assert box.taken == [] and recordings(first) == [] and box.messages == []


@CARRIERS
async def test_reports_to_another_process_are_about_the_same_message(tmp_path, carrier):
    file = tmp_path / "calls.db"
    secret = {"stream_token_secret": "s" * 32}
    async with (
        store_on(file) as one,
        store_on(file) as other,
        running(tmp_path, store=one, max_calls=1, when_full="message", **secret) as first,
        running(tmp_path, store=other, max_calls=1, when_full="message", **secret) as second,
    ):
        box = Box(first, carrier)
        await box.begin()
        await one.flush()
        path = first.way_back_path(box.call, "message").partition("#")[0]
        document = (await second.post(path, **SECOND, RecordingUrl=URL, RecordingDuration="12")).text
        assert said(document) == THANKS
        await other.flush()
        await second.post(
            first.way_back_path(box.call, "recording"),
            **SECOND,
            RecordingStatus="completed",
            RecordingSid=SID,
            RecordingUrl=URL,
            RecordingDuration="9",
        )
        await other.flush()
        call = await other.fetch(box.call.id)
        assert [e.kind for e in call.events].count("message_taken") == 1
        await until(lambda: first.store.find(carrier, "CA2"))
        await box.reported()
        await one.flush()
    async with store_on(file) as third:
        call = await third.restore(carrier, "CA2")
        assert [e.kind for e in call.events].count("message_taken") == 1
        assert call.last(MessageRecorded).callback_number == ANN


async def test_two_processes_that_learn_of_it_at_the_same_time_note_one(tmp_path):
    async with two(url_of(tmp_path / "calls.db")) as (a, b):
        call = a.open(carrier="twilio", carrier_call_id="CA2", from_number=ANN, to_number=HERE, agent="x")
        call.record(TurnedAway(reason="full", how=MESSAGE_BOX))
        await a.flush()
        same = await b.fetch(call.id)
        for store, its, secs, state in ((a, call, 12, "stopped"), (b, same, 9, "completed")):
            update = RecordingUpdate("CA2", RecordingState(state), SID, URL, secs)
            assert was_reported(its, update) and note_message(its, store.now()) is not None
        await asyncio.gather(a.flush(), b.flush())
        await until(lambda: [e.kind for e in same.events].count("message_taken") == 1)
        kept = await a.fetch(call.id)
        assert [e.kind for e in kept.events].count("message_taken") == 1


async def test_nobody_asks_the_carrier_about_a_caller_who_speaks(tmp_path):
    async with full(tmp_path) as box:
        await box.begin()
        assert _patience(box.call) == LEAVES_MESSAGE > timedelta(seconds=message_box.LONGEST_SECS) > APOLOGY


async def test_a_file_that_cannot_be_written_loses_no_message(tmp_path):
    async with full(tmp_path) as box:
        await box.begin()
        data = box.service.app.state.service.settings.data_dir
        data.mkdir(exist_ok=True)
        (data / "messages.jsonl").mkdir()
        await box.reported()
        assert len(box.taken) == 1
        assert box.call.events[-1].kind == "error"


# Calls that are run by commands


class Commanded:
    """The same where commands run the call; it has the calls v3:1, which is the bot's, and v3:2."""

    def __init__(self, service, rest):
        self.service, self.rest = service, rest

    @property
    def call(self):
        return self.service.store.find("telnyx", "v3:2")

    def bodies(self, command: str) -> list[dict]:
        return [
            json.loads(one.body) for one in self.rest.requests if one.path.endswith(f"v3:2/actions/{command}")
        ]

    @property
    def asked(self) -> list[str]:
        return [one.path.rsplit("/", 1)[1] for one in self.rest.requests if "/v3:2/" in one.path]

    async def tell(self, kind: str, **payload) -> None:
        await tell(self.service, event(kind, **{"call_control_id": "v3:2", "from": ANN} | payload))

    async def spoken(self) -> None:
        await self.tell("call.speak.ended", status="completed")

    async def saved(self, secs: float = 7, **payload) -> None:
        """Without the id of the call, as the SDK documents it; what the command gave it names the call."""
        state = self.bodies("record_start")[-1]["client_state"]
        body = json.loads(
            event("call.recording.saved", client_state=state, recording_id="r1", channels="single")
        )
        for name in ("call_control_id", "from", "to"):
            del body["data"]["payload"][name]
        body["data"]["payload"] |= {
            "recording_urls": {"wav": "https://telnyx.example.com/r1.wav"},
            "recording_started_at": "2026-11-27T10:00:00Z",
            "recording_ended_at": f"2026-11-27T10:00:{secs:02.0f}Z",
        }
        await tell(self.service, json.dumps(body).encode())

    async def has_asked(self, *commands: str) -> None:
        await until(lambda: self.asked == list(commands))


@asynccontextmanager
async def commanded(tmp_path, *answers: Answer, **values):
    async with (
        fake_rest(*(answers or (DONE,))) as rest,
        serving(tmp_path, rest, max_calls=1, when_full="message", **values) as service,
    ):
        await tell(service, initiated())
        await until(lambda: commands(rest) == ["answer"])
        await tell(service, initiated(call_control_id="v3:2", **{"from": ANN}))
        yield Commanded(service, rest)


async def test_commands_take_a_message_step_by_step(tmp_path):
    async with commanded(tmp_path) as box:
        await box.has_asked("answer", "speak")
        assert box.bodies("speak")[0]["payload"] == LEAVE
        await box.spoken()
        await box.has_asked("answer", "speak", "record_start")
        order = box.bodies("record_start")[0]
        wanted = {"channels": "single", "recording_track": "inbound", "play_beep": True, "max_length": 120}
        assert wanted.items() <= order.items() and order["timeout_secs"] == 5 and order["format"] == "wav"
        await box.saved()
        await box.has_asked("answer", "speak", "record_start", "speak")
        assert box.bodies("speak")[1]["payload"] == THANKS
        await box.spoken()
        await box.has_asked("answer", "speak", "record_start", "speak", "hangup")
        await box.saved()  # twice, under another id
        await box.tell("call.hangup", hangup_cause="normal_clearing")
        kinds = [one.kind for one in box.call.events]
        assert kinds.count("message_taken") == 1 and kinds.count("carrier_spoke") == 2
        assert (box.call.state, box.call.ended_by) == ("completed", "limit")
        assert box.asked.count("speak") == 2


async def test_a_caller_who_hangs_up_while_speaking_has_left_a_message(tmp_path):
    async with commanded(tmp_path) as box:
        await box.has_asked("answer", "speak")
        await box.spoken()
        await box.has_asked("answer", "speak", "record_start")
        await box.tell("call.hangup", hangup_cause="normal_clearing", hangup_source="caller")
        await box.saved(4)
        await until(lambda: box.call.has(MessageRecorded))
        assert box.asked == ["answer", "speak", "record_start"]


async def test_a_caller_who_hangs_up_at_the_tone_has_left_none(tmp_path):
    async with commanded(tmp_path) as box:
        await box.has_asked("answer", "speak")
        await box.spoken()
        await box.has_asked("answer", "speak", "record_start")
        await box.tell("call.hangup", hangup_cause="normal_clearing")
        await box.saved(1)
        assert not box.call.has(MessageRecorded)
        assert [one.state for one in recordings(box.call)] == ["completed"]


async def test_events_that_never_come_leave_nobody_on_the_line(tmp_path, monkeypatch):
    monkeypatch.setattr(desk_box, "SAID_SECS", 0.1)
    monkeypatch.setattr(desk_box, "LONGEST_SECS", 0.1)
    monkeypatch.setattr(desk_box, "END_LATE_SECS", 0.1)
    monkeypatch.setattr(desk_box, "SAVED_LATE_SECS", 0.1)
    async with commanded(tmp_path) as box:
        await box.has_asked("answer", "speak", "record_start", "record_stop", "speak", "hangup")
        assert not box.call.has(MessageRecorded)
        await box.saved()  # very late
        await until(lambda: box.call.has(MessageRecorded))
        assert box.asked.count("speak") == 2


async def test_what_cannot_be_recorded_ends_with_words(tmp_path):
    refused = Answer.json(422, {"errors": [{"code": "10027", "title": "no"}]})
    # The bot's call is answered; the other one too, and asked.
    async with commanded(tmp_path, DONE, DONE, DONE, refused, DONE) as box:
        await box.has_asked("answer", "speak")
        await box.spoken()
        await box.has_asked("answer", "speak", "record_start", "speak")
        assert "all our lines are busy" in box.bodies("speak")[1]["payload"]
        await box.spoken()
        await box.has_asked("answer", "speak", "record_start", "speak", "hangup")


async def test_another_process_goes_on_with_what_one_has_begun(tmp_path):
    """Each event comes to the other process, and the first one does nothing twice."""
    file = tmp_path / "calls.db"
    async with (
        store_on(file) as one,
        store_on(file) as other,
        commanded(tmp_path, store=one) as box,
        serving(tmp_path, box.rest, store=other, max_calls=1, when_full="message") as second,
    ):
        await box.has_asked("answer", "speak")
        await until(lambda: box.call.has(TurnedAway))
        await one.flush()
        box.service = second
        await box.spoken()
        await box.has_asked("answer", "speak", "record_start")
        await other.flush()
        await until(lambda: one.find("telnyx", "v3:2").has(RecordingChanged))
        await box.saved()
        await box.has_asked("answer", "speak", "record_start", "speak")
        await other.flush()
        await box.spoken()
        await box.has_asked("answer", "speak", "record_start", "speak", "hangup")
        await until(
            lambda: one.find("telnyx", "v3:2").last(CarrierSpoke) == CarrierSpoke(line="message_taken")
        )
        assert len(box.asked) == 5
    assert carrier_words.SAID_SECS == desk_box.SAID_SECS
