"""What a sentence asks for, when its words say so; what they do not say is left to `conversation.local.retrieval`."""

from __future__ import annotations

import re
from enum import StrEnum

from conversation.language.answers import NO, yes_or_no
from conversation.language.words import plain


class Wish(StrEnum):
    """What a sentence asks for, when its words say so."""

    GOODBYE = "goodbye"
    CLOSING = "closing"
    THANKS = "thanks"
    REPEAT = "repeat"
    HOLD_ON = "hold_on"
    ANGRY = "angry"
    MESSAGE = "message"
    PERSON = "person"
    MENU = "menu"
    IDENTITY = "identity"
    GREETING = "greeting"
    FILLER = "filler"
    YES = "yes"
    NO = "no"


_SOMEBODY = (
    "(?:person|persons|people|human|humans|someone|somebody|anyone|anybody|agent|operator|receptionist|reception|"
    "representative|staff|employee|colleague|manager|desk|office|department|assistant|secretary|real)"
)
_STAFF = "(?:human|person|agent|operator|receptionist|representative)"
_ANSWERS = (
    r"(?:call(?:s|ed|ing)?|r[iau]ng(?:s|ing)?|phon(?:e|es|ed|ing)|g[eo]t(?:s|ten)?|return(?:s|ed)?|answer(?:s|ed)?|"
    r"repl(?:y|ies|ied)|pick(?:s|ed)? up|respond(?:s|ed)?|help(?:s|ed)?|listen(?:s|ed)?|c[ao]me?s?|show(?:s|ed)? up|"
    r"turn(?:s|ed)? up)\b(?! to)"
)
"""What people complain of that nobody does."""

_TRADE = "(?:plumber|electrician|technician|engineer|mechanic|locksmith|handyman|repairman|roofer|driver)"
_AT_ONCE = (
    "(?:right now|right away|straight away|immediately|at once|as soon as possible|asap|urgently|quickly|now)"
)
_POLITE = "(?: please| thanks| thank you| now| then| for now)*"
_LEAD = (
    "(?:(?:ok|okay|alright|all right|great|good|perfect|lovely|well|so|and|oh|right|yes|yeah|no|wonderful) )*"
)
_THANKS = (
    "(?:(?:thanks|thank you|cheers)(?: so much| very much| a lot| again| for (?:your|the|all your) help)? )?"
)
_BYE = r"(?:good ?bye|bye(?: ?bye)*|good night)"
_NO_NOUN = r"(?<!\ba )(?<!\bthe )(?<!\bsay )(?<!\bsaid )(?<!\bsaying )(?<!\bour )(?<!\bto )(?<!\bis )"
_LAST_WORDS = (
    r"(?: (?:bye|now|then|for|again|thanks|thank|you|too|everyone|everybody|all|guys|dear|sir|maam|so|very|much|and|"
    r"have|an?|nice|good|great|lovely|wonderful|day|evening|afternoon|morning|weekend|one|take|care|see|later|soon|"
    r"tomorrow|ok|okay|cheers|your|the|help|got|to|go|ive|gotta|i|until|next|time))*"
)
_DOCTOR = "(?:dr|doctor|the|them|him|her|someone|somebody|mister|mr|mrs|miss)"

