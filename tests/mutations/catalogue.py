"""Ways to break each promise, and the tests that must notice. Sorted by the promise that each breaks first."""

from dataclasses import dataclass
from pathlib import Path

_CLAIMS = "tests/integration/test_queue_claims.py"
_SETTLE = "tests/integration/test_queue_settle.py"
_MODEL = "tests/property/test_queue_model.py"
_FULL = "tests/fault/test_full_redis.py"
_DELIVERY = "tests/integration/test_delivery.py"
_HALTS = "tests/integration/test_halts.py"
_RESOURCES = "tests/fault/test_resources.py"
_PUSH = "tests/e2e/test_push_interrupted.py"
_REPLAY = "tests/integration/test_replay.py"
_CANARY = "tests/integration/test_canary.py"
_TAKEOVER = "tests/fault/test_takeover.py"


@dataclass(frozen=True)
class Mutation:
    """One piece of code, what it becomes, and who must notice."""

    promise: int
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> None:
        """Breaks the tree at `root`; raises :class:`ValueError` unless the code stands there exactly once."""
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {text.count(self.old)} times: {self.old}")
        path.write_text(text.replace(self.old, self.new))


CATALOGUE = (
    Mutation(
        1,
        "a settlement does not check the lease's token",
        "forwarder/queue/lua/settle.lua",
        "if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end",
        "",
        (_SETTLE,),
    ),
    Mutation(
        1,
        "a claim does not check the lease's token",
        "forwarder/queue/lua/claim.lua",
        "if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end",
        "",
        (_CLAIMS,),
    ),
    Mutation(
        1,
        "a claim does not compare the sequence number it expects",
        "forwarder/queue/lua/claim.lua",
        "if before < expected then return {'rolled_back'} end",
        "expected = before",
        (_CLAIMS,),
    ),
    Mutation(
        1,
        "the field of a claim has no stamp",
        "forwarder/queue/lua/claim.lua",
        "local stamp = time[1] .. string.format('%06d', time[2])",
        "local stamp = '1'",
        (_CLAIMS,),
    ),
    Mutation(
        1,
        "settlements are not numbered",
        "forwarder/queue/lua/settle.lua",
        "if number ~= last + 1 then return {'rolled_back'} end",
        "",
        (_SETTLE,),
    ),
    Mutation(
        1,
        "settlement numbers start again with each owner",
        "forwarder/queue/claims.py",
        "self._sequence, self._settlement = sequence, settlement",
        "self._sequence, self._settlement = sequence, 0",
        (_SETTLE, _MODEL),
    ),
    Mutation(
        1,
        "an event that is not claimed can be settled",
        "forwarder/queue/lua/settle.lua",
        "if redis.call('HEXISTS', claimed, fields[i]) == 0 then return {'rolled_back'} end",
        "",
        (_SETTLE,),
    ),
    Mutation(
        1,
        "a token is used for two acquisitions",
        "forwarder/queue/claims.py",
        'self._token = f"{owner}-{secrets.token_hex(16)}"',
        'self._token = "always the same"',
        (_CLAIMS,),
    ),
    Mutation(
        1,
        "a claim on a full Redis begins with another write",
        "forwarder/queue/lua/claim.lua",
        "redis.call('PEXPIRE', lease, ARGV[2])\n",
        "redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])\n",
        (_FULL,),
    ),
    Mutation(
        1,
        "a settlement on a full Redis begins with another write",
        "forwarder/queue/lua/settle.lua",
        "redis.call('PEXPIRE', lease, ARGV[2])\n",
        "redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])\n",
        (_FULL,),
    ),
    Mutation(
        1,
        "a replayed letter is deleted before it is pushed",
        "forwarder/queue/lua/replay.lua",
        "redis.call(ARGV[3] == 'left' and 'RPUSH' or 'LPUSH', KEYS[1], ARGV[2])\nredis.call('INCR', KEYS[3])\n"
        "redis.call('XDEL', KEYS[2], ARGV[1])\n",
        "redis.call('XDEL', KEYS[2], ARGV[1])\nredis.call(ARGV[3] == 'left' and 'RPUSH' or 'LPUSH', KEYS[1], ARGV[2])\n"
        "redis.call('INCR', KEYS[3])\n",
        (_FULL,),
    ),
    Mutation(
        1,
        "half an id replays a letter and leaves it",
        "forwarder/queue/lua/replay.lua",
        " or found[1][1] ~= ARGV[1]",
        "",
        (_REPLAY,),
    ),
    Mutation(
        1,
        "events are settled as accepted before the POST is answered",
        "forwarder/delivery.py",
        "        try:\n            answer = await self._api.post(",
        "        self._decide(batch.events, Accepted())\n        try:\n            answer = await self._api.post(",
        (_DELIVERY,),
    ),
    Mutation(
        1,
        "what was claimed is not adopted",
        "forwarder/intake.py",
        "        await self._adopt()\n        while True:",
        "        while True:",
        (_TAKEOVER,),
    ),
    Mutation(
        1,
        "any 2xx counts as accepted",
        "forwarder/api.py",
        "        case 202:\n",
        "        case _ if 200 <= status < 300:\n",
        ("tests/unit/test_answers.py",),
    ),
    Mutation(
        1,
        "redirects are followed",
        "forwarder/api.py",
        "allow_redirects=False",
        "allow_redirects=True",
        (_HALTS,),
    ),
    Mutation(
        2,
        "letters are replayed in the order in which their ids were given",
        "forwarder/dead.py",
        "sorted(set(letter_ids), key=order)",
        "dict.fromkeys(letter_ids)",
        (_REPLAY,),
    ),
    Mutation(
        2,
        "a letter that cannot be edited is overtaken by later ones of its user",
        "forwarder/replay.py",
        "self._held.add(letter.user_id)",
        "pass",
        (_REPLAY,),
    ),
    Mutation(
        2,
        "what was claimed is adopted in any order",
        "forwarder/queue/claims.py",
        "names.extend(sorted(set(found[stamp])), stamp)",
        "names.extend(found[stamp], stamp)",
        (_CLAIMS,),
    ),
    Mutation(
        2,
        "new events are claimed before the old ones are adopted",
        "forwarder/intake.py",
        "        await self._adopt()\n        while True:",
        "        await self._claim(100, 1_000_000)\n        await self._adopt()\n        while True:",
        (_TAKEOVER,),
    ),
    Mutation(
        2,
        "the right half of a refused batch goes first",
        "forwarder/delivery.py",
        "undecided[-1:] = reversed(part.halves())",
        "undecided[-1:] = part.halves()",
        (_DELIVERY,),
    ),
    Mutation(
        2,
        "a user's second batch may go while its first is in flight",
        "forwarder/buffer.py",
        "        if group.in_flight:\n            return\n        if before:",
        "        if group.in_flight and before:\n            return\n        if before:",
        ("tests/unit/test_buffer.py", "tests/property/test_buffer_model.py"),
    ),
    Mutation(
        2,
        "the gate stays open when the service halts",
        "forwarder/tenure.py",
        "        self._gate.close()\n",
        "",
        (_HALTS, _DELIVERY, "tests/integration"),
    ),
    Mutation(
        3,
        "a replayed letter is not deleted",
        "forwarder/queue/lua/replay.lua",
        "redis.call('XDEL', KEYS[2], ARGV[1])\n",
        "",
        (_REPLAY,),
    ),
    Mutation(
        3,
        "a repeated claim is executed again",
        "forwarder/queue/lua/claim.lua",
        "if before > expected then\n",
        "if false then\n",
        (_CLAIMS,),
    ),
    Mutation(
        3,
        "a repeated settlement is taken for a rollback",
        "forwarder/queue/lua/settle.lua",
        "if number == last then return {'settled'} end",
        "",
        (_SETTLE,),
    ),
    Mutation(
        3,
        "POSTs go on while a settlement is unanswered",
        "forwarder/gate.py",
        "return in_time and not self._closed and not self._settler.stalled",
        "return in_time and not self._closed",
        (_TAKEOVER, "tests/fault/test_connection.py"),
    ),
    Mutation(
        3,
        "POSTs start that the lease will not outlast",
        "forwarder/gate.py",
        "return in_time and not self._closed",
        "return not self._closed",
        (_TAKEOVER,),
    ),
    Mutation(
        3,
        "the lease is counted from the reply",
        "forwarder/queue/claims.py",
        "self.lease_end = max(self.lease_end, sent + self._ttl)",
        "self.lease_end = self._clock() + self._ttl",
        (_CLAIMS,),
    ),
    Mutation(
        3,
        "the lease is kept at a clean stop",
        "forwarder/tenure.py",
        "                await self._claims.release()",
        "                pass",
        ("tests/e2e/test_main_job.py",),
    ),
    Mutation(
        4,
        "a refused batch is not halved",
        "forwarder/delivery.py",
        "case Divide(refusal) if len(part.events) > 1 and self._divisible(refusal):",
        "case Divide(refusal) if False:",
        (_DELIVERY,),
    ),
    Mutation(
        4,
        "the user is not encoded into the path",
        "forwarder/api.py",
        "{path_segment(user)}/events",
        "{user}/events",
        (_DELIVERY,),
    ),
    Mutation(
        5,
        "a canary is not waited for",
        "forwarder/canary.py",
        "or not undecided.waiting + undecided.claimed:",
        "or True:",
        (_CANARY,),
    ),
    Mutation(
        5,
        "401 is tried again",
        "forwarder/api.py",
        "return Meaning.UNAUTHORIZED",
        "return Meaning.TRANSIENT",
        ("tests/unit/test_answers.py",),
    ),
    Mutation(
        5,
        "a halt is not written down",
        "forwarder/worker.py",
        "        await self._served(lambda: self._parts.records.write_halt(halt))",
        "        pass",
        (_HALTS,),
    ),
    Mutation(
        5,
        "the dead-letter brake is off",
        "forwarder/brake.py",
        "        if not self._window:\n            return False",
        "        return False",
        ("tests/unit/test_brake.py",),
    ),
    Mutation(
        5,
        "elements of somebody else's list become dead letters",
        "forwarder/intake.py",
        "            if self._trust.established:\n                self._settler",
        "            if True:\n                self._settler",
        (_HALTS,),
    ),
    Mutation(
        6,
        "attempts count in an outage",
        "forwarder/judge.py",
        "if accepted * 2 > others:",
        "if True:",
        ("tests/unit/test_judge.py",),
    ),
    Mutation(
        6,
        "an outage does not slow the POSTs",
        "forwarder/pacing.py",
        "            self.limit = 1.0\n",
        "",
        ("tests/unit/test_pacing.py", "tests/unit/test_pacing_trouble.py"),
    ),
    Mutation(
        6,
        "a POST that ends with its ownership keeps its place for ever",
        "forwarder/delivery.py",
        "            self._metrics.posts_ambiguous.inc()\n            self._pacer.unused(permit)\n            raise",
        "            self._metrics.posts_ambiguous.inc()\n            raise",
        ("tests/fault/test_hours.py", "tests/property/test_schedules.py"),
    ),
    Mutation(
        6,
        "refusals for want of rate do not lower the rate",
        "forwarder/pacing.py",
        "            self._rate.pushed_back(now, permit.since)\n",
        "            pass\n",
        ("tests/unit/test_rate.py",),
    ),
    Mutation(
        2,
        "batches of many failing users fill the buffer",
        "forwarder/buffer.py",
        "            batch.release()\n",
        "            self.spilled -= len(batch.events)\n            self.recalled(batch)\n",
        ("tests/unit/test_buffer.py", "tests/property/test_buffer_model.py"),
    ),
    Mutation(
        2,
        "retries go before all new batches",
        "forwarder/pacing.py",
        "            self._line_in_turn = self._new if line is self._again else self._again\n",
        "            self._line_in_turn = self._again\n",
        ("tests/unit/test_pacing.py", "tests/fault/test_hours.py"),
    ),
    Mutation(
        2,
        "retries that time out take all the places in flight",
        "forwarder/pacing.py",
        "self._rounds or self._in_flight_again >= max(1, int(self.limit) // _PLACES_AGAIN)",
        "self._rounds",
        ("tests/unit/test_pacing.py",),
    ),
    Mutation(
        2,
        "a few percent of trouble halve how many POSTs go at once",
        "forwarder/pacing.py",
        "_TROUBLED = 0.05\n",
        "_TROUBLED = 0.0\n",
        ("tests/unit/test_pacing_trouble.py",),
    ),
    Mutation(
        1,
        "a released batch is sent without its bodies",
        "forwarder/delivery.py",
        "                if batch.released:\n",
        "                if False:\n",
        ("tests/fault/test_hours.py",),
    ),
    Mutation(
        2,
        "spilled events come back behind newer ones",
        "forwarder/buffer.py",
        "        if group.spilled or group.reloading or (group.backing_off",
        "        if group.reloading or (group.backing_off",
        ("tests/property/test_buffer_model.py", "tests/fault/test_hours.py"),
    ),
    Mutation(
        2,
        "new events come before spilled ones that are being read again",
        "forwarder/buffer.py",
        "        group.reloading = bool(found)\n",
        "",
        ("tests/property/test_buffer_model.py",),
    ),
    Mutation(
        7,
        "events are claimed without end",
        "forwarder/buffer.py",
        "return max(0, min(self.max_events - self.events, self._claimable))",
        "return max(1_000, min(self.max_events - self.events, self._claimable))",
        ("tests/unit/test_buffer.py", "tests/property/test_buffer_model.py"),
    ),
    Mutation(
        7,
        "what had collected when a user began to fail is not spilled",
        "forwarder/buffer.py",
        "            self._spill_all(group)\n",
        "            pass\n",
        ("tests/unit/test_buffer.py", "tests/property/test_buffer_model.py", _DELIVERY),
    ),
    Mutation(
        1,
        "a log that cannot be written stops what logs",
        "forwarder/logs.py",
        "        with suppress(OSError, ValueError):  # ValueError: closed\n",
        "        if True:\n",
        (_RESOURCES,),
    ),
    Mutation(
        1,
        "a signal does not end the read of a push",
        "forwarder/lines.py",
        "        if self._reading:\n            raise _InterruptedError",
        "",
        (_PUSH,),
    ),
    Mutation(
        1,
        "an interrupted push is off by one line",
        "forwarder/lines.py",
        "        self.given = 0",
        "        self.given = 1",
        (_PUSH,),
    ),
    Mutation(
        3,
        "a POST that had no descriptor is said to have perhaps arrived",
        "forwarder/api.py",
        'Unanswered("no_socket", ambiguous=False)',
        'Unanswered("no_socket", ambiguous=True)',
        (_RESOURCES,),
    ),
    Mutation(
        3,
        "every failing POST is a line of the log",
        "forwarder/chatter.py",
        "        period.times += 1\n        return False",
        "        return True",
        ("tests/unit/test_chatter.py",),
    ),
    Mutation(
        3,
        "what was counted at the end of an ownership is never said",
        "forwarder/tenure.py",
        "        self._say_repeated(at_once=True)\n",
        "",
        (_RESOURCES,),
    ),
    Mutation(
        7,
        "the buffer holds all that waits",
        "forwarder/parts.py",
        "    keys, metrics = Keys(settings.queue, of=settings.shards), Metrics()",
        "    settings = settings.model_copy(update={'max_buffered_events': 1_000_000})\n"
        "    keys, metrics = Keys(settings.queue, of=settings.shards), Metrics()",
        ("tests/fault/test_memory.py",),
    ),
)
