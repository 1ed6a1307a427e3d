"""What a model writes is spoken as a person would say it, and what was not meant for the caller is not spoken."""

import itertools
import string
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conversation.agents.files import load_agent
from conversation.speakable import Aloud
from conversation.speakable.text import VisibleSentences
from conversation.speakable.tidy import tidy
from conversation.speakable.visible import VisibleText

AGENTS = Path(__file__).parents[2] / "agents"


async def sentences(text: str, size: int = 4) -> list[str]:
    """The sentences of a streamed answer that come to the voice and into the record."""
    aggregator = VisibleSentences(language="en")
    found = []
    for start in range(0, len(text), size):
        async for sentence in aggregator.aggregate(text[start : start + size]):
            found.append(sentence.text)
    if rest := await aggregator.flush():
        found.append(rest.text)
    return [clean for sentence in found if (clean := await tidy(sentence))]


async def spoken(text: str, **options) -> str:
    say = Aloud(**options)
    return " ".join([await say(sentence) for sentence in await sentences(text)])


def visible(pieces: list[str]) -> str:
    stream = VisibleText()
    text = "".join([*map(stream.feed, pieces), stream.finish()])
    return " ".join(text.split())  # nobody hears spaces


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Sure!**", ["Sure!"]),
        ("**Sure! I can do that.**", ["Sure!", "I can do that."]),
        ("I can *really* help, __honestly__.", ["I can really help, honestly."]),
        ("[our site](https://example.com/x) has more.", ["our site has more."]),
        ("See [**this**](https://example.com/?a=b&c=d). Thanks.", ["See this.", "Thanks."]),
        ("Go to https://www.example.com/booking?utm=1#top now.", ["Go to example.com/booking now."]),
        ("Here you are: <https://example.com>.", ["Here you are: example.com."]),
        ("![a map](map.png)Turn left.", ["Turn left."]),
        ("We have:\n\n- **Cuts**\n- Colour\n* Both", ["We have: Cuts.", "Colour.", "Both"]),
        ("1. Wash\n2. Cut\n\nWhich one?", ["1, Wash.", "2, Cut.", "Which one?"]),
        ("- [x] Paid\n- [ ] Sent", ["Paid.", "Sent"]),
        ("## Hours\nNine to five.", ["Hours.", "Nine to five."]),
        ("**Hours**\nNine to five.", ["Hours.", "Nine to five."]),
        ("> Quoted.\n\n---\n\nAnd on.", ["Quoted.", "And on."]),
        ("One line\nand its end.", ["One line and its end."]),
        (
            "| Day | Hours |\n|:---|---:|\n| Mon | 9 to 5 |\n| Sat | closed |\n\nAnything else?",
            ["Day, Hours.", "Mon, 9 to 5.", "Sat, closed.", "Anything else?"],
        ),
        ("Great! 😀👍🏽🇩🇪 Bye 👨‍👩‍👧 now ❤️.", ["Great!", "Bye now."]),
        ("Lovely :) See you ;-)", ["Lovely See you"]),
        ("Press 1️⃣ to go on.", ["Press 1 to go on."]),
        ("It is `code`, and ~~wrong~~ right.", ["It is code, and right."]),
        ("As I said [1], it is so【4†source】.", ["As I said, it is so."]),
        ("Tom &amp; Ann&nbsp;Lee <b>like</b> it.<br>So do I.", ["Tom & Ann Lee like it.", "So do I."]),
        ("Hello,\u200b world\ufeff.", ["Hello, world."]),
        ("```json\n{}\n```\nDone.", ["Done."]),
        ("```\nHello there.\n```", ["Hello there."]),
        ("See [our site](https://example.com/a_(b)) now.", ["See our site now."]),
        ("[![logo](a.png)](https://example.com) Welcome.", ["Welcome."]),
        ("It is so [1][2], as [^3] says.", ["It is so, as says."]),
        ("See [the site][1].\n\n[1]: https://example.com 'Site'\n[^2]: More.", ["See the site.", "More."]),
        ("<!-- secret -- > secret -->Welcome.", ["Welcome."]),
        ("Hello.\\nAnd \\(x^2\\), $y^2$, \\frac{1}{2}.", ["Hello.", "And (x² ), y², 1/2."]),
        ("Hours\n---\nNine to five.", ["Hours.", "Nine to five."]),
        ("All is well</think>Hello there.", ["All is well.", "Hello there."]),
        ("One\x07moment.", ["One moment."]),
        ("😀", []),
        ("***", []),
    ],
)
async def test_what_is_for_the_eye_only_is_neither_spoken_nor_recorded(written, said):
    for size in (1, 3, 7, 1000):
        assert await sentences(written, size) == said


