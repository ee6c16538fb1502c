"""What an audit policy of Kubernetes records of what matters, and what its holes hide.

The first rule that matches decides (k8s.io/apiserver ``pkg/audit/policy/checker.go``, 1.36); a
request that no rule matches is not recorded. ``*`` stands for all resources, and ``*/status`` for
all subresources of that name; among groups and verbs it is a name like any other. ``pods/*``
matches pods, too. The stages that a rule omits come on top of those of the policy. Pure: the policy
comes as parsed YAML.
"""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.sources.controlplane.json_text import Json, rows, text, texts

LEVELS = ("None", "Metadata", "Request", "RequestResponse")
"""In the order of what they record."""


@dataclass(frozen=True, slots=True)
class PolicyQuestion:
    """A request whose level matters, the level that it needs, and what is lost below it."""

    name: str
    verb: str
    group: str
    resource: str
    user: str
    groups: tuple[str, ...]
    needs: str
    lost: tuple[tuple[str, str], ...]
    """Level and what is lost at it, highest first."""


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """The level that a policy gives a request; ``lost`` is None where nothing is."""

    question: PolicyQuestion
    level: str
    lost: str | None
    unseen: bool = False
    """Nothing says that the request succeeded: it is not recorded, or not when it ends."""


_AUTHENTICATED = ("system:authenticated",)
_CONTROLLER = "system:serviceaccount:kube-system:{}-controller"
_CONTROLLERS = ("system:serviceaccounts", "system:serviceaccounts:kube-system", *_AUTHENTICATED)
_NODES = ("system:nodes", *_AUTHENTICATED)
_UNSEEN = "it leaves no record"
_POD = (
    ("Request", "no uid, and no name of a controller's pods: the binding gives them (inferred)"),
    ("Metadata", "no owner and no image; pods are tied to workloads by name and time (inferred)"),
    ("None", "no pod can be traced back to a request"),
)
_WORKLOAD = (
    ("Request", "no old replica count and no uid: scales are inferred"),
    ("Metadata", "no record of what a patch changed: rollout, scale and label look alike"),
    ("None", "no start of these workloads can be traced back to a person"),
)


def _person(
    name: str,
    verb: str,
    group: str,
    resource: str,
    needs: str,
    lost: tuple[tuple[str, str], ...],
) -> PolicyQuestion:
    return PolicyQuestion(name, verb, group, resource, "alice", _AUTHENTICATED, needs, lost)


QUESTIONS = (
    _person("a person creates a pod", "create", "", "pods", "RequestResponse", _POD),
    PolicyQuestion(
        "a controller creates a pod",
        "create",
        "",
        "pods",
        _CONTROLLER.format("replicaset"),
        _CONTROLLERS,
        "RequestResponse",
        _POD,
    ),
    PolicyQuestion(
        "the scheduler binds a pod",
        "create",
        "",
        "pods/binding",
        "system:kube-scheduler",
        _AUTHENTICATED,
        "Request",
        (("Metadata", "the node's name"), ("None", "the uid of pods that Metadata leaves out")),
    ),
    *(
        _person(f"a person changes {kind}", "patch", group, kind, "RequestResponse", _WORKLOAD)
        for group, kind in (
            ("apps", "deployments"),
            ("apps", "statefulsets"),
            ("apps", "daemonsets"),
            ("batch", "jobs"),
            ("batch", "cronjobs"),
        )
    ),
    _person("a person scales", "patch", "apps", "deployments/scale", "RequestResponse", _WORKLOAD),
    PolicyQuestion(
        "a controller makes a ReplicaSet",
        "create",
        "apps",
        "replicasets",
        _CONTROLLER.format("deployment"),
        _CONTROLLERS,
        "RequestResponse",
        _WORKLOAD,
    ),
    PolicyQuestion(
        "a CronJob's controller reports what it acted on",
        "update",
        "batch",
        "cronjobs/status",
        _CONTROLLER.format("cronjob"),
        _CONTROLLERS,
        "Request",
        (
            ("Metadata", "which version of a CronJob ran: its author is inferred"),
            ("None", "which version of a CronJob ran: its author is inferred"),
        ),
    ),
    _person(
        "a person adds a debug container",
        "patch",
        "",
        "pods/ephemeralcontainers",
        "Request",
        (("Metadata", "the container's name and image"), ("None", _UNSEEN)),
    ),
    _person("a person deletes a pod", "delete", "", "pods", "Metadata", (("None", _UNSEEN),)),
    _person(
        "a person evicts a pod", "create", "", "pods/eviction", "Metadata", (("None", _UNSEEN),)
    ),
    _person(
        "a person opens a shell in a pod", "get", "", "pods/exec", "Metadata", (("None", _UNSEEN),)
    ),
    _person("a person deletes a node", "delete", "", "nodes", "Metadata", (("None", _UNSEEN),)),
    _person(
        "a person labels or taints a node",
        "patch",
        "",
        "nodes",
        "Request",
        (("Metadata", "the label or taint: who ended pods by a taint"), ("None", _UNSEEN)),
    ),
    PolicyQuestion(
        "a node reports its containers",
        "patch",
        "",
        "pods/status",
        "system:node:node-1",
        _NODES,
        "Request",
        (("Metadata", "container ids and start times"), ("None", "container ids")),
    ),
)
SECRETS = tuple(
    _person(f"a person writes {kind}", "create", "", kind, "Metadata", ())
    for kind in ("secrets", "configmaps")
)


