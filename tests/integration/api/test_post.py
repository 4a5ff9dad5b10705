"""One POST over real sockets: what is an answer, and why there is none."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any, cast

import pytest
import trustme
from aiohttp.http import SERVER_SOFTWARE

from forwarder.api.answer import Answer, Registered, Unanswered
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.runtime import loop
from tests.support.faults import fault
from tests.support.servers.raw_api import GOOD, RawApi, Says, raw
from tests.support.service import free_port

NAME = "api.forwarder-test.example"


@asynccontextmanager
async def client(base: str, **others: Any) -> AsyncIterator[Api]:
    given = {"version": "v6", "credentials": Credentials("a-key", None), "timeout": 5.0, **others}
    async with Api(base=base, **given) as api:
        yield api


async def post(base: str, **others: Any) -> Answer:
    async with client(base, **others) as api:
        return await api.post("u", [b"{}"])


def saying(answer: bytes) -> Says:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return say


@pytest.mark.parametrize(
    "headers",
    [b"X-Policy: " + b"x" * 120_000 + b"\r\n", b"".join(b"X-%d: x\r\n" % n for n in range(900))],
    ids=["a long line", "many lines"],
)
@fault(
    "API",
    "202 with a header line of 120 KB, or with 900 headers",
    "accepted",
    keeps=(1, 3),
)
async def test_a_status_counts_whatever_headers_are_behind_it(headers: bytes) -> None:
    async with raw(saying(GOOD.replace(b"\r\n\r\n", b"\r\n" + headers + b"\r\n", 1))) as api:
        assert await post(api.url) == Registered(202)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 202 Accepted\r\nX-Blank : x\r\n\r\n", "Invalid header token"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "Bad status line: Expected HTTP/, RTSP/ or ICE/"),
        (b"HTTP/1.1 202 Accepted\r\nX: " + b"x" * 140_000 + b"\r\n\r\n", "a line of the answer is too long"),
        (b"HTTP/1.1 202 OK\r\n" + b"X: x\r\n" * 1_100 + b"\r\n", "the answer has too many headers"),
    ],
    ids=["blank", "ssh", "line", "lines"],
)
async def test_what_cannot_be_parsed_is_unreadable_and_may_have_been_accepted(answer: bytes, reason: str) -> None:
    async with raw(saying(answer)) as api:
        assert await post(api.url) == Unanswered("unreadable", ambiguous=True, reason=reason)


@fault(
    "API",
    "headers of many megabytes",
    "a megabyte is read; the POST is retried",
    keeps=(1, 7),
)
async def test_headers_take_little_memory_together() -> None:
    written = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 202 Accepted\r\n")
        while True:
            writer.write(b"X: " + b"x" * 100_000 + b"\r\n")
            await writer.drain()
            written += 100_000

    async with raw(endless) as api:
        answer = await post(api.url)
    assert answer == Unanswered("unreadable", ambiguous=True, reason="the answer has too many headers")
    assert written < 16_000_000, "a megabyte, and what fits into the buffers of two sockets"


@asynccontextmanager
async def tls_server(context: ssl.SSLContext, answer: bytes = GOOD) -> AsyncIterator[str]:
    api = RawApi(saying(answer), times=0)
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The only authority that aiohttp trusts."""
    found = trustme.CA()
    trusting = ssl.create_default_context()
    found.configure_trust(trusting)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    return found


