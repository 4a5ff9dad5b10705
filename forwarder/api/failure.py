"""Why a POST got no answer: judges the exceptions of aiohttp, asyncio, ssl and socket.

Every text comes from a closed set: it names an error, our own address, or a line of aiohttp's code, and nothing that
the other side has said.

aiohttp's exceptions that a POST without redirects may raise (aiohttp 3.14)::

    ClientError
    ├── ClientConnectionError            "Connector is closed", a connection that ends while it is written to
    │   ├── ClientConnectionResetError   it had ended before the request was written
    │   ├── ClientOSError                errno of a connection that was there; TLS alerts after the handshake
    │   │   └── ClientConnectorError     errno of a connection that could not be made
    │   │       ├── ClientConnectorDNSError              the name cannot be resolved
    │   │       ├── ClientProxyConnectionError           the proxy cannot be reached
    │   │       └── ClientConnectorSSLError, …CertificateError   the handshake failed
    │   └── ServerConnectionError
    │       ├── ServerDisconnectedError  it was closed without an answer, or in the middle of one
    │       └── ConnectionTimeoutError, SocketTimeoutError
    ├── ClientResponseError              the answer cannot be parsed
    │   └── ClientHttpProxyError         the proxy refuses to connect
    └── ClientPayloadError, InvalidURL, NonHttpUrlClientError

Below them are OSError, ssl.SSLError, socket.gaierror, UnicodeError (a label of the host name is too long) and
RuntimeError (no thread to resolve the name).
"""

import errno
import os
import re
import socket
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from forwarder.api.answer import Cause, Unanswered

_ERRNOS: dict[Cause, tuple[int, ...]] = {
    # This machine has no descriptor, no memory, no port or no thread.
    "no_socket": (
        *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
        *(errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EAGAIN),
    ),
    "refused": (errno.ECONNREFUSED,),
    "reset": (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ESHUTDOWN, errno.ENOTCONN, errno.EBADF),
    "timeout": (errno.ETIMEDOUT,),
    # EPERM and EACCES come from a firewall of this machine.
    "unreachable": (
        *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENETRESET),
        *(errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT),
    ),
}
_BY_ERRNO = {number: cause for cause, numbers in _ERRNOS.items() for number in numbers}
#: OpenSSL's reasons when the other side sends something that is not TLS.
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"}
)

_Judged = tuple[Cause, str]


#: What a proxy has no part in. Certificates are the API's, or those that a proxy inspects TLS with.
_NOT_THE_PROXY = frozenset[Cause]({"tls", "no_socket", "other"})


def unanswered(error: BaseException, *, sent: bool, proxied: bool = False) -> Unanswered:
    """What an exception of a POST means.

    Args:
        error: any.
        sent: whether the POST had a connection, so that it may have arrived.
        proxied: whether it goes through a proxy. What fails before there is a connection is then the proxy's: this
            machine speaks to nobody else, and even the name of the API is resolved there.
    """
    cause, reason = _http(error) or _beneath(error, sent=sent) or ("other", _place(error))
    if proxied and not sent and cause not in {"proxy", *_NOT_THE_PROXY}:
        cause, reason = "proxy", f"no connection through the proxy: {reason}"
    return Unanswered(cause, ambiguous=sent, reason=reason)


def refused_by_proxy(status: int) -> str:
    """Why a proxy that answers with this status gives no connection."""
    if status in {401, 407}:
        return f"the proxy answered {status}: it wants a user and a password, or others"
    return f"the proxy answered {status}"


def _http(error: BaseException) -> _Judged | None:
    """What only aiohttp knows."""
    match error:
        case aiohttp.ClientHttpProxyError(status=status):
            return "proxy", refused_by_proxy(status)
        case aiohttp.ClientConnectorDNSError(host=host, os_error=socket.gaierror(strerror=said)):
            return "dns", f"{host}: {said}"
        case aiohttp.ClientResponseError(message=message):
            return "unreadable", _unreadable(message)
        case aiohttp.ServerDisconnectedError(message=str()):
            return "reset", "the connection was closed without an answer"
        case aiohttp.ServerDisconnectedError():
            return "reset", "the connection was closed in the middle of an answer"
    return None


def _unreadable(message: str) -> str:
    """What is wrong with an answer, without what aiohttp quotes of it behind an empty line."""
    what, quotes, quoted = message.partition("\n\n")
    if message.startswith("Got more than"):
        return "a line of the answer is too long"
    if message.startswith("Too many headers"):
        return "the answer has too many headers"
    if "\\x15\\x03" in quoted:  # how a TLS alert begins
        return "the other side speaks TLS: use https://"
    return " ".join(what.split()).rstrip(":") if quotes else "not HTTP"


def _beneath(error: BaseException, *, sent: bool) -> _Judged | None:
    """What the most telling of the errors that led to this one says."""
    chain = list(_chain(error))
    for judge in (_tls, _name, _machine, _errno):
        for each in reversed(chain):
            if judged := judge(each):
                return judged
    if any(isinstance(each, TimeoutError) for each in chain):
        return "timeout", "no answer in time" if sent else "no connection in time"
    if any(isinstance(each, ConnectionError) for each in chain):
        return "reset", "the connection was closed" if sent else "the connection was closed while it was being made"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that caused it."""
    while error is not None:
        yield error
        error = error.__cause__


def _tls(error: BaseException) -> _Judged | None:
    match error:
        case ssl.SSLCertVerificationError():
            said = getattr(error, "verify_message", "").rstrip(".")
            return "tls", f"the certificate is not valid: {said}"
        case ssl.SSLError(reason=reason) if reason in _NOT_TLS:
            return "tls", f"the other side does not speak TLS ({reason})"
        case ssl.SSLError(reason=reason):
            return "tls", f"the TLS connection failed ({reason or type(error).__name__})"
    return None


def _name(error: BaseException) -> _Judged | None:
    match error:
        case socket.gaierror(strerror=said):
            return "dns", f"{said}"
        case UnicodeError():
            return "dns", "the host name is not valid: a part of it is empty, or has more than 63 characters"
    return None


def _machine(error: BaseException) -> _Judged | None:
    match error:
        case MemoryError():
            return "no_socket", "out of memory"
        case RuntimeError() if "start new thread" in str(error):
            return "no_socket", "cannot start a thread to resolve the host name"
    return None


def _errno(error: BaseException) -> _Judged | None:
    if not isinstance(error, OSError):
        return None
    # When several addresses fail in different ways, aiohttp joins the texts of their errors, and there is no errno.
    numbers = [error.errno] if error.errno else [int(each) for each in re.findall(r"\[Errno (\d+)\]", str(error))]
    if not numbers:
        return None
    named = [f"{os.strerror(number)} ({errno.errorcode.get(number, number)})" for number in dict.fromkeys(numbers)]
    causes = [_BY_ERRNO[number] for number in numbers if number in _BY_ERRNO]
    return (causes[-1], ", ".join(named)) if causes else None


def _place(error: BaseException) -> str:
    """The type of an error that nobody expected, and where it was raised. Its text may contain a user's data."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
