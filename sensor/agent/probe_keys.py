"""The keys that loading and unloading the probes need; the configuration may be wrong elsewhere.

The agent refuses a configuration with a mistake. Its probes are still loaded: they record what
starts until the mistake is corrected. And they are still unloaded when the package is removed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sensor.agent.config import Config, files, read_file
from sensor.dataclass import dataclass
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = (("sources", "requests"), ("agent", "run_dir"))


@dataclass(frozen=True, slots=True)
class ProbeKeys:
    """What was found; ``mistake`` is what the agent would refuse, None if nothing is wrong."""

    requests: bool
    """Of ``[sources]``."""
    run_dir: Path
    """Of ``[agent]``."""
    mistake: CastoffError | None = None


def probe_keys(path: Path | None = None) -> ProbeKeys:
    """Read the keys from ``path``, or the default file, and its drop-ins.

    If something else is wrong, each valid value counts. Raises :class:`ConfigError` only for a
    file that was named and cannot be read.
    """
    try:
        config, mistake = Config.load(path), None
    except CastoffError as error:
        if path is not None:
            read_file(path)
        config, mistake = _tolerant(path), error
    return ProbeKeys(config.sources.requests, config.agent.run_dir, mistake)


def _tolerant(path: Path | None) -> Config:
    config = Config()
    for file in files(path):
        with suppress(CastoffError):
            config = _merged(config, read_file(file), file)
    return config


def _merged(config: Config, document: dict[str, object], file: Path) -> Config:
    for section, key in _KEYS:
        table = document.get(section)
        if isinstance(table, dict) and key in table:
            with suppress(CastoffError):
                config = config.merged({section: {key: table[key]}}, file)
    return config
