"""A phone network on localhost that speaks Twilio's and Telnyx's protocols from the carrier's side.

Like a carrier it fetches the document from the bot's voice webhook, carries it out, opens the media socket, and answers
the REST requests that make, change and end calls. It also plays the people at the phones, who speak and listen in real
time, and writes down what each of them heard. `python -m emulator call` is one phone call; `PhoneNetwork` is the same
for tests:

    async with PhoneNetwork(carrier="twilio") as network:
        result = await network.call("http://127.0.0.1:7860", script=[Audio(tone(600)), HangUp()])
        assert result.report.marks_returned == result.report.marks_sent

A bot that hands its caller over with `<Dial>` finds the colleagues given to the call:

    colleagues = [Colleague("+12025550111", script=[Audio(tone(600)), HangUp()])]
    result = await network.call(url, script, colleagues=colleagues)
    assert result.colleagues[0].outcome == "completed"

The network has more people than the caller. A server can also call them by a REST request of its own, and `next_result`
returns how such a call went:

    async with PhoneNetwork(people=[Colleague("+12025550112", script=[Audio(tone(300), "hello")])]) as network:
        ...  # the server creates a call to that number
        result = await network.next_result("+12025550112")
        assert result.leg.ending == "completed" and result.report.passed

A number may also belong to an application of Telnyx's Call Control, which takes events and sends commands:

    async with PhoneNetwork("telnyx", people=[...], events=EventHabits(doubled=0.2, seed=1)) as network:
        result = await network.call(url, script, mode="call_control")

The package is written from the carriers' documentation alone and shares no code with the bot that it calls, so that a
misread protocol cannot hide by being wrong in both.
"""

import sys

try:
    from emulator.account import Account, Application, Country, OwnNumber, VoiceProfile
    from emulator.carriers.credentials import Credentials
    from emulator.errors import CannotReach, EmulatorError
    from emulator.legs.delivery import EventHabits
    from emulator.line.caller import Audio, Digits, HangUp, Say, ScriptItem, Wait, tone
    from emulator.line.colleague import Colleague, ColleagueCall
    from emulator.network import CallResult, PhoneNetwork
    from emulator.report import Report, Turn
    from emulator.timeline import Entry, Timeline
except (ImportError, SyntaxError) as error:
    # While `python -m emulator` looks for the package, that is all there is of its command line
    if sys.argv[0] != "-m" or str(getattr(error, "name", "")).startswith("emulator"):
        raise
    cause = "it has no package {!r}".format(getattr(error, "name", None))
    if sys.version_info < (3, 11):  # noqa: UP036
        cause = "it is Python {}.{}, and 3.11, 3.12 or 3.13 is needed".format(*sys.version_info)
    fix = "`make setup`, then use .venv/bin/python -m emulator"
    print(f"the emulator cannot run with {sys.executable}: {cause}. Fix: {fix}", file=sys.stderr)
    sys.exit(2)

__all__ = [
    "Account",
    "Application",
    "Audio",
    "CallResult",
    "CannotReach",
    "Colleague",
    "ColleagueCall",
    "Country",
    "Credentials",
    "Digits",
    "EmulatorError",
    "Entry",
    "EventHabits",
    "HangUp",
    "OwnNumber",
    "PhoneNetwork",
    "Report",
    "Say",
    "ScriptItem",
    "Timeline",
    "Turn",
    "VoiceProfile",
    "Wait",
    "tone",
]
