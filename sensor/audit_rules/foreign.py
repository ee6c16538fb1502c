"""Rules of the host's own, compared as far as their text allows."""

from __future__ import annotations

_UNSET = frozenset({"unset", "4294967295"})


def core(line: str) -> frozenset[str]:
    """Reduce a rule's line to what its ways of being written have in common.

    ``-w P -p wa -k K`` and ``-a always,exit -F path=P -F perm=wa -F key=K``, ``-S a,b`` and
    ``-S a -S b``. Lines that are one rule and still differ are taken for two: the safe side.
    """
    found: set[str] = set()
    words = line.split()
    for option, value in zip(words[::2], words[1::2], strict=False):
        if option in ("-a", "-A"):
            found.add(",".join(sorted(value.split(","))))
        elif option == "-S":
            found |= {f"syscall={name}" for name in value.split(",") if name != "all"}
        elif option == "-k":
            found.add(f"key={value}")
        elif option == "-w":
            found |= {"always,exit", f"path={value.rstrip('/')}"}
        elif option == "-p":
            found.add(f"perm={''.join(sorted(value))}")
        else:
            found.add(_field(value))
    return frozenset(found)


def _field(text: str) -> str:
    name, _, value = text.partition("=")
    if value in _UNSET:
        return f"{name}=-1"
    if name == "perm":
        return f"perm={''.join(sorted(value))}"
    if name in ("path", "dir"):
        return f"path={value.rstrip('/')}"
    return text
