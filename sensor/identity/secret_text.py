"""Secrets inside a text, by the name beside them: JSON, queries, connection strings, SQL, XML.

One expression finds what may be the end of a secret's name and its separator; the name and the
value are then cut out by hand. A value that was taken out is never looked at again, so the cost is
linear in the text.
"""

from __future__ import annotations

import re

from sensor.identity.secret_names import REDACTED, is_secret_name

NAME_REACH = 64
"""Characters before a separator in which its name is looked for."""

_NAME_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

_HINTS = (
    "pass", "pwd", "pw", "psk", "secret", "token", "key", "cred", "bearer", "cookie", "auth",
    "jwt", "otp", "conn", "mnemonic", "community", "signature",
)  # fmt: skip
"""Texts of which one is in every secret's name."""

_NAMED = re.compile(
    rf"((?:{'|'.join(_HINTS)})[\w.-]{{0,{NAME_REACH}}}+)((?:\\?[\"'])?[\]}}]?"
    r"(?:\s{0,8}+(?:=>|:=|[:=])\s{0,8}+|>))"
)
"""A name's end and the separator, in a text in lower case."""

_BARE_END = re.compile(r"[\s\"']")
_MEMBER_END = re.compile(r"[\s\"',}\]]")
_END_AFTER = {
    ";": re.compile(r"[\s\"';]"),
    ",": re.compile(r"[\s\"',]"),
    "&": re.compile(r"[\s\"'&#]"),
    "[": re.compile(r"[\s\"'&#]"),
    "?": re.compile(r"[\s\"'&#]"),
    "{": _MEMBER_END,
    "(": re.compile(r"[\s\"',)]"),
}
"""Where a value without quotes ends, by the character before its name."""

_PARENTHESIS = re.compile(r"[()]")
_LINE_END = re.compile(r"[\r\n\"']")

_NO_SECRETS = frozenset({"true", "false", "null", "none", "True", "False", "None"})
"""Values that hold no secret whatever their name is."""

_SQL = re.compile(
    r"(?i)(?:(?<![\w-])identified\s{1,8}+(?:with\s{1,8}+\S{1,64}+\s{1,8}+)?(?:by|as)\s{1,8}+"
    r"(?:password\s{1,8}+)?|(?<![\w\"'-])password(?:\s{1,8}+|\s{0,8}+[(=]\s{0,8}+"
    r"|\s{1,8}+for\s{1,8}+\S{1,128}+\s{0,8}+=\s{0,8}+(?:password\(\s{0,8}+)?)"
    r"|(?:\.auth|changeuserpassword)\(\s{0,8}+[\"'][^\"'\\]{0,64}+[\"']\s{0,8}+,\s{0,8}+)(?=\\?[\"'])"
    r"|(?<![\w-])login\s{1,8}+\S{1,64}+\s{1,8}+password\s{1,8}+"
    r"|(?<![\w-])setuser\s{1,8}+\S{1,64}+\s{1,8}+(?:on\s{1,8}+)?>"
)
"""What stands before a secret in SQL, in MongoDB's shell, in .netrc and in Redis's ACL."""
_SQL_HINTS = ("identified", "password", "setuser", ".auth(")

_ENVIRONMENT = re.compile(r"(\\?\")env(?:ironment)?(?:vars|variables)?\1\s{0,8}+:\s{0,8}+(?=[\[{])")
_MARK = re.compile(r"\\?\"|[\[\]{}:]")
_STRINGS = {
    '"': re.compile(r"\"([^\"\\]*+(?:\\.[^\"\\]*+)*)\"", re.DOTALL),
    '\\"': re.compile(r"\\\"([^\\]*+(?:\\(?!\")[^\\]*+)*)\\\""),
}
_PLAIN_MEMBERS = frozenset({"name", "key"})
"""Members of an environment's entries that name the variable and do not hold it."""


_PAIR = re.compile(r"(?<=name=)([\w.-]{1,128}+)(,[\w.\[\]-]{0,128}?value=)([^,\s\"']{1,}+)")
"""A variable as ``helm --set`` has it: ``env[0].name=TOKEN,env[0].value=S``."""


def without_named(text: str) -> str:
    """Replace the values of what bears a secret's name inside a text."""
    if "name=" in text and "value=" in text:
        text = _PAIR.sub(_pair, text)
    low = _lowered(text)
    if '"env' in low:
        text = _without_environment(text, low)
        low = _lowered(text)
    if any(hint in low for hint in _SQL_HINTS):
        text = _without_sql(text)
        low = _lowered(text)
    if not any(hint in low for hint in _HINTS):
        return text
    parts: list[str] = []
    end = 0
    for match in _NAMED.finditer(low):
        hint = match.start()
        if hint < end:
            continue
        found = _value_after(text, match, hint, end)
        if found is not None:
            start, stop, replacement = found
            parts += (text[end:start], replacement)
            end = stop
    return "".join((*parts, text[end:])) if parts else text


def _pair(match: re.Match[str]) -> str:
    name, between, _ = match.groups()
    return f"{name}{between}{REDACTED}" if is_secret_name(name) else match[0]


_UPPER = re.compile(r"[A-Z]+")


