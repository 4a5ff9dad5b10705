"""What a backend service imports: checks an event, pushes it once, reports the result.

producer      Producer for asyncio, SyncProducer for threads
channels      the connections of each event loop, or of each process
push          one push: its round trips, and the result for each event
encoding      an event as a list element, checked by the worker's rule
target        the lists as a producer sees them: the commands that push, and what their replies mean
"""

from forwarder.producer.producer import Producer, SyncProducer
from forwarder.producer.target import Durability

__all__ = ["Durability", "Producer", "SyncProducer"]
