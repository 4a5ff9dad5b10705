"""Text as a terminal may show it: nothing in it moves a cursor. No library: a producer imports it too."""


def visible(text: str) -> str:
    """`text` in one line, and nothing in it that moves a cursor: what cannot be seen is escaped as Python does."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def visible_lines(text: str) -> str:
    """The same for each line of `text`, which keeps its lines."""
    return "\n".join(map(visible, text.split("\n")))
