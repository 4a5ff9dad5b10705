"""The events of one list: claim, buffer, dispatch, deliver, settle.

A batch goes down: dispatch, delivery, attempts, and the courier of `api`. Its outcomes go from delivery to settlement.
No step knows the one above it.

intake        claims, adopts and decodes events
dispatch      starts a delivery when a user is due and a POST may start; lets POSTs in flight finish at the end
delivery      gets a batch decided: bisects; one outcome per event
attempts      sends a batch until there is a verdict
stock         the claimed events: signals due batches, reads spilled events back
admission     the one gate for what comes into memory: claims, adoptions, events that are read back
settlement    ends claims: the only code that acknowledges or dead-letters
pace          when a settlement may begin: at once, or in groups under load
loans         when the oldest unsettled event was claimed
buffer        the events by user: which user is next, and which events leave memory while a user backs off
recognition   whether this is a list of events at all
gate          whether a POST may start, and if not, why
brake         halts when most events are refused
availability  repeats Redis commands until Redis is available
"""
