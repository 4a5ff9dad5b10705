"""Settings: FORWARDER_… environment variables, checked as a whole before anything runs."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, SecretStr, ValidationError

from forwarder import secret
from forwarder.errors import ConfigurationError
from forwarder.logs import Format
from forwarder.queue.sharding import MOST_SHARDS, check_queue
from forwarder.queue.wire import url as redis_url

PREFIX = "FORWARDER_"
#: Variables with our prefix that the service ignores: this one names the redis-server of the demo and the tests.
_NOT_SETTINGS = {"FORWARDER_REDIS_SERVER"}
#: An admin token of this many characters cannot be guessed.
_LEAST_TOKEN = 16
#: Messages show a wrong value only if it is shorter than a token: a longer one may be a secret in the wrong variable.
_SHOWN = _LEAST_TOKEN - 1
#: Messages never show these values: each is a secret, or a URL that may contain one.
_HIDDEN = frozenset({"api_key", "api_url", "redis_url", "admin_token"})
#: What is wrong with a value, by the type of pydantic's error; in braces, what pydantic says of it.
_PROBLEMS = {
    "bool_parsing": "is neither true nor false",
    "byte_size": "is not a number of bytes",
    "byte_size_unit": "is not a number of bytes",
    "finite_number": "is not a finite number",
    "float_parsing": "is not a number",
    "greater_than": "is not more than {gt:g}",
    "greater_than_equal": "is below the minimum of {ge:g}",
    "int_parsing": "is not an integer",
    "int_parsing_size": "has too many digits",
    "less_than_equal": "is above the maximum of {le:g}",
    "literal_error": "is not one of {expected}",
    "value_error": "{error}",
}


def _empty_is_unset(value: object) -> object:
    return None if value == "" else value


def _secret(value: object) -> object:
    return secret.cleaned(value) if isinstance(value, str) else value


_EmptyIsUnset = BeforeValidator(_empty_is_unset)
_Secret = BeforeValidator(_secret)


def _api_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be http:// or https:// with a host, without user, query or fragment")
    return url


def _redis_url(url: SecretStr) -> SecretStr:
    redis_url.check(url.get_secret_value())
    return url


def _token(token: SecretStr | None) -> SecretStr | None:
    text = token.get_secret_value() if token is not None else None
    # Browsers, proxies and programs pass only these characters unchanged in a header.
    if text is not None and (len(text) < _LEAST_TOKEN or not all("!" <= c <= "~" for c in text)):
        raise ValueError(f"must be at least {_LEAST_TOKEN} characters, ASCII without spaces")
    return token


def _queue(name: str) -> str:
    check_queue(name)
    return name


class Settings(BaseModel):
    """All settings. Secrets are SecretStr: no repr and no log shows them."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, validate_default=True
    )

    api_key: Annotated[SecretStr | None, _EmptyIsUnset, _Secret] = Field(
        None, description="API key of the Carnival app.", examples=["demo-key"]
    )
    api_key_file: Annotated[Path | None, _EmptyIsUnset] = Field(
        None,
        description="File that contains the API key. It is read again when the API refuses the key.",
        examples=["/run/secrets/api-key"],
    )
    api_url: Annotated[str, AfterValidator(_api_url)] = Field(
        "https://api.carnivalmobile.com", description="Base URL of the API."
    )
    api_version: Literal["v4", "v5", "v6"] = Field("v6", description="API version: v4, v5 or v6.")
    redis_url: Annotated[SecretStr, _Secret, AfterValidator(_redis_url)] = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis URL: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://.",
    )
    redis_url_file: Annotated[Path | None, _EmptyIsUnset] = Field(
        None, description="File that contains the Redis URL.", examples=["/run/secrets/redis-url"]
    )
    queue: Annotated[str, AfterValidator(_queue)] = Field(
        "events", description="Name of the Redis list that producers push to."
    )
    consume_from: Literal["left", "right"] = Field(
        "left", description="Where the oldest event is: left if producers RPUSH, right if they LPUSH."
    )
    shards: int = Field(
        1,
        ge=1,
        le=MOST_SHARDS,
        description="Number of lists that users are spread over. Use the same number everywhere.",
    )
    max_events_per_post: int = Field(100, ge=1, description="Maximum number of events in one POST.")
    max_body_bytes: ByteSize = Field(ByteSize(500_000), ge=1_000, description="Maximum bytes of the body of one POST.")
    max_event_bytes: ByteSize = Field(
        ByteSize(65_536), ge=100, description="Maximum bytes of one element. A longer one becomes a dead letter."
    )
    linger: float = Field(
        0.25,
        ge=0,
        description="Seconds that a user's events wait for more before they are sent, if the queue is short.",
    )
    max_buffered_events: int = Field(100_000, ge=1, description="Maximum number of claimed events in memory.")
    max_buffered_bytes: ByteSize = Field(
        ByteSize(128 * 1024 * 1024), ge=1_000, description="Maximum bytes of claimed events in memory."
    )
    concurrency: int = Field(64, ge=1, description="Maximum number of POSTs in flight.")
    rate_limit: float = Field(
        120, ge=0, description="Maximum POSTs per second of all workers together; 0 means no limit."
    )
    request_timeout: float = Field(10, gt=0, description="Maximum seconds that a POST may take.")
    retry_initial: float = Field(
        0.5, gt=0, description="Maximum seconds of the first backoff. Each further attempt doubles it."
    )
    retry_max: float = Field(60, gt=0, description="Maximum seconds of any backoff.")
    max_attempts: int = Field(
        10, ge=1, description="Failed attempts before a batch may be exhausted, not counting those in an outage."
    )
    max_retry_age: float = Field(
        3600, ge=0, description="Seconds that a batch is retried, at least, before it may be exhausted."
    )
    bisect: bool = Field(
        default=True,
        description="Whether a batch that was answered 400 is bisected to find the bad event; "
        "one that was answered 413 always is.",
    )
    dead_letter_brake: int = Field(
        100, ge=0, description="Halt when 80 % of this many decided events were refused; 0 turns this off."
    )
    lease_ttl: float = Field(
        30, ge=1, description="Seconds that a lease lasts unless it is renewed. Must be more than the request timeout."
    )
    shutdown_timeout: float = Field(
        20, gt=0, description="Maximum seconds that POSTs in flight may take when the process stops."
    )
    on_halt: Literal["wait", "exit"] = Field(
        "wait", description="During a halt, wait for a person, or exit with code 77."
    )
    admin_host: str = Field("127.0.0.1", description="Address of the status page, /metrics, /livez and /readyz.")
    admin_port: int = Field(9464, ge=0, le=65535, description="Port of the status page; 0 picks a free port.")
    admin_token: Annotated[SecretStr | None, _EmptyIsUnset, _Secret, AfterValidator(_token)] = Field(
        None,
        description="Anyone who has this token may resume, replay and see user data on the status page. "
        "If it is unset, nobody can.",
        examples=["the output of `openssl rand -hex 16`"],
    )
    admin_token_file: Annotated[Path | None, _EmptyIsUnset] = Field(
        None, description="File that contains the admin token.", examples=["/run/secrets/admin-token"]
    )
    log_format: Format = Field("json", description="json writes one JSON object per line; console is human-readable.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")

    def problems(self) -> Iterator[str]:
        """Conflicts between settings that are valid by themselves, one line each."""
        if self.lease_ttl <= self.request_timeout:
            limit = f"FORWARDER_REQUEST_TIMEOUT ({self.request_timeout:g} s)"
            yield f"LEASE_TTL: {self.lease_ttl:g} is not more than {limit}; example: {3 * self.request_timeout:g}"
        if self.max_event_bytes > self.max_body_bytes:
            size, limit = int(self.max_event_bytes), f"FORWARDER_MAX_BODY_BYTES ({int(self.max_body_bytes)})"
            yield f"MAX_EVENT_BYTES: {size} is more than {limit}; example: {int(self.max_body_bytes)}"
        if self.retry_initial > self.retry_max:
            limit = f"FORWARDER_RETRY_MAX ({self.retry_max:g} s)"
            yield f"RETRY_INITIAL: {self.retry_initial:g} is more than {limit}; example: {min(0.5, self.retry_max):g}"
        if self.api_key is not None and self.api_key_file is not None:
            yield "API_KEY: set this or FORWARDER_API_KEY_FILE, not both"

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> Self:
        """Settings by their names in lower case. Raises ConfigurationError with every problem at once."""
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            wrong = {str(each["loc"][0]): each for each in error.errors()}
            rest = cls.model_validate({name: value for name, value in values.items() if name not in wrong})
            # Conflicts are listed too, except those that the default in place of a wrong value may cause.
            between = [each for each in rest.problems() if not any(name.upper() in each for name in wrong)]
            alone = [f"{name.upper()}: {_problem(name, each)}" for name, each in wrong.items()]
            raise ConfigurationError([PREFIX + problem for problem in alone + between]) from None
        problems = [PREFIX + problem for problem in settings.problems()]
        if problems:
            raise ConfigurationError(problems)
        return settings


