"""Settings from the environment, checked as a whole."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from forwarder import secret
from forwarder.config.settings import PREFIX, Settings
from forwarder.config.wording import example, problem
from forwarder.errors import ConfigurationError

#: Variables with our prefix that the service ignores: this one names the redis-server of the demo and the tests.
NOT_SETTINGS = {"FORWARDER_REDIS_SERVER"}
#: An empty variable counts as unset: `${NAME:-}` in a file of settings makes those. But an empty address is an error,
#: because the default may be somewhere else than was meant.
_NEVER_EMPTY = frozenset({"api_url", "api_proxy", "redis_url"})


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
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        if field not in Settings.model_fields:
            problems.append(_unknown(name))
        elif value or field in _NEVER_EMPTY:
            values[field] = value
    values.update(overrides)
    problems.extend(_read_file(values, "api_proxy"))
    problems.extend(_read_file(values, "redis_url"))
    problems.extend(_read_file(values, "admin_token"))
    try:
        settings = _checked(values)
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from None
    if problems:
        raise ConfigurationError(problems)
    return settings


def _checked(values: Mapping[str, object]) -> Settings:
    """Settings by their names in lower case. Raises ConfigurationError with every problem at once."""
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        wrong = {str(each["loc"][0]): each for each in error.errors()}
        rest = Settings.model_validate({name: value for name, value in values.items() if name not in wrong})
        # Conflicts are listed too, except those that the default in place of a wrong value may cause.
        between = [each for each in rest.problems() if not any(name.upper() in each for name in wrong)]
        alone = [f"{name.upper()}: {problem(name, each)}" for name, each in wrong.items()]
        raise ConfigurationError([PREFIX + line for line in alone + between]) from None
    problems = [PREFIX + line for line in settings.problems()]
    if problems:
        raise ConfigurationError(problems)
    return settings


def _unknown(name: str) -> str:
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    close = difflib.get_close_matches(name, known, 1)
    return f"{name}: no such setting" + (
        f"; did you mean {close[0]}?" if close else "; deploy/reference.md lists all of them"
    )


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
