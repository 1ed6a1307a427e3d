"""What the scripted model says, and the words by which it knows what callers want."""

from __future__ import annotations

ANYTHING_ELSE = "Is there anything else I can help you with?"
UNKNOWN = "I'm sorry, I don't know that. Shall I take a message for the team?"
NAME = "Of course. May I have your name, please?"
NUMBER = "Thank you. Can we call you back on the number that you are calling from?"
OTHER_NUMBER = "Which number can we call you back on?"
REST = "And the rest of the number, please?"
TEXT = "And what should I tell them?"
CHANGE = "What should I change?"
TAKEN = "Thank you, I have passed that on. " + ANYTHING_ELSE
NOT_TAKEN = "I'm sorry, I could not keep that. Please call again."
WAITING = "Of course, take your time."
HELP = "How can I help you?"
FAREWELL = "Thank you for calling. Goodbye."

GOODBYE = r"\b(good ?bye|bye|that's all|that is all|that was all|nothing else|have a nice day|see you)\b"
MESSAGE = (
    r"\b(leave|take) (a|this) message\b|\bcall me back\b|\bgive me a call\b|\bpass (on|along) a message\b"
    r"|\bcallback\b"
)
PERSON = (
    r"\b(put me through|connect me|transfer me|(speak|talk) (to|with) (a|an|the|some|your|my|one)|real person"
    r"|human)\b"
)
CANCEL = (
    r"\b(never ?mind|cancel (it|that|this)|forget it|(don't|do not) (send|leave|take) (it|that|a message))\b"
)
THIS_NUMBER = (
    r"\b(this (one|number|phone)|same number|(number )?i'm calling from|number i am calling from"
    r"|you have it)\b"
)
HOLD = r"\b(hold on|one moment|just a (second|moment|minute)|one second|wait a|bear with me|let me (get|find|look))\b"
YES = r"\b(yes|yeah|yep|sure|correct|right|please do|that's it|go ahead|of course|okay|exactly)\b"
NO = r"\b(no|nope|not really|wrong|nothing)\b"
WHO = (
    r"\b(who is (this|calling)|who's (this|calling)|state your name|why (are )?you('re)? (are )?calling"
    r"|who are you)\b"
)
NAMES_SELF = (
    r"((hello|hi|hey|yes|yeah) )*"
    r"((this is|it's) (?!not |fine|okay|good)\w+( \w+)?|\w+ here|\w+ speaking|speaking)"
)
COMES = (
    r"\b(i('ll| will| can)( be there| come| make it)|i'm coming|i am coming|see you (then|there))\b"
    r"|^(yes|yeah|yep|sure|of course)( (yes|yeah|please|i can|i will|i do|certainly))*$"
)
DOES_NOT_COME = r"\b(can't|cannot|can not|won't|away|another (day|time)|not coming|unable)\b|^no( sorry)?$"
NAMED = r"\b(?:my name is|my name's|this is|it's|it is|i'm|i am|name is)\s+((?:[a-z']+\s?){1,3})"
NO_NAMES = frozenset(
    """a an the and calling here looking just so not from about at in on for my to with going trying yes no
    please""".split()
)
PLAIN_WORDS = frozenset(
    """a an and any are at be by can could do does for from get got have hello hey hi how i i'd i'll i'm if in is it
    it's know like look me my need of on or please so some tell thank thanks that the their there they this to um uh
    us want was we well what what's when where which who will with would you your actually also maybe okay yes no
    right much many may let should one just really about than then yeah yep well nope hm""".split()
)
