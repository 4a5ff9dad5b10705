"""What must not show where people read: secrets, and what moves a cursor. A producer imports it too: no library."""

import json
from urllib.parse import quote

_secrets: set[str] = set()


def hide(secret: str) -> None:
    """Replaces `secret`, also quoted or percent-encoded, in what is logged from now on; the last line of defence."""
    if secret:
        percent = quote(secret, safe="", errors="surrogateescape")  # which Python makes of what is not UTF-8
        _secrets.update({secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], percent})


def hidden(text: str) -> str:
    """`text` without the secrets, for where it does not go through the log."""
    # The longest first: of one that begins with another one, the rest would stay.
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def visible(text: str) -> str:
    """`text` in one line, and nothing in it that moves a cursor: what cannot be seen is escaped as Python does."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def visible_lines(text: str) -> str:
    """The same for each line of `text`, which keeps its lines."""
    return "\n".join(map(visible, text.split("\n")))
