"""Why the audit witness cannot testify on this node."""

from __future__ import annotations

from sensor.errors import CastoffError


class AuditUnavailable(CastoffError):
    """There is no way in to audit's records, or nothing to parse them with."""

    exit_code = 69