def _problem(name: str, error: Mapping[str, Any]) -> str:
    """The value unless it is hidden, what is wrong with it, and an example of a valid value."""
    context = error.get("ctx", {})
    wording = _PROBLEMS.get(error["type"])
    what = wording.format(**context) if wording else error["msg"]
    given = str(error["input"])
    if name in _HIDDEN:
        return f"{what}; example: {example(name)}"
    shown = repr(given) if len(given) <= _SHOWN else f"the value ({len(given)} characters, not shown)"
    return f"{shown} {what}; example: {example(name)}"


def example(name: str) -> str:
    """A valid value of a setting, for messages."""
    examples = Settings.model_fields[name].examples
    return examples[0] if examples else _default(name)


def _default(name: str) -> str:
    """The default of a setting as a person would write it; empty if there is none."""
    default = Settings.model_fields[name].default
    match default:
        case None:
            return ""
        case SecretStr():
            return default.get_secret_value()
        case bool():
            return str(default).lower()
    return str(default)


def load(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from the environment.

    Args:
        environ: used instead of the environment of the process.
        overrides: values by name, in lower case. They win over the environment.

    Raises:
        ConfigurationError: with one line for each problem. No line contains a secret.
    """
    given = os.environ if environ is None else environ
    values: dict[str, object] = {}
    problems: list[str] = []
    for name, value in given.items():
        field = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS:
            continue
        if field in Settings.model_fields:
            values[field] = value
        else:
            problems.append(_unknown(name))
    values.update(overrides)
    problems.extend(_read_file(values, "redis_url"))
    problems.extend(_read_file(values, "admin_token"))
    try:
        settings = Settings.from_values(values)
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from None
    if problems:
        raise ConfigurationError(problems)
    return settings


def _unknown(name: str) -> str:
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    close = difflib.get_close_matches(name, known, 1)
    return f"{name}: no such setting" + (f"; did you mean {close[0]}?" if close else "")


def _read_file(values: dict[str, object], field: str) -> Iterator[str]:
    """Sets a secret from the file that is named for it; yields what is wrong with that file."""
    name, file = PREFIX + field.upper(), values.get(f"{field}_file")
    if not file:
        return
    if values.get(field):
        yield f"{name}: set this or {name}_FILE, not both"
        return
    try:
        values[field] = secret.read(Path(str(file)))
    except ValueError as error:
        yield f"{name}_FILE: {error}; example: {example(f'{field}_file')}"


def secrets(settings: Settings) -> Iterator[str]:
    """Every text that must never be shown: the key, the token, the Redis URL and the passwords in it."""
    if settings.api_key is not None:
        yield settings.api_key.get_secret_value()
    if settings.admin_token is not None:
        yield settings.admin_token.get_secret_value()
    url = settings.redis_url.get_secret_value()
    yield url
    yield from redis_url.passwords(url)


def documented() -> list[tuple[str, str, str]]:
    """(environment variable, default, description) of every setting, for tables."""
    return [
        (PREFIX + name.upper(), _default(name), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
