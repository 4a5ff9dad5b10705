"""Errors of redis-py in words: what happened, and to which address, without passwords and without events.

redis-py words a refused connection as "Error 111 connecting to 127.0.0.1:6379. Connect call failed ('127.0.0.1',
6379).", which a person must decipher. What a Redis says itself stays as it is.
"""

import errno
import re

from forwarder.logs.redaction import hidden

#: What redis-py says when it cannot connect, or when an open connection fails.
_CONNECTING = re.compile(
    r"Error (?:(?P<number>-?\d+) )?connecting to (?P<where>\S+?)\.(?: (?P<why>.*?)\.?)?", re.DOTALL
)
#: What asyncio quotes for each address of a host name with several addresses, if all of them failed.
_ERRNO = re.compile(r"\[Errno (-?\d+)\]")
#: Nothing takes connections there: no port, or no socket.
_NOBODY = {errno.ECONNREFUSED, errno.ENOENT}
_READING = re.compile(r"(?:Error while|Timeout) reading from (?P<where>[^\s:]+(?::\d+)?)(?: ?: .*)?", re.DOTALL)
_NO_NODE = "Redis Cluster cannot be connected. Please provide at least one reachable node: "
#: Around an error within a script, before Redis 7 and since: where in the script, which a person cannot use.
_IN_A_SCRIPT = re.compile(
    r"Error running script \(call to f_\w+\): (?:@\w+: ?\d+: )+-?(?P<before>.*)"
    r"|(?P<since>.*) script: \w+, on @\w+: ?\d+\.?",
    re.DOTALL,
)
#: The codes that such an error may begin with, and the kinds of error that redis-py makes of them elsewhere.
_CODES = {"OOM": "OutOfMemoryError", "READONLY": "ReadOnlyError"}
_NOT_IN_TIME = "Timeout connecting to server"
#: Before what Redis itself says of it, by the kind of error.
_KINDS = {
    "PasswordRefusedError": "Redis refused the password",
    "AuthenticationError": "Redis refused the password",
    "AuthenticationWrongNumberOfArgsError": "Redis refused the password",
    "NoPermissionError": "Redis refused the command",
    "OutOfMemoryError": "Redis is full",
    "ReadOnlyError": "this Redis is a replica and takes no writes",
    "InvalidResponse": "what answers is not a Redis",
    "MasterNotFoundError": "",
    "TryAgainError": "the list is being moved to another node of the cluster",
    "BusyLoadingError": "",
    "ResponseError": "Redis refused the command",
}


def said(error: BaseException) -> str:
    """An error in one line, without passwords and without events."""
    return hidden(_said(type(error).__name__, unquoted(str(error))))


def is_refusal(error: BaseException) -> bool:
    """Whether nothing takes connections at the address."""
    found = _CONNECTING.fullmatch(unquoted(str(error)))
    return found is not None and _number(found) in _NOBODY


def unquoted(text: str) -> str:
    """The text of one error reply, without the arguments that a Redis quotes when it does not know the command.

    They may be the password of AUTH, or an event of RPUSH.
    """
    return text.partition(", with args beginning with")[0]


def _said(kind: str, text: str) -> str:
    if found := _CONNECTING.fullmatch(text):
        return _unconnected(_number(found), found["where"], found["why"] or "")
    if text.startswith(_NO_NODE):
        return f"no node of the cluster can be used: {_said('', text.removeprefix(_NO_NODE))}"
    if text == _NOT_IN_TIME:
        return "Redis did not take the connection in time. Is its address right, and does it expect TLS (rediss://)?"
    if found := _READING.fullmatch(text):
        what = "did not answer in time" if text.startswith("Timeout") else "closed the connection"
        return f"Redis at {found['where']} {what}"
    if text == "Connection closed by server.":
        return "Redis closed the connection"
    if text.startswith("Authentication required"):
        return f"Redis asks for a password: {text}"
    if found := _IN_A_SCRIPT.fullmatch(text):
        text = found["before"] or found["since"]
        code, _, rest = text.partition(" ")
        kind, text = (_CODES[code], rest) if code in _CODES else (kind, text)
    before = _KINDS.get(kind, kind)
    return f"{before}: {text}" if before else text


def _number(found: re.Match[str]) -> int:
    """The errno; 0 if there is none, or if a host name has several addresses that failed in different ways."""
    numbers = {found["number"]} if found["number"] else {*_ERRNO.findall(found["why"] or "")}
    return int(numbers.pop()) if len(numbers) == 1 else 0


def _unconnected(number: int, where: str, why: str) -> str:
    match number:
        case errno.ECONNREFUSED:
            return f"Redis at {where} refused the connection. Is it running?"
        case errno.ENOENT:
            return f"there is no socket {where}. Is Redis running?"
        case _ if number < 0:  # of getaddrinfo
            return f"the host of Redis at {where} cannot be looked up: {why}"
    return f"Redis at {where} cannot be reached: {why or 'no reason is given'}"
