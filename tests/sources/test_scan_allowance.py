"""Each user may cause a few scans, and then one a second."""

from __future__ import annotations

from sensor.sources.scan_allowance import BURST, SECONDS_EACH, USERS_MAX, ScanAllowance


def test_a_user_has_a_few_scans_at_once_and_then_one_a_second() -> None:
    allowance = ScanAllowance()
    assert [allowance.take("uid 1000", 5.0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert allowance.refused == 1
    later = 5.0 + SECONDS_EACH
    assert [allowance.take("uid 1000", later) for _ in range(2)] == [True, False]


def test_no_user_pays_for_another() -> None:
    allowance = ScanAllowance()
    while allowance.take("uid 1000", 5.0):
        pass
    assert allowance.take("uid 1001", 5.0)
    assert allowance.take(None, 5.0)


def test_a_part_of_an_account_takes_the_accounts_share() -> None:
    allowance = ScanAllowance()
    scans = [allowance.take(f"uid 1000/uid {100_000 + n}", 5.0) for n in range(BURST + 1)]
    assert scans == [True] * BURST + [False]


def test_the_users_remembered_are_bounded() -> None:
    allowance = ScanAllowance()
    for uid in range(USERS_MAX * 2):
        allowance.take(f"uid {uid}", 5.0)
    assert len(allowance._owed) == USERS_MAX
