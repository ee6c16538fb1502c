"""The configuration: ``/etc/castoff/castoff.toml`` and the drop-ins beside it.

Every key has a default, so that no file is needed. A key that is not known, or a value of another
type than expected, is refused with the file, the key and what was expected: a sensor that goes on
with half of its configuration protects nobody.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from sensor.errors import ConfigError

DEFAULT_PATH = Path("/etc/castoff/castoff.toml")
DROP_IN_DIR = "castoff.d"
SIZE_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AgentSection:
    """``[agent]``."""

    state_dir: Path = Path("/var/lib/castoff")
    """What the agent remembers between runs."""
    run_dir: Path = Path("/run/castoff")
    """Where the lock is that keeps a second agent away."""


@dataclass(frozen=True, slots=True)
class SocketSection:
    """``[socket]``."""

    path: Path = Path("/run/castoff/castoff.sock")
    group: str = "castoff"
    """Who may ask besides root."""


@dataclass(frozen=True, slots=True)
class IdentitySection:
    """``[identity]``."""

    cgroup_patterns: tuple[str, ...] = ()
    """Regular expressions for cgroup paths of your own, each with one named group ``id``."""
    host_root: Path = Path("/")
    """The host's root directory as the agent sees it: ``/proc/1/root`` in a pod."""


@dataclass(frozen=True, slots=True)
class SourcesSection:
    """``[sources]``."""

    audit: str = "netlink"
    """``netlink``, ``-`` (standard input, as an audisp plugin), ``off``, or a log file's path."""
    docker: bool = True
    containerd: bool = True
    podman: bool = True


@dataclass(frozen=True, slots=True)
class StoreSection:
    """``[store]``."""

    sync: str = "full"
    """``full`` survives a power cut, ``normal`` a crash of the agent."""
    max_mib: int = 512
    max_age_days: int = 30


@dataclass(frozen=True, slots=True)
class Config:
    """All sections."""

    agent: AgentSection = field(default_factory=AgentSection)
    socket: SocketSection = field(default_factory=SocketSection)
    identity: IdentitySection = field(default_factory=IdentitySection)
    sources: SourcesSection = field(default_factory=SourcesSection)
    store: StoreSection = field(default_factory=StoreSection)

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read ``path`` and then its drop-ins in order of their names; later ones win.

        Without a path the default one is read if it exists. Raises :class:`ConfigError`.
        """
        wanted = path or DEFAULT_PATH
        config = cls()
        if path is not None or wanted.exists():
            config = config.merged(_read(wanted), wanted)
        directory = wanted.parent / DROP_IN_DIR
        drop_ins = sorted(directory.glob("*.toml")) if directory.is_dir() else []
        for drop_in in drop_ins:
            config = config.merged(_read(drop_in), drop_in)
        config.check(wanted)
        return config

    def merged(self, document: dict[str, Any], path: Path) -> Self:
        """Return a copy with what ``document`` sets. Raises :class:`ConfigError`."""
        sections = {section.name: getattr(self, section.name) for section in fields(self)}
        for name, values in document.items():
            section = sections.get(name)
            if section is None or not is_dataclass(section):
                known = ", ".join(f"[{known}]" for known in sections)
                raise ConfigError(f"{path}: there is no section [{name}]", f"Use one of {known}.")
            if not isinstance(values, dict):
                raise ConfigError(
                    f"{path}: {name} is no section", f"Write [{name}] above its keys."
                )
            sections[name] = _section(section, name, values, path)
        return replace(self, **sections)

    def check(self, path: Path) -> None:
        """Refuse values that no type tells. Raises :class:`ConfigError`."""
        if self.store.sync not in ("full", "normal"):
            problem = f"{path}: store.sync is {self.store.sync!r}"
            raise ConfigError(problem, "Use full or normal.")
        for key in ("max_mib", "max_age_days"):
            if getattr(self.store, key) < 1:
                raise ConfigError(f"{path}: store.{key} is below 1", "Give a positive number.")


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        fix = "Check the path and its permissions, or leave --config out."
        raise ConfigError(f"{path}: {error.strerror}", fix) from error
    if len(data) > SIZE_MAX:
        raise ConfigError(f"{path}: larger than {SIZE_MAX} bytes", "Is this the right file?")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}", "The file has to be TOML (toml.io).") from error


def _section(section: Any, name: str, values: dict[str, Any], path: Path) -> Any:  # noqa: ANN401
    hints = get_type_hints(type(section))
    changed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            known = ", ".join(hints)
            raise ConfigError(f"{path}: {name}.{key} is no key", f"[{name}] has: {known}.")
        changed[key] = _value(value, hints[key], f"{path}: {name}.{key}")
    return replace(section, **changed)


def _value(value: object, wanted: Any, where: str) -> object:  # noqa: ANN401 - a type
    if wanted is Path and isinstance(value, str):
        if not value.startswith("/"):
            raise ConfigError(f"{where}: {value!r} is no absolute path", "Begin it with /.")
        return Path(value)
    if get_origin(wanted) is tuple:
        element = get_args(wanted)[0]
        if isinstance(value, list):
            return tuple(_value(item, element, where) for item in value)
    elif not isinstance(wanted, UnionType) and type(value) is wanted:
        return value
    raise ConfigError(
        f"{where}: {value!r} has the wrong type",
        f"Expected: {_NAMES.get(wanted, 'a list of strings')}.",
    )


_NAMES = {str: "a string", int: "a whole number", bool: "true or false", Path: "a path in quotes"}
