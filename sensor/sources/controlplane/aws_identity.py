"""Who made a call of AWS: CloudTrail's ``userIdentity`` and ``sourceIPAddress``."""

from __future__ import annotations

from sensor.model.control_plane import Actor, ActorKind
from sensor.sources.controlplane.json_text import Json, table, text

_SESSION = ":assumed-role/"
_SIGNED_IN = ":role/aws-reserved/sso.amazonaws.com/"
"""Where IAM Identity Center keeps the roles of people."""
_CONSOLE = "signin.amazonaws.com"
"""Stands as ``invokedBy`` where a person uses the console, with the address of their browser."""
_PERSONAL = frozenset({"IAMUser", "Root", "FederatedUser", "IdentityCenterUser", "SAMLUser"})
AGENT_CALLS = frozenset(
    {
        "SubmitTaskStateChange",
        "SubmitContainerStateChange",
        "SubmitAttachmentStateChanges",
        "RegisterContainerInstance",
        "DiscoverPollEndpoint",
    }
)
"""Calls that only the agent of a container instance makes."""


def actor(record: Json) -> Actor | None:
    """Return who made the call; a cloud service where one made it on its own role."""
    who = table(record, "userIdentity")
    kind, service = text(who, "type"), text(who, "invokedBy")
    arn = text(who, "arn")
    issuer = table(table(who, "sessionContext"), "sessionIssuer")
    role = _role(issuer, arn) if kind == "AssumedRole" else None
    session = _session(arn)
    source = text(table(who, "sessionContext"), "sourceIdentity")
    name = _name(who, kind, role, session, service)
    if name is None:
        return None
    if text(record, "eventName") in AGENT_CALLS and kind == "AssumedRole":
        return Actor(
            name, ActorKind.NODE, id=arn, role=role, session=session, source_identity=source
        )
    served = service not in {None, _CONSOLE} and kind not in _PERSONAL and not _of_a_person(who)
    if kind == "AWSService" or served:
        # Its role made the call for a service, so the session name is the service's own.
        return Actor(
            role or name,
            ActorKind.CLOUD_SERVICE,
            id=arn,
            role=role,
            session=session,
            source_identity=source,
            service=service,
        )
    behalf = text(table(who, "onBehalfOf"), "userId")
    return Actor(
        name,
        ActorKind.USER,
        id=arn,
        role=role,
        session=session,
        source_identity=source,
        service=service,
        on_behalf_of=() if behalf is None else (behalf,),
    )


def _of_a_person(who: Json) -> bool:
    """Return whether a session is a person's own, which a service used on their behalf.

    Such a forward access session keeps the caller's identity. No service that assumes a role of
    its own signs in with a second factor, through IAM Identity Center or by federation.
    """
    context = table(who, "sessionContext")
    return (
        table(context, "attributes").get("mfaAuthenticated") == "true"
        or text(context, "sourceIdentity") is not None
        or bool(table(context, "webIdFederationData"))
        or _SIGNED_IN in (text(table(context, "sessionIssuer"), "arn") or "")
    )


def _role(issuer: Json, arn: str | None) -> str | None:
    given = text(issuer, "arn")
    if given is not None:
        return given.rpartition("/")[2] or None
    if arn is not None and _SESSION in arn:
        return arn.partition(_SESSION)[2].partition("/")[0] or None
    return text(issuer, "userName")


def _session(arn: str | None) -> str | None:
    if arn is None or _SESSION not in arn:
        return None
    return arn.partition(_SESSION)[2].partition("/")[2] or None


def _name(
    who: Json, kind: str | None, role: str | None, session: str | None, service: str | None
) -> str | None:
    if role is not None:
        return role if session is None else f"{role}/{session}"
    if kind == "Root":
        return "root"
    arn = text(who, "arn")
    return (
        text(who, "userName")
        or text(table(who, "onBehalfOf"), "userId")
        or (arn.rpartition("/")[2] or None if arn is not None else None)
        or text(who, "accountId")
        or service
        or text(who, "principalId")
    )