@pytest.mark.parametrize(
    "hidden",
    [
        "<think>secret</think>",
        "<think>secret <b>secret</b>\n\n- secret</think>",
        "<THINKING>secret</THINKING>",
        "<thinking>secret <thinking>secret</thinking> secret</thinking>",
        "<reasoning>secret. Secret!</reasoning>",
        '<tool_call>{"name": "secret", "arguments": {"a": "<b>}"}}</tool_call>',
        '<function=secret>{"secret": 1}</function>',
        '<function_calls><invoke name="secret"><parameter name="x">secret</parameter></invoke></function_calls>',
        '{"name": "end_call", "parameters": {"secret": "a } and a \\" secret"}}',
        '[{"name": "secret", "arguments": {}}]',
        "[THINK]secret[/THINK]",
        "<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>final<|message|>",
        "<|channel|>commentary to=functions.secret <|constrain|>json<|message|>{}<|call|>",
        "<｜tool▁calls▁begin｜>secret<｜tool▁call▁end｜>",
        '```tool_code\nsecret(a="b")\n```\n',
        "take_message(secret=1) ",
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
async def test_thinking_and_calls_of_tools_are_never_spoken(hidden, size):
    assert await sentences(f"{hidden}Hello there.", size) == ["Hello there."]
    assert " ".join(await sentences(f"One moment. {hidden}Hello there.", size)) == "One moment. Hello there."


@pytest.mark.parametrize(
    "cut_off",
    [
        "<think>secret",
        "<thin",
        '<tool_call>{"name": "sec',
        '{"name": "secret',
        '[TOOL_CALLS] [{"name": "secret"}]',
        '<|python_tag|>secret.call(q="x")',
        "```python\nsecret = 1",
        "<|channel|>analysis<|message|>secret",
    ],
)
async def test_what_began_and_did_not_end_is_not_spoken_either(cut_off):
    for size in (1, 4, 1000):
        assert " ".join(await sentences(f"One moment. {cut_off}", size)) == "One moment."


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is $3.50.", "It is three dollars and fifty cents."),
        ("From $5-$10, or $1.5 million.", "From five to ten dollars, or one point five million dollars."),
        ("That's 20€, 15 USD or £0.99.", "That's twenty euros, fifteen dollars or ninety-nine pence."),
        ("Open 9:00-17:00.", "Open nine a.m. to five p.m."),
        ("Open 9:00–11:30 only.", "Open nine to eleven thirty only."),
        ("Open 9 AM - 5 PM.", "Open nine a.m. to five p.m."),
        ("At 14:05 or 9:30.", "At two oh five p.m. or nine thirty."),
        ("At 12:00, 12 PM, and 00:00.", "At twelve o'clock, noon, and midnight."),
        ("Mon-Fri: 8-12.", "Monday to Friday: eight to twelve."),
        ("Call +12025550143.", "Call two zero two, five five five, zero one four three."),
        ("Call (202) 555-0143 today.", "Call two zero two, five five five, zero one four three today."),
        (
            "In London: +44 20 7946 0958.",
            "In London: plus four four, two zero, seven nine four six, zero nine five eight.",
        ),
        ("Your code 4711 works.", "Your code four seven one one works."),
        ("PIN: 0042.", "PIN: zero zero four two."),
        ("Order number 12345678.", "Order number one two three four five six seven eight."),
        ("Reference AB-1234.", "Reference A B, one two three four."),
        ("Flight BA117.", "Flight B A one one seven."),
        ("Zip code 02139.", "Zip code zero two one three nine."),
        ("On 2026-11-30.", "On November thirtieth, twenty twenty-six."),
        ("On Nov 5, 2026.", "On November fifth, twenty twenty-six."),
        ("Since 1998.", "Since nineteen ninety-eight."),
        ("On the 3rd of May.", "On the third of May."),
        ("20% off, 12.5% more.", "twenty percent off, twelve point five percent more."),
        ("It is 72°F, 5km away.", "It is seventy-two degrees Fahrenheit, five kilometers away."),
        ("1,250 people, 3.5 stars.", "one thousand two hundred and fifty people, three point five stars."),
        ("10-15 minutes, 1/2 price.", "ten to fifteen minutes, one half price."),
        ("Tom & Ann, 24/7.", "Tom and Ann, twenty-four seven."),
        ("Press * or #.", "Press star or pound."),
        ("#1 of 5+ shops.", "number one of five plus shops."),
        ("E.g. now, and/or later.", "for example now, and or later."),
        ("Write to ann_lee@example.com.", "Write to ann underscore lee at example dot com."),
        ("See example.com/booking.", "See example dot com slash booking."),
        ("Version 2.0.1, v2.1.", "Version two point zero point one, version two point one."),
        (
            "It is $9.99/month or $15/hr.",
            "It is nine dollars and ninety-nine cents per month or fifteen dollars per hour.",
        ),
        ("At 10 km/h, 5 mg/day.", "At ten kilometers per hour, five milligrams per day."),
        (
            "It is 19,99 €, €5,00 or 50¢.",
            "It is nineteen euros and ninety-nine cents, five euros or fifty cents.",
        ),
        (
            "Order #12345, account number #77.",
            "Order number one two three four five, account number seventy-seven.",
        ),
        ("By 11/25, not 1/2.", "By November twenty-fifth, not one half."),
        (
            "On 11/25/26 or 11-25-2026.",
            "On " + " or ".join(["November twenty-fifth, twenty twenty-six"] * 2) + ".",
        ),
        (
            "On 25 Nov 2026 or 3rd May.",
            "On the twenty-fifth of November, twenty twenty-six or the third of May.",
        ),
        (
            "Nov 25-27, Nov 30 - Dec 2.",
            "November twenty-fifth to twenty-seventh, November thirtieth to December second.",
        ),
        ("At 2026-11-25T14:30:00Z.", "At November twenty-fifth, twenty twenty-six at two thirty p.m."),
        (
            "Tracking 1Z999AA10123456784.",
            "Tracking one Z nine nine nine A A one zero one two three four five six seven eight four.",
        ),
        (
            "Card 4111 1111 1111 1111.",
            "Card " + ", ".join(["four one one one"] + ["one one one one"] * 3) + ".",
        ),
        (
            "Dial 911, or 020 7946 0958.",
            "Dial nine one one, or zero two zero, seven nine four six, zero nine five eight.",
        ),
        ("2+2=4, 10 / 2 = 5.", "two plus two equals four, ten divided by two equals five."),
        (
            "50 m², 3 lbs, 2 hrs, a 30-min walk.",
            "fifty square meters, three pounds, two hours, a thirty-minute walk.",
        ),
        ("He is 5'10\".", "He is five feet ten."),
        ("See example.com:8443/a.", "See example dot com port eight four four three slash a."),
        ("½ price, 1½ hours.", "one half price, one and a half hours."),
        ("The 3rd floor.", "The third floor."),
        ("Take BA117 now.", "Take B A one one seven now."),
        ("It is 12345678.", "It is one two three four five six seven eight."),
        ("Rated 4.8/5, .5 more.", "Rated four point eight out of five, zero point five more."),
    ],
)
async def test_numbers_are_said_as_a_person_says_them(written, said):
    assert await spoken(written) == said


