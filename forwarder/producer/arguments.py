"""What is wrong with a number that a caller gave. Pure."""

from collections.abc import Iterator


def outside(
    name: str, value: object, least: float, most: float | None = None, *, unit: str = "", example: int
) -> Iterator[str]:
    """The problem that a value is not a number from `least` to `most`, if it is not."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and least <= value and (most is None or value <= most):  # type: ignore[operator] # it is a number
        return
    bounds = f"at least {least:,g}" if most is None else f"from {least:,g} to {most:,}{unit}"
    yield f"{name}: {value!r} is not {'' if number else 'a number '}{bounds}; example: {example}"
