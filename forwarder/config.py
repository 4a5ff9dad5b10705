"""Settings: FORWARDER_… environment variables, checked as a whole before anything runs."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from forwarder.errors import ConfigurationError
from forwarder.logs import setup as logs
from forwarder.queue.sharding import MOST_SHARDS, check_queue
from forwarder.queue.wire import url as redis_url

PREFIX = "FORWARDER_"
#: Read from the environment, but no setting of the service: names the redis-server of the demo and the tests.
_NOT_SETTINGS = {"FORWARDER_REDIS_SERVER"}

#: Characters of the admin token: so many cannot be guessed.
_LEAST_TOKEN = 16


def _empty_is_unset(value: object) -> object:
    return None if value == "" else value


_EmptyIsUnset = BeforeValidator(_empty_is_unset)


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
    # It travels in a header: nothing else goes through every browser, proxy and program unchanged.
    if text is not None and (len(text) < _LEAST_TOKEN or not all("!" <= c <= "~" for c in text)):
        raise ValueError(f"must be at least {_LEAST_TOKEN} characters, ASCII without spaces")
    return token


def _queue(name: str) -> str:
    check_queue(name)
    return name


class Settings(BaseSettings):
    """All settings. Secrets are SecretStr: no repr and no log shows them."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    api_key: Annotated[SecretStr | None, _EmptyIsUnset] = Field(None, description="API key of the Carnival app.")
    api_key_file: Annotated[Path | None, _EmptyIsUnset] = Field(
        None, description="File that holds the API key; watched while halted for credentials."
    )
    api_url: Annotated[str, AfterValidator(_api_url)] = Field(
        "https://api.carnivalmobile.com", description="Base address of the API."
    )
    api_version: Literal["v4", "v5", "v6"] = Field("v6", description="Version of the API.")
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://.",
    )
    redis_url_file: Annotated[Path | None, _EmptyIsUnset] = Field(None, description="File that holds the Redis URL.")
    queue: Annotated[str, AfterValidator(_queue)] = Field("events", description="Name of the Redis list.")
    consume_from: Literal["left", "right"] = Field(
        "left", description="Where the oldest event is: left for producers that RPUSH, right for LPUSH."
    )
    shards: int = Field(
        1, ge=1, le=MOST_SHARDS, description="Number of lists that users are spread over; the same for all."
    )
    max_events_per_post: int = Field(100, ge=1, description="Most events in one POST.")
    max_body_bytes: ByteSize = Field(ByteSize(500_000), ge=1_000, description="Most bytes of one POST's body.")
    max_event_bytes: ByteSize = Field(
        ByteSize(65_536), ge=100, description="Longest element in bytes; a longer one is dead-lettered."
    )
    linger: float = Field(0.25, ge=0, description="Seconds a group waits for companions when the queue is shallow.")
    max_buffered_events: int = Field(100_000, ge=1, description="Most claimed events in memory.")
    max_buffered_bytes: ByteSize = Field(
        ByteSize(128 * 1024 * 1024), ge=1_000, description="Most bytes of claimed events in memory."
    )
    concurrency: int = Field(64, ge=1, description="Most POSTs in flight.")
    rate_limit: float = Field(120, ge=0, description="Most POSTs a second, of the whole fleet; 0 is no limit.")
    request_timeout: float = Field(10, gt=0, description="Seconds a POST may take.")
    retry_initial: float = Field(0.5, gt=0, description="Longest first backoff in seconds; it doubles.")
    retry_max: float = Field(60, gt=0, description="Longest backoff in seconds.")
    max_attempts: int = Field(
        10, ge=1, description="Attempts, while others are accepted, before a batch may be exhausted."
    )
    max_retry_age: float = Field(3600, ge=0, description="Seconds a batch is tried before it may be exhausted.")
    bisect: bool = Field(default=True, description="Whether a refused batch is halved to find the bad event.")
    dead_letter_brake: int = Field(
        100, ge=0, description="Halt when 80 % of so many decided events were refused; 0 is off."
    )
    lease_ttl: float = Field(30, ge=1, description="Seconds a lease lasts; must exceed the request timeout.")
    shutdown_timeout: float = Field(20, gt=0, description="Seconds that POSTs in flight get when stopping.")
    on_halt: Literal["wait", "exit"] = Field("wait", description="Whether a halt waits for a person or exits 77.")
    admin_host: str = Field("127.0.0.1", description="Address of the status page, /metrics, /livez and /readyz.")
    admin_port: int = Field(9464, ge=0, le=65535, description="Port of the same; 0 takes a free one.")
    admin_token: Annotated[SecretStr | None, _EmptyIsUnset, AfterValidator(_token)] = Field(
        None, description="Lets who knows it resume, replay and see users' data on the status page; without, nobody."
    )
    admin_token_file: Annotated[Path | None, _EmptyIsUnset] = Field(None, description="File that holds the token.")
    log_format: logs.Format = Field("json", description="One JSON object a line, or for eyes.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @classmethod
    def settings_customise_sources(  # noqa: D102
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - a hook of pydantic-settings
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Only what `load` hands over: it reads the environment itself, so that tests can hand over another.
        return (init_settings,)

    def problems(self) -> Iterator[str]:
        """What is wrong between settings that are each right by themselves."""
        if self.lease_ttl <= self.request_timeout:
            limit = f"FORWARDER_REQUEST_TIMEOUT ({self.request_timeout:g} s)"
            yield f"LEASE_TTL: must exceed {limit}, is {self.lease_ttl:g}"
        if self.max_event_bytes > self.max_body_bytes:
            yield f"MAX_EVENT_BYTES: must not exceed FORWARDER_MAX_BODY_BYTES ({int(self.max_body_bytes)})"
        if self.retry_initial > self.retry_max:
            yield f"RETRY_INITIAL: must not exceed FORWARDER_RETRY_MAX ({self.retry_max:g} s)"
        if self.api_key is not None and self.api_key_file is not None:
            yield "API_KEY: set this or FORWARDER_API_KEY_FILE, not both"

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> Self:
        """Settings by their names in lower case. Raises ConfigurationError with every problem at once."""
        try:
            settings = cls(**values)  # type: ignore[arg-type]
        except ValidationError as error:
            wrong = {str(e["loc"][0]): _sentence(e["msg"].removeprefix("Value error, ")) for e in error.errors()}
            rest = cls(**{name: value for name, value in values.items() if name not in wrong})  # type: ignore[arg-type]
            # What is wrong between settings is told too, unless it may come from a default in a wrong one's place.
            between = [each for each in rest.problems() if not any(name.upper() in each for name in wrong)]
            alone = [f"{name.upper()}: {message}" for name, message in wrong.items()]
            raise ConfigurationError([PREFIX + problem for problem in alone + between]) from None
        problems = [PREFIX + problem for problem in settings.problems()]
        if problems:
            raise ConfigurationError(problems)
        return settings


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def load(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from the environment.

    Args:
        environ: instead of the process' own.
        overrides: by name, in lower case; they win.

    Raises:
        ConfigurationError: with one line for each problem; no line holds a secret.
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


def named(file: object) -> str:
    """A secret's file, as a message may name it: people also set …_FILE to the secret itself."""
    return str(file) if Path(str(file)).is_absolute() else "the file (not an absolute path, so it is not shown)"


def _unknown(name: str) -> str:
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    close = difflib.get_close_matches(name, known, 1)
    return f"{name}: no such setting" + (f"; did you mean {close[0]}?" if close else "")


def _read_file(values: dict[str, object], field: str) -> Iterator[str]:
    """Sets a secret that is given by the name of its file."""
    name, file = PREFIX + field.upper(), values.get(f"{field}_file")
    if not file:
        return
    if values.get(field):
        yield f"{name}: set this or {name}_FILE, not both"
        return
    try:
        values[field] = Path(str(file)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        yield f"{name}_FILE: cannot read {named(file)}: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        return
    if not values[field]:
        yield f"{name}_FILE: {named(file)} is empty"


def secrets(settings: Settings) -> Iterator[str]:
    """Every text that must never show: the key, the token, and the password within the Redis URL."""
    if settings.api_key is not None:
        yield settings.api_key.get_secret_value()
    if settings.admin_token is not None:
        yield settings.admin_token.get_secret_value()
    url = settings.redis_url.get_secret_value()
    yield url
    yield from redis_url.passwords(url)


def documented() -> list[tuple[str, str, str]]:
    """(environment variable, default, description) of every setting, for tables."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        text = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        rows.append((PREFIX + name.upper(), text, field.description or ""))
    return rows
