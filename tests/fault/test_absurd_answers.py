"""Answers that no API gives on purpose, byte by byte over a raw socket. Each gets its documented end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.servers.raw_api import RawApi, Says, raw
from tests.support.service import Running, census, event, eventually, running, settings, settled


def text(*lines: str, body: str = "") -> Says:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1"))

    return say


def then_close(says: Says) -> Says:
    async def say(writer: asyncio.StreamWriter) -> None:
        await says(writer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return say


def endless(first: bytes, more: bytes) -> Says:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(more)
            await writer.drain()

    return say


def never(first: bytes) -> Says:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await writer.drain()
        await asyncio.Event().wait()

    return say


@asynccontextmanager
async def one_event(api: RawApi, simulator: Simulator, url: str, redis: Redis, queue: str) -> AsyncIterator[Running]:
    """A service that has one event to send."""
    await redis.rpush(queue, event("u", 0))
    async with running(settings(url, queue, simulator, api_url=api.url, request_timeout=1.0)) as service:
        yield service


ACCEPTED = {
    "without a length": then_close(text("HTTP/1.1 202 Accepted", body="{}")),
    "with a body that never comes": never(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n{"),
    "with a body that never ends": endless(
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"
    ),
    "with a body that is not what its length says": then_close(
        text("HTTP/1.1 202 Accepted", "Content-Length: 1000", body="short")
    ),
    "with a body that is not gzip": text(
        "HTTP/1.1 202 Accepted", "Content-Encoding: gzip", "Content-Length: 4", body="text"
    ),
    "in HTML": text("HTTP/1.1 202 Accepted", "Content-Type: text/html", "Content-Length: 6", body="<html>"),
    "after an interim answer": text("HTTP/1.1 100 Continue", "", "HTTP/1.1 202 Accepted", "Content-Length: 0"),
    "of an old version": then_close(text("HTTP/1.0 202 Fine", body="{}")),
}


@pytest.mark.parametrize("how", ACCEPTED)
@fault(
    "API",
    "202 with an absurd body: endless, empty, falsely labelled as gzip, without a length",
    "accepted as soon as the headers have arrived",
    keeps=(1, 3),
)
async def test_a_202_is_accepted_whatever_its_body(
    how: str, api: Simulator, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async with raw(ACCEPTED[how]) as absurd, one_event(absurd, api, redis_url, redis_client, queue_name):
        now = await settled(redis_client, queue_name)
        assert (now.accepted, now.dead_lettered) == (1, 0)
        assert len(absurd.requests) == 1


@fault("API", "202 with a body of 100 MB", "at most 64 KiB are read, then the connection is closed", keeps=(1, 3, 7))
async def test_a_huge_body_is_not_read(api: Simulator, redis_url: str, redis_client: Redis, queue_name: str) -> None:
    size, written = 100_000_000, 0
    closed = asyncio.Event()

    async def huge(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n" % size)
        try:
            while written < size:
                writer.write(b"x" * 65_536)
                await writer.drain()
                written += 65_536
        finally:
            closed.set()

    async with raw(huge) as absurd, one_event(absurd, api, redis_url, redis_client, queue_name):
        now = await settled(redis_client, queue_name)
        assert (now.accepted, now.dead_lettered) == (1, 0)
        async with asyncio.timeout(10):
            await closed.wait()
    assert written < size / 4, "what fits into the buffers of two sockets"


async def _half(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 202 Accep")
    await writer.drain()
    writer.close()


async def _nothing(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


RETRIED = {
    "garbage": then_close(text("\x00\xff\x16\x03\x01 what?")),
    "another protocol": then_close(text("SSH-2.0-OpenSSH_9.2")),
    "headers that never end": endless(b"HTTP/1.1 202 Accepted\r\n", b"X-More: " + b"x" * 1000 + b"\r\n"),
    "one header that never ends": endless(b"HTTP/1.1 202 Accepted\r\nX-Long: ", b"x" * 1000),
    "interim answers that never end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an impossible length": then_close(text("HTTP/1.1 202 Accepted", "Content-Length: -5")),
    "half an answer": _half,
    "nothing": _nothing,
    "a reset": _reset,
    "503 with a Retry-After in the past": text(
        "HTTP/1.1 503 Busy", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", "Content-Length: 0"
    ),
    "503 with a Retry-After below zero": text("HTTP/1.1 503 Busy", "Retry-After: -1", "Content-Length: 0"),
    "503 with a Retry-After that is no time": text("HTTP/1.1 503 Busy", "Retry-After: soon", "Content-Length: 0"),
    "408 in HTML that never ends": endless(b"HTTP/1.1 408 Slow\r\n\r\n", b"<p>" * 1000),
}


@pytest.mark.parametrize("what", RETRIED)
@fault("API", "garbage, half an answer, endless headers, an invalid `Retry-After`", "the POST is retried", keeps=(1, 2))
async def test_what_is_no_answer_is_retried(
    what: str, api: Simulator, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async with raw(RETRIED[what], times=2) as absurd, one_event(absurd, api, redis_url, redis_client, queue_name):
        now = await settled(redis_client, queue_name)
        assert (now.accepted, now.dead_lettered) == (1, 0)
        assert len(absurd.requests) == 3
        assert len({request.partition(b"\r\n\r\n")[2] for request in absurd.requests}) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@fault("API", "a redirect", "it is not followed and does not count as accepted; the service halts", keeps=(1, 5))
async def test_a_redirect_is_not_followed(
    status: int, api: Simulator, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async with raw(times=0) as elsewhere:
        away = text(f"HTTP/1.1 {status} Away", f"Location: {elsewhere.url}/v6/users/u/events", "Content-Length: 0")
        await redis_client.rpush(queue_name, event("v", 1), event("w", 2))
        async with (
            raw(away, times=99) as absurd,
            one_event(absurd, api, redis_url, redis_client, queue_name) as service,
        ):

            async def halted() -> bool:
                return "misdirected" in (await service.get("/readyz"))[1]

            await eventually(halted)
            assert elsewhere.requests == []
            now = await census(redis_client, queue_name)
            assert (now.accepted, now.dead_lettered, now.claimed + now.waiting) == (0, 0, 3)


async def test_cookies_are_not_kept(api: Simulator, redis_url: str, redis_client: Redis, queue_name: str) -> None:
    cookies = text("HTTP/1.1 503 Busy", *(f"Set-Cookie: c{n}={'x' * 100}" for n in range(50)), "Content-Length: 0")
    async with raw(cookies) as absurd, one_event(absurd, api, redis_url, redis_client, queue_name):
        await settled(redis_client, queue_name)
        assert len(absurd.requests) == 2
        assert b"cookie" not in absurd.requests[1].lower()
