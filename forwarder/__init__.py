"""Drains user events from a Redis list into batched POSTs to the Carnival (Sailthru Mobile) API.

The journey of an event, one module a step, from top to bottom:

    producer      a backend pushes an element onto the list (this one, or any language's RPUSH)
    intake        claims it: out of the list, onto loan; decodes it (event)
    buffer        groups it with its user's other events, and says whose turn it is
    delivery      gets the batch decided: POST (api), verdict (judge), again (retry), halve
    settlement    ends the loan: acked, or a dead letter (brake watches)

Around it: queue is Redis, pacing how many and how fast, reach whether Redis serves, tenure one ownership of
the list, worker a life of tenures, service a process. cli, admin, status, dead and demo are for people.
"""

__version__ = "0.1.0"
