import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from forwarder import config
from forwarder.errors import ConfigurationError
from tests.support.faults import fault

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


#: For each setting a wrong value, and the line that says so.
WRONG = {
    "API_KEY": (f'"{SECRET}"', "starts and ends with a quotation mark: remove them; example: demo-key"),
    "API_URL": (
        f"https://user:{SECRET}@host",
        (
            "must not contain a user or a password: the API key has a setting of its own; "
            "example: https://api.carnivalmobile.com"
        ),
    ),
    "API_VERSION": ("v7", "'v7' is not one of 'v4', 'v5' or 'v6'; example: v6"),
    "API_PROXY": (
        f"https://user:{SECRET}@host:3128",
        (
            "must be http://: TLS to the proxy is not supported. What goes to an https API is encrypted all the way; "
            "example: http://proxy.example.com:3128"
        ),
    ),
    "API_PROXY_FILE": (
        "/no/such/file",
        "cannot read /no/such/file: No such file or directory; example: /run/secrets/api-proxy",
    ),
    "REDIS_URL": (
        f"redis://:{SECRET}@host:port/0",
        (
            "has no valid host; in a user or a password, write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for # "
            "and %25 for %; example: redis://127.0.0.1:6379/0"
        ),
    ),
    "REDIS_URL_FILE": (
        "/no/such/file",
        "cannot read /no/such/file: No such file or directory; example: /run/secrets/redis-url",
    ),
    "QUEUE": ("a b", "'a b' must be printable, without spaces or braces, and not empty; example: events"),
    "CONSUME_FROM": ("middle", "'middle' is not one of 'left' or 'right'; example: left"),
    "SHARDS": ("1025", "'1025' is above the maximum of 1024; example: 1"),
    "MAX_EVENTS_PER_POST": ("1.5", "'1.5' is not an integer; example: 100"),
    "MAX_BODY_BYTES": ("lots", "'lots' is not a number of bytes; example: 500000"),
    "MAX_EVENT_BYTES": ("5 parsecs", "'5 parsecs' is not a number of bytes; example: 65536"),
    "LINGER": ("-0.1", "'-0.1' is below the minimum of 0; example: 0.25"),
    "MAX_BUFFERED_EVENTS": ("9" * 5_000, "the value (5000 characters, not shown) has too many digits; example: 100000"),
    "MAX_BUFFERED_BYTES": ("999", "'999' is below the minimum of 1000; example: 134217728"),
    "CONCURRENCY": ("1.5", "'1.5' is not an integer; example: 64"),
    "RATE_LIMIT": ("ten", "'ten' is not a number; example: 120"),
    "REQUEST_TIMEOUT": ("0", "'0' is not more than 0; example: 10"),
    "RETRY_INITIAL": ("61", "61 is more than FORWARDER_RETRY_MAX (60 s); example: 0.5"),
    "RETRY_MAX": ("inf", "'inf' is not a finite number; example: 60"),
    "MAX_ATTEMPTS": ("0", "'0' is below the minimum of 1; example: 10"),
    "MAX_RETRY_AGE": ("1h", "'1h' is not a number; example: 3600"),
    "BISECT": ("perhaps", "'perhaps' is neither true nor false; example: true"),
    "DEAD_LETTER_BRAKE": ("-1", "'-1' is below the minimum of 0; example: 100"),
    "LEASE_TTL": ("9", "9 is not more than FORWARDER_REQUEST_TIMEOUT (10 s); example: 30"),
    "SHUTDOWN_TIMEOUT": ("nan", "'nan' is not a finite number; example: 20"),
    "ON_HALT": ("panic\n", "'panic\\n' is not one of 'wait' or 'exit'; example: wait"),
    "ADMIN_ALLOWED_HOSTS": (
        "http://x:80",
        (
            "'http://x:80' must be host names, separated by commas, without scheme and port; "
            "example: forwarder.example.com"
        ),
    ),
    "ADMIN_PORT": ("65536", "'65536' is above the maximum of 65535; example: 9464"),
    "ADMIN_TOKEN": (
        SECRET,
        "must be at least 16 characters, ASCII without spaces; example: the output of `openssl rand -hex 16`",
    ),
    "ADMIN_TOKEN_FILE": (
        SECRET,
        (
            "cannot read the file (not an absolute path, so it is not shown): No such file or directory; "
            "example: /run/secrets/admin-token"
        ),
    ),
    "LOG_FORMAT": ("xml", "'xml' is not one of 'json' or 'console'; example: json"),
    "LOG_LEVEL": ("loud", "'loud' is not one of 'debug', 'info', 'warning' or 'error'; example: info"),
}
#: Files that are read where they are used.
FILES_READ_LATER = {"api_key_file", "api_ca_file"}
#: What somebody may write by mistake, for any setting.
GARBAGE = ("ten", "-1", "0", "1.5", "nan", "inf", "1e400", "a b", "{}", "v4 ", "\u0660", "yes please", "0x10")


