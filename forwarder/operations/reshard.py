"""Changes the number of a queue's lists while all workers are stopped, and moves the content of the lists.

``{events}:shards`` holds a mark (:mod:`forwarder.queue.shard_count`) from before anything is moved until everything
is done, so that no worker and no other command interferes. Each run draws an ID and takes over from the run before
it: it writes its ID into the mark, takes every lease, and checks that its ID is still there. A run that was overtaken
has lost its leases, so it can change nothing any more.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from forwarder.errors import LeaseLostError, QueueError, ReshardError, UnreachableError
from forwarder.logs.printable import counted
from forwarder.operations.redistribute import Moved, Redistribution
from forwarder.queue.content import Content, contents
from forwarder.queue.keys import Keys, Side
from forwarder.queue.mover import held_by_worker
from forwarder.queue.queue import Queue, lists_of_a_queue, possible_lists
from forwarder.queue.shard_count import Mark, foreign, is_count
from forwarder.queue.wire.connection import Redis
from forwarder.retry import patiently

#: A refusal names at most this many lists.
_NAMED = 5
_AGAIN = "nothing is lost: run the same command again to finish it"


@dataclass(frozen=True, slots=True)
class Plan:
    """The state of a queue, and how many lists it is to have.

    Attributes:
        queue: its name.
        before: how many lists it has.
        after: how many lists it is to have.
        present: what Redis holds as the number of lists.
        mark: `present`, if a resharding is under way.
        lists: how much is in each list that may hold anything: the old lists, the new ones, and strays.
        strays: lists that belong to neither number but hold something. Nobody drains them.
    """

    queue: str
    before: int
    after: int
    present: str | None
    mark: Mark | None
    lists: Mapping[Keys, Content]
    strays: Sequence[Keys]

    @property
    def done(self) -> bool:
        """Whether there is nothing to do."""
        return self.mark is None and self.before == self.after and not self.strays

    @property
    def waiting(self) -> int:
        """Waiting events in all lists."""
        return sum(content.waiting for content in self.lists.values())

    @property
    def claimed(self) -> int:
        """Claimed events of all lists."""
        return sum(content.claimed for content in self.lists.values())

    @property
    def letters(self) -> int:
        """Dead letters of all lists."""
        return sum(content.letters for content in self.lists.values())


async def make_plan(redis: Redis, queue: str, after: int, *, configured: int) -> Plan:
    """Reads the state of everything and changes nothing.

    Args:
        redis: the client.
        queue: its name.
        after: how many lists it is to have.
        configured: how many lists it has, if no worker has ever run.

    Raises:
        ReshardError: another resharding must be finished first, or a key holds text that we did not write.
        UnreachableError: Redis gave no answer.
    """
    present = await patiently(Queue(redis, queue, after).shards)
    mark = Mark.read(present) if present is not None else None
    if mark is None and present is not None and not is_count(present):
        raise ReshardError(foreign(queue, present))
    if mark is not None and mark.after != after:
        way = f"from {mark.before:,} to {counted(mark.after, 'list')}"
        first = f"forwarder reshard {mark.after} --move"
        raise ReshardError(f"{queue} is being resharded {way}: finish that first with `{first}`")
    before = mark.before if mark else int(present or configured)
    ours = {keys.list: keys for number in (before, after) for keys in lists_of_a_queue(queue, number)}
    others = [keys for keys in possible_lists(queue) if keys.list not in ours]
    found = await patiently(lambda: contents(redis, [*ours.values(), *others]))
    lists = dict(zip([*ours.values(), *others], found, strict=True))
    strays = [keys for keys in others if lists[keys] and not lists[keys].strange]
    meant = {keys: lists[keys] for keys in [*ours.values(), *strays]}
    return Plan(queue, before, after, present, mark, meant, strays)


async def refuse(redis: Redis, plan: Plan, *, move: bool) -> None:
    """Makes sure that a plan can be carried out now.

    Raises:
        ReshardError: it cannot be. The message says why, and what to do.
        UnreachableError: Redis gave no answer.
    """
    for keys, content in plan.lists.items():
        if content.strange:
            raise ReshardError(f"{keys.list} {content.strange}")
    queue = Queue(redis, plan.queue, plan.after)
    workers = await patiently(lambda: queue.workers(placed=True))
    if workers:
        names = ", ".join(each.name for each in workers.values())
        advice = "stop all workers first; a killed one is forgotten after FORWARDER_LEASE_TTL"
        raise ReshardError(f"workers are running: {names}. Please {advice}")
    for keys in plan.lists:
        await _refuse_if_owned(redis, keys)
    if (plan.waiting or plan.claimed) and not (move or plan.mark):
        held = f"{counted(plan.waiting, 'event')} waiting and {plan.claimed:,} claimed ({_where(plan)})"
        raise ReshardError(
            f"{held}: let the workers drain them first, or stop all workers and producers, and add --move"
        )


async def _refuse_if_owned(redis: Redis, keys: Keys) -> None:
    seconds = await patiently(lambda: held_by_worker(redis, keys))
    if seconds is not None:
        lease = f"for {counted(round(seconds), 'more second')}"
        raise ReshardError(
            f"{keys.list} is owned {lease} by a worker that does not report that it is running. "
            "Stop it, or wait; then run the command again"
        )


def _where(plan: Plan) -> str:
    full = [keys.list for keys, content in plan.lists.items() if content.waiting or content.claimed]
    more = f" and {counted(len(full) - _NAMED, 'more list')}" if len(full) > _NAMED else ""
    return ", ".join(full[:_NAMED]) + more


async def carry_out(
    redis: Redis, plan: Plan, *, side: Side, max_event_bytes: int, progress: Callable[[int], None]
) -> Moved:
    """Carries out a plan. If it is killed at any moment, the next run finishes it.

    Args:
        redis: the client.
        plan: just made, and not refused.
        side: where the oldest event of each list is.
        max_event_bytes: the length limit of an event. A claimed event without a date gets the time of its claim as
            its date; an element that is not an event does not.
        progress: called with the number of events and letters that have arrived in their new lists.

    Raises:
        ReshardError: a worker or another run was faster, or has taken over.
        UnreachableError: Redis gave no answer. The resharding may be half done.
    """
    steps = Redistribution(
        redis,
        list(plan.lists),
        lists_of_a_queue(plan.queue, plan.after),
        side=side,
        max_event_bytes=max_event_bytes,
        progress=progress,
    )
    try:
        await _carry_out(redis, plan, steps)
    except LeaseLostError:
        raise ReshardError(f"another `forwarder reshard` has taken over: wait for it, or {_AGAIN}") from None
    except QueueError as error:
        raise UnreachableError(f"{error}. If the resharding had begun, {_AGAIN}") from error
    return steps.moved


async def _carry_out(redis: Redis, plan: Plan, steps: Redistribution) -> None:
    queue = Queue(redis, plan.queue, plan.after)
    mark = Mark(plan.before, plan.after, secrets.token_hex(4), plan.mark is not None and plan.mark.tidying)
    await _write(queue, plan.present, mark.text)
    while True:
        try:
            return await steps.renewed(_finish(queue, mark, steps))
        except LeaseLostError:
            # If our ID is still in the mark, nobody else has begun: Redis or this process stood still for longer than
            # the leases last. What was done is kept, and the next attempt continues.
            mark = await _still_ours(queue, mark)


async def _finish(queue: Queue, mark: Mark, steps: Redistribution) -> None:
    owned = await steps.own()
    if owned is not None:
        raise ReshardError(f"a worker has taken {owned} meanwhile, and will give it back by itself: {_AGAIN}")
    try:
        mark = await _still_ours(queue, mark)
    except LeaseLostError:
        await steps.release()
        raise
    if not mark.tidying:
        await steps.run()
        tidying = mark._replace(tidying=True)
        await _write(queue, mark.text, tidying.text)
        mark = tidying
    await steps.tidy()
    await _write(queue, mark.text, str(mark.after))


async def _still_ours(queue: Queue, mark: Mark) -> Mark:
    """The mark as it is now. Raises LeaseLostError if another run has written its ID, or has finished."""
    text = await patiently(queue.shards)
    present = Mark.read(text or "")
    if present is None or present.id != mark.id:
        raise LeaseLostError("another run has written its ID")
    return present


async def _write(queue: Queue, present: str | None, text: str) -> None:
    if not await queue.write_shards(present, text):
        raise ReshardError("a worker or another `forwarder reshard` has started meanwhile: run the same command again")
