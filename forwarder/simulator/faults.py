"""The faults that the stand-in can play: plain data, loadable from JSON.

``Faults.model_validate_json(text)`` reads a script. It raises :class:`pydantic.ValidationError` for a value that makes
no sense, or a member that does not exist.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Rate = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]
OutageMode = Literal["503", "refuse", "hang"]


def _not_accepted(status: int) -> int:
    if status == 202:
        raise ValueError("202 cannot be scripted: it would claim that the API registered events that it did not")
    return status


class _Scripted(BaseModel):
    """Immutable: a script that is being played can only be replaced as a whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class Answer(_Scripted):
    """One HTTP answer. Without ``body``, it has the body that the API sends with that status."""

    status: Annotated[int, Field(ge=200, le=599), AfterValidator(_not_accepted)]
    body: str | None = None
    content_type: HeaderText = "application/json"
    retry_after: int | HeaderText | None = None
    location: HeaderText | None = None


class RandomAnswer(Answer):
    """An answer given to a share of the POSTs."""

    rate: Rate


class UserAnswer(Answer):
    """An answer given to one user, ``times`` times; None means for ever."""

    times: Annotated[int, Field(ge=0)] | None = None


class Refusal(_Scripted):
    """Answers 400 to every POST with an event that has this name, or this top-level member."""

    name: str | None = None
    member: str | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.name is None and self.member is None:
            raise ValueError("a refusal needs a name or a member")
        return self


class Outage(_Scripted):
    """A window of ``for`` seconds. It begins ``after`` seconds after the latest start of the stand-in.

    ``503`` answers 503, ``hang`` never answers, ``refuse`` resets every connection before anything is read.
    """

    after: Seconds = 0
    for_: Annotated[float, Field(gt=0, alias="for")]
    mode: OutageMode = "503"


class Faults(_Scripted):
    """Everything that can go wrong. All faults are optional, and they can be combined.

    :class:`forwarder.simulator.Simulator` says in which order they apply.

    Attributes:
        latency: seconds between the decision, which is immediate, and the answer: an accepted event is in the ledger
            before the client gets the 202.
        latency_jitter: up to this many seconds more, evenly distributed.
        statuses: answers instead of acceptance; their rates add up to at most 1.
        users: answers for certain users, by decoded ID.
        refuse: events that are refused.
        hang_rate: share of requests that are never answered and never accepted.
        reset_before_rate: share of requests that are answered by a TCP reset, and not accepted.
        reset_after_rate: share of accepted POSTs that are answered by a TCP reset.
        outage: a window in which nothing works.
        max_rate: in each second of the clock, all well-formed POSTs after this many get 429.
        rate_retry_after: the ``Retry-After`` of that 429.
        status_all: the answer to every request, whatever it asks.
        max_body_bytes: a longer body gets 413.
        max_events: a POST with more events gets 413.
    """

    latency: Seconds = 0
    latency_jitter: Seconds = 0
    statuses: tuple[RandomAnswer, ...] = ()
    users: dict[str, UserAnswer] = Field(default_factory=dict)
    refuse: tuple[Refusal, ...] = ()
    hang_rate: Rate = 0
    reset_before_rate: Rate = 0
    reset_after_rate: Rate = 0
    outage: Outage | None = None
    max_rate: Annotated[int, Field(ge=0)] | None = None
    rate_retry_after: int | HeaderText | None = None
    status_all: Answer | None = None
    max_body_bytes: Annotated[int, Field(ge=0)] | None = None
    max_events: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _rates_are_shares(self) -> Self:
        # As floating-point numbers, 0.2 + 0.4 + 0.3 + 0.1 are a little more than 1.
        if sum(answer.rate for answer in self.statuses) > 1 + 1e-9:
            raise ValueError("the rates of statuses add up to more than 1")
        return self
