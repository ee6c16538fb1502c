"""A reader of CEF that goes by the rules, for the tests to read back what the format wrote."""

from __future__ import annotations

import re


def parse(line: bytes) -> tuple[list[str], dict[str, str]]:
    """Read CEF by its rules, from left to right."""
    text = line.decode("utf-8")
    assert text.endswith("\n")
    text = text[:-1]
    assert text.isprintable()
    header: list[str] = []
    at = 0
    while len(header) < 7:
        field = ""
        while text[at] != "|":
            if text[at] == "\\":
                at += 1
                assert text[at] in "\\|"
            field += text[at]
            at += 1
        at += 1
        header.append(field)
    assert header[0] == "CEF:0"
    found: dict[str, str] = {}
    # A key begins the extension or follows a space, and its = is not escaped.
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", text[at:]))
    for number, key in enumerate(keys):
        end = keys[number + 1].start() if number + 1 < len(keys) else len(text)
        value = text[at:][key.end() : end]
        assert key[1] not in found
        found[key[1]] = re.sub(r"\\(.)", unescaped, value)
        assert re.fullmatch(r"(?:[^\\=]|\\[\\=nr])*", value), value
    return header, found


def unescaped(match: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r"}.get(match[1], match[1])
