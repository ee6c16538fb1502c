"""The node's accounts: which name belongs to a uid.

Only the passwd file is read, never NSS: a directory service that hangs would hang with us. Accounts
that live elsewhere stay numbers.
"""

from __future__ import annotations

from pathlib import Path

from sensor.model.agent_records import AccountsRead

PASSWD = Path("/etc/passwd")
SIZE_MAX = 4 * 1024 * 1024
ACCOUNTS_MAX = 65_536
NAME_MAX = 256

_NAME, _UID, _FIELDS = 0, 2, 7


def read(time: int, path: Path = PASSWD) -> AccountsRead:
    """Read passwd(5); lines that do not follow it are passed over, an absent file is empty."""
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_MAX).decode("utf-8", "surrogateescape")
    except OSError:
        return AccountsRead(time, ())
    names: dict[int, str] = {}
    for line in text.splitlines()[:ACCOUNTS_MAX]:
        fields = line.split(":")
        if len(fields) == _FIELDS and fields[_UID].isascii() and fields[_UID].isdigit():
            # The first entry of a uid is its name (getpwuid(3)).
            names.setdefault(int(fields[_UID]), fields[_NAME][:NAME_MAX])
    return AccountsRead(time, tuple(names.items()))
