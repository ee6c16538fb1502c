"""Names that announce a secret: of options, variables, headers, labels and members of documents.

A name is compared in lower case, with ``camelCase`` read as ``camel_case``. A stem counts anywhere
in the name; a word counts only where no other letter touches it, so ``auth`` is in ``X-Auth`` and
not in ``author``.
"""

from __future__ import annotations

import re
from functools import lru_cache

REDACTED = "[redacted]"
"""Stands for every value that was taken out."""

MAX_NAME = 256
"""Characters of a name that are looked at, the last ones."""

NAMES_REMEMBERED = 512
"""Names of which it is remembered whether they announce a secret."""

STEMS = (
    "password", "passwd", "passphrase", "passcode", "passkey", "secret", "token", "credential",
    "bearer", "cookie", "authorization", "requirepass", "masterauth", "mnemonic",
)  # fmt: skip
"""Stems that count anywhere in a name."""

WORDS = ("pass", "pwd", "pw", "psk", "auth", "cred", "creds", "jwt", "otp", "community")
"""Words that count where no other letter touches them."""

PASSES = (
    "admin", "api", "app", "backup", "become", "bind", "cert", "db", "dba", "ftp", "git", "http",
    "imap", "jdbc", "key", "ldap", "login", "mail", "mongo", "mq", "my", "new", "old", "pg",
    "proxy", "rabbit", "redis", "root", "service", "smb", "smtp", "sql", "ssh", "store", "sudo",
    "svn", "trust", "user", "vault", "vnc", "wifi",
)  # fmt: skip
"""Words that make a secret with ``pass`` joined to them: ``dbpass``, ``storepass``."""

KEYS = (
    "access", "account", "admin", "api", "app", "auth", "certificate", "consumer", "decryption",
    "deploy", "enc", "encrypt", "encryption", "gossip", "hmac", "license", "licence", "master",
    "pre-?shared", "private", "root", "sas", "service", "session", "shared", "signing", "storage",
    "setup", "subscription", "unseal", "write",
)  # fmt: skip
"""Words that make a secret with ``key``: ``api-key``, ``api_key``, ``apiKey``, ``apikey``."""

HARMLESS = (
    "file", "files", "path", "dir", "directory", "jar", "stdin", "ttl", "name", "names", "type",
    "length", "expiry", "expiration", "expires", "policy", "mode", "namespace", "enabled",
    "disabled", "count", "limit", "url", "uri", "endpoint", "issuer", "method", "provider",
    "timeout", "interval", "min", "max", "plugin", "plugins", "version", "helper", "store",
    "config", "domain", "hash", "header", "samesite", "secure", "fd", "algorithm", "encryption",
    "audience", "cmd", "command",
)  # fmt: skip
"""Last words of names that speak of a secret and do not hold it."""

_SECRET = re.compile(
    rf"(?:{'|'.join(STEMS)})"
    rf"|(?<![a-z])(?:{'|'.join(WORDS)})(?![a-z])"
    rf"|(?:{'|'.join(PASSES)})pass(?![a-z])"
    rf"|(?:{'|'.join(KEYS)})[-_.]?keys?(?![a-z])"
    r"|connection[-_.]?string|conn[-_.]?str(?![a-z])"
    r"|shared[-_.]?access[-_.]?signature"
    r"|sonar[-_.]login"
)
_HARMLESS = re.compile(
    rf"[-_.](?:{'|'.join(HARMLESS)})$"
    r"|anonymous[-_.]auth$|tokeniz|(?<![a-z])(?:max|min|num|n)[-_.](?:\w{1,32}[-_.])?tokens?$"
    r"|[-_.]public[-_.]"
)
_FILES = frozenset({".netrc", "_netrc", ".pgpass", ".git-credentials", ".my.cnf"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret_name(name: str) -> bool:
    """Return whether an option, a variable, a header or a label of this name holds a secret.

    ``--token-file`` and its like name a secret and do not hold it.
    """
    return _is_secret(name[-MAX_NAME:])


def is_secret_path(path: str) -> bool:
    """Return whether a file of this path is one for secrets: ``/run/secrets/db``, ``.netrc``."""
    name = path.rpartition("/")[2]
    return "/secrets/" in path or name in _FILES or is_secret_name(name)


@lru_cache(NAMES_REMEMBERED)
def _is_secret(name: str) -> bool:
    plain = (_CAMEL.sub("_", name) if not name.islower() else name).lower()
    if _SECRET.search(plain) is None and _SECRET.search(name.lower()) is None:
        return False
    return _HARMLESS.search(plain) is None
