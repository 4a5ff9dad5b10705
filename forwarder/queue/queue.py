"""One queue: its lists, and what belongs to all of them."""

from collections.abc import Callable, Collection, Sequence

from redis.asyncio import Redis

from forwarder.queue import address, census, halts
from forwarder.queue.about import About
from forwarder.queue.census import Census, Memory, Undecided
from forwarder.queue.content import Content, contents
from forwarder.queue.counts import Counted, Counts
from forwarder.queue.file_marks import FileMarks
from forwarder.queue.fleet import Fleet, colleagues
from forwarder.queue.halts import HaltRecord, Orders
from forwarder.queue.keys import Keys, QueueKeys, Side
from forwarder.queue.lease import Lease, held
from forwarder.queue.letters import ListLetters
from forwarder.queue.shard_count import disagreement
from forwarder.queue.sharding import MOST_SHARDS
from forwarder.queue.totals import Totals
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import text, translated
from forwarder.queue.wire.exchange import one_on_each


def lists_of_a_queue(queue: str, shards: int) -> list[Keys]:
    """The keys of all lists of a queue with this many lists."""
    return [Keys(queue, shard, of=shards) for shard in range(shards)]


def possible_lists(queue: str) -> list[Keys]:
    """Every list that a queue can have, whatever their number."""
    return [Keys(queue), *lists_of_a_queue(queue, MOST_SHARDS)]


