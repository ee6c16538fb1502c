"""Which section of the report serves which control of which framework."""

from __future__ import annotations

from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """A control, what it asks for, and the sections (their ids) that serve it."""

    framework: str
    id: str
    asks: str
    sections: tuple[str, ...]


CONTROLS = (
    Control(
        "SOC 2", "CC7.2", "monitor components for anomalies", ("alerts", "unexplained", "coverage")
    ),
    Control("SOC 2", "CC7.3", "evaluate security events and respond", ("alerts", "suppressions")),
    Control(
        "SOC 2",
        "CC8.1",
        "authorize, document and track changes",
        ("changes", "explanations", "unexplained", "scope"),
    ),
    Control("PCI DSS 4.0.1", "6.5.1", "changes follow an approved procedure", ("changes",)),
    Control(
        "PCI DSS 4.0.1",
        "10.2.1.2",
        "log all actions by users with administrative access",
        ("people", "access"),
    ),
    Control(
        "PCI DSS 4.0.1",
        "10.2.1.6",
        "log when audit logs are started, stopped or paused",
        ("history", "gaps"),
    ),
    Control(
        "PCI DSS 4.0.1",
        "10.2.1.7",
        "log the creation and deletion of system-level objects",
        ("explanations", "scope"),
    ),
    Control(
        "PCI DSS 4.0.1",
        "10.3.4",
        "detect changes to audit logs",
        ("chains",),
    ),
    Control("PCI DSS 4.0.1", "10.4.1.1", "review logs by automated means", ("alerts",)),
    Control(
        "ISO 27001:2022", "A.8.32", "change management", ("changes", "explanations", "unexplained")
    ),
    Control("ISO 27001:2022", "A.8.15", "protect and analyse logs", ("chains", "coverage")),
    Control(
        "NIST SP 800-53",
        "CM-3",
        "control configuration changes",
        ("changes", "unexplained", "people"),
    ),
    Control("NIST SP 800-53", "CM-5", "restrict access for change", ("access", "people")),
    Control("NIST SP 800-53", "AU-10", "proof against denial of actions", ("chains", "people")),
    Control("NIST SP 800-53", "AU-12", "generate audit records", ("coverage", "gaps", "history")),
    Control(
        "NIST SP 800-190",
        "4.4.5",
        "find rogue containers",
        ("unexplained", "alerts", "reactivations"),
    ),
)
