"""The command that sends one event as the service sends it, byte for byte, for a POSIX shell."""

import shlex

from forwarder.api.request import HEADERS, encode_batch, path_segment, users_url
from forwarder.config import Settings
from forwarder.event import decode
from forwarder.queue.letters import DeadLetter

#: Linux allows 128 KiB for one argument of a program, but any length for an argument of a command built into the shell.
_LONGEST_ARGUMENT = 100_000
#: For a longer body, curl may first ask whether it may send the body (Expect: 100-continue). The service never asks.
_NO_QUESTION = 1_024


def curl(letter: DeadLetter, settings: Settings) -> bytes:
    """A command that POSTs the event of a letter alone.

    It reads the key from $FORWARDER_API_KEY, and the proxy, if there is one, from $FORWARDER_API_PROXY.

    Raises:
        InvalidElementError: the element is not an event, so the service would not send it either.
    """
    event = decode(letter.element, stamp=letter.claimed_at, max_bytes=int(settings.max_event_bytes))
    body = encode_batch([event.body]).decode()
    url = f"{users_url(settings.api_url, settings.api_version)}{path_segment(event.user)}/events"
    words = [f"curl -i --http1.1 {_globbing(url)}{shlex.quote(url)}", '-u ":$FORWARDER_API_KEY"']
    if settings.api_proxy is not None:
        words.append('-x "$FORWARDER_API_PROXY"')
    if settings.api_ca_file is not None:
        words.append(f"--cacert {shlex.quote(str(settings.api_ca_file))}")
    words += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in HEADERS.items()]
    size = len(body.encode())
    if size > _NO_QUESTION:
        words.append("-H 'Expect:'")
    if size <= _LONGEST_ARGUMENT and body.isprintable():
        return " \\\n  ".join([*words, f"--data-binary {shlex.quote(body)}"]).encode()
    # Unprintable characters would not survive being copied, so they are written as octal escapes of printf.
    return (f"printf {shlex.quote(_escaped(body))} |\n  " + " \\\n  ".join([*words, "--data-binary @-"])).encode()


def _globbing(url: str) -> str:
    """For curl, brackets are a pattern unless this option is given. An IPv6 address has brackets."""
    return "--globoff " if set(url) & set("[]{}") else ""


def _escaped(body: str) -> str:
    """`body` as a format of printf: printable characters as they are, the others in octal."""
    return "".join(map(_escape, body))


def _escape(char: str) -> str:
    if char in "%\\":
        return {"%": "%%", "\\": "\\\\"}[char]
    return char if char.isprintable() else "".join(f"\\{byte:03o}" for byte in char.encode())
