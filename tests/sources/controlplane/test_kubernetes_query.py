"""Only what the API server takes for a dry run is one: the client writes the query."""

from __future__ import annotations

import pytest

from sensor.sources.controlplane.kubernetes_query import asks_for_dry_run


@pytest.mark.parametrize(
    ("query", "tries"),
    [
        ("?dryRun=All", True),
        ("?fieldManager=x&dryRun=All", True),
        ("?dryRun=&dryRun=All", True),
        ("?dry%52un=All", True),
        ("?dryRun=A%6cl", True),
        ("", False),
        ("?dryRun=", False),
        ("?dryRun", False),
        ("?DRYRUN=All", False),
        ("?fieldManager=a?dryRun=All", False),
        ("?fieldManager=dryRun=All", False),
        # Go drops these pairs, so the request is carried out.
        ("?dryRun=All;", False),
        ("?x;dryRun=All", False),
        ("?dryRun=All%zz", False),
        ("?dry%5un=All", False),
        ("?dryRun=All%", False),
    ],
)
def test_a_query_is_read_as_the_api_server_reads_it(query: str, *, tries: bool) -> None:
    assert asks_for_dry_run("/api/v1/namespaces/shop/pods" + query) is tries
