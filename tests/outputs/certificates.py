"""Certificates for tests: an authority, what it issues, and some that are wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Files:
    """Paths of PEM files."""

    ca: Path
    certificate: Path
    key: Path


class Authority:
    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self._directory = directory
        self.ca = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, *names: str, expired: bool = False) -> Files:
        end = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
        begin = datetime(2019, 1, 1, tzinfo=UTC) if expired else None
        issued = self._authority.issue_cert(*names, not_before=begin, not_after=end)
        stem = self._directory / f"{names[0]}{'-expired' if expired else ''}"
        certificate, key = stem.with_suffix(".cert.pem"), stem.with_suffix(".key.pem")
        issued.private_key_pem.write_to_path(key)
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return Files(self.ca, certificate, key)
