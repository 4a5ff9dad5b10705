"""The command that sends one event as the service sends it, byte for byte, for a POSIX shell."""

from forwarder.api.request import HEADERS, encode_batch, path_segment, users_url
from forwarder.config import Settings
from forwarder.event import decode
from forwarder.queue import DeadLetter

#: Linux allows 128 KiB for one argument of a program, but any length for one of a shell's own commands.
_LONGEST_ARGUMENT = 100_000
#: Over this, curl may ask first whether it may send the body, which the service never does.
_NO_QUESTION = 1_024


def curl(letter: DeadLetter, settings: Settings) -> bytes:
    """A command that POSTs the event of a letter alone; it reads the key from $FORWARDER_API_KEY.

    Raises:
        InvalidElementError: it is no event, so the service would not send it either.
    """
    event = decode(letter.element, stamp=letter.claimed_at, max_bytes=int(settings.max_event_bytes))
    body = encode_batch([event.body])
    url = f"{users_url(settings.api_url, settings.api_version)}{path_segment(event.user)}/events"
    words = [b"curl -i --http1.1 " + _globbing(url) + _quoted(url.encode()), b'-u ":$FORWARDER_API_KEY"']
    words += [b"-H " + _quoted(f"{name}: {value}".encode()) for name, value in HEADERS.items()]
    if len(body) > _NO_QUESTION:
        words.append(b"-H 'Expect:'")
    if len(body) <= _LONGEST_ARGUMENT and body.decode().isprintable():
        return b" \\\n  ".join([*words, b"--data-binary " + _quoted(body)])
    # What cannot be seen would not survive being copied, so it is written as printf's escapes.
    return b"printf " + _quoted(_escaped(body)) + b" |\n  " + b" \\\n  ".join([*words, b"--data-binary @-"])


def _globbing(url: str) -> bytes:
    """Brackets are not left to curl, for which they are a pattern: an address may be IPv6."""
    return b"--globoff " if set(url) & set("[]{}") else b""


def _quoted(text: bytes) -> bytes:
    return b"'" + text.replace(b"'", rb"'\''") + b"'"


def _escaped(body: bytes) -> bytes:
    """`body` as a format of printf: what can be seen as it is, the rest in octal."""
    return "".join(map(_escape, body.decode())).encode()


def _escape(char: str) -> str:
    if char in "%\\":
        return {"%": "%%", "\\": "\\\\"}[char]
    return char if char.isprintable() else "".join(f"\\{byte:03o}" for byte in char.encode())
