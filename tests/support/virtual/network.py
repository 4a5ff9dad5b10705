"""Between redis-py and a :class:`SteppedRedis`: connections in virtual time, and everything that can go wrong on them.

redis-py is the real one, with its pool, its parser and its timeouts. Only the two ends of its socket are replaced.
An URL ``unix:///NAME`` names the process that connects, so that it alone can be cut off.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import hiredis
import redis.asyncio.client
from redis.asyncio.connection import UnixDomainSocketConnection

from tests.support.virtual.actors import WORLD
from tests.support.virtual.stepped import SteppedRedis, packed

#: Seconds of one way between a process and Redis.
ONE_WAY = 0.0003
_NIL = b"$-1\r\n"
_BLOCKING = b"BLMOVE"


@dataclass(frozen=True)
class Fate:
    """What becomes of one request: how late it arrives, whether its reply comes, and whether the connection breaks."""

    name: str
    arrives: bool = True
    replies: bool = True
    breaks: bool = False
    late: float = 0.0


FINE = Fate("fine")
FATES = (
    Fate("request lost", arrives=False, breaks=True),
    Fate("reply lost", replies=False, breaks=True),
    Fate("request swallowed", arrives=False),
    Fate("reply swallowed", replies=False),
    # Longer than the client waits: its next command may overtake this one.
    Fate("request late", late=7.0),
    Fate("slow", late=0.4),
)


@dataclass
class Line:
    """The way of one process to Redis.

    Attributes:
        cut: nothing gets through, in either direction, and nobody learns of it.
        trouble: what part of the requests meets a fate that is not :data:`FINE`.
    """

    cut: bool = False
    trouble: float = 0.0
    pipes: list["Pipe"] = field(default_factory=list)


class Pipe:
    """One connection: redis-py writes to it as to a StreamWriter, and reads from `reader`."""

    def __init__(self, network: "Network", actor: str) -> None:
        self.actor = actor
        self.reader = asyncio.StreamReader()
        self.requests = hiredis.Reader()
        self.arrives = 0.0
        self.closed = False
        self._network = network

    def writelines(self, parts: Iterable[bytes]) -> None:
        self._network.send(self, b"".join(parts))

    async def drain(self) -> None:
        if self.closed:
            raise ConnectionResetError("the connection is broken")

    def feed(self, data: bytes) -> None:
        """What Redis has sent arrives."""
        if not self.closed and not self._network.line(self.actor).cut:
            self.reader.feed_data(data)

    def shut(self) -> None:
        """The other side has closed the connection."""
        if not self.closed:
            self.close()
            self.reader.feed_eof()

    def close(self) -> None:
        self.closed = True
        self._network.closed(self)

    async def wait_closed(self) -> None:
        pass


class Network:
    """Every process's way to Redis.

    Args:
        server: the one Redis.
        seed: decides what is lost and when.
    """

    def __init__(self, server: SteppedRedis, seed: str) -> None:
        self.server = server
        self._dice = random.Random(f"network of {seed}")
        #: Called with what happens: the actor, the request and the reply.
        self.note: Callable[[str, list[bytes], bytes], None] = lambda *_: None
        self._lines: dict[str, Line] = {}
        #: By key, in the order in which they came: who waits for an event, and the timer that ends it.
        self._waiting: dict[bytes, dict[Pipe, asyncio.TimerHandle]] = {}
        #: Redis refuses connections.
        self.away = False
        #: Redis answers nothing before this time, and then everything.
        self.hangs_until = 0.0
        self.commands = 0
        self.fates: dict[str, int] = {}

    def line(self, actor: str) -> Line:
        return self._lines.setdefault(actor, Line())

    async def connect(self, actor: str) -> Pipe:
        """A new connection. Raises ConnectionRefusedError while Redis is away; waits for ever on a line that is cut."""
        await asyncio.sleep(2 * ONE_WAY)
        if self.line(actor).cut:
            await asyncio.get_running_loop().create_future()
        if self.away:
            raise ConnectionRefusedError(111, "Connection refused")
        pipe = Pipe(self, actor)
        self.line(actor).pipes.append(pipe)
        return pipe

    def send(self, pipe: Pipe, data: bytes) -> None:
        """A process writes to its connection."""
        line = self.line(pipe.actor)
        if pipe.closed or line.cut:
            return
        fate = FINE
        if line.trouble and self._dice.random() < line.trouble:
            fate = self._dice.choice(FATES)
            self.fates[fate.name] = self.fates.get(fate.name, 0) + 1
        loop = asyncio.get_running_loop()
        pipe.arrives = max(pipe.arrives, self.hangs_until, loop.time() + ONE_WAY + fate.late)
        loop.call_at(pipe.arrives, self._arrived, pipe, data, fate, context=WORLD)

    def _arrived(self, pipe: Pipe, data: bytes, fate: Fate) -> None:
        if self.away:
            return
        loop = asyncio.get_running_loop()
        if self.hangs_until > loop.time():
            loop.call_at(self.hangs_until, self._arrived, pipe, data, fate, context=WORLD)
            return
        if fate.breaks:
            loop.call_later(ONE_WAY, pipe.shut, context=WORLD)
        if fate.arrives:
            pipe.requests.feed(data)
            requests = []
            while (request := pipe.requests.gets()) is not False:
                requests.append(request)
            replies = self._run(pipe, data, requests)
            if replies and fate.replies:
                loop.call_later(ONE_WAY, pipe.feed, replies, context=WORLD)

    def _run(self, pipe: Pipe, data: bytes, requests: list[list[bytes]]) -> bytes:
        if requests[0][0] == _BLOCKING:
            return self._block(pipe, requests[0])
        return self.execute(pipe.actor, data, requests)

    def execute(self, actor: str, data: bytes, requests: list[list[bytes]]) -> bytes:
        """Runs requests now."""
        self.server.step(asyncio.get_running_loop().time())
        replies = self.server.exchange(data, len(requests))
        self.commands += len(requests)
        for request in requests:
            self.note(actor, request, replies)
        if self._waiting:
            for request in requests:
                self._serve([part for part in request[1:8] if part in self._waiting])
        return replies

    def _block(self, pipe: Pipe, request: list[bytes]) -> bytes:
        """BLMOVE must not block the one server. So it is LMOVE now, and with each command that names its key."""
        _, source, _, _, _, seconds = request
        reply = self._move(pipe, source)
        if reply != _NIL:
            return reply
        timer = asyncio.get_running_loop().call_later(float(seconds), self._reply, pipe, source, _NIL, context=WORLD)
        self._waiting.setdefault(source, {})[pipe] = timer
        return b""

    def _move(self, pipe: Pipe, key: bytes) -> bytes:
        self.server.step(asyncio.get_running_loop().time())
        request = [b"LMOVE", key, key, b"LEFT", b"LEFT"]
        reply = self.server.exchange(packed(request), 1)
        self.commands += 1
        self.note(pipe.actor, request, reply)
        return reply

    def _serve(self, keys: Iterable[bytes]) -> None:
        for key in keys:
            while key in self._waiting and (reply := self._move(first := next(iter(self._waiting[key])), key)) != _NIL:
                self._reply(first, key, reply)

    def _reply(self, pipe: Pipe, key: bytes, reply: bytes) -> None:
        self._forget(pipe, key)
        asyncio.get_running_loop().call_later(ONE_WAY, pipe.feed, reply, context=WORLD)

    def _forget(self, pipe: Pipe, key: bytes) -> None:
        self._waiting[key].pop(pipe).cancel()
        if not self._waiting[key]:
            del self._waiting[key]

    def closed(self, pipe: Pipe) -> None:
        """A connection has ended."""
        if pipe in self.line(pipe.actor).pipes:
            self.line(pipe.actor).pipes.remove(pipe)
        for key in [key for key, pipes in self._waiting.items() if pipe in pipes]:
            self._forget(pipe, key)

    def reset(self) -> None:
        """Every connection breaks, as when Redis restarts."""
        for line in self._lines.values():
            for pipe in tuple(line.pipes):
                pipe.shut()

    def kill(self, actor: str) -> None:
        """The process is dead: what it has sent may still arrive, and nothing else ever gets out of it."""
        line = self.line(actor)
        line.cut = True
        for pipe in tuple(line.pipes):
            self.closed(pipe)

    @contextmanager
    def patched(self) -> Iterator[None]:
        """From here on, redis-py's unix sockets lead to this network."""
        network = self

        class Connection(UnixDomainSocketConnection):
            async def _connect(self) -> None:
                async with asyncio.timeout(self.socket_connect_timeout):
                    pipe: Any = await network.connect(self.path.removeprefix("/"))
                self._reader, self._writer = pipe.reader, pipe

            def __del__(self, _warnings: object = None) -> None:
                """A process that is killed closes nothing, so nobody is warned."""

            async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002
                """As its parent's, which guards a write that cannot wait here by a task and a timer."""
                if not self.is_connected:
                    await self.connect_check_health(check_health=False)
                writer: Any = self._writer
                writer.writelines([command] if isinstance(command, bytes) else command)

        with patch.object(redis.asyncio.client, "UnixDomainSocketConnection", Connection):
            yield
