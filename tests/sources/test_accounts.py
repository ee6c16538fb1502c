"""Which name belongs to a uid, by the passwd file alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.model.agent_records import AccountsRead
from sensor.sources import accounts
from sensor.sources.accounts import ACCOUNTS_MAX, NAME_MAX, read


def names(path: Path, content: bytes) -> dict[int, str]:
    file = path / "passwd"
    file.write_bytes(content)
    found = read(7, file)
    assert found.time == 7
    return dict(found.names)


CONTENTS: dict[str, tuple[bytes, dict[int, str]]] = {
    "empty": (b"", {}),
    "two": (b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/:\n", {0: "root", 1000: "ann"}),
    "no-newline-at-the-end": (b"ann:x:1000:1000::/:", {1000: "ann"}),
    "first-of-a-uid": (b"root:x:0:0:::\ntoor:x:0:0:::\n", {0: "root"}),
    "too-few-fields": (b"ann:x:1000\nbob:x:1001:1:::\n", {1001: "bob"}),
    "too-many-fields": (b"ann:x:1000:1:::/bin/sh:more\n", {}),
    "no-number": (b"ann:x:-1:1:::\nbob:x::1:::\neve:x:1e3:1:::\n", {}),
    "other-digits": ("ann:x:\u0661\u0660:1:::\n".encode(), {}),
    "nis-and-comments": (b"+::::::\n# note\n\nann:x:1000:1:::\n", {1000: "ann"}),
    "invalid-utf-8": (b"a\xff:x:1000:1:::\n", {1000: "a\udcff"}),
    "long-name": (b"n" * 999 + b":x:5:5:::\n", {5: "n" * NAME_MAX}),
}


@pytest.mark.parametrize(("content", "expected"), CONTENTS.values(), ids=CONTENTS)
def test_passwd_is_read(tmp_path: Path, content: bytes, expected: dict[int, str]) -> None:
    assert names(tmp_path, content) == expected


def test_an_absent_or_unreadable_file_is_empty(tmp_path: Path) -> None:
    assert read(1, tmp_path / "nothing") == AccountsRead(1, ())
    assert read(1, tmp_path) == AccountsRead(1, ())


def test_so_many_accounts_are_read_and_no_more(tmp_path: Path) -> None:
    lines = (f"u{uid}:x:{uid}:1:::" for uid in range(ACCOUNTS_MAX + 10))
    found = names(tmp_path, "\n".join(lines).encode())
    assert len(found) == ACCOUNTS_MAX


def test_a_huge_file_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "SIZE_MAX", 30)
    assert names(tmp_path, b"ann:x:1000:1:::\nbob:x:1001:1:::\n") == {1000: "ann"}


def test_this_nodes_accounts_have_root() -> None:
    assert dict(read(0).names)[0] == "root"