@pytest.mark.parametrize("name", sorted(config.Settings.model_fields.keys() - FILES_READ_LATER - {"admin_host"}))
def test_whatever_is_wrong_is_said_with_the_setting_the_value_and_an_example(name: str) -> None:
    refused = 0
    for value in GARBAGE:
        try:
            config.load({f"FORWARDER_{name.upper()}": value})
        except ConfigurationError as error:
            refused += 1
            (line,) = error.problems
            hidden = name in {"api_key", "api_url", "api_proxy", "redis_url", "admin_token"}
            assert re.fullmatch(rf"FORWARDER_{name.upper()}: .+; example: .+", line), line
            assert not re.search("input|should|parse|valid (integer|number|string)|Value error|pydantic", line), line
            shown = f": {float(value):g} " if "FORWARDER_" in line.partition(": ")[2] else f": {value!r} "
            assert hidden or name.endswith("_file") or shown in line, line
    assert refused


#: Any text is a key, the name of a file or of a host: what is wrong with it shows when it is used.
ANY_TEXT = {"API_KEY_FILE", "API_CA_FILE", "ADMIN_HOST"}


@pytest.mark.parametrize("name", sorted(config.Settings.model_fields.keys() - {"api_url", "api_proxy", "redis_url"}))
def test_an_empty_variable_is_one_that_is_not_set(name: str) -> None:
    """As `${NAME:-}` makes them. An empty ADMIN_HOST would listen on every interface."""
    assert config.load({f"FORWARDER_{name.upper()}": ""}) == config.load({})


def test_for_every_setting_there_is_a_wrong_value_here() -> None:
    assert {name.upper() for name in config.Settings.model_fields} == WRONG.keys() | ANY_TEXT


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_with_what_is_wrong_and_an_example(name: str) -> None:
    value, line = WRONG[name]
    assert problems(**{name: value}) == (f"FORWARDER_{name}: {line}",)


@pytest.mark.parametrize(
    "name", sorted(WRONG.keys() - {"API_PROXY_FILE", "REDIS_URL_FILE", "ADMIN_TOKEN_FILE", "ADMIN_TOKEN"})
)
def test_the_example_is_a_valid_value(name: str) -> None:
    example = WRONG[name][1].rpartition("; example: ")[2]
    config.load({f"FORWARDER_{name}": example})


@pytest.mark.parametrize("name", sorted(ANY_TEXT))
def test_any_text_is_accepted_where_only_its_use_can_show_a_mistake(name: str) -> None:
    config.load({f"FORWARDER_{name}": SECRET})


def test_the_example_of_a_conflict_ends_the_conflict() -> None:
    given = {"REQUEST_TIMEOUT": "50", "MAX_BODY_BYTES": "2000", "RETRY_MAX": "0.1", "MAX_EVENT_BYTES": "3000"}
    for problem in problems(**given):
        name, _, said = problem.removeprefix("FORWARDER_").partition(": ")
        given[name] = said.rpartition("; example: ")[2]
    config.load({f"FORWARDER_{name}": value for name, value in given.items()})


