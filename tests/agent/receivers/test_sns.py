"""Only what SNS signed, for a topic of ours and not long ago, is a message."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from sensor.agent.receivers.sns import AGE_LIMIT, Forged, SnsVerifier, text_to_sign

TOPIC = "arn:aws:sns:eu-central-1:111122223333:castoff"
URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: Any = KEY, begins: datetime = NOW - timedelta(days=1)) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=30))
    )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def signed(**fields: str) -> dict[str, str]:
    """Return a message as SNS posts it."""
    return signed_by(KEY, **fields)


def signed_by(key: rsa.RSAPrivateKey, /, **fields: str) -> dict[str, str]:
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "a subject",
        "Message": '{"eventName": "RunTask"}',
        "Timestamp": "2026-03-02T09:15:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": URL,
    } | fields
    digest = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()
    signature = key.sign(text_to_sign(message), padding.PKCS1v15(), digest)
    return message | {"Signature": base64.b64encode(signature).decode()}


def verified(message: dict[str, str], get: Callable[[str], bytes] | None = None) -> Any:
    verifier = SnsVerifier((TOPIC,), get or (lambda _: certificate()))
    return verifier.message(json.dumps(message).encode(), NOW.timestamp())


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_message_that_sns_signed_is_taken(version: str) -> None:
    message = verified(signed(SignatureVersion=version))
    assert (message.kind, message.topic) == ("Notification", TOPIC)
    assert message.message == '{"eventName": "RunTask"}'


def test_a_confirmation_is_fetched_from_sns_only() -> None:
    address = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    fields = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": address}
    asked: list[str] = []

    def get(url: str) -> bytes:
        asked.append(url)
        return certificate()

    verifier = SnsVerifier((TOPIC,), get)
    message = verifier.message(json.dumps(signed(**fields)).encode(), NOW.timestamp())
    verifier.confirm(message)
    assert asked == [URL, address]
    with pytest.raises(Forged, match="confirmation"):
        verified(signed(**(fields | {"SubscribeURL": "https://169.254.169.254/latest"})))


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp"])
def test_a_signed_field_that_was_changed_is_noticed(name: str) -> None:
    changed = {"Timestamp": "2026-03-02T09:15:01.000Z"}.get(name, "changed")
    with pytest.raises(Forged, match="signature"):
        verified(signed() | {name: changed})


def test_a_message_of_another_key_is_refused() -> None:
    with pytest.raises(Forged, match="signature"):
        verified(signed_by(OTHER))


def test_a_topic_of_another_user_is_refused_although_sns_signed_it() -> None:
    with pytest.raises(Forged, match="topic"):
        verified(signed(TopicArn="arn:aws:sns:eu-central-1:999999999999:castoff"))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/?Action=GetObject&x=.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/../SimpleNotificationService-1.pem",
        "file:///etc/ssl/SimpleNotificationService-1.pem",
        "",
    ],
)
def test_a_certificate_from_elsewhere_is_never_fetched(url: str) -> None:
    def get(_: str) -> bytes:
        raise AssertionError("fetched")

    with pytest.raises(Forged, match="certificate"):
        verified(signed(SigningCertURL=url), get)


def test_a_message_of_another_day_is_refused() -> None:
    old = (NOW - timedelta(seconds=AGE_LIMIT + 60)).isoformat()
    with pytest.raises(Forged, match="older"):
        verified(signed(Timestamp=old))


def test_a_certificate_that_is_not_valid_now_is_refused() -> None:
    expired = certificate(begins=NOW - timedelta(days=60))
    with pytest.raises(Forged, match="valid"):
        verified(signed(), lambda _: expired)


def test_a_key_of_another_kind_is_refused() -> None:
    curve = certificate(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(Forged, match="RSA"):
        verified(signed(), lambda _: curve)
    with pytest.raises(Forged, match="read"):
        verified(signed(), lambda _: b"no certificate")


def test_a_certificate_is_fetched_once() -> None:
    asked: list[str] = []

    def get(url: str) -> bytes:
        asked.append(url)
        return certificate()

    verifier = SnsVerifier((TOPIC,), get)
    for _ in range(3):
        verifier.message(json.dumps(signed()).encode(), NOW.timestamp())
    assert asked == [URL]


@given(st.binary(max_size=200) | st.sampled_from(list(signed())).map(str.encode))
def test_any_body_is_refused_or_a_message(body: bytes) -> None:
    verifier = SnsVerifier((TOPIC,), lambda _: certificate())
    with pytest.raises(ValueError, match=r"\w"):
        verifier.message(body, NOW.timestamp())


@given(
    st.sampled_from(sorted(signed())),
    st.none() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3), max_size=2),
)
def test_a_field_of_any_value_is_refused_or_signed(name: str, value: object) -> None:
    message: dict[str, object] = {**signed(), name: value}
    verifier = SnsVerifier((TOPIC,), lambda _: certificate())
    if message == signed():
        return
    with pytest.raises(ValueError, match=r"\w"):
        verifier.message(json.dumps(message).encode(), NOW.timestamp())
