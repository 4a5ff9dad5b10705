"""The events of one list: claim, buffer, dispatch, deliver, settle.

A batch goes down: dispatch, delivery, attempts, and the courier of `api`. Its outcomes go from delivery to settlement.
No step knows the one above it.

intake        claims, adopts and decodes events
dispatch      starts a delivery when a user is due and a POST may start; drains
delivery      gets a batch decided: bisects; one outcome per event
attempts      tries a batch until there is a verdict
stock         the claimed events: signals room to fill, and a batch to send
settlement    ends claims: the only code that acknowledges or dead-letters
buffer        the events by user, and which user is next
recognition   whether this is a list of events at all
gate          whether a POST may start, and if not, why
brake         halts when most events are refused
availability  repeats Redis commands until Redis is available
"""
