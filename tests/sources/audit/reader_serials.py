"""What a reader of audit records gave."""

from __future__ import annotations

from sensor.sources.audit.plugin import PluginReader
from sensor.sources.audit.tail import TailReader


def serials(reader: PluginReader | TailReader) -> list[int]:
    return [record.stamp.serial for record in reader.read()]