def test_all_problems_are_listed_at_once() -> None:
    found = problems(CONCURRENCY="0", API_URL="ftp://x", LINGERS="1", REDIS_URL="x", LOG_LEVEL="loud")
    assert {problem.partition(":")[0] for problem in found} == {
        "FORWARDER_CONCURRENCY",
        "FORWARDER_API_URL",
        "FORWARDER_LINGERS",
        "FORWARDER_REDIS_URL",
        "FORWARDER_LOG_LEVEL",
    }


def test_the_right_name_of_a_misspelt_setting_is_suggested() -> None:
    (problem,) = problems(RATELIMIT="1")
    assert "FORWARDER_RATE_LIMIT" in problem


@pytest.mark.parametrize("name", ["API_KEY", "REDIS_URL"])
def test_a_secret_comes_from_one_place_only(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"redis://:{SECRET}@host/0")
    (problem,) = problems(**{name: f"redis://:{SECRET}@host/0", f"{name}_FILE": str(file)})
    assert problem.startswith(f"FORWARDER_{name}: set this or FORWARDER_{name}_FILE")


def test_the_line_end_of_a_redis_url_in_a_file_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"redis://:{SECRET}@host/0\n")
    settings = config.load({"FORWARDER_REDIS_URL_FILE": str(file)})
    assert settings.redis_url.get_secret_value() == f"redis://:{SECRET}@host/0"


SECRETS = {
    "API_KEY": "a-key",
    "API_PROXY": "http://me:pass@host:3128",
    "REDIS_URL": "redis://:pass@host/0",
    "ADMIN_TOKEN": "a-token-of-this-test",
}


def given(found: config.Settings, name: str) -> str:
    secret = getattr(found, name.lower())
    assert isinstance(secret, SecretStr)
    return secret.get_secret_value()


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_have_a_byte_order_mark_blanks_and_line_ends_around_it(name: str, tmp_path: Path) -> None:
    padded = f"\ufeff {SECRETS[name]} \r\n"
    assert given(config.load({f"FORWARDER_{name}": padded}), name) == SECRETS[name]
    file = tmp_path / "secret"
    file.write_bytes(padded.encode())
    found = config.load({f"FORWARDER_{name}_FILE": str(file)})
    if name != "API_KEY":  # its file is read where it is read again
        assert given(found, name) == SECRETS[name]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ('"{}"', "starts and ends with a quotation mark: remove them"),
        ("'{}'\n", "starts and ends with a quotation mark: remove them"),
        ("“{}”", "starts and ends with a quotation mark: remove them"),
        ("{} x", "contains a blank: remove it; in a URL, write %20"),
        ("{}\nx\n", "contains more than one line: keep the one with the secret"),
        ("{}\0", "contains a control character, or one that is invisible: type it anew"),
        ("{}\u200bx", "contains a control character, or one that is invisible: type it anew"),
    ],
)
@fault(
    "machine",
    "a key or its file has a byte order mark, blanks or quotation marks around it",
    "blanks and the mark are ignored; a quoted key is refused with a line that says so",
    keeps=(5,),
)
def test_no_secret_is_used_in_a_form_that_nobody_meant(name: str, spoilt: str, said: str, tmp_path: Path) -> None:
    text = spoilt.format(SECRETS[name])
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"FORWARDER_{name}: {said}; example: ")
    file = tmp_path / "secret"
    file.write_text(text)
    if name != "API_KEY":
        (problem,) = problems(**{f"{name}_FILE": str(file)})
        assert problem.startswith(f"FORWARDER_{name}_FILE: {file} {said}; example: ")


def test_a_secret_saved_as_utf_16_is_named_so(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRETS["REDIS_URL"], encoding="utf-16")
    (problem,) = problems(REDIS_URL_FILE=str(file))
    assert problem.startswith(f"FORWARDER_REDIS_URL_FILE: {file} is UTF-16: save it as UTF-8; example: ")


def test_a_variable_without_our_prefix_is_ignored() -> None:
    settings = config.load({"CONCURRENCY": "0", "forwarder_concurrency": "0", "FORWARDER": "0"})
    assert settings == config.load({})


