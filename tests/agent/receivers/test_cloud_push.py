"""Each path takes what proves its sender, once, and answers when it is durable."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sensor.agent.receivers import cloud_push
from sensor.agent.receivers.cloud_push import CloudPush, listen_settings
from sensor.agent.receivers.post_server import Post, RefusedPost, Reply
from sensor.agent.receivers.settings import (
    EventBridgeSection,
    EventGridSection,
    PubSubSection,
    PushSection,
    PushSettings,
    SnsSection,
)
from sensor.settings.secret import Secret
from tests.agent.receivers.test_identity_token import ACCOUNT, AUDIENCE, key_set, token
from tests.agent.receivers.test_sns import TOPIC, certificate, signed

SECRET = "0123456789abcdef"
SETTINGS = PushSettings(
    sns=SnsSection((TOPIC,)),
    event_bridge=EventBridgeSection(Secret(SECRET)),
    event_grid=EventGridSection(Secret(SECRET)),
    pub_sub=PubSubSection(AUDIENCE, (ACCOUNT,)),
)
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
RECORD = b'{"eventName": "RunTask"}'


class Receiver:
    """A receiver, and what it took."""

    def __init__(self, settings: PushSettings = SETTINGS) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.asked: list[str] = []
        self.disk = True
        self.push = CloudPush(settings, self._take, self._get)

    async def _take(self, origin: str, body: bytes) -> None:
        if not self.disk:
            raise TimeoutError
        self.taken.append((origin, body))

    def _get(self, url: str) -> bytes:
        self.asked.append(url)
        if "Unreachable" in url:
            raise OSError("no route")
        return key_set() if "google" in url else certificate(begins=YESTERDAY)

    def post(
        self, target: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST"
    ) -> Reply:
        post = Post("10.0.0.1", method, target, headers or {}, body)
        return asyncio.run(self.push.answer(post))

    def refusal(
        self, target: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST"
    ) -> int:
        with pytest.raises(RefusedPost) as refused:
            self.post(target, body, headers, method)
        assert self.taken == []
        return refused.value.status


def fresh(**fields: str) -> bytes:
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps(signed(Timestamp=stamp, **fields)).encode()


# -------------------------------------------------------------------------------------- SNS


def test_a_notification_of_sns_is_taken() -> None:
    receiver = Receiver()
    assert receiver.post("/sns", fresh(Message=RECORD.decode())).status == 200
    assert receiver.taken == [(TOPIC, RECORD)]


def test_a_replayed_message_counts_once() -> None:
    receiver = Receiver()
    body = fresh()
    assert [receiver.post("/sns", body).status for _ in range(3)] == [200, 200, 200]
    assert len(receiver.taken) == 1
    assert receiver.push.repeated == 2


def test_a_message_that_the_disk_did_not_take_comes_again() -> None:
    receiver = Receiver()
    body = fresh()
    receiver.disk = False
    with pytest.raises(TimeoutError):
        receiver.post("/sns", body)
    receiver.disk = True
    assert receiver.post("/sns", body).status == 200
    assert len(receiver.taken) == 1


def test_the_ids_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_push, "MESSAGES_LIMIT", 2)
    receiver = Receiver()
    for number in range(4):
        receiver.post("/sns", fresh(MessageId=f"id-{number}"))
    assert len(receiver.push._known) == 2


@pytest.mark.parametrize("confirm", [True, False])
def test_a_subscription_is_confirmed_unless_that_is_off(*, confirm: bool) -> None:
    receiver = Receiver(replace(SETTINGS, sns=SnsSection((TOPIC,), confirm)))
    address = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription"
    body = fresh(Type="SubscriptionConfirmation", Token="t", SubscribeURL=address)
    assert receiver.post("/sns", body).status == 200
    assert (address in receiver.asked) is confirm
    assert receiver.taken == []


def test_a_forged_message_is_refused() -> None:
    assert Receiver().refusal("/sns", fresh().replace(b"RunTask", b"StopTask")) == 403


def test_a_certificate_that_cannot_be_had_is_an_answer_to_try_again() -> None:
    address = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-Unreachable.pem"
    assert Receiver().refusal("/sns", fresh(SigningCertURL=address)) == 503


# ----------------------------------------------------------------------------------- secrets


def test_an_api_destination_shows_its_secret() -> None:
    receiver = Receiver()
    assert receiver.post("/event-bridge", RECORD, {"x-api-key": SECRET}).status == 200
    assert receiver.taken == [("event-bridge 10.0.0.1", RECORD)]
    assert Receiver().refusal("/event-bridge", RECORD, {"x-api-key": "wrong"}) == 401
    assert Receiver().refusal("/event-bridge", RECORD) == 401


def test_event_grid_asks_with_the_secret_only() -> None:
    origin = {"webhook-request-origin": "eventgrid.azure.net"}
    receiver = Receiver()
    target = f"/event-grid?code={SECRET}"
    assert receiver.post(target, b"", origin, "OPTIONS").status == 200
    assert receiver.post(target, RECORD, {"aeg-event-type": "Notification"}).status == 200
    assert receiver.taken == [("event-grid 10.0.0.1", RECORD)]
    assert Receiver().refusal("/event-grid", b"", origin, "OPTIONS") == 401
    assert Receiver().refusal("/event-grid?code=wrong", RECORD) == 401


# ----------------------------------------------------------------------------------- Pub/Sub


def message(id_: str = "1") -> bytes:
    data = base64.b64encode(RECORD).decode()
    return json.dumps({"message": {"data": data, "messageId": id_}, "subscription": "s"}).encode()


def test_a_push_of_pub_sub_with_a_token_is_taken_once() -> None:
    receiver = Receiver()
    for _ in range(2):
        assert receiver.post("/pub-sub", message(), {"authorization": token()}).status == 200
    assert receiver.taken == [("pub-sub 10.0.0.1", RECORD)]


def test_a_push_without_a_token_is_refused() -> None:
    assert Receiver().refusal("/pub-sub", message()) == 401
    other = token(email="mallory@other.iam.gserviceaccount.com")
    assert Receiver().refusal("/pub-sub", message(), {"authorization": other}) == 401


def test_a_secret_serves_where_there_are_no_tokens() -> None:
    settings = replace(SETTINGS, pub_sub=PubSubSection(secret=Secret(SECRET)))
    assert Receiver(settings).post(f"/pub-sub?token={SECRET}", message()).status == 200
    assert Receiver(settings).refusal("/pub-sub?token=wrong", message()) == 401


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"message": {"data": "!", "messageId": "1"}}', b"\xff"]
)
def test_a_body_that_is_not_a_push_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Receiver().post("/pub-sub", body, {"authorization": token()})


# -------------------------------------------------------------------------------------- paths


def test_what_is_not_configured_does_not_exist() -> None:
    empty = PushSettings()
    for path in ("/sns", "/event-bridge", "/event-grid", "/pub-sub", "/", "/metrics"):
        assert Receiver(empty).refusal(path, RECORD, {"x-api-key": ""}) == 404
    assert Receiver().refusal("/sns", b"", method="OPTIONS") == 405


def test_an_ipv6_address_to_listen_at_loses_its_brackets() -> None:
    where = listen_settings(PushSection("[::1]:8444", "/c", "/k"))
    assert (where.host, where.port, where.section) == ("::1", 8444, "push")


@pytest.mark.parametrize(
    ("target", "status"),
    [("/event-bridge", 401), ("/event-grid?code=wrong", 401), ("/pub-sub", 401), ("/other", 404)],
)
def test_the_head_of_a_push_is_judged_without_its_body(target: str, status: int) -> None:
    receiver = Receiver()
    with pytest.raises(RefusedPost) as refused:
        receiver.push.admit(Post("10.0.0.1", "POST", target, {}, b""))
    assert refused.value.status == status
    headers = {"x-api-key": SECRET, "authorization": "Bearer x"}
    longest = [
        receiver.push.admit(Post("10.0.0.1", "POST", path, headers, b""))
        for path in ("/sns", "/event-bridge", "/event-grid", "/pub-sub")
    ]
    assert longest == sorted(longest)
