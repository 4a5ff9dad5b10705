"""Replaces secrets in whatever people read. No library: a producer imports it too."""

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
