"""Shipped events by themselves: files, their manifest, and the chain that they give."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sensor.evidence import manifest
from sensor.evidence.file_chain import FileChain
from sensor.evidence.shipped import files_of, lines_of
from sensor.evidence.verdict import Discrepancy, Findings, ShippedChecked

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.evidence.comparison import ShipmentComparison
    from sensor.evidence.manifest import Manifest

_CHUNK = 1 << 20


class _Reading:
    """Files on their way into a comparison."""

    def __init__(
        self, comparison: ShipmentComparison, findings: Findings, made: Manifest | None
    ) -> None:
        self._comparison = comparison
        self._findings = findings
        self.events = self.lines = 0
        self.chains: dict[str, FileChain] = {}
        if made is not None and made.first is not None and made.before is not None:
            before = bytes.fromhex(made.before)
            self.chains[made.log_id] = FileChain(made.log_id, made.first - 1, before)

    def read(self, file: Path) -> None:
        """Take every line of a file."""
        for shipped in lines_of(file):
            self.lines += shipped.problem is None
            for finding in self._comparison.add(str(file), shipped):
                self._findings.add(finding)
            if shipped.place is None:
                continue
            self.events += 1
            log_id = shipped.place.log_id
            if log_id not in self._comparison.logs:
                continue
            chain = self.chains.get(log_id)
            if chain is None:
                chain = self.chains[log_id] = FileChain(log_id)
            for finding in chain.add(str(file), shipped):
                self._findings.add(finding)


def read_shipped(path: Path, comparison: ShipmentComparison, findings: Findings) -> ShippedChecked:
    """Read a file, or a directory of them, into a comparison.

    Raises :class:`StateUnusable` for what cannot be opened.
    """
    made = manifest.read(path) if path.is_dir() else None
    files = files_of(path)
    if made is not None:
        files = _as_promised(path, made, files, findings)
    elif not files:
        findings.add(Discrepancy(str(path), "it holds no file with events"))
    without = comparison.without_place
    reading = _Reading(comparison, findings, made)
    for file in files:
        reading.read(file)
    if made is not None:
        _against_manifest(path, made, reading, findings)
    return ShippedChecked(
        str(path),
        reading.events,
        tuple(reading.chains),
        comparison.without_place - without,
        sum(chain.chained for chain in reading.chains.values()),
    )


def _as_promised(
    path: Path, made: Manifest, files: tuple[Path, ...], findings: Findings
) -> tuple[Path, ...]:
    """Compare the file of an export with its manifest; returns the files to read."""
    file = path / made.file
    if not file.is_file():
        findings.add(Discrepancy(str(path), f"the manifest names {made.file}, which is missing"))
        return ()
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    if size != made.bytes:
        what = f"it has {size} bytes, the manifest says {made.bytes}"
        findings.add(Discrepancy(str(file), what))
    if digest.hexdigest() != made.sha256:
        findings.add(Discrepancy(str(file), "its SHA-256 is not the manifest's"))
    others = [one.name for one in files if one.name != made.file]
    if others:
        findings.add(Discrepancy(str(path), f"the manifest does not name {', '.join(others[:5])}"))
    return (file,)


def _against_manifest(path: Path, made: Manifest, reading: _Reading, findings: Findings) -> None:
    where = str(path / manifest.NAME)
    if reading.lines != made.events:
        what = f"it says {made.events} events, the file has {reading.lines}"
        findings.add(Discrepancy(where, what))
    if made.last is None:
        return
    chain = reading.chains.get(made.log_id)
    if chain is None or chain.number is None or chain.digest is None:
        what = "the chain cannot be computed from the file"
        findings.add(Discrepancy(where, what, made.first, made.last))
    elif chain.number != made.last:
        what = f"the chain can be computed up to number {chain.number} only"
        findings.add(Discrepancy(where, what, chain.number + 1, made.last))
    elif chain.digest.hex() != made.digest:
        what = "the chain of the file's events does not end with the manifest's digest"
        findings.add(Discrepancy(where, what, made.first, made.last))