def test_sizes_and_switches_may_be_written_as_people_do() -> None:
    settings = config.load({"FORWARDER_MAX_BODY_BYTES": "250kB", "FORWARDER_BISECT": "no"})
    assert (settings.max_body_bytes, settings.bisect) == (250_000, False)


def test_no_secret_shows_in_the_settings() -> None:
    settings = config.load({"FORWARDER_API_KEY": SECRET, "FORWARDER_REDIS_URL": f"redis://:{SECRET}@host/0"})
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_secrets_are_known_encoded_and_decoded() -> None:
    settings = config.load({"FORWARDER_API_KEY": "key", "FORWARDER_REDIS_URL": "redis://:p%40ss@host/0"})
    assert {"key", "p%40ss", "p@ss"} <= set(config.secrets(settings))


def test_every_setting_is_documented() -> None:
    rows = {name: text for name, _, text in config.documented()}
    assert rows.keys() == {f"FORWARDER_{name.upper()}" for name in config.Settings.model_fields}
    assert all(text.endswith(".") for text in rows.values())


@pytest.mark.parametrize("token", ["short", "x" * 15, "nicht-ascii-é-und-lang"])
def test_a_token_that_is_easy_to_guess_or_unsafe_in_a_header_is_refused(token: str) -> None:
    (problem,) = problems(ADMIN_TOKEN=token)
    assert problem == (
        "FORWARDER_ADMIN_TOKEN: must be at least 16 characters, ASCII without spaces; "
        "example: the output of `openssl rand -hex 16`"
    )
    assert token not in problem


def test_the_token_comes_from_a_file_and_is_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-of-this-test\n")
    found = config.load({"FORWARDER_ADMIN_TOKEN_FILE": str(file)})
    assert "a-token-of-this-test" in list(config.secrets(found))
    assert "a-token" not in repr(found)
    assert config.load({"FORWARDER_ADMIN_TOKEN": ""}).admin_token is None


def test_a_wrong_token_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert "cannot read" in problems(ADMIN_TOKEN_FILE=str(file))[0]
    file.write_text("\n")
    assert problems(ADMIN_TOKEN_FILE=str(file)) == (
        f"FORWARDER_ADMIN_TOKEN_FILE: {file} is empty; example: /run/secrets/admin-token",
    )
    file.write_text("short")
    assert "at least 16" in problems(ADMIN_TOKEN_FILE=str(file))[0]
    both = problems(ADMIN_TOKEN_FILE=str(file), ADMIN_TOKEN="x" * 16)
    assert both == ("FORWARDER_ADMIN_TOKEN: set this or FORWARDER_ADMIN_TOKEN_FILE, not both",)


def test_a_value_as_long_as_a_secret_is_not_shown_as_it_may_be_one_in_the_wrong_variable() -> None:
    (line,) = problems(CONCURRENCY="x" * 16)
    assert line == "FORWARDER_CONCURRENCY: the value (16 characters, not shown) is not an integer; example: 64"
    (line,) = problems(CONCURRENCY="x" * 15)
    assert line == "FORWARDER_CONCURRENCY: 'xxxxxxxxxxxxxxx' is not an integer; example: 64"


def test_a_stop_waits_longer_than_a_post_may_take() -> None:
    assert config.load({}).drain_timeout == 20
    assert config.load({"FORWARDER_REQUEST_TIMEOUT": "25", "FORWARDER_SHUTDOWN_TIMEOUT": ""}).drain_timeout == 35
    given = config.load({"FORWARDER_REQUEST_TIMEOUT": "25", "FORWARDER_SHUTDOWN_TIMEOUT": "30"})
    assert (given.drain_timeout, list(given.warnings())) == (30, [])


def test_a_stop_that_waits_for_less_than_a_post_may_take_gets_a_warning() -> None:
    given = config.load({"FORWARDER_REQUEST_TIMEOUT": "25", "FORWARDER_SHUTDOWN_TIMEOUT": "20"})
    (warning,) = given.warnings()
    assert warning == (
        "FORWARDER_SHUTDOWN_TIMEOUT: 20 is less than FORWARDER_REQUEST_TIMEOUT (25 s): "
        "a POST in flight at a stop may be sent twice; example: 35"
    )
