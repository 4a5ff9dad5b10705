"""What the stand-in can be told to do wrong: plain data, loadable from JSON.

``Faults.model_validate_json(text)`` reads a script and raises :class:`pydantic.ValidationError`
for a value that makes no sense or a member that does not exist.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Rate = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]
OutageMode = Literal["503", "refuse", "hang"]


def _not_accepted(status: int) -> int:
    if status == 202:
        raise ValueError("a scripted 202 would say that events are registered which are not")
    return status


class _Scripted(BaseModel):
    """Immutable, so that a script in play cannot change under it: replace it as a whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Answer(_Scripted):
    """One HTTP answer; without ``body`` it is what the API says with that status."""

    status: Annotated[int, Field(ge=200, le=599), AfterValidator(_not_accepted)]
    body: str | None = None
    content_type: HeaderText = "application/json"
    retry_after: int | HeaderText | None = None
    location: HeaderText | None = None


class RandomAnswer(Answer):
    """An answer given to a share of the POSTs."""

    rate: Rate


class UserAnswer(Answer):
    """An answer given to one user, ``times`` times; None is for ever."""

    times: Annotated[int, Field(ge=0)] | None = None


class Refusal(_Scripted):
    """Refuses with 400 the POST of any event that has this name, or this top-level member."""

    name: str | None = None
    member: str | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.name is None and self.member is None:
            raise ValueError("a refusal needs a name or a member")
        return self


class Outage(_Scripted):
    """A window of ``for`` seconds, ``after`` seconds from the last start of the stand-in.

    ``503`` answers so, ``hang`` never answers, ``refuse`` resets every connection before it is read.
    """

    after: Seconds = 0
    for_: Annotated[float, Field(gt=0, alias="for")]
    mode: OutageMode = "503"


class Faults(_Scripted):
    """Everything that can go wrong; all of it optional, all of it combinable.

    The order in which faults apply is told by :class:`forwarder.simulator.Simulator`.

    Attributes:
        latency: seconds between deciding, which is at once, and answering: an accepted event is
            in the ledger before the client knows.
        latency_jitter: up to this many seconds more, evenly distributed.
        statuses: answered instead of accepting; the rates add up to at most 1.
        users: answers for certain users, by decoded id.
        refuse: events the API does not like.
        hang_rate: share of requests that are never answered and never accepted.
        reset_before_rate: share of requests answered by a TCP reset, and not accepted.
        reset_after_rate: share of accepted POSTs whose answer is a TCP reset.
        outage: a window in which nothing works.
        max_rate: well-formed POSTs answered in one second of the clock; 429 above.
        rate_retry_after: the ``Retry-After`` of that 429.
        status_all: the only answer anybody gets, whatever was asked.
        max_body_bytes: 413 above.
        max_events: 413 above.
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
        # A hair above 1 is what 0.1 + 0.2 + 0.7 may add up to.
        if sum(answer.rate for answer in self.statuses) > 1 + 1e-9:
            raise ValueError("the rates of statuses add up to more than 1")
        return self