class PolicyInvalid(ValueError):
    """A file is not an audit policy."""


def answers(policy: object) -> list[PolicyAnswer]:
    """Return what a policy records of each question. Raises :class:`PolicyInvalid`."""
    if not isinstance(policy, dict) or policy.get("kind") != "Policy":
        raise PolicyInvalid("not an audit policy: kind is not Policy")
    if not isinstance(policy.get("rules"), list):
        raise PolicyInvalid("rules are missing")
    return [_answer(policy, question) for question in QUESTIONS]


def secrets_recorded(policy: Json) -> list[str]:
    """Return the resources with secrets whose bodies the policy records."""
    return [
        question.resource
        for question in SECRETS
        if LEVELS.index(level_of(policy, question)) > LEVELS.index("Metadata")
    ]


def matches_nothing(policy: Json) -> list[str]:
    """Return what the API server takes literally: a ``*`` among groups or verbs."""
    return [
        f"rule {number}: {what}"
        for number, rule in enumerate(rows(policy, "rules"), start=1)
        for what, found in (
            ('verbs has "*"', "*" in texts(rule, "verbs")),
            (
                'a group is "*"',
                any(text(item, "group") == "*" for item in rows(rule, "resources")),
            ),
        )
        if found
    ]


def repeats_stages(policy: Json) -> bool:
    """Return whether each request leaves a record before its outcome is known, too."""
    return "RequestReceived" not in texts(policy, "omitStages") and not all(
        "RequestReceived" in texts(rule, "omitStages") for rule in rows(policy, "rules")
    )


def _answer(policy: Json, question: PolicyQuestion) -> PolicyAnswer:
    rule = _rule_of(policy, question)
    level = _level(rule)
    lost: str | None = None
    omitted = {*texts(policy, "omitStages"), *texts(rule, "omitStages")}
    no_end = _ends(question) <= omitted
    if level != "None" and no_end:
        lost = f"its outcome: the stage {', '.join(sorted(_ends(question)))} is omitted"
    elif LEVELS.index(level) < LEVELS.index(question.needs):
        lost = dict(question.lost).get(level) or "; ".join(
            what for name, what in question.lost if LEVELS.index(name) >= LEVELS.index(level)
        )
    return PolicyAnswer(question, level, lost, unseen=no_end or level == "None")


def _ends(question: PolicyQuestion) -> set[str]:
    """Return the stages of which one says how a request ended. A stream begins and stays."""
    stream = question.resource.endswith(("/exec", "/attach"))
    return {"ResponseComplete", "ResponseStarted"} if stream else {"ResponseComplete"}


def level_of(policy: Json, question: PolicyQuestion) -> str:
    """Return the level that the first matching rule gives."""
    return _level(_rule_of(policy, question))


def _level(rule: Json) -> str:
    level = text(rule, "level")
    return level if level in LEVELS else "None"


def _rule_of(policy: Json, question: PolicyQuestion) -> Json:
    """Return the first rule that matches; an empty one where none does."""
    return next((rule for rule in rows(policy, "rules") if _matches(rule, question)), {})


def _matches(rule: Json, question: PolicyQuestion) -> bool:
    users, groups, verbs = texts(rule, "users"), texts(rule, "userGroups"), texts(rule, "verbs")
    if users and question.user not in users:
        return False
    if groups and not set(groups) & set(question.groups):
        return False
    if verbs and question.verb not in verbs:
        return False
    if texts(rule, "namespaces"):
        # It holds for some namespaces only: a policy is judged by what it says of all others.
        return False
    resources = rows(rule, "resources")
    if not resources:
        return not texts(rule, "nonResourceURLs")
    return any(_named(item, question) for item in resources)


def _named(item: Json, question: PolicyQuestion) -> bool:
    if (text(item, "group") or "") != question.group:
        return False
    patterns = texts(item, "resources")
    if not patterns:
        return True
    # It holds for some objects only, as a rule for namespaces does.
    return not texts(item, "resourceNames") and any(
        _fits(pattern, question.resource) for pattern in patterns
    )


def _fits(pattern: str, wanted: str) -> bool:
    """Return whether a pattern matches ``resource`` or ``resource/subresource``."""
    resource, _, subresource = wanted.partition("/")
    if pattern in (wanted, "*"):
        return True
    if subresource and pattern == f"*/{subresource}":
        return True
    return pattern == f"{resource}/*"
