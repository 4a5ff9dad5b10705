"""Makes text safe to print in a terminal. Imports no library, as producers use it too."""


def visible(text: str) -> str:
    """`text` on one line, with everything escaped that is not printable, so that nothing in it moves a cursor."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def visible_lines(text: str) -> str:
    """The same for each line of `text`. The line breaks stay."""
    return "\n".join(map(visible, text.split("\n")))
