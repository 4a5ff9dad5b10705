"""The parts of a document that commands write: between ``<!-- NAME -->`` and ``<!-- /NAME -->``."""


def between_marks(text: str, name: str) -> str:
    """The part of this name; raises :class:`ValueError` without its two marks."""
    begin, end = _marks(name)
    return text[text.index(begin) + len(begin) : text.index(end)]


def written(text: str, name: str, part: str) -> str:
    """The document with another part of this name."""
    begin, end = _marks(name)
    return text.replace(begin + between_marks(text, name) + end, begin + part + end)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"<!-- /{name} -->"
