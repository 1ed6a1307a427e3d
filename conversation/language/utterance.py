"""What a caller said or keyed in, taken apart: keys, sentences, yes or no, and wishes said in plain words.

Only explicit words are decided here. What they do not decide is left to the meaning: see
`conversation.local.retrieval`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

LONGEST_TEXT = 2000
"""Characters of one turn that are kept: two minutes of speech."""

_KEYS = re.compile(r"DTMF:\s*([0-9*#]+)", re.IGNORECASE)


class Wish(StrEnum):
    """What a sentence asks for, when its words say so."""

    GOODBYE = "goodbye"
    CLOSING = "closing"
    THANKS = "thanks"
    REPEAT = "repeat"
    HOLD_ON = "hold_on"
    MESSAGE = "message"
    PERSON = "person"
    MENU = "menu"
    IDENTITY = "identity"
    GREETING = "greeting"
    FILLER = "filler"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True)
class Utterance:
    """One turn of the caller.

    Attributes:
        text: What was said, as the recogniser wrote it.
        keys: What was keyed in: digits, `*` and `#`.
    """

    text: str = ""
    keys: str = ""

    @classmethod
    def parse(cls, content: str) -> Utterance:
        """Take a user message apart; keys arrive in it as "DTMF: 123#"."""
        keys = "".join(_KEYS.findall(content))
        return cls(text=" ".join(_KEYS.sub(" ", content).split())[:LONGEST_TEXT], keys=keys)

    @property
    def digits(self) -> str:
        """The keyed digits without `*` and `#`."""
        return re.sub(r"[^0-9]", "", self.keys)


_SOMEBODY = (
    "(?:person|persons|people|human|humans|someone|somebody|anyone|anybody|agent|operator|receptionist|reception|"
    "representative|staff|employee|colleague|manager|desk|office|department|assistant|secretary|real)"
)
_STAFF = "(?:human|person|agent|operator|receptionist|representative)"
_POLITE = "(?: please| thanks| thank you| now| then| for now)*"
_LEAD = (
    "(?:(?:ok|okay|alright|all right|great|good|perfect|lovely|well|so|and|oh|right|yes|yeah|no|wonderful) )*"
)
_DOCTOR = "(?:dr|doctor|the|them|him|her|someone|somebody|mister|mr|mrs|miss)"

# Matched against `plain()` words. In this order: the first rule that fits decides. No pattern may nest repetitions
# that can match the same words, or a long sentence would take for ever.
_RULES: tuple[tuple[Wish, str], ...] = (
    (
        Wish.REPEAT,
        r"\b(?:repeat|say (?:that|it|this) again|come again|once more|one more time|what did you say|what was that|"
        r"(?:didnt|did not|couldnt|could not|cant|cannot) (?:quite )?(?:hear|catch|get|understand) "
        r"(?:you|that|it|what you))\b",
    ),
    (
        Wish.REPEAT,
        r"^(?:sorry|pardon|what|huh|excuse me|i beg your pardon|pardon me|again|sorry what|what sorry)"
        rf"{_POLITE}$",
    ),
    (
        Wish.GOODBYE,
        r"\b(?:good ?bye|bye|good night|talk (?:to you )?(?:later|soon))\b|"
        rf"^{_LEAD}(?:(?:thanks|thank you)(?: so much| very much)? )?(?:ill )?(?:see|catch) (?:you|ya)"
        r"(?: (?:again|later|soon|then|there|around|tomorrow|on \w+|next \w+|at \w+|thanks))*$|"
        rf"^{_LEAD}(?:(?:thanks|thank you) )?(?:you )?(?:take care|so long|ciao|farewell|"
        rf"have an? (?:\w+ ){{0,2}}(?:day|one|evening|afternoon|morning|night|weekend)){_POLITE}$|"
        rf"^{_LEAD}(?:ive got to|i have to|i need to|i gotta|i must) go{_POLITE}$|"
        rf"^{_LEAD}im (?:going to )?hang(?:ing)? up{_POLITE}$|"
        r"\b(?:you can|please|lets|just|can you) (?:hang up|end (?:the|this) call)\b|"
        rf"^{_LEAD}(?:hang up|disconnect|end (?:the |this )?call){_POLITE}$",
    ),
    # A short "bye" is often written like this, alone or behind other last words.
    (
        Wish.GOODBYE,
        rf"^{_LEAD}(?:thanks |thank you )?(?:good )?(?:buy|by)(?: now| then| buy| by)?$|"
        r"\b(?:(?:thats|that is|that was|thatll be|that will be) (?:all|it|everything)|thanks|thank you|cheers|help|"
        r"(?:nice|good|great|lovely) (?:day|evening|weekend|one)|take care)"
        r"(?: (?:so|very|much|a|lot|again|then|now|for|today|okay|ok|thanks|thank|you|and))* "
        r"(?:good )?(?:buy|by)(?: (?:buy|by|now|then))?$",
    ),
    (
        Wish.THANKS,
        rf"^{_LEAD}(?:many )?(?:thanks|thank you|cheers)(?: (?:so much|very much|a lot|again|kindly|for that|"
        r"for (?:your|the|all your) (?:help|information|time)))*$",
    ),
    (
        Wish.CLOSING,
        r"\b(?:thats|that is|that was|thatll be|that will be) (?:all|it|everything)\b(?! wrong| right|s)|"
        rf"^{_LEAD}(?:that|thatll|that will) (?:will )?do{_POLITE}$",
    ),
    (
        Wish.CLOSING,
        rf"^{_LEAD}(?:nothing else|nothing more|no more questions|nothing|im (?:good|fine|done|all set|okay|ok)|"
        rf"i am (?:good|fine|done)|all set|not today|thats fine){_POLITE}$",
    ),
    (
        Wish.HOLD_ON,
        r"\b(?:hold on|hang on|one moment|one second|let me (?:check|look|think|see)|"
        r"(?:just|wait|give me) a (?:second|sec|moment|minute))\b",
    ),
    (
        Wish.IDENTITY,
        r"\b(?:are you|is this|am i (?:speaking|talking))\b.*\b(?:robot|machine|computer|human|a person|real|"
        r"recording|bot|ai|automated)\b|\bwho (?:am i|is this|are you)\b",
    ),
    (
        Wish.MESSAGE,
        r"\b(?:leave|take|pass|pass on|pass along|give (?:them|him|her))\b.{0,12}\b(?:message|voicemail|note)\b|"
        r"\b(?:call|ring|phone) me (?:back|again|later|tomorrow|tonight|when|as soon)\b|\breturn my call\b|"
        r"\b(?:a|get a|request a) call ?back\b|^(?:leave )?(?:a )?message$|"
        r"\bleave (?:you |them )?(?:a |my |some )?(?:word|words|number|name|note)\b|"
        rf"^{_LEAD}(?:(?:please|can you|could you|would you) )*(?:call|ring|phone) me{_POLITE}$|"
        r"\b(?:someone|somebody|anybody|anyone|doctor|dentist|team|office|they|he|she)\b.{0,12}"
        r"\b(?:call|ring|phone) me\b(?! an?\b)",
    ),
    (Wish.MESSAGE, rf"\btell {_DOCTOR}\b|\blet {_DOCTOR}\b.{{0,24}}\bknow\b"),
    (
        Wish.PERSON,
        rf"\b(?:speak|talk|chat) (?:to|with) (?!me\b|you\b).{{0,24}}\b{_SOMEBODY}\b|"
        r"\b(?:put me through|put me on to|transfer me|connect me|forward me|patch me through)\b|"
        rf"\b(?:give|get|reach|want|need) (?:me )?(?:(?:to|an?|the|some|real|live|actual) )*{_STAFF}\b|"
        rf"\btransfer\b.{{0,16}}\b{_SOMEBODY}\b|"
        rf"\b{_SOMEBODY} (?:there |(?:that|who) )?i (?:can|could|may) (?:speak|talk|chat) (?:to|with)\b",
    ),
    (Wish.PERSON, rf"^{_LEAD}(?:(?:an?|the|real) )*(?:{_STAFF}|somebody|someone|reception|front desk)(?: {_STAFF})*"
                  rf"{_POLITE}$"),
    (
        Wish.MENU,
        r"\b(?:menu|(?:my|the) options|what (?:can|could) (?:you|i) (?:do|ask|help)|what do you do|"
        r"how can you help|what else can you)\b",
    ),
)  # fmt: skip

_NOT_A_GOODBYE = re.compile(
    r"\b(?:dont|do not|before|(?:do|did) (?:i|you) say|not|my name is)\b.{0,16}\b(?:hang|bye|goodbye|end|say)\b"
)

_HELLO = re.compile(
    r"(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|are you (?:still )?there|can you hear me|"
    r"(?:is )?any(?:body|one) there)"
)
_FILLER = re.compile(r"(?:um+|uh+|hm+|er+|ah+|mm+|oh+|aha)")
_FILLERS = frozenset(
    "so well ok okay right i see alright all got it great perfect good fine wonderful lovely and like cool sure oh "
    "interesting".split()
)

_HESITATION = r"^(?:(?:um+|uh+|oh|ah|well|so|okay so|actually) )*"
_YES = re.compile(
    rf"{_HESITATION}(?:yes|yeah|yep|yup|ya|yea|sure|correct|exactly|absolutely|definitely|certainly|of course|"
    r"please do|go ahead|thats (?:right|correct)|that is (?:right|correct)|uh huh|mh+m+|m+ ?h+m+|"
    r"(?:that would|thatd) be (?:great|good|nice|lovely)|sounds good|i would like that|id like that|"
    r"by all means|no (?:problem|worries)|indeed|lets do (?:it|that)|i (?:think|guess) so)\b(?! (?:not\b|no$|no thank))"
)
# These begin other sentences too: "please tell them ..." is no yes.
_WEAK_YES = re.compile(
    rf"{_HESITATION}(?:right|please|ok|okay|alright|all right|thats (?:fine|it|good|great)|it is|i am|i do|fine|"
    r"perfect|great|good(?! ?(?:bye?|buy|night|day|morning|afternoon|evening)\b)|i would)\b"
    r"(?! (?:call|tell|have|ask|let|give|say|ring|phone|send|could|can|dont|do|make|take|leave|put|pass|get)\b)"
)
_WEAK_YES_WORDS = 3
_NO = re.compile(
    rf"{_HESITATION}(?:(?:okay|sorry|hm+|thanks|thank you|thanks but|yeah|please|absolutely|definitely|certainly|"
    r"of course|sure|better|lets|im afraid) )?(?:no(?! (?:problem|worries|trouble)\b)|nope|nah|(?:its )?not$|uh uh|"
    r"not (?:really|now|right|correct|quite|today|yet|necessary|exactly|at all)|negative|maybe later|dont|do not|"
    r"(?:thats|that is) (?:not|wrong|incorrect)|wrong|incorrect|never ?mind|nothing|"
    r"id rather not|i would rather not|i dont|i do not|it isnt|it is not|rather not)\b"
)

_QUESTION = re.compile(
    r"^(?:(?:and|but|so|also|well|ok|okay|hi|hello|hey) )*(?:what|whats|where|wheres|when|whens|who|whos|whose|which|"
    r"why|how|hows|do|does|did|is|are|am|was|can|could|would|will|should|may|have you|has|tell me|id like|"
    r"i would like|i need|i want|i have to|i am looking|im looking)\b"
)

_CLAUSES = re.compile(
    r"(?<=[.?!;])\s+|,\s+(?=(?:(?:good)?bye|what|where|when|how|do you|are you|can i)\b)|"
    r",?\s(?:and|also|then|but)\s(?:also\s)?(?=(?:what|where|when|how|who|which|do you|does|is|are|can|could|i need|"
    r"i want|i would|i'd like)\b)",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """Reduce a sentence to lower-case words: "That's it, thanks!" is "thats it thanks"."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "").replace("’", "")))


