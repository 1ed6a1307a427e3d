"""Where JSON ends that a model has written into its text."""

from __future__ import annotations


class JsonText:
    """Where in an object or array of JSON the text is, so that nothing of it is looked at twice."""

    def __init__(self) -> None:
        """Begin in front of it."""
        self.ended = False
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def length_in(self, text: str) -> int:
        """Count how many characters of what follows belong to it."""
        for position, char in enumerate(text):
            if self._quoted:
                self._quoted = self._escaped or char != '"'
                self._escaped = char == "\\" and not self._escaped
            elif char == '"':
                self._quoted = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self.ended = True
                    return position + 1
        return len(text)
