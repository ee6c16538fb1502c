"""``[notify]`` of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.alert import AlertSeverity

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS_MAX = 300.0
PER_HOUR_MAX = 3600
WORDS_MAX = 64


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """``[notify]``. Without a command and a URL nothing is sent."""

    command: tuple[str, ...] = ()
    """The program, by its whole path, and its arguments."""
    url: str = ""
    """Where to POST the alert's event as JSON."""
    severity: str = "high"
    """The least one: ``low``, ``medium``, ``high`` or ``critical``."""
    seconds: float = 10.0
    per_hour: int = 60

    @property
    def is_wanted(self) -> bool:
        """Whether anything is to be sent."""
        return bool(self.command or self.url)

    def mistakes(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield section, key, problem and fix of each value that no type refuses."""
        if self.severity not in list(AlertSeverity):
            fix = f"Use one of {', '.join(AlertSeverity)}."
            yield "notify", "severity", f"is {self.severity!r}", fix
        if self.command and not self.command[0].startswith("/"):
            yield "notify", "command", "is not a whole path", "Begin it with /."
        if len(self.command) > WORDS_MAX or any("\0" in word for word in self.command):
            yield "notify", "command", "is too long or has a NUL", f"Use at most {WORDS_MAX} words."
        if self.url and not self.url.startswith(("https://", "http://")):
            yield "notify", "url", "is not http or https", "Write https://HOST/PATH."
        elif self.url and (wrong := _wrong(self.url)) is not None:
            yield "notify", "url", f"is wrong: {wrong}", "Write https://HOST/PATH."
        if not 0 < self.seconds <= SECONDS_MAX:
            yield "notify", "seconds", f"is {self.seconds:g}", f"Give up to {SECONDS_MAX:g}."
        if not 0 < self.per_hour <= PER_HOUR_MAX:
            yield "notify", "per_hour", f"is {self.per_hour}", f"Give 1 to {PER_HOUR_MAX}."


def _wrong(url: str) -> str | None:
    from sensor.outputs.http.message import HttpUrl  # most agents send no notices

    try:
        HttpUrl.parse(url)
    except ValueError as error:
        return str(error)
    return None