@pytest.mark.parametrize(
    ("short", "word"),
    [
        ("I.e. now", "that is"),
        ("Cash vs. card", "versus"),
        ("Tea w/o milk", "without"),
        ("Tea w/ milk", "with milk"),
        ("It takes approx. 2 days", "about"),
        ("House no. 7", "number seven"),
        ("Open 24/7", "twenty-four seven"),
        ("It takes ~5 minutes", "about five"),
        ("5 ± 1", "plus or minus"),
        ("2 x 4", "two by four"),
        ("age ≥ 18", "at least eighteen"),
        ("age ≤ 18", "at most eighteen"),
        ("C++", "plus plus"),
        ("C#", "sharp"),
        ("3 > 2", "more than"),
        ("Open Mon-Fri", "Monday to Friday"),
    ],
)
async def test_what_is_written_short_is_said_in_full(short, word):
    assert word in await spoken(short)


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        ("## Hours", "Hours"),
        ("a snake_case word", "a snake case word"),
        ("Yes () indeed.", "Yes indeed."),
        ("Sure!. Yes", "Sure! Yes"),
        ("...", ""),
    ],
)
async def test_a_fixed_sentence_that_passed_no_model_is_tidied_too(fixed, said):
    assert await tidy(fixed) == said


@pytest.mark.parametrize(
    "sentence",
    [
        "Thank you for calling Willow Dental. Goodbye.",
        "Dr. Chen's at the U.S. office, isn't she?",
        "I have a well-known half-hour slot; shall I take it?",
        'She said, "yes" (twice).',
        "Wait... what?",
    ],
)
async def test_plain_sentences_stay_as_they_are(sentence):
    assert await tidy(sentence) == sentence
    assert (await Aloud()(sentence)).replace(". what", "... what") == sentence


@pytest.mark.parametrize("name", [path.stem for path in AGENTS.glob("*.toml")])
async def test_the_texts_of_the_agents_here_need_no_tidying(name):
    agent = load_agent(name, AGENTS)
    for key, template in agent.templates():
        if key != "instructions" and "{" not in template:
            plain = " ".join(template.split())
            assert await tidy(plain) == plain


async def test_numbers_of_the_own_country_are_said_without_its_code():
    assert await spoken("Call +44 20 7946 0958.", region="GB") == (
        "Call zero two zero, seven nine four six, zero nine five eight."
    )


