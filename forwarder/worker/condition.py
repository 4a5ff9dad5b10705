"""What /readyz says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service does its work, or stands by to do it; and if not, why and what to do."""

    ready: bool
    state: str
    reason: str = ""
    detail: str = ""
    remedy: str = ""
