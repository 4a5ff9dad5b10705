"""A virtual loop that runs many processes: each can be frozen, as by SIGSTOP, while the others and the world go on."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any

from tests.support.virtual.loop import VirtualLoop

#: Whose code runs. Every task and timer inherits it from the code that made it. The world itself has no name.
ACTOR: ContextVar[str] = ContextVar("actor", default="")
#: In this context runs what no process does: the network, Redis, the API.
WORLD = Context()


def context_of(actor: str) -> Context:
    context = copy_context()
    context.run(ACTOR.set, actor)
    return context


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        if not self._loop.keeps(self):  # type: ignore[attr-defined]
            super()._run()


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        if not self._loop.keeps(self):  # type: ignore[attr-defined]
            super()._run()


class _Task(asyncio.Task[Any]):
    """Sets of tasks have the same order in every run: by default an object is hashed by its address."""

    def __init__(self, coro: Coroutine[Any, Any, Any], *, number: int, **others: Any) -> None:
        self._number = number
        super().__init__(coro, **others)

    def __hash__(self) -> int:
        return self._number


class ActorLoop(VirtualLoop):
    """What runs in the context of a frozen actor is kept until it thaws, and then runs in its order."""

    def __init__(self) -> None:
        self._kept: dict[str, list[asyncio.Handle]] = {}
        super().__init__()
        numbers = count()
        self.set_task_factory(lambda loop, coro, **others: _Task(coro, number=next(numbers), loop=loop, **others))

    def freeze(self, actor: str) -> None:
        self._kept.setdefault(actor, [])

    def thaw(self, actor: str) -> None:
        self._ready.extend(self._kept.pop(actor, ()))  # type: ignore[attr-defined]

    def keeps(self, handle: asyncio.Handle) -> bool:
        """Whether the handle belongs to a frozen actor. Then it is kept."""
        if not self._kept:
            return False
        kept = self._kept.get(handle._context.get(ACTOR, ""))  # type: ignore[attr-defined]
        if kept is None:
            return False
        kept.append(handle)
        return True

    def _call_soon(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None) -> Any:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer
