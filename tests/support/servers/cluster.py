"""A real Redis Cluster: three masters and a replica of each, made by the commands that `redis-cli --cluster` gives."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.wire.connection import connect
from tests.support.service import eventually, free_port

SLOTS = 16_384
MASTERS = 3
#: Milliseconds without an answer after which the others consider a node dead.
NODE_TIMEOUT = 1_000
_MOST_KEYS = 100
OPTIONS = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": str(NODE_TIMEOUT),
    "cluster-require-full-coverage": "no",
    "cluster-replica-validity-factor": "0",
    "repl-diskless-sync-delay": "0",
    # Its first ping makes a replica known to the other nodes; by default it comes after ten seconds.
    "repl-ping-replica-period": "1",
}


def _port() -> int:
    """A port whose bus port (10,000 more) is free too."""
    while True:
        port = free_port()
        if port < 55_000:
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 10_000)):
                return port


@dataclass
class Node:
    """One server, and its id in the cluster."""

    server: EmbeddedRedis
    port: int
    id: str = ""

    async def ask(self, *command: object) -> Any:
        """Any command, to this node alone."""
        async with Redis(port=self.port) as redis:
            return await redis.execute_command(  # type: ignore[no-untyped-call]
                *[word if isinstance(word, bytes) else str(word) for word in command]
            )


@dataclass
class RunningCluster:
    """At the beginning, the first three nodes are masters of a third of the slots each; the others are replicas."""

    nodes: list[Node]

    @property
    def url(self) -> str:
        """Two of the nodes are enough to find the others."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[4].port}"

    async def owner(self, key: str) -> Node:
        """The master that serves the slot of a key now, according to most of the nodes that answer."""
        said = []
        for node in self.nodes:
            with contextlib.suppress(RedisError, OSError):
                for first, last, (_, port, *_), *_ in await node.ask("CLUSTER", "SLOTS"):
                    if first <= key_slot(key.encode()) <= last:
                        said.append(port)
        port = max(set(said), key=said.count)
        return next(node for node in self.nodes if node.port == port)

    async def drained(self, names: Iterable[str]) -> bool:
        """Whether nothing waits in these lists, and nothing is claimed."""
        async with connect(self.url) as redis:
            for name in names:
                if await redis.llen(name) or await redis.hlen(f"{{{name}}}:claimed"):
                    return False
        return True

    async def promoted(self, key: str, dead: Node) -> Node:
        """Waits until a node other than the dead one serves the slot of a key."""

        async def other() -> Node | None:
            owner = await self.owner(key)
            return owner if owner is not dead else None

        found: Node = await eventually(other, within=30, what="a replica is promoted")
        return found

    async def migrate(self, key: str, to: Node) -> int:
        """Moves the slot of a key to another master, key by key, while it is in use. Returns the number of keys."""
        slot, source, moved = key_slot(key.encode()), await self.owner(key), 0
        await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
        while keys := await source.ask("CLUSTER", "GETKEYSINSLOT", slot, _MOST_KEYS):
            for each in keys:
                await source.ask("MIGRATE", "127.0.0.1", to.port, each, 0, 5_000)
                moved += 1
        for node in (to, source):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", to.id)
        return moved


@contextlib.contextmanager
def cluster() -> Iterator[RunningCluster]:
    """Six servers, joined; ready to be written to."""
    with contextlib.ExitStack() as stack:
        nodes = []
        for _ in range(2 * MASTERS):
            port = _port()
            arguments = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
            server = stack.enter_context(EmbeddedRedis(port=port, appendonly=True, arguments=arguments))
            nodes.append(Node(server, port))
        asyncio.run(_join(nodes))
        yield RunningCluster(nodes)


async def _join(nodes: list[Node]) -> None:
    masters = nodes[:MASTERS]
    for node in nodes:
        node.id = (await node.ask("CLUSTER", "MYID")).decode()
    for number, node in enumerate(masters):
        slots = range(number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS)
        await node.ask("CLUSTER", "ADDSLOTS", *slots)
        await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        await node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)

    async def acquainted() -> bool:
        counts = [len((await node.ask("CLUSTER", "NODES")).splitlines()) for node in nodes]
        return set(counts) == {len(nodes)}

    await eventually(acquainted, within=30, what="all nodes know each other")
    for replica, master in zip(nodes[MASTERS:], masters, strict=True):
        await replica.ask("CLUSTER", "REPLICATE", master.id)

    async def ready() -> bool:
        for node in nodes:
            info = await node.ask("CLUSTER", "INFO")
            slots = await node.ask("CLUSTER", "SLOTS")
            if b"cluster_state:ok" not in info or any(len(each) != 4 for each in slots) or len(slots) != MASTERS:
                return False
        return all([(await node.ask("INFO", "replication"))["connected_slaves"] == 1 for node in masters])

    await eventually(ready, within=30, what="the cluster is ready")