_BREAKS_OFF = re.compile(
    r"(?:.* )?(?:an?|the|to|of|for|with|and|or|but|because|if|than|my|your|our|his|their|is|are|am|was|were|im|id|ill|"
    r"ive|youre|its|whats|wheres|i|we|wanna|gonna|looking for|calling about|wondering|uh+|u+m+|e+r+m?|would like|"
    r"id like|(?<!all )(?<!everything )(?<!what )(?<!that )(?:i|we)(?: just)? (?:need|want|would|will)|"
    r"(?:do|can|could|would|will|should|are|have|if|that|when|and|but|because|what|where) (?:you|they|he|she|there)|"
    r"question (?:about|on|regarding))|well|so|hello|hi|hey"
)
"""Last words after which, in English, more must come. A question is whole with them ("Where are you?")."""


_OPENS = re.compile(
    r"(?:(?:hi|hello|hey|yes|ok|okay|so|well|um|uh|please|sorry|excuse me|good (?:morning|afternoon|evening)) )*"
    r"(?:(?:can|could|would) you (?:please )?tell me|tell me|do you know|"
    r"(?:i have|i had|ive got) (?:a|one|another) question|"
    r"i (?:want|wanted|would like) to (?:ask|know)(?: you)?|id like to (?:ask|know)|i was (?:just )?wondering|"
    r"i(?:m| am) calling(?: to ask)?|one (?:more )?question)"
)
"""Words that only announce what follows, whatever melody they have."""


