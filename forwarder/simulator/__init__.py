"""A stand-in for the Carnival API: strict about what it accepts, and it fails on command.

It shares no code with the client that it tests, so that no bug can be in both.

server        Simulator: sockets, and the order in which a request is judged
wire          what a well-formed request is; pure
faults        the faults that can be scripted, as data
problems      what is wrong with a script, in words
script        plays the faults: how many are left, chance, time
ledger        what was accepted and what arrived
control       `/ledger` and `/faults`
"""

from forwarder.simulator.faults import Answer, Faults, Outage, RandomAnswer, Refusal, UserAnswer
from forwarder.simulator.ledger import Ledger, Request
from forwarder.simulator.problems import problems
from forwarder.simulator.server import Simulator

__all__ = [
    "Answer",
    "Faults",
    "Ledger",
    "Outage",
    "RandomAnswer",
    "Refusal",
    "Request",
    "Simulator",
    "UserAnswer",
    "problems",
]
