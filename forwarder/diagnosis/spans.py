"""What people read: a time, a sentence."""

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def span(seconds: float) -> str:
    """A time in its two largest units: 40 s, 2 min 5 s, 3 h, 4 d 2 h."""
    left = max(0, round(seconds))
    at = next((i for i, (_, size) in enumerate(_UNITS) if left >= size), len(_UNITS) - 1)
    parts: list[str] = []
    for unit, size in _UNITS[at : at + 2]:
        count, left = divmod(left, size)
        if count or not parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts)


def about(seconds: float) -> str:
    """A time that is only estimated, in one unit, rounded: about 12 min, about 3 h; less than a second is a second."""
    for unit, size in _UNITS:
        if seconds >= size * (1.5 if size > 1 else 1):
            return f"about {round(seconds / size):,} {unit}"
    return "about 1 s"


def sentence(text: str) -> str:
    """A text with a capital at its beginning and a full stop at its end; an empty one stays empty."""
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "?")) else ".")
