"""The query of a request of the Kubernetes API, read as the API server reads it.

A client writes the query. Go's ``url.ParseQuery`` drops a pair that holds a semicolon or a broken
escape, and decodes keys: ``?dryRun=All;`` changes the cluster, ``?dry%52un=All`` does not.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DRY_RUN = "dryRun"


def asks_for_dry_run(uri: str) -> bool:
    """Return whether the query of a request's URI asks the API server to change nothing."""
    query = uri.partition("?")[2]
    if "%" not in query and _DRY_RUN not in query:
        return False
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if not value or ";" in pair or _BROKEN.search(pair) is not None:
            continue
        if unquote_plus(key) == _DRY_RUN:
            return True
    return False
