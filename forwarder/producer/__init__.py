"""What a backend service imports: checks an event, pushes it, repeats the push safely, reports the result.

producer      Producer for asyncio, SyncProducer for threads
channels      the connections of each event loop, or of each process
pushes        the pushes of one producer: questions, round trips, repeated tries
push          one push: its round trips, and the result for each event
tries         the tries of one round trip: what to send again, and what is known in the end
portions      which events go in one command
idempotency   the keys that let a push be repeated, and how long Redis remembers them
fates         how a push command ended, and what its reply means
arguments     what is wrong with a number that a caller gave
target        the lists as a producer sees them: what it asks, and the commands that push
encoding      an event as a list element, checked by the worker's rule
"""

from forwarder.producer.producer import Producer, SyncProducer
from forwarder.producer.target import Durability

__all__ = ["Durability", "Producer", "SyncProducer"]