def breaks_off(text: str) -> bool:
    """Whether words stop in the middle of a sentence.

    Args:
        text: As the recogniser wrote it.
    """
    text = text.strip()
    if text.endswith((",", "-", "…", "...")):
        return True
    words = plain(text)
    ends = not text.endswith("?") and bool(_BREAKS_OFF.fullmatch(words))
    return ends or bool(_OPENS.fullmatch(words))


def clauses(text: str) -> list[str]:
    """Cut an utterance into the sentences and questions that it is made of, not where only a pause was."""
    parts: list[str] = []
    for part in (part.strip() for part in _CLAUSES.split(text) if part and plain(part)):
        if parts and breaks_off(parts[-1]):
            parts[-1] = f"{parts[-1].rstrip(' .?!,;…-')} {part}"
        else:
            parts.append(part)
    return parts


def wish_of(text: str) -> Wish | None:
    """Find the wish that a sentence says in plain words, or None."""
    words = plain(text)
    for wish, pattern in _COMPILED:
        if pattern.search(words) and not (wish is Wish.GOODBYE and _NOT_A_GOODBYE.search(words)):
            return wish
    if _only(words):
        return _only(words)
    few = len(words.split()) <= 4
    if few and _NO.match(words):
        return Wish.NO
    if few and yes_or_no(text)[0]:
        return Wish.YES
    return None


