from forwarder.errors import (
    ConfigurationError,
    ForwarderError,
    InvalidEventError,
    KeyReusedError,
    MaybePushedError,
    NotDurableError,
    NotPushedError,
    PushError,
    QueueFullError,
    RedisFullError,
)
from forwarder.producer import Durability, Producer, SyncProducer

__all__ = [
    "ConfigurationError",
    "Durability",
    "ForwarderError",
    "InvalidEventError",
    "KeyReusedError",
    "MaybePushedError",
    "NotDurableError",
    "NotPushedError",
    "Producer",
    "PushError",
    "QueueFullError",
    "RedisFullError",
    "SyncProducer",
]

__version__: str