class QueueList:
    """One list of a queue. Every method raises UnreachableError when Redis gives no answer."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self.name = keys.list
        self.letters = ListLetters(redis, keys)

    async def census(self) -> Census:
        """Counts everything at one instant."""
        return await census.take(self._redis, self._keys)

    async def still_claimed(self, numbers: Collection[int]) -> Undecided:
        """How many of the events with these sequence numbers still wait or are claimed. `numbers` must not be empty."""
        return await census.still_claimed(self._redis, self._keys, numbers)

    async def memory(self) -> Memory:
        """How full the server of the list is. Raises UnreachableError also if an ACL forbids INFO."""
        return await census.memory(self._redis, self._keys)

    async def server(self) -> dict[str, str]:
        """What the Redis server of the list reports about itself (INFO)."""
        return await census.server(self._redis, self._keys)

    async def allow(self, refusals: int) -> None:
        """Lets this many refusals of the list through the dead-letter brake, instead of what was allowed before."""
        await halts.allow(self._redis, self._keys, refusals)

    async def allowed_refusals(self) -> int:
        """The refusals of the list that an operator has allowed and that have not come yet."""
        return await halts.allowed(self._redis, self._keys)


class Queue:
    """One queue in Redis. Every method raises UnreachableError when Redis gives no answer.

    Args:
        redis: the client.
        name: of the queue.
        shards: how many lists it has.

    Attributes:
        lists: by shard.
    """

    def __init__(self, redis: Redis, name: str, shards: int) -> None:
        self._redis = redis
        self._keys = QueueKeys(name)
        self.name = name
        self._of_lists = lists_of_a_queue(name, shards)
        self._counts = Counts(redis, self._keys, self._of_lists)
        self.lists: Sequence[QueueList] = [QueueList(redis, keys) for keys in self._of_lists]

    @property
    def names(self) -> list[str]:
        """The names of the lists in Redis, by shard."""
        return [each.name for each in self.lists]

    def marks_of(self, file: str, side: Side) -> FileMarks:
        """How much of a file was pushed onto each list; `file` identifies it."""
        return FileMarks(self._redis, self.name, self.names, side, file)

    async def censuses(self) -> list[Census]:
        """The counts of each list, by shard, made now. Each list is counted at an instant of its own."""
        return await self._counts.now()

    async def counted(self, max_age: float) -> Counted:
        """The counts of each list, by any process of the queue: at most about this many seconds old."""
        return await self._counts.lately(max_age)

    async def past(self) -> tuple[Totals, ...]:
        """What the lists added up to about every 15 s of the last 15 minutes, oldest first."""
        return await self._counts.past()

    async def foreign(self) -> tuple[str, ...]:
        """The keys that only what is shown depends on, and that hold another type than ours."""
        keys = self._keys
        kinds = {keys.about: b"hash", keys.counts: b"hash", keys.past: b"list"}
        with translated():
            found = {key: await self._redis.type(key) for key in kinds}
        return tuple(key for key, kind in kinds.items() if found[key] not in {kind, b"none"})

    async def halt(self) -> HaltRecord | None:
        """The halt in force."""
        return await halts.read(self._redis, self._keys)

    async def orders(self) -> Orders:
        """What all workers are to do: the halt and the pause in force, and the latest request to try now."""
        return await halts.orders(self._redis, self._keys)

    async def pause(self, pause: HaltRecord, milliseconds: int) -> None:
        """Pauses all workers, instead of an earlier pause. With 0 milliseconds it lasts until a person resumes."""
        await halts.pause(self._redis, self._keys, pause, milliseconds)

    async def end_pause(self) -> HaltRecord | None:
        """Ends the pause in force and returns it."""
        return await halts.end_pause(self._redis, self._keys)

    async def request_retry(self, request: str) -> None:
        """Asks all workers to try now. `request`: a random text, the same if the command is repeated."""
        await halts.request_retry(self._redis, self._keys, request)

    async def write_halt(self, halt: HaltRecord) -> HaltRecord:
        """Halts the workers that the halt is meant for, and returns the halt in force.

        An older halt with the same reason and fingerprint stays as it is.
        """
        return await halts.write(self._redis, self._keys, halt)

    async def end_halt(self, halt: HaltRecord | None = None, *, looked: bool = False) -> HaltRecord | None:
        """Ends this halt and no other, or without `halt` the one in force. Returns the halt that was ended.

        With `looked`, a person ends it, who has looked at the cause: see :meth:`recognized` and :meth:`address`.
        """
        return await halts.end(self._redis, self._keys, halt, looked=looked)

    async def recognized(self) -> bool:
        """Whether a person has said that these are lists of events, by ending the halt that doubted it."""
        return await halts.recognized(self._redis, self._keys)

    async def address(self) -> str:
        """Fingerprint of the API address that has answered 202, or that a person vouches for; empty if none has."""
        return await address.read(self._redis, self._keys)

    async def note_address(self, fingerprint: str) -> None:
        """Remembers an API address that has answered 202, for a week."""
        await address.note(self._redis, self._keys, fingerprint)

    async def allow(self, refusals: int) -> None:
        """Lets this many refusals, in all lists, through the dead-letter brake, instead of what was allowed before."""
        each, rest = divmod(refusals, len(self.lists))
        for shard, one in enumerate(self.lists):
            await one.allow(each + (shard < rest))

    async def workers(self, *, placed: bool = False) -> dict[str, About]:
        """The running workers by their IDs: those that have a place, in the order in which they came; then the others.

        Halted workers, and those that finish what is in flight, have no place. With `placed` they are left out.
        """
        found = await colleagues(self._redis, self._keys)
        return {each.id: each.about for each in found if each.placed or not placed}

    async def shards(self) -> str | None:
        """What Redis holds as the number of lists: None before the first worker came, other text while it changes."""
        agreed = await text(self._redis, self._keys.shards)
        return agreed.decode(errors="replace") if agreed is not None else None

    async def write_shards(self, present: str | None, text: str) -> bool:
        """Replaces what :meth:`shards` returns. False if a worker is running, or if it is not `present` any more."""
        keys = [self._keys.workers, self._keys.shards]
        reply = await scripts.run(self._redis, "reshard", keys, [present or "", text])
        return bool(reply[0] == b"written")

    def lease(self, shard: int, *, ttl: float, owner: str, clock: Callable[[], float]) -> Lease:
        """A new lease of one list, not acquired yet; `owner` is the worker's ID, `ttl` in seconds."""
        return Lease(self._redis, self._of_lists[shard], ttl=ttl, owner=owner, clock=clock)

    async def free(self, shards: Sequence[int]) -> list[int]:
        """Those of these lists that nobody seems to hold, in the same order. Acquiring one shows whether it is free."""
        found = await held(self._redis, [self._of_lists[shard] for shard in shards])
        return [shard for shard, is_held in zip(shards, found, strict=True) if not is_held]

    def fleet(self, *, name: str, remembered: float) -> Fleet:
        """One worker's side of the queue's fleet."""
        return Fleet(self._redis, self.name, len(self.lists), name=name, remembered=remembered)

    async def agree(self) -> None:
        """Makes sure that the queue has this number of lists.

        Raises:
            ShardsDisagreeError: it has another number of lists.
            UnreachableError: Redis gave no answer.
        """
        agreed = await self.shards()
        if agreed is not None and agreed != str(len(self.lists)):
            raise disagreement(self.name, agreed, len(self.lists))

    async def strays(self) -> dict[str, Content]:
        """The lists that hold something and that nobody drains, because they belong to another number of lists."""
        mine = set(self.names)
        others = [keys for keys in possible_lists(self.name) if keys.list not in mine]
        found = zip(others, await contents(self._redis, others), strict=True)
        return {keys.list: content for keys, content in found if content and not content.strange}

    async def memory(self) -> Memory:
        """How full the fullest server of the lists is; each is asked once. Also raises if an ACL forbids INFO."""
        of_each_server = await one_on_each(self._redis, self.names)
        found = [await one.memory() for one in self.lists if one.name in of_each_server]
        return max(found, key=lambda each: each.part)

    async def server(self) -> dict[str, str]:
        """What Redis reports about itself (INFO). In a cluster, the server of the first list."""
        return await self.lists[0].server()

    async def now(self) -> int:
        """Redis' time, in milliseconds since the epoch. The letters' IDs are on the same clock."""
        with translated():
            seconds, microseconds = await self._redis.time()
        return int(seconds) * 1_000 + int(microseconds) // 1_000
