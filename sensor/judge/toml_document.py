"""A file of TOML whose tables are read with the lines of their keys: a policy, approved changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.judge.table_reader import TableReader, place_of

if TYPE_CHECKING:
    from sensor.judge.toml_lines import KeyLines

NAME_MAX = 64
"""Characters of a table's name: of a rule, or of a change."""


@dataclass(frozen=True, slots=True)
class TomlDocument:
    """A parsed file with the lines of its keys."""

    path: str
    values: dict[str, Any]
    lines: KeyLines

    def tables(self, section: str) -> list[tuple[str, TableReader]]:
        """Return the tables below a section, by name. Raises :class:`ConfigError`."""
        found = self.values.get(section, {})
        if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
            raise ConfigError(
                f"{place_of(self.path, self.lines, (section,))}: {section}: not a table of rules",
                f"Write [{section}.NAME] above the keys of each rule.",
            )
        for name in found:
            if not name.strip() or len(name) > NAME_MAX or not name.isprintable():
                raise ConfigError(
                    f"{place_of(self.path, self.lines, (section, name))}: {section}: a name of"
                    f" {len(name)} characters",
                    f"Use 1 to {NAME_MAX} printable characters.",
                )
        for name, table in found.items():
            for key in table:
                if isinstance(table[key], dict):
                    whole = f"{name}.{key}"
                    raise ConfigError(
                        f"{place_of(self.path, self.lines, (section, name, key))}:"
                        f" {section}.{whole[:NAME_MAX]}: a table within a table of {section}",
                        f'Put a name with a dot into quotes: [{section}."{whole[:NAME_MAX]}"].',
                    )
        return [
            (name, TableReader(table, self.path, self.lines, (section, name)))
            for name, table in found.items()
        ]

    def table(self, name: str) -> TableReader | None:
        """Return the table of a name; None where there is no such. Raises :class:`ConfigError`."""
        found = self.values.get(name)
        if found is None:
            return None
        if not isinstance(found, dict):
            raise ConfigError(
                f"{place_of(self.path, self.lines, (name,))}: {name}: not a table",
                f"Write [{name}] above its keys.",
            )
        return TableReader(found, self.path, self.lines, (name,))