def presenting(issued: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context


def expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("localhost", not_before=past(2), not_after=past(1))


def past(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


CERTIFICATES: dict[str, tuple[Callable[[trustme.CA], trustme.LeafCert], str]] = {
    "another authority": (lambda _: trustme.CA().issue_cert("localhost"), "unable to get local issuer certificate"),
    "another name": (
        lambda authority: authority.issue_cert("elsewhere.example"),
        "Hostname mismatch, certificate is not valid for 'localhost'",
    ),
    "expired": (expired, "certificate has expired"),
}


@pytest.mark.parametrize("which", CERTIFICATES)
async def test_what_is_wrong_with_a_certificate_is_said(which: str, authority: trustme.CA) -> None:
    issue, said = CERTIFICATES[which]
    async with tls_server(presenting(issue(authority))) as address:
        answer = await post(f"https://{address}")
    assert answer == Unanswered("tls", ambiguous=False, reason=f"the certificate is not valid: {said}")


async def test_a_good_certificate_is_no_reason_to_complain(authority: trustme.CA) -> None:
    async with tls_server(presenting(authority.issue_cert("localhost"))) as address:
        assert await post(f"https://{address}") == Registered(202)


async def test_a_port_without_tls_is_named_so_in_both_directions(authority: trustme.CA) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    answer = await post(f"https://localhost:{server.sockets[0].getsockname()[1]}")
    server.close()
    assert isinstance(answer, Unanswered)
    assert (answer.cause, answer.ambiguous) == ("tls", False)
    assert answer.reason.startswith("the other side does not speak TLS (")
    async with tls_server(presenting(authority.issue_cert("localhost"))) as address:
        answer = await post(f"http://{address}")
    assert answer in (
        Unanswered("unreadable", ambiguous=True, reason="the other side speaks TLS: use https://"),
        Unanswered("reset", ambiguous=True, reason="the connection was closed without an answer"),
    )


async def test_an_alert_after_the_handshake_is_tls_and_may_have_arrived(authority: trustme.CA) -> None:
    """With TLS 1.3 a server refuses a client without a certificate only after the client may have sent its POST."""
    context = presenting(authority.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    answered = Event()

    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls:
            with pytest.raises(ssl.SSLError):
                tls.do_handshake()
            answered.wait(10)  # closing it now would reset it, and the alert might not be read

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Thread(target=refuse, args=[listener])
        server.start()
        answer = await post(f"https://localhost:{listener.getsockname()[1]}")
        answered.set()
        server.join()
    assert isinstance(answer, Unanswered)
    assert (answer.cause, answer.ambiguous) == ("tls", True)
    assert "CERTIFICATE_REQUIRED" in answer.reason


async def test_where_nobody_listens_is_refused_and_nothing_was_sent() -> None:
    expected = Unanswered("refused", ambiguous=False, reason="Connection refused (ECONNREFUSED)")
    assert await post(f"http://127.0.0.1:{free_port()}") == expected


async def test_without_a_free_port_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_port(*_: object) -> None:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", no_port)
    answer = await post("http://127.0.0.1:1")
    expected = Unanswered("no_socket", ambiguous=False, reason="Cannot assign requested address (EADDRNOTAVAIL)")
    assert answer == expected


@pytest.mark.parametrize("label", ["x" * 64, "a..b"])
async def test_a_name_that_cannot_be_is_one_that_is_not_known(label: str) -> None:
    answer = await post(f"http://{label}.example")
    assert isinstance(answer, Unanswered)
    assert (answer.cause, answer.ambiguous) == ("dns", False)


def test_on_our_own_loop_too() -> None:
    answer = loop.run(post(f"http://{'x' * 64}.example"))
    assert answer == Unanswered("dns", ambiguous=False, reason=f"{'x' * 64}.example: not a valid host name")


def test_an_unknown_name_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = loop.run(post(f"http://{NAME}"))
    assert answer == Unanswered("dns", ambiguous=False, reason=f"{NAME}: Name or service not known")


@pytest.mark.parametrize("run", [loop.run, asyncio.run], ids=["our loop", "asyncio's loop"])
@fault(
    "machine",
    "no thread to resolve a name, no port for a connection, no name that could be resolved",
    "the POST is retried and does not count as one that may have arrived",
    keeps=(1, 3),
)
def test_without_a_thread_to_resolve_the_name_nothing_was_sent(
    run: Callable[[Any], Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> Answer:
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", no_thread)
            return await post(f"http://{NAME}")

    reason = "cannot start a thread to resolve the host name"
    assert run(work()) == Unanswered("no_socket", ambiguous=False, reason=reason)


async def test_a_look_up_that_somebody_else_cancels_is_a_failure_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiohttp shares one look-up between POSTs, and cancels it when it closes."""
    asked, answered = Event(), Event()

    def slow(*_: object, **__: object) -> list[object]:
        asked.set()
        answered.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        async with client(f"http://{NAME}") as api:
            posts = [asyncio.create_task(api.post("u", [b"{}"])) for _ in range(2)]
            assert await asyncio.to_thread(asked.wait, 10)
            await asyncio.sleep(0)
            assert api._session is not None
            await api._session.close()
            found = await asyncio.gather(*posts)
    finally:
        answered.set()
    assert [(each.cause, each.ambiguous) for each in cast("Sequence[Unanswered]", found)] == [("other", False)] * 2


async def test_a_cancellation_that_nobody_meant_is_a_failure_and_a_real_one_is_not() -> None:
    arrived = asyncio.Event()

    async def silent(_: asyncio.StreamWriter) -> None:
        arrived.set()

    async with raw(silent, times=2) as server, client(server.url) as api:
        task = asyncio.create_task(api.post("u", [b"{}"]))
        await arrived.wait()
        assert api._session is not None
        assert api._session.connector is not None
        (handler,) = api._session.connector._acquired
        handler.set_exception(asyncio.CancelledError())
        answer = await task
        assert isinstance(answer, Unanswered)
        assert (answer.cause, answer.ambiguous) == ("other", True)
        arrived.clear()
        task = asyncio.create_task(api.post("u", [b"{}"]))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_post_is_sent_with_these_headers_and_no_others() -> None:
    async with raw(times=0) as server, client(f"{server.url}/a%20b") as api:
        assert await api.post("u/ü", [b'{"name":"a"}', b'{"name":"b"}']) == Registered(202)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert line == "POST /a%20b/v6/users/u%2F%C3%BC/events HTTP/1.1"
    assert sorted(headers) == sorted(
        [
            f"Host: {server.url.removeprefix('http://')}",
            "Accept: application/json",
            "Content-Type: application/json",
            "Accept-Encoding: identity",
            f"User-Agent: {SERVER_SOFTWARE}",
            "Authorization: Basic OmEta2V5",
            f"Content-Length: {len(body)}",
        ]
    )
    assert body == b'{"events":[{"name":"a"},{"name":"b"}]}'


@fault(
    "API",
    "its name moves to another address while a worker is busy",
    "after 85 s at most, every POST goes to the new address",
    keeps=(6,),
)
async def test_a_busy_client_follows_the_name_of_the_api_within_85_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A POST every three seconds, so that no connection is ever idle for long; at 30 s the name moves."""
    now = 0.0
    hits: list[tuple[str, float]] = []
    addresses = {NAME: "127.0.0.1"}
    resolve = socket.getaddrinfo

    def resolver(host: str, *others: Any, **more: Any) -> object:
        return resolve(addresses.get(host, host), *others, **more)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"{}]}"):
                hits.append((writer.get_extra_info("sockname")[0], now))
                writer.write(GOOD)
        except (OSError, EOFError):
            writer.close()

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr("aiohttp.connector.monotonic", lambda: now)
    port = free_port()
    servers = [await asyncio.start_server(answer, host, port) for host in ("127.0.0.1", "127.0.0.2")]
    async with client(f"http://{NAME}:{port}", clock=lambda: now) as api:
        while now < 150:
            assert await api.post("u", [b"{}"]) == Registered(202)
            now += 3.0
            if now == 30.0:
                addresses[NAME] = "127.0.0.2"
    for server in servers:
        server.close()
    left = [moment for host, moment in hits if host == "127.0.0.1"]
    assert 42.0 <= max(left) <= 30.0 + 75.0 + 10.0, "a connection lasts, but not for ever"
    assert [host for host, _ in hits] == ["127.0.0.1"] * len(left) + ["127.0.0.2"] * (len(hits) - len(left))
