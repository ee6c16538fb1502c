"""Names that announce a secret, and names that only look like it."""

from __future__ import annotations

import pytest

from sensor.identity.secret_names import is_secret_name


@pytest.mark.parametrize(
    "name",
    ["password", "PGPASSWORD", "DB_PASS", "dbpass", "MYSQL_PWD", "--token", "clientSecret",
     "AWS_SECRET_ACCESS_KEY", "api_key", "apiKey", "X-Api-Key", "private.key", "credentials",
     "Cookie", "auth", "x" * 5000 + "password", "requirepass", "myApiPass", "certificate-key",
     "SharedAccessSignature", "SharedAccessKey", "auth-key", "authkey", "DB_PW", "wifi-sec.psk",
     "session_token", "admin-token", "plan.token"],
    ids=lambda name: name[-24:],
)  # fmt: skip
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "user", "COMPASS", "bypass", "passenger", "PATH", "author", "--token-file",
     "password-stdin", "secret_name", "TOKEN_TTL", "--anonymous-auth", "keyboard", "tokenTtl",
     "max-tokens", "tokenizer", "passwordFile", "cookie-jar", "monkey", "password_encryption",
     "max_new_tokens"],
)  # fmt: skip
def test_a_harmless_name_is_not_a_secret(name: str) -> None:
    assert not is_secret_name(name)
