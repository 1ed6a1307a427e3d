"""What a model writes, made fit for the ear: nothing that was not meant for the caller, nothing for the eye only.

Three steps, each a pure function of text:

* `visible`: as the model streams, thinking, calls of tools that were written as text, and the layout of Markdown
  (lists, headings, tables, links, code) are taken out or turned into sentences.
* `tidy`: of a whole sentence, emphasis, emoji and stray marks of a layout go. What is left is what is recorded as said.
* `aloud`: numbers, times, prices, telephone numbers, codes and addresses become the words that a person says. Only the
  voice gets these; the record keeps "$3.50".

`text` puts them into a pipeline: `SpeakableText` behind the model, `Aloud` in front of the voice.
"""

from conversation.speakable.text import Aloud, SpeakableText, speakable

__all__ = ["Aloud", "SpeakableText", "speakable"]