def _only(words: str) -> Wish | None:
    """Recognise what consists of a greeting, or of words that say nothing."""
    rest, hellos = _HELLO.subn(" ", words)
    meaning = [word for word in rest.split() if word not in _FILLERS and not _FILLER.fullmatch(word)]
    if hellos and not [word for word in meaning if word not in ("there", "yes")]:
        return Wish.GREETING
    return Wish.FILLER if words and not meaning else None


_COMPILED = tuple((wish, re.compile(pattern)) for wish, pattern in _RULES)


def yes_or_no(text: str) -> tuple[bool | None, str]:
    """Read an answer to a question.

    Returns:
        True, False, or None when it is neither; and the words after it ("no, the number" leaves "the number").
    """
    words = plain(text)
    short = len(words.split()) <= _WEAK_YES_WORDS
    for answer, pattern in ((False, _NO), (True, _YES), (True, _WEAK_YES if short else None)):
        if pattern and (match := pattern.match(words)):
            # Count words to find the same place in the text as it was written.
            said = len(match.group().split())
            return answer, " ".join(re.findall(r"\S+", text)[said:])
    return None, text


def strong_yes(text: str) -> bool:
    """Say whether a sentence begins with a yes that can be nothing else; "okay" can also end a call."""
    return bool(_YES.match(plain(text)))


_COMES = re.compile(
    r"\b(?:ill (?:be|come)|i (?:can|will)(?: (?:be|come|make))?|see you (?:then|there|on|tomorrow|at)|"
    r"confirm|confirmed|im coming|that works|works for me)\b"
)
_DOES_NOT_COME = re.compile(
    r"\b(?:cant|cannot|can not|wont|will not|unable|not able|not coming|reschedule|cancel|"
    r"(?:an)?other (?:day|time|date)|move (?:it|my|the)|change (?:it|my|the)|postpone)\b"
)


def will_come(text: str) -> bool | None:
    """Read an answer to "Can you come?" that does not need a yes or a no; None when there is none."""
    words = plain(text)
    if _DOES_NOT_COME.search(words):
        return False
    return True if _COMES.search(words) else None


def is_question(text: str) -> bool:
    """Say whether a sentence asks for something."""
    return text.rstrip().endswith("?") or begins_as_question(text)


def begins_as_question(text: str) -> bool:
    """Say whether a sentence has the words of a question; the mark may be the recogniser's guess from the melody."""
    return bool(_QUESTION.match(plain(text)))


def says_goodbye(text: str) -> bool:
    """Say whether a sentence is, or ends with, a goodbye."""
    return any(wish_of(part) is Wish.GOODBYE for part in [text, *clauses(text)])
