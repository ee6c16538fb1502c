"""What kinds of outputs and formats there are. Adding one is one file and one line here.

A kind's module has a constant ``OUTPUT``, an :class:`OutputKind`: the frozen dataclass of its
settings (:mod:`sensor.settings.tables` lists the possible fields), and the function that makes its
transport. A format's module has a constant ``FORMAT``, a :class:`~sensor.outputs.delivery.Format`.
Modules are imported when a configuration names them, so an unused one costs no memory; libraries
that need not be there are imported by ``make`` and not at the module's top.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.optional_packages import package_missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sensor.model.agent_records import HostFacts
    from sensor.outputs.delivery import Format, Transport

KINDS: dict[str, str] = {
    "forward": "sensor.outputs.forward.output",
    "http": "sensor.outputs.http.output",
    "jsonl": "sensor.outputs.file.jsonl",
    "kafka": "sensor.outputs.kafka.output",
    "nats": "sensor.outputs.nats.output",
    "otlp": "sensor.outputs.http.otlp",
    "syslog": "sensor.outputs.syslog.output",
}
"""The module of each kind, by the word that stands for it in ``type``."""

FORMATS: dict[str, str] = {
    "native": "sensor.outputs.formats.native",
    "ocsf": "sensor.outputs.formats.ocsf",
    "ecs": "sensor.outputs.formats.ecs",
    "otel": "sensor.outputs.formats.otel",
    "cef": "sensor.outputs.formats.cef",
    "cloudevents": "sensor.outputs.formats.cloudevents",
}
"""The module of each format, by the word that stands for it in ``format``."""

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a transport knows of its place: the node, the version, the output's own name."""

    host: HostFacts
    version: str
    output: str


@dataclass(frozen=True, slots=True)
class OutputKind(Generic[Settings]):
    """A kind of output. ``format`` is the one that it uses when none is named.

    ``make`` imports libraries, but connects nowhere and writes nothing: ``castoff run
    --check-config`` calls it, too, and there is no event loop yet. It raises :class:`ConfigError`
    for what cannot work (a library that is not installed: name the package).
    ``formats`` are those that make sense with it, () for every one.
    """

    settings: type[Settings]
    make: Callable[[Settings, Format, Surroundings], Transport]
    format: str = "native"
    formats: tuple[str, ...] = ()


def kind_of(name: str) -> OutputKind[Any]:
    """Import the kind of that name; raises KeyError, or :class:`PackageMissing`."""
    kind: OutputKind[Any] = _imported(KINDS[name], f"the output {name}").OUTPUT
    return kind


def format_of(name: str) -> Format:
    """Import the format of that name; raises KeyError, or :class:`PackageMissing`."""
    form: Format = _imported(FORMATS[name], f"the format {name}").FORMAT
    return form


def _imported(module: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise package_missing(error, what) from None


def missing(output: str, module: str, package: str) -> ConfigError:
    """Return the error of a ``make`` whose library is not installed."""
    return ConfigError(
        f"output {output}: the Python module {module} is not installed",
        f"Install it: apt-get install {package}.",
    )
