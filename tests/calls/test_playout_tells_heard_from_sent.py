"""What was heard is known from marks: not from sending, and not from marks that a barge-in gave back."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from conversation.playout import OVERDUE_SECS, Chunk, Playout


def texts(chunks):
    return [chunk.text for chunk in chunks]


def test_a_returned_mark_says_that_its_words_were_heard():
    playout = Playout()
    mark = playout.expect("Hello.")
    playout.sent(mark)
    assert texts(playout.returned(mark)) == ["Hello."]
    assert playout.pending == ()


def test_a_mark_confirms_the_ones_sent_before_it_when_those_were_lost():
    playout = Playout()
    marks = [playout.expect(text) for text in ("One.", "Two.", "Three.")]
    for mark in marks:
        playout.sent(mark)
    assert texts(playout.returned(marks[1])) == ["One.", "Two."]
    assert texts(playout.pending) == ["Three."]


def test_a_fence_that_was_named_early_and_sent_late_is_not_confirmed_by_the_words_before_it():
    playout = Playout()
    fence = playout.expect()
    words = playout.expect("Goodbye.")
    playout.sent(words)
    playout.sent(fence)
    assert texts(playout.returned(words)) == ["Goodbye."]
    assert [chunk.mark for chunk in playout.pending] == [fence]


def test_a_mark_returned_by_a_clear_was_not_heard():
    playout = Playout()
    mark = playout.expect("You will never hear this.")
    playout.sent(mark)
    assert texts(playout.cleared()) == ["You will never hear this."]
    assert playout.returned(mark) == ()


def test_names_after_a_clear_differ_from_those_before():
    playout = Playout()
    before = {playout.expect() for _ in range(3)}
    playout.cleared()
    after = {playout.expect() for _ in range(3)}
    assert len(before | after) == 6


def test_a_mark_counts_once():
    playout = Playout()
    mark = playout.expect("Once.")
    assert playout.returned(mark)
    assert playout.returned(mark) == ()
    assert playout.returned("never sent") == ()


async def test_waiting_ends_when_the_mark_returns():
    playout = Playout()
    mark = playout.expect()
    waiting = asyncio.create_task(playout.heard(mark, send_secs=5, return_secs=5))
    await asyncio.sleep(0)
    playout.sent(mark)
    playout.returned(mark)
    assert await waiting is True


async def test_waiting_ends_when_the_words_were_thrown_away():
    playout = Playout()
    mark = playout.expect()
    waiting = asyncio.create_task(playout.heard(mark, send_secs=5, return_secs=5))
    await asyncio.sleep(0)
    playout.cleared()
    assert await waiting is False


async def test_a_voice_that_never_speaks_does_not_hold_the_call():
    playout = Playout()
    assert await playout.heard(playout.expect(), send_secs=0.01, return_secs=60) is False


async def test_a_lost_mark_does_not_hold_the_call():
    playout = Playout()
    mark = playout.expect()
    playout.sent(mark)
    assert await playout.heard(mark, send_secs=60, return_secs=0.01) is False


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def speaking(*texts_and_secs):
    """A playout to which so much was said and sent, all at once, and its clock."""
    clock = Clock()
    playout = Playout(clock)
    for text, secs in texts_and_secs:
        playout.spoke(secs)
        playout.audio_sent(secs)
        playout.sent(playout.expect(text))
    return playout, clock


def test_of_the_chunk_that_was_playing_the_words_that_had_begun_were_heard():
    playout, clock = speaking(("One two.", 2), ("Three four five six.", 4), ("Seven.", 1))
    clock.now += 2.1
    playout.returned(playout.pending[0].mark)
    clock.now += 1.95
    assert [chunk.heard for chunk in playout.cleared()] == ["Three four", ""]


def test_only_one_chunk_is_heard_by_the_clock():
    playout, clock = speaking(("One.", 1), ("Two two.", 1))
    clock.now += 1.9
    first, second = playout.cleared()
    assert (first.heard, first.all_heard) == ("One.", True)
    assert (second.heard, second.all_heard) == ("", False)


def test_nothing_was_heard_of_what_was_not_sent():
    playout, clock = speaking()
    playout.spoke(3)
    playout.expect("Not on its way yet.")
    clock.now += 10
    assert [chunk.heard for chunk in playout.cleared()] == [""]


def test_of_timed_words_those_count_that_had_begun():
    playout, clock = speaking()
    playout.spoke(3)
    playout.audio_sent(3)
    words = ((0.0, "No"), (0.4, "No hurry"), (2.5, "No hurry there."))
    playout.say(Chunk("No hurry there.", words=words))
    clock.now += 0.5
    assert [chunk.heard for chunk in playout.cleared()] == ["No hurry"]


def test_a_pause_of_the_voice_does_not_count_as_played():
    playout, clock = speaking(("One two three four.", 4))
    clock.now += 30
    playout.returned(playout.pending[0].mark)
    playout.spoke(4)
    playout.audio_sent(4)
    playout.expect("Five six seven eight.")
    clock.now += 1.1
    assert [chunk.heard for chunk in playout.cleared()] == ["Five"]


def test_an_overdue_mark_was_lost_and_not_its_words():
    playout, clock = speaking(("One.", 1))
    clock.now += 1 + OVERDUE_SECS + 0.1
    playout.spoke(2)
    playout.audio_sent(2)
    playout.sent(playout.expect("Two three."))
    clock.now += 1.1
    lost, playing = playout.cleared()
    assert (lost.lost, lost.heard) == (True, "")
    assert (playing.lost, playing.heard) == (False, "Two")


def test_what_no_mark_has_confirmed_at_the_end_of_the_stream_was_not_heard():
    playout, clock = speaking(("One.", 1))
    clock.now += 1.5
    assert playout.has_unheard
    assert [chunk.heard for chunk in playout.ended()] == [""]
    assert not playout.has_unheard


def test_what_was_taken_back_is_told_once():
    playout, _ = speaking(("One.", 1))
    playout.cleared()
    playout.cleared()
    assert texts(playout.collect_taken_back()) == ["One."]
    assert playout.collect_taken_back() == []


@given(st.lists(st.one_of(st.just("expect"), st.just("clear"), st.integers(0, 30)), max_size=60))
def test_no_word_is_both_heard_and_thrown_away_or_counted_twice(steps):
    playout, names, settled = Playout(), [], []
    for step in steps:
        if step == "expect":
            names.append(playout.expect(f"{len(names)}"))
        elif step == "clear":
            settled += texts(playout.cleared())
        elif step < len(names):
            settled += texts(playout.returned(names[step]))
    settled += texts(playout.pending)
    assert sorted(settled, key=int) == [str(n) for n in range(len(names))]
