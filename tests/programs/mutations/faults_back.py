"""Faults that this service once had, put back: a hostile review or a soak found them, and they were fixed.

One worker with one list shows few of them. Each is something that a fleet does over minutes or hours.
"""

from dataclasses import dataclass

from tests.programs.mutations.broken import Edit
from tests.programs.mutations.catalogue import CATALOGUE


@dataclass(frozen=True)
class FaultBack:
    """A fault that was fixed.

    Attributes:
        what: the service did.
        scene: of the simulated fleet, which shows it.
        edits: turn today's code into that again.
    """

    what: str
    scene: str
    edits: tuple[Edit, ...]


def _known(what: str) -> Edit:
    """That of the catalogue which does this."""
    (found,) = [mutation.edit for mutation in CATALOGUE if mutation.what == what]
    return found


_SHARES = "forwarder/worker/shares.py"
_STOCK = "forwarder/pipeline/stock.py"
_REDISTRIBUTE = "forwarder/operations/redistribute.py"

FAULTS_BACK = (
    FaultBack(
        "one user halts everybody: a 403 to one user, then a 400 to another",
        "odd answers",
        (
            _known("users whom a firewall dislikes halt the service as soon as they are alone"),
            Edit(
                "forwarder/api/verdict.py",
                "                    self.doubts.reached()\n                return Bisect(",
                "                    if self.doubts._new.keys() - {hash(user)}:\n"
                '                        return Halt(HaltReason.CREDENTIALS, "", self.credentials.fingerprint)\n'
                "                return Bisect(",
            ),
        ),
    ),
    FaultBack(
        "one user halts everybody: the dead-letter brake does not ask how many users are refused",
        "a lonely user",
        (
            Edit("forwarder/pipeline/brake.py", "least_users=MOST_USERS", "least_users=0"),
            _known("one user's refusals halt the whole fleet"),
        ),
    ),
    FaultBack(
        "one user slows everybody: its Retry-After holds all POSTs",
        "odd answers",
        (
            Edit(
                "forwarder/api/pacing/pushback.py",
                "        if self._asked.enough:\n"
                "            self.held_until = max(self.held_until, now + min(_LONGEST_HOLD, *self._asked.latest))",
                "        self.held_until = max(self.held_until, now + retry_after)",
            ),
        ),
    ),
    FaultBack(
        "one user slows everybody: its 429s lower the rate",
        "busy half-odd users",
        (
            Edit(
                "forwarder/api/pacing/pushback.py",
                "return len(worst) == ENOUGH_USERS and self._times[user] <= worst[-1]",
                "return bool(worst)",
            ),
        ),
    ),
    FaultBack(
        "one user slows everybody: each half of its refused batches goes as soon as a new batch",
        "a refused user",
        (Edit("forwarder/pipeline/attempts.py", "part=not again", "part=False"),),
    ),
    FaultBack(
        "one user slows everybody: what it has in flight and behind that fills the buffer",
        "a refused user",
        (
            Edit(
                "forwarder/pipeline/buffer/buffer.py",
                "(state is not _READY and self._large(group))",
                "(state is _BACKING_OFF and self._large(group))",
            ),
            Edit(
                "forwarder/pipeline/buffer/buffer.py",
                "        self.spill(user)  # it may have collected more than its share while it waited for its turn\n",
                "",
            ),
        ),
    ),
    FaultBack(
        "a hundred failing users take every permit and the whole buffer",
        "a failing crowd",
        (
            _known("batches of many failing users fill the buffer"),
            Edit(
                "forwarder/api/pacing/permits.py",
                "(self._again if again else self._parts if part else self._new).append",
                "(self._parts if part else self._new).append",
            ),
        ),
    ),
    FaultBack(
        "the dead-letter brake is each worker's, not the fleet's",
        "a broken deploy",
        (
            Edit(
                "forwarder/queue/fleet.py", "self._keys.decisions, self.id", "self._keys.decisions + self.id, self.id"
            ),
            Edit("forwarder/worker/jury.py", "self._brake.share(workers)", "self._brake.share(min(workers, 1))"),
        ),
    ),
    FaultBack(
        "the rate is divided by owned lists, not by what each worker can use",
        "one busy list",
        (
            Edit(
                _SHARES,
                "pacer.granted(place.grant, until=sent + place.lasts)",
                "part = max(1, len(self._ownerships)) / self._lists\n"
                "        pacer.granted(part * self._process.settings.rate_limit, until=sent + place.lasts)",
            ),
        ),
    ),
    FaultBack(
        "what is read back for users who recover asks for no room",
        "recovery",
        (
            Edit(
                _STOCK,
                "            async with self._admission.room(need) as room:\n",
                "            if room := Room(max(need.events, self._buffer.space.most.events // 100), 2**40):\n",
            ),
        ),
    ),
    FaultBack(
        "released batches of users who recover are read back all at once",
        "recovery",
        (
            Edit(
                _STOCK,
                "        if not batch.released:\n            return nullcontext()\n",
                "        return nullcontext()\n",
            ),
        ),
    ),
    FaultBack(
        "an allowance of refusals is taken with GETDEL, and is lost with the reply",
        "allowed refusals",
        (
            Edit(
                "forwarder/queue/halts.py",
                '    written = await text(redis, keys.allowance) or b""\n',
                '    with translated():\n        written = await redis.getdel(keys.allowance) or b""\n',
            ),
        ),
    ),
    FaultBack(
        "a dead letter is replayed while its list is being moved",
        "a replay while lists move",
        (_known("a dead letter is replayed while its list is being moved"),),
    ),
    FaultBack(
        "a resharding renews its leases only when it has moved a page",
        "a slow Redis while lists move",
        (
            _known("the leases of a resharding are not renewed while one of its steps takes long"),
            Edit(
                _REDISTRIBUTE,
                "            source.loaded(page)\n",
                "            source.loaded(page)\n"
                "            for each in self._lists.values():\n"
                "                await each.renew()\n",
            ),
        ),
    ),
    FaultBack(
        "a worker renews its lease only by claims and settlements",
        "a long outage",
        (Edit("forwarder/worker/ownership.py", "            await self._availability.until(self._lease.renew)\n", ""),),
    ),
    FaultBack(
        "a halt stops only the process that finds it, and those without a list",
        "halts",
        (Edit(_SHARES, "if orders.halt is not None:", "if orders.halt is not None and not self._ownerships:"),),
    ),
    FaultBack(
        "a lease that was acquired without a reply, and that is not needed, is not released",
        "comings and goings",
        (Edit(_SHARES, "self._unreleased.update(self._asking.values())", "pass"),),
    ),
    FaultBack(
        "a lease that could not be released is not released later",
        "comings and goings",
        (
            Edit(
                _SHARES,
                "                self._unreleased.add(lease)\n        finally:",
                "                pass\n        finally:",
            ),
        ),
    ),
    FaultBack(
        "users who failed in an outage are silent for up to a minute after it",
        "an outage of few",
        (_known("backoffs outlast the outage that caused them"),),
    ),
    FaultBack(
        "attempts count in an outage, so that events become dead letters",
        "an outage of few",
        (_known("attempts count in an outage"),),
    ),
    FaultBack(
        "a late POST starts at once, so that a second sees more POSTs than the rate",
        "uneven arrivals",
        (_known("a second may see more POSTs than the rate"),),
    ),
    FaultBack(
        "POSTs go on while a settlement is unanswered, so that more is sent twice",
        "a stalled Redis",
        (_known("POSTs go on while a settlement is unanswered"),),
    ),
)