# Matched against `plain()` words. In this order: the first rule that fits decides. No pattern may nest repetitions
# that can match the same words, or a long sentence would take for ever.
_RULES: tuple[tuple[Wish, str], ...] = (
    (
        Wish.REPEAT,
        r"\b(?:repeat|say (?:that|it|this) again|read (?:that|it|this)(?: (?:back|out|over))?(?: to me)? again|"
        r"come again|once more|one more time|what did you say|what was that|"
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
        rf"{_NO_NOUN}\b{_BYE}{_LAST_WORDS}$|^{_LEAD}{_THANKS}{_BYE}\b(?! (?:the way|part(?:y|ies)|gifts?|cards?))",
    ),
    (
        Wish.GOODBYE,
        rf"^{_LEAD}{_THANKS}(?:(?:ill|i will|well|lets|we) )?(?:see|catch|(?:talk|speak) (?:to|with)) (?:you|ya)"
        r"(?: (?:again|later|soon|then|there|around|tomorrow|on \w+|next \w+|at \w+|thanks))*$|"
        rf"^{_LEAD}{_THANKS}(?:talk|speak|see you) (?:later|soon|then){_POLITE}$|"
        rf"^{_LEAD}{_THANKS}(?:you )?(?:take care|take it easy|so long|ciao|farewell|cheerio|ta ta|toodle ?oo|"
        rf"all the best|until next time|"
        rf"have an? (?:\w+ ){{0,2}}(?:day|one|evening|afternoon|morning|night|weekend)){_POLITE}$|"
        rf"^{_LEAD}{_THANKS}(?:ive got to|i have to|i need to|i gotta|i must|ive gotta|got to|gotta|i should|i better|"
        rf"id better) (?:go|run|get going|hang up)(?: now)?{_POLITE}$|"
        rf"^{_LEAD}(?:ill|i will) let you go{_POLITE}$|"
        rf"^{_LEAD}im (?:going to )?hang(?:ing)? up{_POLITE}$|"
        r"\b(?:you can|please|lets|just|can you) (?:hang up|end (?:the|this) call)\b|"
        rf"^{_LEAD}(?:hang up|disconnect|end (?:the |this )?call){_POLITE}$",
    ),
    # "That's all, thanks." and "No, that's it." are last words; with an "I think" the caller may go on.
    (
        Wish.GOODBYE,
        rf"^{_LEAD}(?:thats|that is|thatll be|that will be) (?:all|it|everything)(?: (?:for (?:now|today)|i needed))? "
        rf"(?:thanks|thank you)(?: (?:so much|very much|a lot|again|for (?:your|the) help))?$|"
        rf"^{_LEAD}(?:no|nope|nah)(?: (?:thanks|thank you))? (?:thats|that is|thatll be|that will be) "
        rf"(?:all|it|everything)(?: (?:for (?:now|today)|i needed))?{_POLITE}$",
    ),
    # A short "bye" is often written like this, alone or behind other last words.
    (
        Wish.GOODBYE,
        rf"^{_LEAD}(?:thanks |thank you )?(?:good )?(?:buy|by)(?: now| then| buy| by)?$|"
        r"\b(?:(?:thats|that is|that was|thatll be|that will be) (?:all|it|everything)|thanks|thank you|cheers|help|"
        r"(?:nice|good|great|lovely) (?:day|evening|weekend|one)|take care)"
        r"(?: (?:so|very|much|a|lot|again|then|now|for|to|today|okay|ok|thanks|thank|you|and))* "
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
        rf"^{_LEAD}(?:um+ |uh+ )?let me (?:just )?(?:check|look|think|see|find|get)\b|"
        r"\b(?:hold on|hang on|hold the line|bear with me|one moment|one sec(?:ond)?|"
        r"(?:just|wait|give me) (?:a|one) (?:second|sec|moment|minute)|"
        r"(?:need|get|grab|find|fetch) (?:a|my|some) (?:pen|pencil|paper)|something to write|"
        r"(?:somebody|someone)s at (?:the|my) door)\b",
    ),
    (
        Wish.IDENTITY,
        r"\b(?:are you|is this|am i (?:speaking|talking))\b.*\b(?:robot|machine|computer|human|a person|real|"
        r"recording|bot|ai|automated)\b|\bwho (?:am i|is this|are you)\b",
    ),
    # "Nobody ever calls me back" complains, and wishes for no call.
    (
        Wish.ANGRY,
        rf"\b(?:nobody|no one|noone|none of you)(?: (?:ever|has|have|had|is|will|there|bothers to|bothered to))* "
        rf"{_ANSWERS}|"
        rf"\b(?:you|they|he|she|you guys|you people|someone|somebody)(?: \w+)?(?: ha(?:s|ve|d))? (?:never|still "
        rf"(?:havent|hasnt|didnt|have not|has not)|(?:didnt|dont|doesnt|havent|hasnt) (?:ever|even|bother to)) "
        rf"{_ANSWERS}|"
        r"\b(?:third|fourth|fifth|sixth|tenth|hundredth|umpteenth) time (?:now |today |this week )?(?:that )?"
        r"(?:i|ive|im|i have|i am) (?:\w+ )?(?:call(?:ing|ed)?|ring(?:ing)?|rang|rung|phon(?:ing|ed)|tr(?:ying|ied))\b|"
        r"\bhow (?:many|often|much longer|many more) (?:\w+ ){0,2}(?:do|must|will) i have to\b|"
        r"\b(?:been|keep|kept) (?:waiting|holding|on hold|calling)(?: here)? for (?:ever|ages|hours|days|weeks|an hour|"
        r"(?:over|more than|almost|nearly) (?:an?|one|two|half)\b)",
    ),
    (
        Wish.MESSAGE,
        r"\b(?:leave|take|pass|pass on|pass along|give (?:them|him|her))\b.{0,12}\b(?:message|voicemail|note)\b|"
        r"\b(?:call|ring|phone) me (?:back|again|later|tomorrow|tonight|when|as soon)\b|\breturn my call\b|"
        r"\b(?:a|get a|request a) call ?back\b|^(?:leave )?(?:a )?message$|\bget back to me\b|"
        r"\b(?:have|got|is) (?:a|another|some) messages? for\b|"
        r"\bleave (?:you |them )?(?:an? |my |some )?(?:(?:phone|telephone|contact|e ?mail|mail) )*"
        r"(?:word|words|number|name|note|e ?mail|address|details|data)\b|"
        r"\b(?:pass|relay|forward) (?:something|this|that|word)(?: (?:on|along))?(?: to (?!me\b)\w+|$)|\bleave word\b|"
        r"\bget in touch with me\b|\b(?:write|take|put|note|jot) (?:that|this|it|something) down\b|"
        r"\b(?:make|take) a note\b|"
        rf"^{_LEAD}(?:(?:please|can you|could you|would you) )*(?:call|ring|phone) me{_POLITE}$|"
        r"\b(?:someone|somebody|anybody|anyone|doctor|dentist|team|office|they|he|she)\b.{0,12}"
        r"\b(?:call|ring|phone) me\b(?! an?\b)",
    ),
    (Wish.MESSAGE, r"\b(?:ask|have|get|tell) (?:\w+ ){1,4}?(?:to )?(?:call|ring|phone|contact|get back to) me\b"),
    (Wish.MESSAGE, rf"\btell {_DOCTOR}\b|\blet {_DOCTOR}\b.{{0,24}}\bknow\b"),
    (
        Wish.PERSON,
        rf"\b(?:speak|talk|chat) (?:to|with) (?!me\b|you\b).{{0,24}}\b{_SOMEBODY}\b|"
        r"\b(?:speak|talk|chat) (?:to|with) (?:dr|doctor|mr|mister|mrs|miss|ms) \w+|"
        r"\b(?:put me through|put me on to|transfer me|connect me|forward me|patch me through)\b|"
        rf"\b(?:give|get|reach|want|need) (?:me )?(?:(?:to|an?|the|some|real|live|actual) )*{_STAFF}\b|"
        rf"\btransfer\b.{{0,16}}\b{_SOMEBODY}\b|"
        rf"\b{_SOMEBODY} (?:there |(?:that|who) )?i (?:can|could|may) (?:speak|talk|chat) (?:to|with)\b|"
        rf"\b(?:i|we) (?:really |urgently )?(?:need|want) (?:somebody|someone|anybody|help|an? {_TRADE})"
        rf"(?: (?:here|out here|over here|to come|to come (?:out|over)|to help(?: me| us)?))* {_AT_ONCE}\b",
    ),
    (Wish.PERSON, rf"^{_LEAD}(?:(?:an?|the|real) )*(?:{_STAFF}|somebody|someone|reception|front desk)(?: {_STAFF})*"
                  rf"{_POLITE}$"),
    (
        Wish.ANGRY,
        r"\b(?:ridiculous|useless|bullshit|crap|fuck(?:ing)?|shit|idiots?|"
        r"stupid (?:machine|robot|computer|thing|system)|"
        r"(?:sick|tired) of (?:this|you|it)|fed up|waste of (?:my )?time|wasting my time|unacceptable|outrageous|"
        r"(?:ive|i have) had enough|for (?:gods|christs|heavens) sake|are you (?:deaf|kidding|stupid)|"
        r"this is (?:a joke|nonsense|crazy|insane|not helping|no help|terrible|awful)|"
        r"you(?:re| are) not (?:helping|listening|understanding|any help)|"
        r"you (?:never|dont|do not|cant) (?:understand|listen|help)(?: me| anything| to me)?|"
        r"(?:this|it) (?:isnt|is not) working|"
        r"i(?:m| am) (?:so |very |really )?(?:angry|furious|frustrated|annoyed))\b",
    ),
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
    r"(?:is )?any(?:body|one) there|"
    r"how(?:s| is| are) (?:you|things|it|everything|your day)(?: (?:doing|going|been))?"
    r"(?: (?:today|tonight|this (?:morning|evening|afternoon)|over there))?|how do you do|nice to (?:meet|talk to) you)"
)
_FILLER = re.compile(r"(?:um+|uh+|hm+|er+|ah+|mm+|oh+|aha)")
_FILLERS = frozenset(
    "so well ok okay right i see alright all got it great perfect good fine wonderful lovely and like cool sure oh "
    "interesting".split()
)


_IS_BACK = re.compile(
    r"\b(?:here (?:it|they|we|you|i) (?:is|are|am|go)|(?:im|i am) (?:\w+ )?(?:back|here|ready)|back again|"
    r"(?:got|found|have) (?:it|one)|go (?:on|ahead)|lets (?:go on|continue))\b"
)


def is_back(text: str) -> bool:
    """Whether a moment that was asked for is over: "Okay, I'm back"."""
    return bool(_IS_BACK.search(plain(text)))


def wish_of(text: str) -> Wish | None:
    """Find the wish that a sentence says in plain words, or None."""
    words = plain(text)
    for wish, pattern in _COMPILED:
        if pattern.search(words) and not (wish is Wish.GOODBYE and _NOT_A_GOODBYE.search(words)):
            return wish
    if _only(words):
        return _only(words)
    few = len(words.split()) <= 4
    if few and NO.match(words):
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
