"""Why the audit witness cannot testify on this node."""

from __future__ import annotations

from sensor.errors import CastoffError


class AuditUnavailable(CastoffError):
    """audit's records cannot be reached, or the parser for them is missing."""

    exit_code = 69
