from pathlib import Path

import pytest

from forwarder import config
from forwarder.errors import ConfigurationError

SECRET = "S3CRET"


def problems(**environment: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        config.load({f"FORWARDER_{name}": value for name, value in environment.items()})
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(raised.value)
    return tuple(raised.value.problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", "many"),
        ("CONCURRENCY", ""),
        ("CONCURRENCY", "1.5"),
        ("RATE_LIMIT", "-1"),
        ("RATE_LIMIT", "nan"),
        ("RATE_LIMIT", "inf"),
        ("LINGER", "-0.1"),
        ("REQUEST_TIMEOUT", "0"),
        ("MAX_EVENTS_PER_POST", "0"),
        ("MAX_BODY_BYTES", "lots"),
        ("MAX_EVENT_BYTES", "-1"),
        ("MAX_BUFFERED_EVENTS", "0"),
        ("ADMIN_PORT", "65536"),
        ("ADMIN_PORT", "http"),
        ("SHARDS", "0"),
        ("SHARDS", "1025"),
        ("BISECT", "perhaps"),
        ("ON_HALT", "panic"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("CONSUME_FROM", "middle"),
        ("API_VERSION", "v7"),
        ("API_URL", ""),
        ("API_URL", "api.carnivalmobile.com"),
        ("API_URL", "ftp://host"),
        ("API_URL", "https://"),
        ("API_URL", "https://host:99999"),
        ("API_URL", "https://host:port"),
        ("API_URL", f"https://user:{SECRET}@host"),
        ("API_URL", f"https://host?key={SECRET}"),
        ("API_URL", "https://host#part"),
        ("API_URL", "https://[::1"),
        ("REDIS_URL", f"http://:{SECRET}@host"),
        ("REDIS_URL", f"redis://:{SECRET}@host:port/0"),
        ("REDIS_URL", "host:6379"),
        ("REDIS_URL", ""),
        ("REDIS_URL", "redis+sentinel://host"),
        ("REDIS_URL", "redis+sentinel:///name"),
        ("REDIS_URL", "redis+sentinel://host,/name"),
        ("REDIS_URL", "redis+sentinel://host:0/name"),
        ("REDIS_URL", "redis+sentinel://host:x/name"),
        ("REDIS_URL", "redis+sentinel://host/name/x"),
        ("REDIS_URL", f"redis+sentinel://host/name?password={SECRET}"),
        ("REDIS_URL", "redis://[::1"),
        ("QUEUE", ""),
        ("LEASE_TTL", "0"),
        ("LEASE_TTL", "10"),
        ("RETRY_INITIAL", "61"),
        ("REDIS_URL_FILE", "/no/such/file"),
        ("API_KEY_FIEL", SECRET),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_variable(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"FORWARDER_{name}: ")
    assert "\n" not in problem


def test_all_problems_are_told_at_once() -> None:
    found = problems(CONCURRENCY="0", API_URL="ftp://x", LINGERS="1", REDIS_URL="x", LOG_LEVEL="loud")
    assert {problem.partition(":")[0] for problem in found} == {
        "FORWARDER_CONCURRENCY",
        "FORWARDER_API_URL",
        "FORWARDER_LINGERS",
        "FORWARDER_REDIS_URL",
        "FORWARDER_LOG_LEVEL",
    }


def test_a_misspelt_setting_is_told_the_right_name() -> None:
    (problem,) = problems(RATELIMIT="1")
    assert "FORWARDER_RATE_LIMIT" in problem


@pytest.mark.parametrize("name", ["API_KEY", "REDIS_URL"])
def test_a_secret_comes_from_one_place_only(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"redis://:{SECRET}@host/0")
    (problem,) = problems(**{name: f"redis://:{SECRET}@host/0", f"{name}_FILE": str(file)})
    assert problem.startswith(f"FORWARDER_{name}: set this or FORWARDER_{name}_FILE")


def test_a_redis_url_in_a_file_loses_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"redis://:{SECRET}@host/0\n")
    settings = config.load({"FORWARDER_REDIS_URL_FILE": str(file)})
    assert settings.redis_url.get_secret_value() == f"redis://:{SECRET}@host/0"


def test_what_does_not_begin_with_our_prefix_is_not_ours() -> None:
    settings = config.load({"CONCURRENCY": "0", "forwarder_concurrency": "0", "FORWARDER": "0"})
    assert settings == config.load({})


def test_sizes_and_switches_may_be_written_as_people_do() -> None:
    settings = config.load({"FORWARDER_MAX_BODY_BYTES": "250kB", "FORWARDER_BISECT": "no"})
    assert (settings.max_body_bytes, settings.bisect) == (250_000, False)


def test_no_secret_shows_in_the_settings() -> None:
    settings = config.load({"FORWARDER_API_KEY": SECRET, "FORWARDER_REDIS_URL": f"redis://:{SECRET}@host/0"})
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_what_must_never_show_is_known_as_it_is_written_and_as_it_is_meant() -> None:
    settings = config.load({"FORWARDER_API_KEY": "key", "FORWARDER_REDIS_URL": "redis://:p%40ss@host/0"})
    assert {"key", "p%40ss", "p@ss"} <= set(config.secrets(settings))


def test_every_setting_is_documented() -> None:
    rows = {name: text for name, _, text in config.documented()}
    assert rows.keys() == {f"FORWARDER_{name.upper()}" for name in config.Settings.model_fields}
    assert all(text.endswith(".") for text in rows.values())
