"""Replaces secrets in what people read. Imports no library, as producers use it too."""

import json
from urllib.parse import quote

_secrets: set[str] = set()


def hide(secret: str) -> None:
    """Replaces `secret` in everything logged from now on, also where it is quoted or percent-encoded."""
    if secret:
        percent = quote(secret, safe="", errors="surrogateescape")  # surrogates stand for bytes that are not UTF-8
        _secrets.update({secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], percent})


def hidden(text: str) -> str:
    """`text` without the secrets, for output that does not go through the log."""
    # The longest first: if one secret starts with another, its rest would stay.
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
