"""The audit witness: client commands and engine connects as the Linux audit subsystem records them.

    netlink ┐
    plugin  ├─▶ Record ─┬─▶ assembly ─▶ AuditEvent ─▶ witness ─▶ AuditExec, ApiConnect
    tail    ┘           └─▶ serials ─▶ AuditLoss     (auparse, decode)

``source`` puts the parts together. Nothing here writes to the audit subsystem.
"""
