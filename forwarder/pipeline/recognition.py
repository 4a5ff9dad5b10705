"""Whether this is a list of events at all. Until that is known, nothing in it becomes a dead letter."""

from forwarder.event import Event, Invalid
from forwarder.outcome import Halt, HaltReason, LetterReason, Refused
from forwarder.pipeline.gate import Gate, Halted
from forwarder.pipeline.settlement import Settler

#: If this many elements are decoded and none is an event, it is somebody else's list.
ENOUGH = 100


class Recognition:
    """Whether this process has seen that the queue's lists hold events. One per process."""

    def __init__(self) -> None:
        self.established = False


class Strangers:
    """The invalid elements of one list, held back while it is open whose list this is.

    They are refused once the first valid event has come, or once the list is empty and nothing more can be learnt
    from it. If a hundred came and none of them is an event, the service halts and everything stays claimed.
    """

    def __init__(self, recognition: Recognition, settler: Settler, gate: Gate) -> None:
        self._recognition = recognition
        self._settler = settler
        self._gate = gate
        self._held: list[tuple[Event, Refused]] = []
        self._in_redis = 0

    @property
    def established(self) -> bool:
        """Whether it is known that these are lists of events."""
        return self._recognition.established

    def invalid(self, found: Invalid) -> None:
        """An element that is not an event."""
        event = Event(number=found.number, stamp=found.stamp, user="", body=b"")
        refused = Refused(LetterReason.INVALID, detail=found.why)
        if self.established:
            self._settler.add([event], refused)
        else:
            self._held.append((event, refused))
            self._halt_if_enough()

    def too_long(self, elements: int) -> None:
        """Elements that became dead letters within Redis."""
        self._in_redis += elements
        if not self.established:
            self._halt_if_enough()

    def valid(self) -> None:
        """An element that is an event."""
        if not self.established:
            self._recognition.established = True
            self.refuse()

    def refuse(self) -> None:
        """Refuses what was held back."""
        held, self._held = self._held, []
        for event, refused in held:
            self._settler.add([event], refused)

    def _halt_if_enough(self) -> None:
        if len(self._held) + self._in_redis >= ENOUGH:
            self._held.clear()
            detail = f"none of the first {ENOUGH} elements is an event: is FORWARDER_QUEUE right?"
            self._gate.close(Halted(Halt(HaltReason.MISDIRECTED, detail)))
