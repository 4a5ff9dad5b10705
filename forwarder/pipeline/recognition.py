"""Whether this is a list of events at all.

Until that is known, nothing becomes a dead letter but elements that are too long, which `claim.lua` never transfers.
"""

from forwarder.event import Event, Invalid
from forwarder.outcome import Halt, HaltReason, LetterReason, Refused
from forwarder.pipeline.gate import Gate, Halted
from forwarder.pipeline.settlement import Settler

#: Once this many elements came and none of them was an event, the list belongs to another program.
ENOUGH = 100


class Recognition:
    """Whether this process has seen that the queue's lists hold events. One per process."""

    def __init__(self) -> None:
        self.established = False


class Strangers:
    """The invalid elements of one list, held back until it is known whether this is a list of events.

    They are refused once the first valid event comes, or once the list is empty and can show nothing more. If a hundred
    come and none of them is an event, the service halts and they stay claimed.

    Example: three broken elements, then a valid one: the three become dead letters. A hundred lines of somebody's log:
    the service halts `misdirected`, and none of them becomes a dead letter.
    """

    def __init__(self, recognition: Recognition, settler: Settler, gate: Gate) -> None:
        self._recognition = recognition
        self._settler = settler
        self._gate = gate
        self._held: list[tuple[Event, Refused]] = []
        self._in_redis = 0

    @property
    def established(self) -> bool:
        """Whether these are known to be lists of events."""
        return self._recognition.established

    def invalid(self, found: Invalid) -> None:
        event = Event(number=found.number, stamp=found.stamp, user="", body=b"")
        refused = Refused(LetterReason.INVALID, detail=found.why)
        if self.established:
            self._settler.add([event], refused)
        else:
            self._held.append((event, refused))
            self._halt_if_enough()

    def too_long(self, elements: int) -> None:
        """This many elements became dead letters inside Redis, without being read."""
        self._in_redis += elements
        if not self.established:
            self._halt_if_enough()

    def valid(self) -> None:
        if not self.established:
            self._recognition.established = True
            self.refuse()

    def refuse(self) -> None:
        """Refuses the elements that were held back."""
        held, self._held = self._held, []
        for event, refused in held:
            self._settler.add([event], refused)

    def _halt_if_enough(self) -> None:
        if len(self._held) + self._in_redis >= ENOUGH:
            self._held.clear()
            detail = f"none of the first {ENOUGH} elements is an event: is FORWARDER_QUEUE right?"
            self._gate.close(Halted(Halt(HaltReason.MISDIRECTED, detail)))
