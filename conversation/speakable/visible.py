"""Streamed text without what was never meant for the caller, and without the layout of Markdown.

Models leak their thinking (`<think>`, `[THINK]`, gpt-oss' channels) and write calls of tools as text (`<tool_call>`,
`<function=...>`, `[TOOL_CALLS]`, bare JSON), each family in its own way. Whatever of it began and did not end is
dropped as well. The text may be cut anywhere: what could still become a mark is held until it is known, never a whole
sentence.
"""

from __future__ import annotations

import re

from conversation.speakable.json_text import JsonText

UNSPOKEN = re.compile(
    r"think|thought|reason|reflect|analy[sz]|scratchpad|monologue|internal|tool|func|invoke|param|call|json|code|script"
    r"|style|execut|action|observ|antml",
    re.I,
)
"""Names of tags whose content is not for the caller."""

LONGEST_TAG = 300
"""A `<` that is not closed within this many characters is no tag."""

LONGEST_LABEL = 300
"""The same for the label of a link."""

_PIECE = 256
"""Characters that are looked at together: a long piece would be copied for each of its marks."""

_TAG = re.compile(rf"<(/?)([A-Za-z][^\s<>/=]*)([^<>]{{0,{LONGEST_TAG}}}?)(/?)>")
_TAG_BEGUN = re.compile(rf"</?(?:[A-Za-z][^<>]{{0,{LONGEST_TAG}}})?|<!-?")
_TOKEN = re.compile(r"<[|｜]([^<>|｜]{1,80})[|｜]>")
_TOKEN_BEGUN = re.compile(r"<(?:[|｜][^<>|｜]{0,80}[|｜]?)?")
_AUTOLINK = re.compile(r"<(?:mailto:)?([^\s<>]+@[^\s<>]+|https?://[^\s<>]+)>")
_WORD_TAG = re.compile(r"\[(/?)(THINK|TOOL_CALLS|TOOL_CALL|TOOL_RESULTS|AVAILABLE_TOOLS|INST)\]")
_JSON = re.compile(r"[{\[]\s*(?:\[\s*)?(?:\{\s*)?[\"']|\[\s*\{\s*[\"'}]")
_JSON_BEGUN = re.compile(r"[{\[][\s{\[]{0,40}")
_LABEL = re.compile(rf"\[([^\[\]\n]{{0,{LONGEST_LABEL}}})\]")
_LABEL_BEGUN = re.compile(rf"\[[^\[\]\n]{{0,{LONGEST_LABEL}}}")
_IN_TARGET = r"(?:[^()\n]|\([^()\n]{0,200}\)){0,2000}"
_TARGET = re.compile(rf"\({_IN_TARGET}\)|\[[^\[\]\n]{{0,300}}\]")
_TARGET_BEGUN = re.compile(rf"(?:\({_IN_TARGET}(?:\([^()\n]{{0,200}})?|\[[^\[\]\n]{{0,300}})?")
_DEFINITION = re.compile(r":[ \t]*(?=<?(?:https?://|www\.|mailto:))")
_DEFINITION_BEGUN = re.compile(r":[ \t]*<?(?:h|ht|http?|https?:?/?|w{1,3}|m[ailto]{0,5})?")
_URL = re.compile(r"(?:https?://|www\.)(?:www\.)?([^\s<>\[\]\"'`]*)")
_FOOTNOTE = re.compile(r"\^?\d{1,3}|\^\w+")
_MARKER = re.compile(
    r"(?:(?P<bullet>[-*+•–◦▪●·])|(?P<number>\d{1,3})[.)]|(?P<heading>#{1,6})|(?P<quote>>))"
    r"[ \t]+(?:\[[ xX]\][ \t]+)?"
)
_RULE = re.compile(r"[ \t]*(?:(?:[-*_=][ \t]*){3,}|=+)[ \t]*(?=\n|$)")
_MARKER_BEGUN = re.compile(
    r"(?:[-*+•–◦▪●·_=][-*_= \t]*|\d{1,3}[.)]?|#{1,6}|>|(?:[-*+]|\d{1,3}[.)])[ \t]+(?:\[[ xX]?\]?)?)[ \t]*"
)
_SEPARATOR = re.compile(r"[\s|:-]*")
_SPECIAL = re.compile(r"[<\[{`\n]|!(?=\[)|\](?=\()|https?://|www\.(?=\w)")
_SPECIAL_BEGUN = re.compile(r"(?:!|\]|https?(?::/?)?|htt?|h|www\.|w{1,3})$")
_BOLD_LINE = re.compile(r"(\*\*|__)[^*_]+\1:?")


