"""Every exception that a POST may end with, as the libraries raise it, and what it is taken for."""

import errno
import inspect
import os
import socket
import ssl

import aiohttp
import pytest
from aiohttp import HttpVersion11, client_exceptions
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from aiohttp.http_parser import RawResponseMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from forwarder.api.answer import Cause
from forwarder.api.failure import unanswered

KEY = ConnectionKey("api.example.com", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)
HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
INFO = RequestInfo(URL("https://api.example.com/secret-user"), "POST", HEADERS, URL("https://api.example.com"))
#: In every error that quotes something; none of it may come into a reason.
QUOTED = "m4rk-of-the-api"

Found = tuple[Cause, str]


def found(error: BaseException, *, sent: bool = False) -> Found:
    answer = unanswered(error, sent=sent)
    assert answer.ambiguous is sent
    assert QUOTED not in answer.reason
    return answer.cause, answer.reason


def connecting(number: int | None, *, text: str = "Connect call failed") -> aiohttp.ClientConnectorError:
    """As aiohttp raises it when a connection cannot be made."""
    beneath = OSError(number, text) if number else OSError(text)
    error = aiohttp.ClientConnectorError(KEY, beneath)
    error.__cause__ = beneath
    return error


@pytest.mark.parametrize(
    ("cause", "numbers"),
    [
        ("no_socket", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL", "EADDRINUSE", "EAGAIN"]),
        ("refused", ["ECONNREFUSED"]),
        ("reset", ["ECONNRESET", "ECONNABORTED", "EPIPE", "ESHUTDOWN", "ENOTCONN", "EBADF"]),
        ("timeout", ["ETIMEDOUT"]),
        ("unreachable", ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EPERM", "EACCES", "EAFNOSUPPORT"]),
    ],
)
def test_an_errno_is_taken_for_what_it_is_before_and_after_a_connection_was_made(
    cause: Cause, numbers: list[str]
) -> None:
    for name in numbers:
        number = getattr(errno, name)
        reason = f"{os.strerror(number)} ({name})"
        assert found(connecting(number)) == (cause, reason)
        assert found(OSError(number, "raw")) == (cause, reason)
        assert found(aiohttp.ClientOSError(number, "Can not write request body"), sent=True) == (cause, reason)


def test_two_addresses_that_fail_in_two_ways_are_both_named() -> None:
    text = "Multiple exceptions: [Errno 101] Connect call failed ('::1', 443, 0, 0), [Errno 111] Connect call failed"
    assert found(connecting(None, text=text)) == (
        "refused",
        "Network is unreachable (ENETUNREACH), Connection refused (ECONNREFUSED)",
    )


def certificate(message: str) -> aiohttp.ClientConnectorCertificateError:
    beneath = ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {message}")
    beneath.verify_message = message
    error = aiohttp.ClientConnectorCertificateError(KEY, beneath)
    error.__cause__ = beneath
    return error


def tls(reason: str | None, *, raised: type[OSError] = aiohttp.ClientConnectorSSLError) -> OSError:
    beneath = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1006)")
    beneath.reason = reason  # type: ignore[assignment]
    error = (
        aiohttp.ClientConnectorSSLError(KEY, beneath)
        if raised is aiohttp.ClientConnectorSSLError
        else raised(*beneath.args)
    )
    error.__cause__ = beneath
    return error


def dns(beneath: OSError) -> aiohttp.ClientConnectorDNSError:
    error = aiohttp.ClientConnectorDNSError(KEY, beneath)
    error.__cause__ = beneath
    return error


def unreadable(message: str) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(INFO, (), status=400, message=message, headers=None)


def no_thread() -> OSError:
    error = OSError(errno.EAGAIN, "cannot start a thread")
    error.__cause__ = RuntimeError("can't start new thread")
    return error


PARTIAL = RawResponseMessage(
    version=HttpVersion11,
    code=202,
    reason=QUOTED,
    headers=HEADERS,
    raw_headers=(),
    should_close=False,
    compression=None,
    upgrade=False,
    chunked=False,
)
UNKNOWN_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

#: Exception, whether the POST had a connection, what it is taken for.
ERRORS: dict[str, tuple[BaseException, bool, Found]] = {
    "a self-signed certificate": (
        certificate("self-signed certificate"),
        False,
        ("tls", "the certificate is not valid: self-signed certificate"),
    ),
    "plain HTTP on a TLS port": (
        tls("WRONG_VERSION_NUMBER"),
        False,
        ("tls", "the other side does not speak TLS (WRONG_VERSION_NUMBER)"),
    ),
    "another failed handshake": (
        tls("TLSV1_ALERT_INTERNAL_ERROR"),
        False,
        ("tls", "the TLS connection failed (TLSV1_ALERT_INTERNAL_ERROR)"),
    ),
    "a TLS error without a reason": (tls(None), False, ("tls", "the TLS connection failed (SSLError)")),
    "an alert after the handshake": (
        tls("TLSV13_ALERT_CERTIFICATE_REQUIRED", raised=aiohttp.ClientOSError),
        True,
        ("tls", "the TLS connection failed (TLSV13_ALERT_CERTIFICATE_REQUIRED)"),
    ),
    "an unknown name": (dns(UNKNOWN_NAME), False, ("dns", "api.example.com: Name or service not known")),
    "a label that is too long": (
        UnicodeError("encoding with 'idna' codec failed (UnicodeError: label too long)"),
        False,
        ("dns", "the host name is not valid: a part of it is empty, or has more than 63 characters"),
    ),
    "no thread": (
        RuntimeError("can't start new thread"),
        False,
        ("no_socket", "cannot start a thread to resolve the host name"),
    ),
    "no thread, on our loop": (
        dns(no_thread()),
        False,
        ("no_socket", "cannot start a thread to resolve the host name"),
    ),
    "no memory": (MemoryError(), False, ("no_socket", "out of memory")),
    "no connection in time": (aiohttp.ConnectionTimeoutError(QUOTED), False, ("timeout", "no connection in time")),
    "no answer in time": (TimeoutError(), True, ("timeout", "no answer in time")),
    "a read that takes too long": (aiohttp.SocketTimeoutError(QUOTED), True, ("timeout", "no answer in time")),
    "closed without an answer": (
        aiohttp.ServerDisconnectedError(),
        True,
        ("reset", "the connection was closed without an answer"),
    ),
    "closed in the middle of an answer": (
        aiohttp.ServerDisconnectedError(PARTIAL),
        True,
        ("reset", "the connection was closed in the middle of an answer"),
    ),
    "closed before it was written to": (
        aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
        True,
        ("reset", "the connection was closed"),
    ),
    "closed in a handshake": (
        ConnectionResetError(),
        False,
        ("reset", "the connection was closed while it was being made"),
    ),
    "the proxy refuses": (
        aiohttp.ClientHttpProxyError(INFO, (), status=407, message=QUOTED),
        False,
        ("proxy", "the proxy answered 407: it wants a user and a password, or others"),
    ),
    "no HTTP": (
        unreadable(f"Bad status line:\n  Expected HTTP/, RTSP/ or ICE/:\n\n  b'SSH-2.0-{QUOTED}'\n    ^"),
        True,
        ("unreadable", "Bad status line: Expected HTTP/, RTSP/ or ICE/"),
    ),
    "a bad header": (
        unreadable(f"Invalid header token:\n\n  b'X : {QUOTED}'\n     ^"),
        True,
        ("unreadable", "Invalid header token"),
    ),
    "a line that is too long": (
        unreadable(f"Got more than 131072 bytes when reading: b'{QUOTED}'."),
        True,
        ("unreadable", "a line of the answer is too long"),
    ),
    "too many headers": (
        unreadable("Too many headers received"),
        True,
        ("unreadable", "the answer has too many headers"),
    ),
    "TLS on a plain port": (
        unreadable(f"Bad status line:\n  Expected HTTP/:\n\n  b'\\x15\\x03\\x01{QUOTED}'\n    ^"),
        True,
        ("unreadable", "the other side speaks TLS: use https://"),
    ),
    "what another parser says": (
        unreadable(f"Bad status line '{QUOTED}'"),
        True,
        ("unreadable", "not HTTP"),
    ),
    "a defect": (KeyError(QUOTED), True, ("other", "KeyError")),
    "a closed connector": (
        aiohttp.ClientConnectionError("Connector is closed"),
        False,
        ("other", "ClientConnectionError"),
    ),
    "an invalid URL": (aiohttp.InvalidURL(QUOTED), False, ("other", "InvalidURL")),
}


@pytest.mark.parametrize("what", ERRORS)
def test_an_error_is_taken_for_what_it_is(what: str) -> None:
    error, sent, expected = ERRORS[what]
    assert found(error, sent=sent) == expected


KEYS: dict[str, int] = {}


def test_where_an_unexpected_error_was_raised_is_named() -> None:
    with pytest.raises(KeyError) as raised:
        KEYS[QUOTED]
    assert found(raised.value) == ("other", f"KeyError at test_failure.py:{raised.tb.tb_lineno}")


#: aiohttp's exceptions that a POST without redirects, WebSockets, fingerprints and streams cannot raise, or that are
#: only a base of others.
ELSEWHERE = {
    *("ClientError", "WSServerHandshakeError", "ContentTypeError", "TooManyRedirects", "WSMessageTypeError"),
    *("ServerFingerprintMismatch", "RedirectClientError", "InvalidUrlRedirectClientError", "UnixClientConnectorError"),
    *("NonHttpUrlRedirectClientError", "UploadAbortedError", "ClientPayloadError", "ServerConnectionError"),
    *("ServerTimeoutError", "ClientSSLError", "InvalidUrlClientError", "NonHttpUrlClientError"),
    *("ClientProxyConnectionError",),
}


def test_every_exception_of_aiohttp_is_looked_at() -> None:
    classes = dict(inspect.getmembers(client_exceptions, inspect.isclass))
    raised = {
        name
        for name, each in classes.items()
        if issubclass(each, Exception) and each.__module__ == client_exceptions.__name__
    }
    here = {type(error).__name__ for error, _, _ in ERRORS.values()} | {"ClientConnectorError", "ClientOSError"}
    assert raised == (here & raised) | ELSEWHERE
