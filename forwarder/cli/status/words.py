"""Numbers and names as `forwarder status` shows them. Pure."""

from rich.text import Text

from forwarder.logs.printable import visible


def safe(text: str, style: str = "") -> Text:
    """A text that Redis, a host or a setting has given: nothing in it moves a cursor."""
    return Text(visible(text), style)


def number(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def rate(per_second: float | None) -> str:
    """Events per second. Below ten, the first decimal matters."""
    if per_second is None:
        return "unknown"
    return f"{per_second:,.0f}/s" if per_second >= 10 or not per_second else f"{per_second:.1f}/s"
