"""A person stays the person where a service uses their session for them."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.model.control_plane import ActorKind
from sensor.sources.controlplane.aws_identity import actor

SIGNED_IN = "role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Admin_0f"
NO_FACTOR = {"mfaAuthenticated": "false"}


def session(role: str, **context: Any) -> dict[str, Any]:
    name = role.rpartition("/")[2]
    return {
        "eventName": "RunTask",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::1:assumed-role/{name}/alice",
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::1:{role}"},
                "attributes": NO_FACTOR,
                "webIdFederationData": {},
                **context,
            },
            "invokedBy": "cloudformation.amazonaws.com",
        },
    }


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (session("role/cfn-exec"), ActorKind.CLOUD_SERVICE),
        (session("role/aws-service-role/ecs.amazonaws.com/X"), ActorKind.CLOUD_SERVICE),
        (session(SIGNED_IN), ActorKind.USER),
        (session("role/Admin", attributes={"mfaAuthenticated": "true"}), ActorKind.USER),
        (session("role/Admin", sourceIdentity="alice"), ActorKind.USER),
        (session("role/ci", webIdFederationData={"federatedProvider": "x"}), ActorKind.USER),
    ],
)
def test_a_session_that_a_service_used(record: dict[str, Any], kind: ActorKind) -> None:
    who = actor(record)
    assert who is not None
    assert (who.kind, who.service, who.session) == (kind, "cloudformation.amazonaws.com", "alice")


def test_a_session_of_the_console_is_a_person_s() -> None:
    record = session("role/Admin")
    record["userIdentity"]["invokedBy"] = "signin.amazonaws.com"
    who = actor(record)
    assert who is not None
    assert (who.kind, who.name) == (ActorKind.USER, "Admin/alice")
