"""A token counts for our audience and our accounts only, and only if Google signed it."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from sensor.agent.receivers.identity_token import GoogleTokens, TokenInvalid

AUDIENCE = "https://castoff.example.com/pub-sub"
ACCOUNT = "push@project.iam.gserviceaccount.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def number(value: int) -> str:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_set(name: str = "one") -> bytes:
    public = KEY.public_key().public_numbers()
    row = {"kty": "RSA", "kid": name, "use": "sig", "n": number(public.n), "e": number(public.e)}
    return json.dumps({"keys": [row, {"kty": "EC", "kid": "two"}]}).encode()


def token(key: Any = KEY, name: str = "one", algorithm: str = "RS256", **claims: Any) -> str:
    now = int(time.time())
    content = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now,
        "exp": now + 600,
    } | claims
    kept = {key: value for key, value in content.items() if value is not None}
    return "Bearer " + jwt.encode(kept, key, algorithm, headers={"kid": name})


def tokens() -> GoogleTokens:
    return GoogleTokens(AUDIENCE, (ACCOUNT,), lambda _: key_set())


def test_a_token_of_google_for_us_names_its_account() -> None:
    assert tokens().check(token()) == ACCOUNT


@pytest.mark.parametrize(
    "wrong",
    [
        token(aud="https://other.example.com"),
        token(email="mallory@other.iam.gserviceaccount.com"),
        token(email_verified=False),
        token(iss="https://evil.example"),
        token(exp=int(time.time()) - 3600),
        token(iat=int(time.time()) + 3600),
        token(exp=None),
        token(OTHER),
        token(name="unknown"),
        token("a secret that is long enough for it", algorithm="HS256"),
        "Bearer ",
        "",
        "Basic " + token().partition(" ")[2],
        "Bearer " + "x" * 10_000,
        "Bearer a.b.c",
    ],
)
def test_any_other_token_proves_nothing(wrong: str) -> None:
    with pytest.raises(TokenInvalid):
        tokens().check(wrong)


def test_a_token_without_a_signature_proves_nothing() -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').rstrip(b"=").decode()
    body = token().partition(" ")[2].split(".")[1]
    with pytest.raises(TokenInvalid):
        tokens().check(f"Bearer {head}.{body}.")


def test_unknown_keys_do_not_make_it_ask_again_and_again() -> None:
    asked: list[str] = []

    def get(url: str) -> bytes:
        asked.append(url)
        return key_set()

    checked = GoogleTokens(AUDIENCE, (ACCOUNT,), get)
    for number_ in range(5):
        with pytest.raises(TokenInvalid):
            checked.check(token(name=f"forged {number_}"))
    assert checked.check(token()) == ACCOUNT
    assert len(asked) == 1


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"keys": 1}', b'{"keys": [{"kty": "RSA"}, 1]}'])
def test_keys_that_cannot_be_read_are_an_error_to_try_again(answer: bytes) -> None:
    with pytest.raises(OSError, match="keys"):
        GoogleTokens(AUDIENCE, (ACCOUNT,), lambda _: answer).check(token())


@given(st.text(max_size=60))
def test_any_header_is_refused(shown: str) -> None:
    for text in (shown, f"Bearer {shown}"):
        with pytest.raises(TokenInvalid):
            tokens().check(text)