async def test_the_month_comes_first_only_where_people_write_it_so():
    assert await spoken("On 3/4/2026.", region="US") == "On March fourth, twenty twenty-six."
    assert await spoken("On 3/4/2026.", region="GB") == "On April third, twenty twenty-six."


async def test_other_languages_get_no_english_words():
    said = await spoken("Der Code 4711 kostet 3,50 €, Tel. +49 30 901820.", language="de", region="DE")
    assert not any(word in said for word in ("four", "seven", "euro", "zero", "plus", "point"))
    assert "4 7 1 1" in said
    assert "0 3 0, 9 0 1 8 2 0" in said


async def test_an_owner_says_how_words_are_pronounced():
    table = {"Nguyen": "win", "24/7": "around the clock", "St. Mary": "Saint Mary", "C++": "see plus plus"}
    written = "Dr. NGUYEN of St. Mary, 24/7, likes C++, not Nguyens."
    assert await spoken(written, pronounce=table) == (
        "Dr. win of Saint Mary, around the clock, likes see plus plus, not Nguyens."
    )


def test_the_table_stands_in_the_agents_file(tmp_path):
    source = (AGENTS / "minimal.toml").read_text() + '\n[pronounce]\n"Nguyen" = "win"\n'
    (tmp_path / "minimal.toml").write_text(source)
    assert load_agent("minimal", tmp_path).pronounce == {"Nguyen": "win"}
    assert tomllib.loads(source)["pronounce"]


async def test_no_sentence_waits_for_the_next_one():
    """A sentence is whole at the first letter of the next, as with Pipecat's own voices."""
    aggregator = VisibleSentences(language="en")
    found = [await tidy(sentence.text) async for sentence in aggregator.aggregate("**Sure!** I")]
    assert found == ["Sure!"]
    found = [await tidy(sentence.text) async for sentence in aggregator.aggregate(" can.\n- A")]
    assert found == ["I can."]


async def test_an_answer_that_was_given_up_leaves_nothing_behind():
    aggregator = VisibleSentences(language="en")
    assert [sentence async for sentence in aggregator.aggregate("Hm. <think>never")] == []
    await aggregator.handle_interruption()
    assert [s.text async for s in aggregator.aggregate("Hello. There.")] == ["Hello."]


MARKS = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "**",
    "*",
    "- ",
    "1. ",
    "| a | b |",
    "```",
    "[x](y)",
    '{"a":',
    "](",
    "![x](y",
    "[1]:",
    "<!--",
    "-->",
]
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(
            [*MARKS, "\n", "\n\n", " ", "$3.50", "9:00-17:00", "<|channel|>", "https://a.com/?b"]
        ),
        st.text(string.printable, max_size=6),
    ),
    max_size=12,
).map("".join)


@given(TEXTS, st.lists(st.integers(0, 60), max_size=8))
@example("a\n- b", [3])
@settings(max_examples=500, deadline=None)
def test_where_a_text_is_cut_makes_no_difference(text, cuts):
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    assert visible(pieces) == visible([text]) == visible(list(text))


@given(st.text(max_size=80) | TEXTS)
@settings(max_examples=300, deadline=None)
async def test_nothing_that_a_model_writes_breaks_the_voice(text):
    said = await spoken(text)
    assert not any(mark in said for mark in ("**", "`", "{", "]", "|"))


@pytest.mark.parametrize("mark", ["*", "-", "[", "{", '{"a":', "1-", " ", "`", "<", "www."])
async def test_the_time_grows_with_the_length_of_a_text_and_not_with_its_square(mark):
    """Fifty times as long may take a hundred times as long; with the square it would be 2,500 times."""

    async def seconds(repeated):
        text, started = mark * repeated, time.process_time()
        visible([text[at : at + 4] for at in range(0, len(text), 4)])
        await Aloud()(text)
        return time.process_time() - started

    await seconds(10)
    assert await seconds(40_000 // len(mark)) < 100 * max(await seconds(800 // len(mark)), 0.02)


async def test_a_number_that_no_library_can_name_is_still_said():
    assert await spoken("It is " + "9" * 400 + ".")
    assert await spoken("It is $" + "9" * 400 + " or 1" + "0" * 330 + "%.")


async def test_what_stands_behind_json_does_not_wait_for_more():
    aggregator = VisibleSentences(language="en")
    found = [await tidy(s.text) async for s in aggregator.aggregate('Yes. {"name": "x"} Then. A')]
    assert found == ["Yes.", "Then."]


async def test_letters_whose_small_form_is_another_one_break_no_table():
    assert await spoken("Mr. i\u0307 is in.", pronounce={"\u0130": "ee"})
