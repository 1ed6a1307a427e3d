"""Whatever tells of a transfer's end, its outcome is what `outcome_of` says."""

import pytest

from calls.states import CallState
from calls.transfer import TransferNews, TransferOutcome, outcome_of, transfer_news
from carriers.carrier import CarrierEvent, DialStatus, LegEnd, LineState, ReferResult, StatusUpdate

CALLER, DESTINATION = "v3:caller", "v3:destination"


@pytest.mark.parametrize("words", [LineState, DialStatus, CallState])
@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("COMPLETED", TransferOutcome.CONNECTED),
        ("BUSY", TransferOutcome.BUSY),
        ("NO_ANSWER", TransferOutcome.NO_ANSWER),
        ("CANCELED", TransferOutcome.NO_ANSWER),
        ("FAILED", TransferOutcome.FAILED),
    ],
)
def test_the_state_of_the_destinations_leg_tells_how_it_ended_in_whosever_words(words, word, outcome):
    assert outcome_of(words[word]) is outcome


def test_a_word_that_we_do_not_know_is_a_failure():
    assert outcome_of(None) is TransferOutcome.FAILED


def test_an_answered_leg_that_was_never_connected_is_no_answer():
    assert outcome_of(LineState.COMPLETED, connects=False) is TransferOutcome.NO_ANSWER


def test_that_somebody_declined_counts_more_than_the_state_and_a_machine_more_too():
    assert outcome_of(LineState.BUSY, declined=True) is TransferOutcome.DECLINED
    assert outcome_of(LineState.COMPLETED, connects=False, machine=True) is TransferOutcome.VOICEMAIL


def event(**known):
    return CarrierEvent(**{"kind": "k", "event_id": "1", "call_id": DESTINATION, **known})


def leg(state, **known):
    return event(transfer_of=CALLER, status=StatusUpdate(DESTINATION, state), **known)


@pytest.mark.parametrize(
    ("happened", "news"),
    [
        (event(bridged=True), TransferNews(TransferOutcome.CONNECTED, "k")),
        (
            event(refer=ReferResult(CALLER, DialStatus.COMPLETED, 200)),
            TransferNews(TransferOutcome.CONNECTED, "SIP 200", leg_is_left_over=True),
        ),
        (
            event(refer=ReferResult(CALLER, DialStatus.BUSY, 486)),
            TransferNews(TransferOutcome.BUSY, "SIP 486"),
        ),
        (leg(LineState.IN_PROGRESS), TransferNews(None, "k")),
        (
            leg(LineState.COMPLETED, hangup_cause="c", end=LegEnd.HUNG_UP, hangup_source="callee"),
            TransferNews(None, "c", leg_is_over=True, colleague_hung_up=True),
        ),
        (
            leg(LineState.BUSY, hangup_cause="c", end=LegEnd.DECLINED),
            TransferNews(TransferOutcome.DECLINED, "c", leg_is_over=True),
        ),
        (
            leg(LineState.COMPLETED, hangup_cause="c"),
            TransferNews(TransferOutcome.NO_ANSWER, "c", leg_is_over=True),
        ),
        (leg(LineState.RINGING), None),
        (leg(None), None),
        (event(status=StatusUpdate(CALLER, LineState.COMPLETED), end=LegEnd.HUNG_UP), None),
    ],
)
def test_an_event_tells_at_most_one_thing_of_a_transfer(happened, news):
    assert transfer_news(happened) == news
