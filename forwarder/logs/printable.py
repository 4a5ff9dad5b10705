"""Text that people read in a terminal. Imports no library, as producers use it too."""

import re

_WORD = re.compile(r"(?:`[^`\n]*`|\S)+")


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as ``1 event`` and ``2,000 events``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def followed(text: str, sentence: str) -> str:
    """`text`, which may end with a full stop or a question mark, and another sentence."""
    return f"{text}{'' if text.endswith(('.', '?')) else '.'} {sentence}"


def visible(text: str) -> str:
    """`text` on one line, with everything escaped that is not printable, so that nothing in it moves a cursor."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def visible_lines(text: str) -> str:
    """The same for each line of `text`. The line breaks stay."""
    return "\n".join(map(visible, text.split("\n")))


def breaks(text: str, width: int) -> list[int]:
    """Where to begin a new line so that lines have at most `width` characters, and no word is cut.

    A command between backticks is one word, so that it can be copied. A longer word, such as an address, has a line of
    its own. Example: for ``to http://127.0.0.1/ now`` and 10 columns, the second and the third word begin a line.
    """
    found = []
    begin = 0
    for word in _WORD.finditer(text):
        if "\n" in text[begin : word.start()]:
            begin = text.rindex("\n", begin, word.start()) + 1
        if word.end() - begin > width and text[begin : word.start()].strip():
            begin = word.start()
            found.append(begin)
    return found
