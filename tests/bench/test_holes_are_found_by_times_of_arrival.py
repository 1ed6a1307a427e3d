"""What a caller hears of audio that arrives at certain times: answers, underruns, and what is taken back."""

from bench import scripted
from bench.playout import ANSWER_MS, Playout

PIECE_MS = 40.0
PIECES = round(ANSWER_MS / PIECE_MS)


def arriving(
    *, ahead_ms: float = 80.0, stalls: dict[int, float] | None = None, begin_ms: float = 1000.0
) -> Playout:
    """An answer that comes in step with its playing, so far ahead, with a stall before some of its pieces."""
    playout = Playout()
    late_ms = 0.0
    for piece in range(PIECES):
        late_ms = max(0.0, (stalls or {}).get(piece, 0.0))
        playout.arrive(max(begin_ms, begin_ms + piece * PIECE_MS - ahead_ms + late_ms), PIECE_MS)
    return playout


def test_the_load_and_the_services_agree_on_the_length_of_an_answer():
    assert scripted.ANSWER_SECS * 1000 == ANSWER_MS
    assert len(scripted._hum()) == 2 * scripted.SAMPLE_RATE * scripted.ANSWER_SECS


def test_an_answer_in_time_has_no_hole():
    [answer] = arriving().answers
    assert (answer.holes_ms, answer.began_ms, answer.received_ms) == ([], 1000.0, ANSWER_MS)


def test_a_stall_that_the_lead_covers_is_not_heard():
    assert arriving(ahead_ms=80, stalls={30: 79}).answers[0].holes_ms == []


def test_a_stall_beyond_the_lead_is_a_hole_of_the_rest():
    [answer] = arriving(ahead_ms=80, stalls={30: 130}).answers
    assert answer.holes_ms == [50.0]


def test_a_hole_that_a_frame_of_the_carrier_covers_is_none():
    assert arriving(ahead_ms=80, stalls={30: 100}).answers[0].holes_ms == []
    assert arriving(ahead_ms=80, stalls={30: 101}).answers[0].holes_ms == [21.0]


def test_a_long_hole_is_a_hole_too_and_begins_no_answer():
    playout = Playout()
    playout.arrive(0, 400)
    playout.arrive(3000, 2000)
    [answer] = playout.answers
    assert answer.holes_ms == [2600.0]


def test_what_follows_a_whole_answer_is_the_next_one():
    playout = arriving(begin_ms=0)
    playout.arrive(5000, PIECE_MS)
    first, second = playout.answers
    assert (first.received_ms, second.began_ms, second.holes_ms) == (ANSWER_MS, 5000, [])


def test_the_rest_of_a_last_piece_is_no_answer():
    playout = arriving(begin_ms=0)
    playout.arrive(playout.answers[0].last_ms + 40, PIECE_MS)
    assert len(playout.answers) == 1


def test_silence_begins_no_answer():
    playout = Playout()
    playout.arrive(0, 20, audible=False)
    assert playout.answers == []
    playout.arrive(20, 20)
    assert playout.answers[0].began_ms == 20


def test_what_was_taken_back_is_over_and_leaves_no_hole():
    playout = Playout()
    playout.arrive(0, 1000)
    playout.clear(300)
    assert playout.left_ms(300) == 0
    assert playout.answers[0].cleared_ms == 300
    playout.arrive(900, 100)
    assert [answer.holes_ms for answer in playout.answers] == [[], []]
    assert playout.answers[1].began_ms == 900


def test_what_is_left_is_played_in_real_time():
    playout = Playout()
    playout.arrive(100, 500)
    assert playout.left_ms(250) == 350
    assert playout.left_ms(601) == 0
