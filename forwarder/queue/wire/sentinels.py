"""Clients of the master that Sentinels name, now and after each failover."""

from collections.abc import Mapping, Sequence
from typing import Any

import redis as blocking
import redis.sentinel
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.sentinel import MasterNotFoundError

from forwarder.queue.wire.login import Login, PasswordRefusedError, Source
from forwarder.queue.wire.url import Sentinels
from forwarder.queue.wire.wording import said

#: Seconds within which a Sentinel must name the master before the next Sentinel is asked.
_TIMEOUT = 1.0
#: Characters of an answer that an error shows.
_SHOWN = 200


def master(through: Sentinels, source: Source, options: Mapping[str, Any]) -> Redis:
    """A client that asks the Sentinels for each new connection. It connects at the first command."""
    there, here = _logins(source)
    manager = _manager(_Asked, through, {**here.options, **options}, there.options)
    found: Redis = manager.master_for(through.name, redis_class=_Master)
    return found


def blocking_master(through: Sentinels, source: Source, options: Mapping[str, Any]) -> blocking.Redis:
    """The same for threads."""
    there, here = _logins(source)
    manager = _manager(
        _BlockingAsked, through, {"credential_provider": here, **options}, {"credential_provider": there}
    )
    found: blocking.Redis = manager.master_for(through.name, redis_class=_BlockingMaster)
    return found


def _logins(source: Source) -> tuple[Login, Login]:
    """To the Sentinels, and to the master."""
    return Login(source, lambda through: through.sentinel), Login(source)


def _manager(kind: type[Any], through: Sentinels, options: Mapping[str, Any], login: Mapping[str, Any]) -> Any:
    return kind(
        through.hosts,
        sentinel_kwargs={
            "ssl": through.tls,
            **through.tls_options,
            **login,
            "protocol": options["protocol"],
            "retry": options["retry"],
            "socket_timeout": _TIMEOUT,
            "socket_connect_timeout": _TIMEOUT,
        },
        db=through.db,
        ssl=through.tls,
        **through.tls_options,
        **options,
    )


class _Asked(Sentinel):
    """Asks one Sentinel after the other. If none of them names the master, the error has the answer of each.

    redis-py's own error lists every setting of every connection, but not why the connection failed.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        answers, refused = [], None
        for sentinel in tuple(self.sentinels):
            try:
                masters: Any = await sentinel.sentinel_masters()
                state = masters.get(service_name)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the next one may know the master
                answers.append(_answer(sentinel, error))
                refused = error if isinstance(error, PasswordRefusedError) else refused
                continue
            if state and self.check_master_state(state, service_name):
                _to_the_front(self.sentinels, sentinel)
                return state["ip"], state["port"]
            answers.append(_answer(sentinel, _unfit(state)))
        nobody = _nobody(service_name, answers)
        raise MasterNotFoundError(nobody) if refused is None else PasswordRefusedError(nobody, refused.remedy)


class _BlockingAsked(redis.sentinel.Sentinel):
    """The same for threads."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        answers = []
        for sentinel in tuple(self.sentinels):
            try:
                masters: Any = sentinel.sentinel_masters()
                state = masters.get(service_name)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the next one may know the master
                answers.append(_answer(sentinel, error))
                continue
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


def _answer(sentinel: Any, found: str | Exception) -> str:
    """What one Sentinel answered, in one line: some errors quote whatever a port sent that is no Sentinel's."""
    where = sentinel.connection_pool.connection_kwargs
    address = f"{where['host']}:{where['port']}"
    text = " ".join((found if isinstance(found, str) else said(found)).split())[:_SHOWN]
    return text.removesuffix(".") if address in text else f"{address}: {text}"


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
