"""What a backend service imports: checks an event, pushes it once, reports the result.

producer      Producer for asyncio, SyncProducer for threads
push          one push under way: its round trips, and the result for each event
encoding      an event as a list element, checked by the worker's rule
target        the list to push to, the commands, and what their replies mean
"""

from forwarder.producer.producer import Producer, SyncProducer
from forwarder.producer.target import Durability

__all__ = ["Durability", "Producer", "SyncProducer"]