class VisibleText:
    """Takes a model's text in pieces and gives back what a caller may hear of it.

    One object serves one answer after the other: `finish()` ends one.
    """

    def __init__(self) -> None:
        """Begin an answer."""
        self.reset()

    def reset(self) -> None:
        """Forget what was held back, because the answer was given up."""
        self._held = ""
        self._depth = 0
        self._unspoken: str | None = None
        self._until: re.Pattern[str] | None = None
        self._json: JsonText | None = None
        self._plain_fence = False
        self._line_begins = True
        self._ends_line = False
        self._line = ""
        self._break = ""
        self._begun = False
        self._last = ""

    def feed(self, text: str) -> str:
        """Take the next piece.

        Returns:
            What can be said now; it may be empty.
        """
        out = []
        for start in range(0, len(text), _PIECE):
            self._held += text[start : start + _PIECE].replace("\r", "")
            out.append(self._work(final=False))
        return "".join(out)

    def finish(self) -> str:
        """End the answer.

        Returns:
            What was held back and can be said after all.
        """
        rest = self._work(final=True)
        self.reset()
        return rest

    def _work(self, *, final: bool) -> str:
        out: list[str] = []
        while self._held:
            before = len(self._held), self._until, self._json, self._line_begins
            spoken = self._step(final)
            if spoken:
                out.append(self._after_break(spoken))
            elif (len(self._held), self._until, self._json, self._line_begins) == before:
                break  # more text is needed to know
        return "".join(out)

    def _after_break(self, spoken: str) -> str:
        """Put what a line's end stands for in front of the text behind it."""
        if not spoken.strip():
            return spoken if self._begun and not self._break else ""
        between = ""
        if self._break and self._begun:
            closed = self._last in ".!?:;,…"
            between = " " if closed or self._break == " " else ". "
        if self._break or not self._begun:
            spoken = spoken.lstrip()
        self._begun = True
        self._break = ""
        self._line += spoken
        # An emphasis' end is not the end of a sentence's words.
        self._last = spoken.rstrip(" \t*_~")[-1:] or self._last
        return between + spoken

    # Each step takes something from the beginning of what is held, or nothing when more text is needed to know.

    def _step(self, final: bool) -> str:
        if self._json is not None:
            self._take(self._json.length_in(self._held))
            self._json = None if self._json.ended else self._json
            return ""
        if self._until is not None or self._unspoken is not None:
            self._drop(final)
            return ""
        if self._line_begins:
            return self._begin_line(final)
        special = _SPECIAL.search(self._held)
        if special is None:
            begun = None if final else _SPECIAL_BEGUN.search(self._held)
            return self._take(begun.start() if begun else len(self._held))
        if special.start() > 0:
            return self._take(special.start())
        match special.group()[0]:
            case "\n":
                self._take(1)
                self._end_line()
                return ""
            case "<":
                return self._angle(final)
            case "`":
                return self._ticks(final)
            case "h" | "w":
                return self._url(final)
            case "{":
                return self._brace(final)
            case "]":
                return self._behind_label(final)
            case _:
                return self._bracket(final)

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        return taken

    def _end_line(self) -> None:
        strong = self._ends_line or self._line_begins or _BOLD_LINE.fullmatch(self._line.strip()) is not None
        self._line = ""
        if self._break != ". ":
            self._break = ". " if strong else " "
        self._line_begins = True
        self._ends_line = False

    def _drop(self, final: bool) -> None:
        if self._until is not None:
            end = self._until.search(self._held)
            if end:
                self._held = self._held[end.end() :]
                self._until = None
            else:
                # An end that is cut in two is found when the rest of it comes.
                self._held = "" if final else self._held[-LONGEST_TAG:]
            return
        for tag in _TAG.finditer(self._held):
            closing, name, _, alone = tag.groups()
            if name.lower() != self._unspoken or alone:
                continue
            self._depth += -1 if closing else 1
            if self._depth == 0:
                self._held = self._held[tag.end() :]
                self._unspoken = None
                return
        # Tags that were counted must not be counted again; one that is cut in two is, when the rest of it comes.
        begun = self._held.rfind("<")
        cut = not final and begun >= 0 and _TAG_BEGUN.fullmatch(self._held, begun)
        self._held = self._held[begun:] if cut else ""

    def _begin_line(self, final: bool) -> str:
        stripped = self._held.lstrip(" \t")
        if not stripped:
            self._held = ""
            return ""
        if stripped[0] == "\n":
            self._held = stripped[1:]
            self._end_line()
            return ""
        if stripped[0] == "|":
            return self._table_row(final)
        rule = _RULE.match(stripped)
        if rule and (final or rule.end() < len(stripped)):
            self._held = stripped[rule.end() :]
            self._ends_line = True
            self._break = ". "
            return ""
        marker = _MARKER.match(stripped)
        if not final and (_MARKER_BEGUN.fullmatch(stripped) or (rule and rule.end() == len(stripped))):
            self._held = stripped[-LONGEST_TAG:]  # a longer rule says no more
            return ""
        if marker:
            self._held = stripped[marker.end() :]
            self._ends_line = marker["quote"] is None
            self._break = ". " if self._break and marker["quote"] is None else self._break
            if marker["quote"]:
                return ""
            self._line_begins = False
            return f"{marker['number']}, " if marker["number"] else ""
        self._held = stripped
        self._line_begins = False
        # What follows on the line is looked at in the next step; a step has to take something.
        return self._step(final)

    def _table_row(self, final: bool) -> str:
        end = self._held.find("\n")
        if end < 0 and not final:
            return ""
        row = self._take(len(self._held) if end < 0 else end)
        self._line_begins = False
        self._ends_line = True
        self._break = ". " if self._break else ""
        if _SEPARATOR.fullmatch(row):
            return ""
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        return ", ".join(cell for cell in cells if cell)

    def _angle(self, final: bool) -> str:
        held = self._held
        if held.startswith("<!--"):
            self._until = re.compile("-->")
            return ""
        if token := _TOKEN.match(held):
            self._take(token.end())
            self._special_token(token[1])
            return ""
        if link := _AUTOLINK.match(held):
            self._held = link[1] + held[link.end() :]
            return "" if link[1].startswith("http") else self._take(len(link[1]))
        if tag := _TAG.match(held):
            return self._tag(tag)
        begun = _TAG_BEGUN.fullmatch(held) or _TOKEN_BEGUN.fullmatch(held)
        if begun and not final:
            return ""
        if begun and final and len(held) > 1:
            self._held = ""  # a tag that was cut off
            return ""
        return self._take(1)

    def _tag(self, tag: re.Match[str]) -> str:
        closing, name, _, alone = tag.groups()
        self._take(tag.end())
        if name.lower() in ("br", "p", "li", "div", "tr"):
            self._break = self._break or (". " if self._begun else "")
            return ""
        if UNSPOKEN.search(name) and not closing and not alone:
            self._unspoken = name.lower()
            self._depth = 1
        elif UNSPOKEN.search(name) and closing:
            self._break = ". "  # what stood before it was thought, and its beginning is not here
        return ""

    def _special_token(self, name: str) -> None:
        name = name.lower()
        if name == "channel":
            # gpt-oss: <|channel|>analysis<|message|>...<|end|>; only the channel `final` is for the caller.
            self._until = re.compile(r"final\s*<\|message\|>|<\|(?:end|call|return)\|>")
        elif name == "start":
            self._until = re.compile(r"(?=<\|channel\|>)|<\|message\|>")
        elif re.search(r"tool|python|func|call", name) and not re.search(r"end|eo[mt]", name):
            self._until = re.compile(r"<[|｜][^<>|｜]*(?:end|eom|eot)[^<>|｜]*[|｜]>")

    def _ticks(self, final: bool) -> str:
        held = self._held
        ticks = min(3, len(held) - len(held.lstrip("`")))
        if ticks < 3:
            if ticks == len(held) and not final:
                return ""
            self._take(ticks)
            return ""
        if self._plain_fence:
            self._take(ticks)
            self._plain_fence = False
            return ""
        line = held[ticks:].split("\n", 1)
        if len(line) == 1 and not final and "`" not in line[0]:
            return ""
        self._take(ticks)
        if line[0].strip():
            self._until = re.compile(r"```")
        else:
            self._plain_fence = len(line) > 1
        return ""

    def _url(self, final: bool) -> str:
        url = _URL.match(self._held)
        assert url is not None
        if url.end() == len(self._held) and not final:
            return ""
        self._take(url.end())
        address = url[1]
        ending = ""
        while address and address[-1] in ".,;:!?)*_":
            address, ending = address[:-1], address[-1] + ending
        # Queries are for machines, and a question mark would end a sentence.
        return re.split(r"[?#]", address, maxsplit=1)[0].rstrip("/") + ending

    def _brace(self, final: bool) -> str:
        if _JSON.match(self._held):
            self._json = JsonText()
            return ""
        if _JSON_BEGUN.fullmatch(self._held) and not final:
            return ""
        return self._take(1)

    def _behind_label(self, final: bool) -> str:
        """Drop the address of a link whose label has brackets of its own, such as an image."""
        behind = self._held[1:]
        target = _TARGET.match(behind)
        if target is None and not final and _TARGET_BEGUN.fullmatch(behind):
            return ""
        self._take(1 + (target.end() if target else 0))
        return ""

    def _bracket(self, final: bool) -> str:
        image = self._held.startswith("!")
        if image:
            self._take(1)
        held = self._held
        if word := _WORD_TAG.match(held):
            self._take(word.end())
            if not word[1] and word[2] != "INST":
                self._until = re.compile(rf"\[/{word[2]}\]")
            return ""
        if _JSON.match(held):
            self._json = JsonText()
            return ""
        label = _LABEL.match(held)
        if label is None:
            begun = _LABEL_BEGUN.fullmatch(held) or _JSON_BEGUN.fullmatch(held)
            if begun and not final:
                if image:
                    self._held = "!" + self._held
                return ""
            self._take(1)
            return ""
        behind = held[label.end() :]
        footnote = not image and _FOOTNOTE.fullmatch(label[1]) is not None
        if behind.startswith(":") and not self._line.strip():
            if _DEFINITION_BEGUN.fullmatch(behind) and not final:
                return ""
            if defined := _DEFINITION.match(behind):  # of a link: its address stands at the end of the text
                self._held = behind[defined.end() :]
                self._until = re.compile(r"(?=\n)")
                return ""
            if footnote:
                self._held = behind[1:]
                return ""
        if footnote and behind.startswith("["):  # two of them, and not a link
            self._held = behind
            return ""
        target = _TARGET.match(behind)
        if target is None and not final and _TARGET_BEGUN.fullmatch(behind):
            if image:
                self._held = "!" + self._held
            return ""
        self._held = behind[target.end() :] if target else behind
        if target is None and (image or footnote):
            return "!" if image else ""
        if image:
            return ""
        # The label may be an address itself, or in bold.
        self._held = label[1] + self._held
        return ""
