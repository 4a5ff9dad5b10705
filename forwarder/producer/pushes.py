"""What happens between a push and Redis, without the sending: checks, questions, round trips, tries."""

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime

from forwarder.errors import ConfigurationError
from forwarder.producer.encoding import as_given, checked
from forwarder.producer.fates import Fate, PushEnding
from forwarder.producer.idempotency import Key, Keys, check
from forwarder.producer.push import Push
from forwarder.producer.target import Form, Target
from forwarder.producer.tries import Patience, Tries
from forwarder.queue.wire.replies import Command, Reply

#: Seconds after which a producer asks again how many lists the queue has. Each second of this may put the events of a
#: second into lists that nobody drains, if somebody changes the number while producers run; a question costs Redis
#: about as much as one more push.
_ASKED_EVERY = 1.0

#: Yields commands and is sent their replies, or yields a pause in seconds.
Steps = Generator[list[Command] | float, Sequence[Reply], None]

Events = Sequence[Mapping[str, object] | bytes]

_log = logging.getLogger("forwarder.producer")

_CLOSED = "the producer was closed"
_RIGHTS = "give its user the rights in deploy/producers.md#access-rights, and restart this program"


class Pushes:
    """The pushes of one producer.

    Args:
        target: where, and on what conditions.
        max_event_bytes: the longest element.
        keys: makes the idempotency keys.
        retry_for: seconds for which a round trip is tried again.
    """

    def __init__(
        self,
        target: Target,
        max_event_bytes: int,
        keys: Keys,
        retry_for: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._max_event_bytes = max_event_bytes
        self._keys = keys
        self._retry_for = retry_for
        self._clock = clock
        self._asked = 0.0
        #: Whether the latest answer was that events can be pushed here.
        self._agreed = False
        #: Whether Redis refuses the script that makes a push repeatable.
        self._denied = False
        self.closed = False

    def steps(self, events: Events, idempotency_key: str | None) -> Steps:
        """The round trips of one push: yields commands or pauses, and raises what went wrong.

        What can be refused before anything is sent is refused at once.
        """
        self._refuse_if_closed()
        if idempotency_key is not None:
            check(idempotency_key)
        push = Push(checked(events, now=datetime.now(UTC), max_bytes=self._max_event_bytes), self._target.shards)
        if idempotency_key is None:
            return self._steps(push, self._keys.automatic())
        return self._steps(push, self._keys.given(idempotency_key, as_given(events)))

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise RuntimeError("the producer is closed")

    def _steps(self, push: Push, key: Key | None) -> Steps:
        self._refuse_if_closed()  # it may have been, while this push waited for its turn
        for portions in push.rounds():
            if self.closed:
                push.refuse(_CLOSED)
                break
            tries = Tries(portions, durable=self._target.durable)
            yield from self._attempt(tries, key, first=not push.began)
            push.record(portions, *tries.results())
        push.finish()

    def _attempt(self, tries: Tries, key: Key | None, *, first: bool) -> Steps:
        """Tries one round trip until it has succeeded, or nothing helps, or the time is up."""
        form, patience = self._form(key), Patience(self._retry_for, self._clock)
        while True:
            try:
                yield from self._try(tries, key, form)
            except ConfigurationError as error:
                if first and not tries.began:
                    raise
                tries.refuse(Fate(PushEnding.REFUSED, 0, str(error)))
                return
            if form is Form.PLAIN:
                return
            other = self._other_form(tries, form, key)
            if other is not None:
                form = other
                continue
            pause = patience.pause() if tries.unsettled else None
            if pause is None:
                return
            yield pause
            if self.closed or patience.over:
                return

    def _try(self, tries: Tries, key: Key | None, form: Form) -> Steps:
        objection = yield from self._objection()
        if self.closed:  # while it asked; what is sent now opens a connection that nobody closes
            objection = Fate(PushEnding.UNAVAILABLE, 0, _CLOSED)
        if objection is not None:
            tries.refuse(objection)
            return
        portions = tries.open(plain=form is Form.PLAIN)
        replies = yield self._target.commands(portions, key, form)
        tries.record(portions, *self._target.fates(portions, replies))

    def _objection(self) -> Generator[list[Command], Sequence[Reply], Fate | None]:
        """Asks now and then whether events can be pushed here. Returns why not.

        Only the first question must be answered. In a cluster, the node of the key that is asked for may be down while
        those of the lists are not.
        """
        if self._agreed and self._clock() - self._asked < _ASKED_EVERY:
            return None
        self._asked = self._clock()
        replies = yield self._target.questions(first=not self._agreed)
        try:
            objection = self._target.objection(replies)
        except ConfigurationError:
            self._agreed = False
            raise
        self._agreed |= objection is None
        return None if self._agreed else objection

    def _form(self, key: Key | None) -> Form:
        return Form.PLAIN if key is None or (self._denied and not key.given) else Form.HASH

    def _other_form(self, tries: Tries, form: Form, key: Key | None) -> Form | None:
        """The form that Redis may take instead, at once; None if there is none."""
        if form is Form.HASH and tries.ended(PushEnding.UNKNOWN_SCRIPT) is not None:
            return Form.TEXT
        why = tries.ended(PushEnding.DENIED)
        if why is None:
            return None
        if key is not None and key.given:
            tries.explain(
                PushEnding.DENIED, f"Redis refuses the script that an idempotency key needs ({why}); {_RIGHTS}"
            )
            return None
        if not self._denied:
            self._denied = True
            _log.warning("pushing without the script that makes it safe to repeat a push: %s; %s", why, _RIGHTS)
        return Form.PLAIN
