"""What was heard is known from marks: not from sending, and not from marks that a barge-in gave back."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from calls.playout import Playout


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
