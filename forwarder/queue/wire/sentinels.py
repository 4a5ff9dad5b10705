"""Clients of the master that Sentinels name, now and after each failover."""

from collections.abc import Mapping, Sequence
from typing import Any

import redis as blocking
import redis.sentinel
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import ConnectionError as NotConnectedError
from redis.exceptions import TimeoutError as NotInTimeError
from redis.sentinel import MasterNotFoundError

from forwarder.queue.wire.url import Sentinels

#: Seconds within which a Sentinel must name the master before the next Sentinel is asked.
_TIMEOUT = 1.0


def master(through: Sentinels, options: Mapping[str, Any]) -> Redis:
    """A client that asks the Sentinels for each new connection. It connects at the first command."""
    found: Redis = _manager(_Asked, through, options).master_for(through.name, redis_class=_Master)
    return found


def blocking_master(through: Sentinels, options: Mapping[str, Any]) -> blocking.Redis:
    """The same for threads."""
    found: blocking.Redis = _manager(_BlockingAsked, through, options).master_for(
        through.name, redis_class=_BlockingMaster
    )
    return found


def _manager(kind: type[Any], through: Sentinels, options: Mapping[str, Any]) -> Any:
    return kind(
        through.hosts,
        sentinel_kwargs={
            "password": through.sentinel_password,
            "ssl": through.tls,
            **through.tls_options,
            "retry": options["retry"],
            "socket_timeout": _TIMEOUT,
            "socket_connect_timeout": _TIMEOUT,
        },
        db=through.db,
        username=through.username,
        password=through.password,
        ssl=through.tls,
        **through.tls_options,
        **options,
    )


class _Asked(Sentinel):
    """Asks one Sentinel after the other. If none of them names the master, the error has the answer of each.

    redis-py's own error lists every setting of every connection, but not why the connection failed.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        answers = []
        for sentinel in tuple(self.sentinels):
            try:
                masters: Any = await sentinel.sentinel_masters()
            except (NotConnectedError, NotInTimeError) as error:
                answers.append(_answer(sentinel, str(error)))
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):
                _to_the_front(self.sentinels, sentinel)
                return state["ip"], state["port"]
            answers.append(_answer(sentinel, _unfit(state)))
        raise MasterNotFoundError(_nobody(service_name, answers))


class _BlockingAsked(redis.sentinel.Sentinel):
    """The same for threads."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        answers = []
        for sentinel in tuple(self.sentinels):
            try:
                masters: Any = sentinel.sentinel_masters()
            except (NotConnectedError, NotInTimeError) as error:
                answers.append(_answer(sentinel, str(error)))
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                _to_the_front(self.sentinels, sentinel)
                return state["ip"], state["port"]
            answers.append(_answer(sentinel, _unfit(state)))
        raise MasterNotFoundError(_nobody(service_name, answers))


def _to_the_front(sentinels: list[Any], answered: object) -> None:
    """The Sentinel that answered is asked first the next time."""
    sentinels.sort(key=lambda each: each is not answered)


def _unfit(state: object) -> str:
    return "it considers the master down" if state else "it does not know this master"


def _answer(sentinel: Any, said: str) -> str:
    where = sentinel.connection_pool.connection_kwargs
    address = f"{where['host']}:{where['port']}"
    return said.removesuffix(".") if address in said else f"{address}: {said}"


def _nobody(name: str, answers: Sequence[str]) -> str:
    return f"no Sentinel names the master {name!r}: {'; '.join(answers)}"


class _Master(Redis):
    """A client of the present master. It also closes its connections to the Sentinels."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's signature
        await super().aclose(close_connection_pool)
        pool = self.connection_pool
        if isinstance(pool, SentinelConnectionPool):
            for sentinel in pool.sentinel_manager.sentinels:
                await sentinel.aclose()


class _BlockingMaster(blocking.Redis):
    """The same for threads."""

    def close(self) -> None:
        super().close()
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            sentinel.close()
