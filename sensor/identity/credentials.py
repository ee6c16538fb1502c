"""What a secret looks like: by the name that stands before it, or by itself."""

from __future__ import annotations

import re
from functools import lru_cache

REDACTED = "[redacted]"
"""Stands for every value that was taken out."""

MAX_NAME = 256
"""Characters of a name that are looked at, the last ones."""

_SMELL = (
    r"(?:passw(?:or)?d|passphrase|passcode|(?:(?<![a-z])|db|pg|sql|user|root|admin)pass(?![a-z])"
    r"|pwd(?![a-z])|secret|token"
    r"|api[-_.]?key|access[-_.]?key|account[-_.]?key|private[-_.]?key|encryption[-_.]?key"
    r"|signing[-_.]?key|master[-_.]?key|session[-_.]?key|credential|creds(?![a-z])"
    r"|connection[-_.]?string|bearer|cookie|authorization|(?<![a-z])auth(?![a-z]))"
)
_HARMLESS = (
    r"(?:files?|path|dir|stdin|ttl|name|names|type|length|expiry|expiration|policy|mode|namespace"
    r"|enabled|count|url|uri|endpoint|method|provider|timeout|min|max|plugin|version)"
)
_SECRET_NAME = re.compile(rf"(?i)(?!.*[-_.]{_HARMLESS}$)(?!.*anonymous[-_.]auth$).*{_SMELL}.*")

_CREDENTIALS = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]{1,64}-----.*?(?:-----END [A-Z0-9 ]{1,64}-----|\Z)",
                re.DOTALL), REDACTED),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,31}://[^\s/?#:@\"']{0,256}):[^\s/?#\"']{1,1024}@"),
     rf"\1:{REDACTED}@"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,31}://)[^\s/?#:@\"'\[]{16,1024}@"), rf"\1{REDACTED}@"),
    (re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?)[^\"'\r\n]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}\b"), REDACTED),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abposr]-|sk_live_|rk_live_|npm_|hvs\.)"
                r"[\w.-]{16,}"), REDACTED),
    (re.compile(r"\bAIza[\w-]{35}"), REDACTED),
    (re.compile(rf"(?i)([\"'][\w.-]{{0,64}}{_SMELL}[\w.-]{{0,64}}[\"']\s*:\s*)"
                r"(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|[^\s,}\"']+)"), rf'\1"{REDACTED}"'),
    (re.compile(rf"(?i)(?<![\w.-])([\w.-]{{0,64}}{_SMELL}[\w.-]{{0,64}})(\s*:\s+)"
                r"(?:\"[^\"]*\"|'[^']*'|\S+)"), rf"\1\2{REDACTED}"),
    (re.compile(rf"(?i)([?&;,][\w.-]{{0,64}}{_SMELL}[\w.-]{{0,64}}=)[^\s&;,\"']+"),
     rf"\1{REDACTED}"),
)  # fmt: skip


_TOKENS = (
    r"eyJ|A(?:KIA|SIA|ROA|IDA|BIA|CCA)|AIza"
    r"|gh[pousr]_|github_pat_|glpat-|xox[abposr]-|[sr]k_live_|npm_|hvs\."
)
_MAY_HOLD = re.compile(rf"(?i)[:=]|-----BEGIN|\b(?:bearer|basic)\s|{_TOKENS}")
"""What every text that one of the patterns fits has in it. Most words have nothing of it, and the
patterns one by one cost more than everything else that is made of a start."""

_NOT_PLAIN = re.compile(rf"[\s:=]|{_TOKENS}")
"""The same of a single word, where upper and lower case make a difference: a third of the cost."""

NAMES_REMEMBERED = 512
"""Names of which it is remembered whether they mean a secret."""


@lru_cache(NAMES_REMEMBERED)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(name) is not None


def is_secret_name(name: str) -> bool:
    """Tell whether an option, a variable, a header or a label of this name holds a secret.

    ``--token-file`` and its like name a secret and do not hold it.
    """
    return _is_secret(name[-MAX_NAME:])


def is_plain(text: str) -> bool:
    """Tell whether a text is one word in which no credential can be."""
    return _NOT_PLAIN.search(text) is None


def without_credentials(text: str) -> str:
    """Replace what is a credential by its own look, or by a name in the same text."""
    if _MAY_HOLD.search(text) is None:
        return text
    for pattern, replacement in _CREDENTIALS:
        text = pattern.sub(replacement, text)
    return text
