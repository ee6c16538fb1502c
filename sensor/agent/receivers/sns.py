r"""Messages of Amazon SNS: whether SNS signed one, and what it carries.

The signature covers the fields below, each as ``NAME\nVALUE\n`` (docs.aws.amazon.com/sns:
sns-verify-signature-of-message). Version 1 is SHA-1 with RSA, version 2 SHA-256. The certificate
stands at ``SigningCertURL``, which must be a file of SNS itself: a forger of a message also
chooses that URL. A valid signature says that SNS sent it, and not that the topic is ours.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sensor.agent.receivers.fetching import SNS_HOST, fetch, is_of
from sensor.bounded import Bounded
from sensor.dataclass import dataclass
from sensor.sources.controlplane.json_text import JsonInvalid, parse

if TYPE_CHECKING:
    from sensor.agent.receivers.fetching import Fetch

CERTIFICATES_LIMIT = 16
CERTIFICATE_SECONDS = 86_400.0
"""How long a certificate is used without a look whether it is still there."""
AGE_LIMIT = 86_400
"""Seconds. SNS tries for an hour, by its own policy for up to a day."""
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)
SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


class Forged(ValueError):
    """A message that SNS did not sign, or that cannot be ours."""


@dataclass(frozen=True, slots=True)
class SnsMessage:
    """A message that SNS signed."""

    kind: str
    id: str
    topic: str
    message: str
    subscribe_url: str | None


def text_to_sign(fields: dict[str, str]) -> bytes:
    """Return what the signature covers. Raises :class:`Forged`."""
    names = SIGNED.get(fields.get("Type", ""))
    if names is None:
        raise Forged("the type of the message is unknown")
    return "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields).encode()


class SnsVerifier:
    """Checks messages. ``fetch`` gets a certificate; it may block, so call this in a thread."""

    def __init__(self, topics: tuple[str, ...], get: Fetch = fetch) -> None:
        self._topics = frozenset(topics)
        self._get = get
        self._certificates: Bounded[str, tuple[float, bytes]] = Bounded(CERTIFICATES_LIMIT)
        self._lock = threading.Lock()

    def message(self, body: bytes, now: float) -> SnsMessage:
        """Return the message in a body. Raises :class:`Forged`, ValueError and OSError.

        ``now``: wall-clock seconds.
        """
        fields = _fields(body)
        topic, id_ = fields.get("TopicArn"), fields.get("MessageId")
        if topic not in self._topics:
            raise Forged("the topic is not one of push.sns.topics")
        if not id_ or "Message" not in fields:
            raise Forged("the message has no id or no content")
        _check_age(fields.get("Timestamp", ""), now)
        url = fields.get("SigningCertURL", "")
        path = urlsplit(url).path if is_of(url, SNS_HOST) else ""
        if not path.startswith("/SimpleNotificationService-") or not path.endswith(".pem"):
            raise Forged("the certificate is not one of SNS")
        region = topic.split(":")[3]
        if urlsplit(url).netloc.split(".")[1] != region:
            raise Forged("the certificate is of another region than the topic")
        _verify(self._certificate(url), fields, now)
        subscribe = fields.get("SubscribeURL")
        if subscribe is not None and not is_of(subscribe, SNS_HOST):
            raise Forged("the address of the confirmation is not one of SNS")
        return SnsMessage(fields["Type"], id_, topic, fields["Message"], subscribe)

    def confirm(self, message: SnsMessage) -> None:
        """Confirm a subscription. Raises OSError."""
        if message.subscribe_url is not None:
            self._get(message.subscribe_url)

    def _certificate(self, url: str) -> bytes:
        with self._lock:
            known = self._certificates.get(url)
        if known is not None and time.monotonic() - known[0] < CERTIFICATE_SECONDS:
            return known[1]
        found = self._get(url)
        with self._lock:
            self._certificates.put(url, (time.monotonic(), found))
        return found


def _fields(body: bytes) -> dict[str, str]:
    try:
        value = parse(body)
    except JsonInvalid as error:
        raise ValueError(str(error)) from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return {name: text for name, text in value.items() if type(text) is str}


def _check_age(stamp: str, now: float) -> None:
    try:
        sent = datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        raise Forged("the message has no time") from None
    if abs(now - sent) > AGE_LIMIT:
        raise Forged("the message is older than a day")


def _verify(pem: bytes, fields: dict[str, str], now: float) -> None:
    from cryptography import x509  # optional
    from cryptography.exceptions import InvalidSignature  # optional
    from cryptography.hazmat.primitives import hashes  # optional
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # optional

    digest: hashes.HashAlgorithm
    version = fields.get("SignatureVersion")
    if version == "2":
        digest = hashes.SHA256()
    elif version == "1":
        digest = hashes.SHA1()  # noqa: S303 - AWS signs version 1, the default of SNS, with SHA-1
    else:
        raise Forged("the version of the signature is unknown")
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        signature = base64.b64decode(fields.get("Signature", ""), validate=True)
    except (ValueError, binascii.Error):
        raise Forged("the certificate or the signature cannot be read") from None
    begins, ends = (
        one.replace(tzinfo=UTC).timestamp()
        for one in (certificate.not_valid_before, certificate.not_valid_after)
    )
    if not begins <= now <= ends:
        raise Forged("the certificate is not valid now")
    if not isinstance(key, rsa.RSAPublicKey):
        raise Forged("the certificate has no RSA key")
    try:
        key.verify(signature, text_to_sign(fields), padding.PKCS1v15(), digest)
    except InvalidSignature:
        raise Forged("the signature is not of SNS") from None
