"""TLS towards collectors: the settings that all outputs share, and what its failures mean.

The server is always verified. Who has a private authority or a self-signed certificate names it in
``ca``; there is no switch that turns verification off.
"""

from __future__ import annotations

import os
import stat
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - sensor.settings.tables reads the types of the fields

from sensor.dataclass import dataclass
from sensor.outputs.network.openssl import ssl


class TlsVersion(StrEnum):
    """The oldest version of TLS that is accepted."""

    V1_2 = "1.2"
    V1_3 = "1.3"


_VERSIONS = {
    TlsVersion.V1_2: ssl.TLSVersion.TLSv1_2,
    TlsVersion.V1_3: ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How to speak TLS to a collector. Files are PEM.

    ``ca`` replaces the system's authorities; ``certificate`` and ``key`` are the client's own, the
    key in the certificate's file when ``key`` is None. ``server_name`` is the name that the
    server's certificate has to carry, where it is not the host that is connected to.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    minimum_version: TlsVersion = TlsVersion.V1_2


class TlsUnusable(Exception):
    """A file of the settings cannot be used; the message names it and says why."""


def context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a client's context; made anew for each connection, it sees renewed certificates.

    Reads files. Raises TlsUnusable.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = _VERSIONS[settings.minimum_version]
    if settings.ca is None:
        made.load_default_certs()
    else:
        _require_file(settings.ca)
        try:
            made.load_verify_locations(cafile=settings.ca)
        except (OSError, ssl.SSLError) as error:
            raise TlsUnusable(f"{settings.ca} holds no authorities: {_reason(error)}") from error
    if settings.certificate is not None:
        _require_file(settings.certificate)
        if settings.key is not None:
            _require_file(settings.key)
        try:
            # Without the callback OpenSSL asks the terminal for the password of the key.
            made.load_cert_chain(settings.certificate, settings.key, password=_no_password)
        except (OSError, ValueError, ssl.SSLError) as error:
            named = settings.key or settings.certificate
            raise TlsUnusable(f"{named} is not a usable key: {_reason(error)}") from error
    return made


def failure(error: OSError) -> tuple[str, bool]:
    """Return what went wrong in words, and whether trying again soon cannot help.

    The latter is so when one side does not trust the other: it takes a person to change that.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message}", True
    if isinstance(error, ssl.SSLError):
        if error.reason in _PLAIN:
            return "the server does not speak TLS on this port", True
        return f"TLS: {_reason(error)}", "ALERT" in (error.reason or "")
    return _reason(error), False


_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "failed").lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, ConnectionError) and not str(error):
        return "the connection was reset"  # asyncio's own has neither number nor words
    return str(error) or type(error).__name__


def _no_password() -> str:
    raise ValueError("it is encrypted")


def _require_file(path: Path) -> None:
    """Refuse what would make OpenSSL wait for ever, like a FIFO."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise TlsUnusable(f"{path}: {_reason(error)}") from error
    if not stat.S_ISREG(mode):
        raise TlsUnusable(f"{path} is not a regular file")
