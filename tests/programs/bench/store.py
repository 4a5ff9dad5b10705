"""Where the lists of a fleet are: one Redis, or a cluster of three masters with a replica each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from redis import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from tests.programs.bench.machine import cpu_seconds
from tests.support.servers.cluster import MASTERS, cluster


@dataclass(frozen=True)
class Store:
    """Servers that keep an append-only file, as they should in production."""

    url: str
    masters: Sequence[EmbeddedRedis]
    replicas: Sequence[EmbeddedRedis] = ()

    def empty(self) -> None:
        """Forgets everything."""
        for master in self.masters:
            with Redis.from_url(master.url) as redis:
                redis.flushall()

    def network_bytes(self) -> int:
        """What the masters have read from their clients and written to them so far, in all."""
        names = ("total_net_input_bytes", "total_net_output_bytes")
        copies = ("total_net_repl_input_bytes", "total_net_repl_output_bytes")
        clients = sum(_info(master, "stats", name) for master in self.masters for name in names)
        return clients - sum(_info(master, "stats", name) for master in self.masters for name in copies)

    def masters_cpu(self) -> float:
        """Seconds that the masters have used so far."""
        return sum(cpu_seconds(master.pid) for master in self.masters)

    def replicas_cpu(self) -> float:
        """Seconds that the replicas have used so far."""
        return sum(cpu_seconds(replica.pid) for replica in self.replicas)


def _info(server: EmbeddedRedis, section: str, name: str) -> int:
    with Redis.from_url(server.url) as redis:
        found: Mapping[str, int] = redis.info(section)
    return int(found.get(name, 0))  # before 7.0 replication is not counted


@contextmanager
def one_redis() -> Iterator[Store]:
    """One server."""
    with EmbeddedRedis(port=None, appendonly=True) as server:
        yield Store(server.url, [server])


@contextmanager
def redis_cluster() -> Iterator[Store]:
    """Six servers."""
    with cluster() as found:
        servers = [node.server for node in found.nodes]
        yield Store(found.url, servers[:MASTERS], servers[MASTERS:])


STORES: Mapping[str, Callable[[], AbstractContextManager[Store]]] = {
    "one Redis": one_redis,
    "Redis Cluster": redis_cluster,
}
