"""Names and shapes of secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.credentials import REDACTED, is_secret_name, without_credentials


@pytest.mark.parametrize(
    "name",
    ["password", "PGPASSWORD", "DB_PASS", "dbpass", "MYSQL_PWD", "--token", "clientSecret",
     "AWS_SECRET_ACCESS_KEY", "api_key", "apiKey", "X-Api-Key", "private.key", "credentials",
     "Cookie", "auth", "x" * 5000 + "password"],
    ids=lambda name: name[-24:],
)  # fmt: skip
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "user", "COMPASS", "bypass", "passenger", "PATH", "author", "--token-file",
     "password-stdin", "secret_name", "TOKEN_TTL", "--anonymous-auth", "keyboard"],
)  # fmt: skip
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


def test_a_url_keeps_all_but_its_password() -> None:
    assert without_credentials("a redis://u:p@h:1/0 b") == f"a redis://u:{REDACTED}@h:1/0 b"


@given(st.text())
def test_doing_it_twice_changes_nothing_more(text: str) -> None:
    once = without_credentials(text)
    assert without_credentials(once) == once
