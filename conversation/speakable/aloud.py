"""Written numbers, times, prices, telephone numbers, codes and addresses as the words that a person says.

Pipecat's transforms do e-mail addresses, prices, percentages and units; what they leave or get wrong on a telephone is
done here. It is English: in other languages only what needs no grammar is done (telephone numbers and codes digit by
digit), and the voice reads the rest by its own rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import phonenumbers
from num2words import num2words
from pipecat.utils.text.transforms import email_to_speech, expand_currency, expand_percentages, expand_units

from conversation.speakable.dates import dates, names_of_days

Spell = Callable[[str], str]

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_DASH = r"\s*[-–—]\s*"

_HOST = re.compile(
    r"(?<![\w@.])(?:[a-z0-9][a-z0-9-]*\.)+(?:com|org|net|edu|gov|info|biz|io|co|ai|app|dev|me|tv|eu|us|uk|ca|au|nz|ie|in|de"
    r"|fr|es|it|nl|at|ch|be|shop|store|online|site|health|dental|clinic|care|cafe|restaurant|pizza|hotel|law|tech|example)"
    r"(?:\.[a-z]{2})?(?P<port>:\d{2,5})?(?:/[\w./~%-]*)?(?![\w@])",
    re.I,
)
_PHONE_LIKE = re.compile(r"\+|\(|\b0\d|\d[\s.-]\d{3}[\s.-]\d{4}\b|\b\d{3}[.-]\d{4}\b|\d{10,}")
_CODE_WORDS = (
    r"(?:code|pin|passcode|password|number|no\.|nr\.|ref(?:erence)?|confirmation|order|account|extension|ext\.?"
    r"|zip(?: code)?|postal code|postcode|id|ticket|booking|invoice|case|tracking|policy|serial|membership|customer"
    r"|flight|gate|locker|room|suite|apartment|apt\.?)"
)
_CODE = re.compile(
    rf"(?P<before>\b{_CODE_WORDS}(?:\s+(?:number|code|no\.|id|is|was|are|of|ends? (?:in|with))|\s*[:#])*"
    r"\s*[:#]?\s*[\"'“]?)"
    r"(?P<code>(?=[A-Z0-9-]*\d)[A-Z0-9]+(?:-[A-Z0-9]+)*)(?![\w.:%/]*\d)\b",
    re.I,
)
_MIXED = re.compile(r"\b(?=[A-Z-]*\d)(?=[\d-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*\b")
_QUANTITY = re.compile(r"\d+(?:AM|PM|KM|KG|MB|GB|TB|MPH|[CFDKMBXHV])")
_GROUPS = re.compile(r"(?<![\w.,:$€£¥₹/-])\d{2,5}(?:[ -]\d{2,6}){2,}(?![\w/:%-]|[.,]\d|\s?[$€£¥₹%])")
_SHORT_NUMBER = re.compile(
    r"(?<=\b(?:call|dial|text|ring) )(?:[2-9]11|000|101|11[0-9]|988|999)\b(?!\s?%)", re.I
)
_LONG = re.compile(r"(?<![\w.,:$€£¥₹])(?:0\d+|\d{5,})(?![\w:]|[.,]\d|\s?[$€£¥₹%])")
_TIME = r"(?P<{0}h>[01]?\d|2[0-4])(?:(?P<{0}s>[:.h])(?P<{0}m>[0-5]\d)(?::[0-5]\d)?)?\s*(?P<{0}x>[ap]\.?\s?m\b\.?)?"
_SPAN = re.compile(
    rf"(?<![\w.:/$€£+-]){_TIME.format('a')}(?:{_DASH}|\s+to\s+){_TIME.format('b')}(?![\w:/%]|\.\d|{_DASH}\d)",
    re.I,
)
_CLOCK = re.compile(rf"(?<![\w.:/$€£+-]){_TIME.format('a')}(?![\w:/%]|\.\d)", re.I)
_MONEY = r"(?P<sign>[$€£¥₹])\s?"
_BIG_MONEY = re.compile(
    _MONEY + r"(?P<amount>\d[\d,]*(?:\.\d+)?)\s?(?P<scale>k|thousand|m|million|mn|b|bn|billion|trillion)\b",
    re.I,
)
_MONEY_SPAN = re.compile(
    _MONEY + r"(?P<low>\d[\d,]*(?:\.\d{1,2})?)" + _DASH + r"[$€£¥₹]?\s?(?P<high>\d[\d,]*(?:\.\d{1,2})?)\b"
)
_MONEY_BEHIND = re.compile(
    r"(?<![\w.,$€£¥₹])(?P<amount>\d+(?:,\d{3})*(?:\.\d{1,2})?)\s?(?P<sign>[$€£¥₹]|\b(?:USD|EUR|GBP)\b)(?!\s?\d)"
)
_MONEY_CODE = re.compile(r"\b(?:US|CA|AU)?(?P<code>USD|EUR|GBP|CAD|AUD|US\$)\s?(?=\d)")
_COMMA_MONEY = re.compile(r"(?<![\w.,])([$€£]\s?)?(\d{1,3}(?:\.\d{3})+|\d+),(\d\d)(?![\d,])(?=(\s?[$€£])?)")
_CENTS = re.compile(r"(?<![\w.,])(\d+)\s?¢")
_RATES = {
    "mo": "month", "hr": "hour", "h": "hour", "wk": "week", "yr": "year", "min": "minute", "s": "second",
    "sec": "second",
}  # fmt: skip
_RATE = re.compile(
    r"(?<=[\w.€$£¥₹%¢])\s?/\s?(mo|hr|wk|yr|min|sec|h|s|second|minute|hour|day|night|week|month|year|person|guest|child|"
    r"adult|head|seat|table|room|visit|session|class|item|piece|unit|user|car|vehicle|mile|km|kg|lb|gallon|liter|litre)\b"
)
_LENGTHS = re.compile(r"(?<!\w)(\d)['’′]\s?(\d{1,2})(?:[\"”″]|'')")
_SQUARE = re.compile(r"(?<=\d)\s?(?:(m|km|cm|ft)[²2]|sq(?:uare|\.)? ?(m|km|ft)\b)")
_SQUARES = {"m": "meters", "km": "kilometers", "cm": "centimeters", "ft": "feet"}
_AMOUNTS = {
    "hr": "hour", "min": "minute", "sec": "second", "lb": "pound", "yr": "year", "wk": "week", "mo": "month",
}  # fmt: skip
_AMOUNT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)(\s?-?)(hr|min|sec|lb|yr|wk|mo)(s?)\b(?:\.(?=\s+[a-z]))?")
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
_NAMES = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "₹": "rupees"}
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion"}
_DEGREES = re.compile(r"(-?\d+(?:\.\d+)?)\s*°(?:\s*([CF])\b)?")
_RANGE = re.compile(r"(?<![\w.,/-])(\d+(?:[.,]\d+)?)\s*[-–—]\s*(\d+(?:[.,]\d+)?)(?![\w/-])")
_ORDINAL = re.compile(r"\b(\d{1,4})(?:st|nd|rd|th)\b")
_YEAR = re.compile(r"(?<![\w.,-])((?:19|20)\d\d)(?!\w|[.,]\d|\s*(?:%|dollars|euros|pounds|people|points))")
_VERSION = re.compile(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])")
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w])")
_FRACTION = re.compile(r"(?<![\w/.])(?:(\d+)\s+)?([1-9])/([2-9])(?![\w/])")
_FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
_WORDS = (
    (re.compile(r"\be\.\s?g\.,?", re.I), "for example"),
    (re.compile(r"\bi\.\s?e\.,?", re.I), "that is"),
    (re.compile(r"\bvs?\.?(?=\s)"), "versus"),
    (re.compile(r"\bw/o\b"), "without"),
    (re.compile(r"\bw/(?=\s)"), "with"),
    (re.compile(r"\bapprox\."), "about"),
    (re.compile(r"\b[Nn]o\.\s?(?=\d)"), "number "),
    (re.compile(r"(?:\bnumber )?#\s?(?=\d)"), "number "),
    (re.compile(r"\b24/7\b"), "twenty-four seven"),
    (re.compile(r"\band/or\b"), "and or"),
    (re.compile(r"(?<=\w)\s*&\s*(?=\w)"), " and "),
    (re.compile(r"[~≈]\s?(?=\d|\w)"), "about "),
    (re.compile(r"\s*±\s*"), " plus or minus "),
    (re.compile(r"(?<=\d)\s*[x×]\s*(?=\d)"), " by "),
    (re.compile(r"\s*≥\s*|\s+>=\s+"), " at least "),
    (re.compile(r"\s*≤\s*|\s+<=\s+"), " at most "),
    (re.compile(r"(?<=\d)\s*\+\s*(?=\d)"), " plus "),
    (re.compile(r"(?<=\d)\+"), " plus"),
    (re.compile(r"\s=\s|(?<=[\w)])=(?=[\w(-])"), " equals "),
    (re.compile(r"(?<=\d\.\d)\s?/\s?(?=(?:5|10)\b)"), " out of "),
    (re.compile(r"(?<=\d)\s+/\s+(?=\d)"), " divided by "),
    (re.compile(r"(?<=\w)\+\+"), " plus plus"),
    (re.compile(r"\b([CF])#"), r"\1 sharp"),
    (re.compile(r"\s>\s"), " more than "),
    (re.compile(r"\s<\s"), " less than "),
    (re.compile(r"(?<=\d):(?=\d)"), " to "),
    (re.compile(r"(?<=\w)²"), " squared"),
    (re.compile(r"§\s?"), "section "),
    (re.compile(r"[™®©•·→←↑↓⇒]"), " "),
    (re.compile(r"(?<!\w)\*\s?(?=\d)"), "star "),
    (re.compile(r"(?<=[\w\s])\*(?=[\s,.!?]|$)|^\*(?=[\s,.!?]|$)"), " star"),
    (re.compile(r"#"), " pound "),
    (re.compile(r"\s*[—–]\s*|\s+-+\s+"), ", "),
    (re.compile(r"…|\.{3,}"), "."),
    (re.compile(r"(?<=[^\W\d])/(?=[^\W\d])"), " or "),
    (re.compile(r"[<>=+~@*/\\]"), " "),
)


async def aloud(text: str, *, region: str = "US", language: str = "en") -> str:
    """Write a sentence as it is spoken.

    Args:
        text: A tidy sentence.
        region: The country of the business, by two letters: telephone numbers of it are said without country code, and
            it decides which of the numbers of 3/4/2026 is the month.
        language: Of the conversation, as in BCP 47.

    Returns:
        The words for the voice.
    """
    english = language.lower().startswith("en")
    if not any(char.isdigit() or char in _FOR_THE_EYE for char in text):
        return names_of_days(text) if english else text
    if not english:
        return _codes(_phones(text, region, _spaced), _spaced)
    text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    text = _LENGTHS.sub(r"\1 feet \2", _phones(text, region, digit_by_digit))
    text = _HOST.sub(_host, await email_to_speech(text, "*"))
    for sign, plain in _FRACTIONS.items():
        text = re.sub(rf"(?<=\d){sign}", f" {plain}", text).replace(sign, plain)
    text = dates(text, region)
    text = names_of_days(text)
    text = _CLOCK.sub(_clock, _SPAN.sub(_span, _codes(text, digit_by_digit)))
    text = re.sub(r"\b[vV](?=\d+\.\d)", "version ", text)
    text = _VERSION.sub(lambda found: " point ".join(_plain(part) for part in found[0].split(".")), text)
    text = _RATE.sub(lambda found: f" per {_RATES.get(found[1], found[1])}", text)
    text = await _money(text)
    text = await expand_percentages(_RANGE.sub(r"\1 to \2", text), "*")
    text = _SQUARE.sub(lambda found: f" square {_SQUARES[found[1] or found[2]]}", text)
    text = _AMOUNT.sub(_amount, text)
    text = _DEGREES.sub(_degrees, await expand_units(text, "*"))
    text = _ORDINAL.sub(lambda found: num2words(int(found[1]), to="ordinal"), text)
    text = _YEAR.sub(lambda found: num2words(int(found[1]), to="year"), text)
    text = _FRACTION.sub(_fraction, text)
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    text = _NUMBER.sub(_number, text)
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    # "p.m." at the end of a sentence is its end.
    return " ".join(re.sub(r"\b([ap]\.m\.)\.", r"\1", text).split())


_FOR_THE_EYE = frozenset("@#&*+/=<>~$€£¥₹%°§±×≈≥≤™®©•·→←↑↓⇒—–…½¼¾⅓⅔.")
"""A sentence without digits and these needs nothing. The full stop is here for addresses and abbreviations."""


def digit_by_digit(code: str) -> str:
    """Spell a code: letters one by one, digits as words, a short pause where it has a dash."""
    return _spelled(code, DIGITS)


def _spaced(code: str) -> str:
    """The same for other languages, whose voices have their own words for digits."""
    return _spelled(code, "0123456789")


def _spelled(code: str, digits: Sequence[str]) -> str:
    groups = (
        " ".join(digits[int(char)] if char.isdecimal() else char.upper() for char in group)
        for group in re.split(r"[-\s./]+", code)
    )
    return ", ".join(group for group in groups if group)


def _phones(text: str, region: str, spell: Spell) -> str:
    out, at = [], 0
    for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.POSSIBLE):
        if not _PHONE_LIKE.search(match.raw_string):
            continue
        if text[match.start - 1 : match.start].isalnum() or text[match.end : match.end + 1].isalnum():
            continue  # a part of a code
        out += [text[at : match.start], _phone(match.number, region, spell)]
        at = match.end
    return "".join(out) + text[at:]


def _phone(number: phonenumbers.PhoneNumber, region: str, spell: Spell) -> str:
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    code, _, national = written.partition(" ")
    if number.country_code == phonenumbers.country_code_for_region(region):
        national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        code = ""
    national, _, extension = national.partition(" ext. ")
    spoken = spell(re.sub(r"[()]", " ", national).strip())
    if code:
        spoken = f"{'plus ' if spell is digit_by_digit else '+'}{spell(code[1:])}, {spoken}"
    return f"{spoken}, extension {spell(extension)}" if extension else spoken


def _host(found: re.Match[str]) -> str:
    port = found["port"] or ""
    address = found[0].replace(port, "", 1).rstrip("./")
    tail = "." if found[0].endswith(".") else ""
    host, _, path = address.partition("/")
    host = re.sub(r"^www\.", "", host, flags=re.I).replace(".", " dot ").replace("-", " dash ")
    if port:
        host += f" port {digit_by_digit(port[1:])}"
    # A long path is not for a caller's memory.
    parts = [part for part in path.split("/") if part]
    if parts and len(path) <= 30 and len(parts) <= 2:
        words = (re.sub(r"[-_~%]+", " ", part).replace(".", " dot ") for part in parts)
        host += " slash " + " slash ".join(words)
    return host + tail


def _codes(text: str, spell: Spell) -> str:
    def named(found: re.Match[str]) -> str:
        code = found["code"]
        if re.fullmatch(r"\d{1,2}|\d*00|\d+(?:st|nd|rd|th)", code, re.I):
            return found[0]
        before = found["before"]
        if spell is digit_by_digit and "#" in before:
            before = re.sub(r"\s*#\s*", " " if "number" in before.lower() else " number ", before)
        return before + spell(code)

    def unnamed(found: re.Match[str]) -> str:
        token = found[0]
        letters = max((len(run) for run in re.findall(r"[A-Z]+", token)), default=0)
        if letters > 3:
            return token.replace("-", " ")  # a word with a number, such as COVID-19
        return token if _QUANTITY.fullmatch(token) else spell(token)

    text = _MIXED.sub(unnamed, _CODE.sub(named, text))
    for pattern in (_GROUPS, _SHORT_NUMBER, _LONG):
        text = pattern.sub(lambda found: spell(found[0]), text)
    return text


def _span(found: re.Match[str]) -> str:
    """From one time to another; a time that is written as 17:00 makes both say which half of the day they are in."""
    clock = any(found[group] for group in ("as", "bs", "ax", "bx"))
    if not clock or not _is_clock(found, "a") or not _is_clock(found, "b"):
        return found[0]
    halves = int(found["bh"]) > 12 or int(found["ah"]) > 12 or found["bh"] == "00"
    return f"{_time(found, 'a', halves)} to {_time(found, 'b', halves)}" + _full_stop(found, "b")


def _clock(found: re.Match[str]) -> str:
    if not _is_clock(found, "a") or not (found["as"] == ":" or found["ax"]):
        return found[0]
    return _time(found, "a", int(found["ah"]) > 12) + _full_stop(found, "a")


def _is_clock(found: re.Match[str], which: str) -> bool:
    return found[f"{which}s"] in (None, ":") or found[f"{which}x"] is not None


def _full_stop(found: re.Match[str], which: str) -> str:
    """The full stop of "12 p.m.", which ended the sentence as well, is none of "noon"."""
    return "." if (found[f"{which}x"] or "").endswith(".") and found.end() == len(found.string) else ""


def _time(found: re.Match[str], which: str, halves: bool) -> str:
    hour, minute = int(found[f"{which}h"]), int(found[f"{which}m"] or 0)
    half = (found[f"{which}x"] or "").replace(".", "").replace(" ", "").lower()
    if not half and halves:
        half = "am" if hour % 24 < 12 else "pm"
    if not minute and not half and found[f"{which}m"] and hour in (0, 24):
        return "midnight"
    if not minute and half and hour % 12 == 0 and (hour in (0, 24) or half == "pm"):
        return "midnight" if hour in (0, 24) else "noon"
    words = num2words(hour % 12 or 12)
    if minute:
        words += f" {'oh ' if minute < 10 else ''}{num2words(minute)}"
    elif found[f"{which}s"] and not half and which == "a" and "bh" not in found.groupdict():
        words += " o'clock"
    return f"{words} {half[0]}.m" + "." if half else words


async def _money(text: str) -> str:
    text = _CENTS.sub(r"\1 cents", _COMMA_MONEY.sub(_comma_money, text))
    text = _MONEY_CODE.sub(lambda found: _SIGNS.get(found["code"], "$"), text)
    text = _MONEY_BEHIND.sub(
        lambda found: f"{_SIGNS.get(found['sign'], found['sign'])}{found['amount']}", text
    )
    text = _BIG_MONEY.sub(
        lambda found: (
            f"{found['amount']} {_SCALES.get(found['scale'].lower(), found['scale'].lower())} {_NAMES[found['sign']]}"
        ),
        text,
    )
    text = _MONEY_SPAN.sub(_money_span, text)
    text = await expand_currency(text, "*")
    return re.sub(r"zero (?:dollars|euros|pounds) and (?=\S+ (?:cents?|penn|pence))", "", text)


def _comma_money(found: re.Match[str]) -> str:
    """Write 1.234,56 as 1234.56, where a sign says that it is money."""
    before, whole, part, behind = found.groups()
    return f"{before or ''}{whole.replace('.', '')}.{part}" if before or behind else found[0]


def _amount(found: re.Match[str]) -> str:
    many = "" if found[1] == "1" or "-" in found[2] else "s"
    return f"{found[1]}{found[2].rstrip() or ' '}{'' if '-' in found[2] else ' '}{_AMOUNTS[found[3]]}{many}"


def _money_span(found: re.Match[str]) -> str:
    low, high, sign = found["low"], found["high"], found["sign"]
    if "." in low or "." in high:
        return f"{sign}{low} to {sign}{high}"
    return f"{_plain(low)} to {sign}{high}"


def _degrees(found: re.Match[str]) -> str:
    scale = {"C": " Celsius", "F": " Fahrenheit"}.get(found[2] or "", "")
    return f"{found[1]} degrees{scale}"


def _fraction(found: re.Match[str]) -> str:
    whole, top, bottom = found[1], int(found[2]), int(found[3])
    part = {2: "half", 4: "quarter"}.get(bottom) or num2words(bottom, to="ordinal")
    many = {"half": "halves"}.get(part, f"{part}s")
    spoken = f"{'a' if whole and top == 1 else num2words(top)} {part if top == 1 else many}"
    return f"{num2words(int(whole))} and {spoken}" if whole else spoken


def _number(found: re.Match[str]) -> str:
    written = found[0].replace(",", "")
    minus = "minus " if written.startswith("-") else ""
    whole, _, decimals = written.lstrip("-").partition(".")
    words = minus + _plain(whole)
    return f"{words} point {' '.join(DIGITS[int(digit)] for digit in decimals)}" if decimals else words


def _plain(number: str) -> str:
    if len(number) > 15:
        return digit_by_digit(number.replace(",", ""))
    return str(num2words(int(number.replace(",", "")))).replace(",", "")


class Pronounced:
    """Writes an owner's words as they are to be said.

    Parameters:
        table: Words, or several words, and how they are written for the voice.
    """

    def __init__(self, table: Mapping[str, str]):
        """Compile the table; the longest words come first, so that "St. Mary" wins over "St."."""
        self._said = {word.casefold(): said for word, said in table.items()}
        words = sorted(table, key=len, reverse=True)
        alternatives = "|".join(re.escape(word) for word in words)
        self._pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.I) if words else None

    def __call__(self, text: str) -> str:
        """Replace whole words, whatever their case."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._said.get(found[0].casefold(), found[0]), text)
