"""Every setting: its type, its default, its limits and its description."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, SecretStr

from forwarder import secret
from forwarder.config import api_url, proxy_url
from forwarder.logs import Format
from forwarder.queue.sharding import MOST_SHARDS, check_queue
from forwarder.queue.wire import url as redis_url

PREFIX = "FORWARDER_"
#: An admin token of this many characters cannot be guessed.
LEAST_TOKEN = 16


def _empty_is_unset(value: object) -> object:
    return None if value == "" else value


def _secret(value: object) -> object:
    return secret.cleaned(value) if isinstance(value, str) else value


_EmptyIsUnset = BeforeValidator(_empty_is_unset)
_Secret = BeforeValidator(_secret)


def _api_url(url: str) -> str:
    api_url.check(url)
    return url


def _api_proxy(url: SecretStr | None) -> SecretStr | None:
    if url is not None:
        proxy_url.parse(url.get_secret_value())
    return url


def _redis_url(url: SecretStr) -> SecretStr:
    redis_url.check(url.get_secret_value())
    return url


def _token(token: SecretStr | None) -> SecretStr | None:
    text = token.get_secret_value() if token is not None else None
    # Browsers, proxies and programs pass only these characters unchanged in a header.
    if text is not None and (len(text) < LEAST_TOKEN or not all("!" <= c <= "~" for c in text)):
        raise ValueError(f"must be at least {LEAST_TOKEN} characters, ASCII without spaces")
    return token


def _host_names(text: str) -> str:
    names = text.replace(",", " ").lower().split()
    if not all(re.fullmatch(r"[a-z0-9_.-]+", name) for name in names):
        raise ValueError("must be host names, separated by commas, without scheme and port")
    return ",".join(names)


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
        "https://api.carnivalmobile.com",
        description="Base URL of the API, without the version. A path is sent exactly as it is written.",
    )
    api_version: Literal["v4", "v5", "v6"] = Field("v6", description="API version: v4, v5 or v6.")
    api_proxy: Annotated[SecretStr | None, _Secret, AfterValidator(_api_proxy)] = Field(
        None,
        description="HTTP proxy that every POST goes through: http://host:port or http://user:password@host:port. "
        "The machine's HTTP_PROXY and HTTPS_PROXY are ignored.",
        examples=["http://proxy.example.com:3128"],
    )
    api_proxy_file: Annotated[Path | None, _EmptyIsUnset] = Field(
        None,
        description="File that contains the proxy's URL. It is read when the service starts.",
        examples=["/run/secrets/api-proxy"],
    )
    api_ca_file: Annotated[Path | None, _EmptyIsUnset] = Field(
        None,
        description="PEM file of certificates that are trusted for the API, besides the system's. "
        "It is read when the service starts.",
        examples=["/etc/ssl/inspecting-ca.pem"],
    )
    redis_url: Annotated[SecretStr, _Secret, AfterValidator(_redis_url)] = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis URL: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://.",
    )
    redis_url_file: Annotated[Path | None, _EmptyIsUnset] = Field(
        None,
        description="File that contains the Redis URL. It is read again when Redis refuses the password.",
        examples=["/run/secrets/redis-url"],
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
        ByteSize(65_536),
        ge=100,
        description="Maximum bytes of one element, including the date that it gets if it has none. "
        "A longer one becomes a dead letter.",
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
        100,
        ge=0,
        description="Halt when 80 % of this many decisions were refusals, or of this many elements invalid; 0: never.",
    )
    lease_ttl: float = Field(
        30, ge=1, description="Seconds that a lease lasts unless it is renewed. Must be more than the request timeout."
    )
    shutdown_timeout: Annotated[float | None, _EmptyIsUnset] = Field(
        None,
        gt=0,
        description="Maximum seconds that POSTs in flight may take when the process stops. "
        "If it is unset: the request timeout plus 10 s.",
        examples=["20"],
    )
    on_halt: Literal["wait", "exit"] = Field(
        "wait", description="During a halt, wait for a person, or exit with code 77."
    )
    admin_host: str = Field("127.0.0.1", description="Address of the status page, /metrics, /livez and /readyz.")
    admin_allowed_hosts: Annotated[str, AfterValidator(_host_names)] = Field(
        "",
        description="Names, separated by commas, that may stand in the Host header of requests to the admin address. "
        "IP addresses, localhost and `FORWARDER_ADMIN_HOST` always may.",
        examples=["forwarder.example.com"],
    )
    admin_port: int = Field(9464, ge=0, le=65535, description="Port of the status page; 0 picks a free port.")
    admin_token: Annotated[SecretStr | None, _EmptyIsUnset, _Secret, AfterValidator(_token)] = Field(
        None,
        description="Anyone who has this token may resume, retry, replay, delete and see user data on the status page. "
        "If it is unset, nobody can.",
        examples=["the output of `openssl rand -hex 16`"],
    )
    admin_token_file: Annotated[Path | None, _EmptyIsUnset] = Field(
        None, description="File that contains the admin token.", examples=["/run/secrets/admin-token"]
    )
    log_format: Annotated[Format | None, _EmptyIsUnset] = Field(
        None,
        description="json writes one JSON object per line; console is human-readable. "
        "If it is unset: console on a terminal, json elsewhere.",
        examples=["json"],
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")

    @property
    def drain_timeout(self) -> float:
        """Seconds that POSTs in flight may take when the process stops, or when it hands a list over."""
        # A POST that has just started may take the whole request timeout. Its outcome must be settled after that.
        return self.request_timeout + 10 if self.shutdown_timeout is None else self.shutdown_timeout

    def warnings(self) -> Iterator[str]:
        """What works but has a cost, one line each."""
        if self.drain_timeout < self.request_timeout:
            limit = f"FORWARDER_REQUEST_TIMEOUT ({self.request_timeout:g} s)"
            yield (
                f"{PREFIX}SHUTDOWN_TIMEOUT: {self.drain_timeout:g} is less than {limit}: "
                f"a POST in flight at a stop may be sent twice; example: {self.request_timeout + 10:g}"
            )

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


def secrets(settings: Settings) -> Iterator[str]:
    """Every text that must never be shown: the key, the token, two URLs and the passwords in them."""
    if settings.api_key is not None:
        yield settings.api_key.get_secret_value()
    if settings.admin_token is not None:
        yield settings.admin_token.get_secret_value()
    if settings.api_proxy is not None and (passwords := proxy_url.passwords(settings.api_proxy.get_secret_value())):
        yield settings.api_proxy.get_secret_value()
        yield from passwords
    url = settings.redis_url.get_secret_value()
    yield url
    yield from redis_url.passwords(url)
