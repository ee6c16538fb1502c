"""``castoff doctor --audit-policy``: what a policy of the API server records, and what it hides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.cli.finding import Health, HostCheck
from sensor.errors import CastoffError
from sensor.sources.controlplane import audit_policy

if TYPE_CHECKING:
    from pathlib import Path

SIZE_LIMIT = 1 << 20
RECOMMENDED = "deploy/kubernetes/audit-policy.yaml"


class PolicyUnreadable(CastoffError):
    """A file cannot be read as an audit policy."""

    exit_code = 65


def findings(path: Path) -> list[HostCheck]:
    """Return what the policy in a file records. Raises :class:`PolicyUnreadable`."""
    policy = _loaded(path)
    try:
        found_answers = audit_policy.answers(policy)
    except audit_policy.PolicyInvalid as error:
        raise PolicyUnreadable(
            f"{path}: {error}", f"Write a policy such as {RECOMMENDED}."
        ) from None
    found = [_finding(answer) for answer in found_answers]
    if isinstance(policy, dict):
        for resource in audit_policy.secrets_recorded(policy):
            fix = "Record them at level Metadata."
            found.append(HostCheck(resource, Health.NOTE, "bodies with secrets are recorded", fix))
        for literal in audit_policy.matches_nothing(policy):
            fix = "List the groups; leave verbs out to mean all of them."
            detail = "the API server takes it literally, so that it matches nothing"
            found.append(HostCheck(literal, Health.NOTE, detail, fix))
        if audit_policy.repeats_stages(policy):
            fix = "Add RequestReceived to omitStages."
            detail = "each request leaves two records; the first has no outcome"
            found.append(HostCheck("stages", Health.NOTE, detail, fix))
    return found


def _finding(answer: audit_policy.PolicyAnswer) -> HostCheck:
    question = answer.question
    if answer.lost is None:
        return HostCheck(question.name, Health.OK, f"level {answer.level}")
    health = Health.FAIL if answer.unseen else Health.NOTE
    detail = f"level {answer.level}; lost: {answer.lost}"
    stage = ", with the stage ResponseComplete" if answer.unseen else ""
    fix = f"Record {question.verb} of {question.resource} at level {question.needs}{stage}."
    return HostCheck(question.name, health, detail, fix)


def _loaded(path: Path) -> object:
    try:
        import yaml
    except ImportError:
        raise PolicyUnreadable(
            "PyYAML is missing",
            "Install it: apt-get install python3-yaml (Fedora: dnf install python3-pyyaml)",
        ) from None
    try:
        with path.open("rb") as stream:
            data = stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise PolicyUnreadable(f"{path}: {error.strerror}", "Name a readable file.") from None
    if len(data) > SIZE_LIMIT:
        raise PolicyUnreadable(f"{path}: longer than {SIZE_LIMIT} bytes", "Name a policy file.")
    try:
        return yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise PolicyUnreadable(f"{path}: not YAML", f"Write one such as {RECOMMENDED}.") from None
