import base64
from pathlib import Path

import pytest

from forwarder.api.credentials import Credentials
from forwarder.errors import ConfigurationError


def refusal(key: str | None, file: Path | None) -> str:
    with pytest.raises(ConfigurationError) as raised:
        Credentials(key, file)
    (problem,) = raised.value.problems
    assert "S3CRET" not in problem
    return str(problem)


def test_the_key_is_sent_as_the_password_of_nobody() -> None:
    scheme, _, encoded = Credentials("a:kéy", None).authorization.partition(" ")
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", ":a:kéy")


def test_a_key_is_named_without_being_shown() -> None:
    one, other = Credentials("S3CRET", None), Credentials("S3CRET2", None)
    assert one.fingerprint == Credentials("S3CRET", None).fingerprint != other.fingerprint
    assert "S3CRET" not in f"{one!r} {one} {one.fingerprint}"


@pytest.mark.parametrize("key", [None, ""])
def test_no_key_is_no_start(key: str | None) -> None:
    assert refusal(key, None).startswith("FORWARDER_API_KEY: required")


@pytest.mark.parametrize("key", ["S3CRET\0", "\x1bS3CRET", "S3CRET\r\nX-Admin: 1", '"S3CRET"', "S3 CRET"])
def test_a_key_that_nobody_gave_out_is_no_start(key: str) -> None:
    assert refusal(key, None).startswith("FORWARDER_API_KEY: ")
    assert refusal(key, None).endswith("; example: demo-key")


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"S3CRET\nS3CRET\n", b"\xff\xfe", b"S3CRET\0", b"'S3CRET'", b"S3 CRET\n"]
)
def test_a_file_without_a_usable_key_is_no_start(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    assert refusal(None, file).startswith(f"FORWARDER_API_KEY_FILE: {file} ")
    assert refusal(None, file).endswith("; example: /run/secrets/api-key")


def test_a_file_that_cannot_be_read_is_no_start(tmp_path: Path) -> None:
    assert "No such file" in refusal(None, tmp_path / "key")
    assert "directory" in refusal(None, tmp_path)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfold\r\n", b"  old\t\n\n", "\u200bold\u00a0".encode()])
def test_what_is_around_a_key_by_accident_is_not_part_of_it(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    assert Credentials(None, file).fingerprint == Credentials("old", None).fingerprint
    assert Credentials(content.decode(), None).fingerprint == Credentials("old", None).fingerprint


def test_a_changed_file_is_a_changed_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(" old\r\n")
    credentials = Credentials(None, file)
    before = credentials.fingerprint
    assert before == Credentials("old", None).fingerprint
    assert not credentials.reload()
    file.write_text("new")
    assert credentials.reload()
    assert credentials.fingerprint == Credentials("new", None).fingerprint
    assert not credentials.reload()


def test_a_file_of_no_use_changes_nothing_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    credentials = Credentials(None, file)
    for spoil in (lambda: file.write_text(""), lambda: file.write_text('"new"'), file.unlink, file.mkdir):
        spoil()
        assert not credentials.reload()
        assert str(credentials.problem).startswith("FORWARDER_API_KEY_FILE: ")
    assert credentials.fingerprint == Credentials("old", None).fingerprint
    file.rmdir()
    file.write_text("new")
    assert credentials.reload()
    assert credentials.problem is None


def test_a_key_by_value_is_never_another(tmp_path: Path) -> None:
    assert not Credentials("key", None).reload()