def _lowered(text: str) -> str:
    """Return the text in lower case, each character in its place."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return _UPPER.sub(lambda letters: letters[0].lower(), text)


def _value_after(
    text: str, match: re.Match[str], hint: int, low: int
) -> tuple[int, int, str] | None:
    """Return where a secret stands and what replaces it; None if there is none.

    ``hint`` is where the match begins, somewhere in the name; ``low`` is the first character that
    was not looked at.
    """
    start = hint
    if hint > low and text[hint - 1] in _NAME_CHARS:
        reach = text[max(low, hint - NAME_REACH) : hint]
        start -= len(reach) - len(reach.rstrip(_NAME_CHARS))
    stop, begin = match.span(2)
    if not is_secret_name(text[start:stop].strip(".-")):
        return None
    separator = match[2]
    before = text[start - 1] if start > 0 else ""
    if separator == ">":
        return (begin, _found(text, "<", begin), REDACTED) if before == "<" else None
    named = separator[0] in "\\\"'"
    quote = _quote_at(text, begin)
    if quote:
        shown = quote if named else ""
        inside = begin + len(quote)
        close = _closing(text, quote, _behind_command(text, inside) if quote == '"' else inside)
        return begin, close, f"{shown}{REDACTED}{shown}"
    joined = "=" not in separator and not named and not separator[-1].isspace()
    if joined and not _is_bare_member(text, start, begin):
        return None
    if ":" in separator and "authorization" in match[1]:
        ends = _LINE_END
    elif named or joined:
        ends = _MEMBER_END
    else:
        ends = _END_AFTER.get(before, _BARE_END)
    place = ends.search(text, _behind_command(text, begin))
    close = place.start() if place is not None else len(text)
    value = text[begin:close]
    if not value or value.startswith(("[", "{", "(")) or value in _NO_SECRETS:
        return None
    return begin, close, f'"{REDACTED}"' if named else REDACTED


def _behind_command(text: str, begin: int) -> int:
    """Return the place behind a command whose output is the value: ``$(echo S)``.

    One that does not end takes all of the text.
    """
    if text.startswith("`", begin):
        return _found(text, "`", begin + 1) + 1
    if not text.startswith("$(", begin):
        return begin
    depth = 0
    for mark in _PARENTHESIS.finditer(text, begin):
        depth += 1 if mark[0] == "(" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def _is_bare_member(text: str, start: int, begin: int) -> bool:
    """Whether ``name:value`` is a member of a document whose quotes a shell took, or an option.

    Elsewhere it may be a volume, an image or an address.
    """
    if text.startswith("/", begin):
        return False
    option = start == 0 and text.startswith("-")
    return option or "{" in text[max(0, start - NAME_REACH) : start]


def _quote_at(text: str, place: int) -> str:
    """Return the quote that stands at a place, with the backslash before it; else nothing."""
    sign = text[place : place + 1]
    if sign == "\\":
        sign = text[place : place + 2]
    return sign if sign and sign[-1] in "\"'" else ""


def _found(text: str, what: str, begin: int) -> int:
    place = text.find(what, begin)
    return len(text) if place < 0 else place


def _closing(text: str, quote: str, begin: int) -> int:
    """Return the place behind the quote that closes a value; the text's end without one."""
    place = text.find(quote, begin)
    while place >= 0 and quote == '"' and _is_escaped(text, place, begin):
        place = text.find(quote, place + 1)
    return len(text) if place < 0 else place + len(quote)


def _is_escaped(text: str, place: int, begin: int) -> bool:
    first = place
    while first > begin and text[first - 1] == "\\":
        first -= 1
    return (place - first) % 2 == 1


def _without_sql(text: str) -> str:
    parts: list[str] = []
    end = 0
    for match in _SQL.finditer(text):
        begin = match.end()
        if begin < end:
            continue
        quote = _quote_at(text, begin)
        if quote:
            close = _closing(text, quote, begin + len(quote))
            value = f"{quote}{REDACTED}{quote}"
        else:
            bare = _BARE_END.search(text, begin)
            close, value = bare.start() if bare is not None else len(text), REDACTED
        parts += (text[end:begin], value)
        end = close
    return "".join((*parts, text[end:])) if parts else text


def _without_environment(text: str, low: str) -> str:
    """Replace all values of ``"Env": [...]`` and ``"environment": {...}``, as engines take them."""
    parts: list[str] = []
    end = 0
    for match in _ENVIRONMENT.finditer(low):
        if match.start() < end:
            continue
        parts.append(text[end : match.end()])
        end = _environment(text, match.end(), match[1], parts)
    return "".join((*parts, text[end:])) if parts else text


def _environment(text: str, begin: int, quote: str, parts: list[str]) -> int:
    """Append an object or array without its values; return the place behind it."""
    depth, place, end = 0, begin, begin
    member: str | None = None
    while (mark := _MARK.search(text, place)) is not None:
        place = mark.end()
        sign = mark[0]
        if sign in "[{":
            depth += 1
            member = None
        elif sign in "]}":
            depth -= 1
            if depth == 0:
                break
        elif sign == quote:
            string = _STRINGS[quote].match(text, mark.start())
            if string is None:
                parts += (text[end : mark.start()], REDACTED)
                return len(text)
            place = string.end()
            if text[place : place + 9].lstrip().startswith(":"):
                member = string[1].lower()
                continue
            shown = _entry(string[1], member)
            parts += (text[end : string.start(1)], shown)
            end, member = string.end(1), None
    parts.append(text[end:place])
    return place


def _entry(value: str, member: str | None) -> str:
    if member is not None:
        return value if member in _PLAIN_MEMBERS or not value else REDACTED
    name, equals, _ = value.partition("=")
    return f"{name}={REDACTED}" if equals else value
