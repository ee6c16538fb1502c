"""Write castoff(1), castoff.toml(5) and castoff(8) from what the program itself knows.

    PYTHONPATH=ROOT manpages.py DIRECTORY

castoff(1) is the click help of every verb; castoff.toml(5) is ``packaging/etc/castoff.toml`` with
the settings of every kind of output; castoff(8) is ``daemon.txt`` with the exit codes of
``sensor/errors.py``. Nothing of them is kept in git, so they cannot disagree with the program.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import re
import sys
import textwrap
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import click

from sensor import __version__, errors
from sensor.cli import main as cli
from sensor.outputs import registry
from sensor.outputs.settings import Common
from sensor.settings.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEFAULTS = ROOT / "packaging/etc/castoff.toml"
DAEMON = HERE / "daemon.txt"
SEE_ALSO = {"castoff": "1", "castoff.toml": "5"}


# ------------------------------------------------------------------------------------------- roff


def text(raw: str) -> str:
    """Escape text for roff: backslashes, hyphens, letters beyond ASCII, what begins a request."""
    escaped = raw.replace("\\", "\\e").replace("-", "\\-")
    escaped = escaped.replace("~", "\\(ti").replace("^", "\\(ha")
    escaped = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", escaped)
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)


def header(name: str, section: str, brief: str) -> list[str]:
    """Title and NAME of a page; its date is that of the build (SOURCE_DATE_EPOCH)."""
    day = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))
    title = f'.TH {name.upper()} {section} "{day}" "castoff {__version__}" "Castoff"'
    return [title, ".SH NAME", f"{text(name)} \\- {text(brief)}"]


def item(term: str, lines: str) -> list[str]:
    """One entry of a list: the term in bold, what it means below."""
    return [".TP", f"\\fB{text(term)}\\fR", *paragraphs(lines, ".IP")]


def paragraphs(lines: str, separator: str = ".PP") -> list[str]:
    """Paragraphs of a docstring; what is indented deeper stays as it is."""
    out: list[str] = []
    for number, part in enumerate(re.split(r"\n\s*\n", textwrap.dedent(lines).strip())):
        if number:
            out.append(separator)
        if part.startswith(("    ", "\b")):
            body = textwrap.dedent(part.removeprefix("\b\n"))
            out += [".nf", text(body), ".fi"]
        else:
            out.append(text(" ".join(part.split())))
    return out


def see_also(*pages: str) -> list[str]:
    """Close a page."""
    return [
        ".SH SEE ALSO",
        ", ".join(
            f"\\fB{text(name)}\\fR({number})"
            for name, number in (page.rstrip(")").split("(") for page in pages)
        ),
    ]


# ----------------------------------------------------------------------------------------- castoff


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every verb, a group's own verbs after it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield f"{path} {name}", found
                yield from commands(found, f"{path} {name}")


def verb(path: str, command: click.Command) -> list[str]:
    """Describe one verb from its click command."""
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    out = [f'.SS "{text(path)} {text(usage)}"', *paragraphs(inspect.cleandoc(command.help or ""))]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            out += item(record[0], record[1])
    return out


def castoff_1() -> str:
    """castoff(1)."""
    root = cli.castoff
    out = header("castoff", "1", "report which container started, what it is, and who caused it")
    out += [".SH SYNOPSIS", "\\fBcastoff\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]"]
    out += [".SH DESCRIPTION", *paragraphs(inspect.cleandoc(root.help or "")), ".PP"]
    out.append(
        "The agent runs as a service (\\fBcastoff\\fR(8)); most commands ask it on its socket."
    )
    out.append(".SH COMMANDS")
    for path, command in commands(root, "castoff"):
        out += verb(path, command)
    out += [".SH EXIT STATUS", *exit_codes()]
    out += [".SH ENVIRONMENT"]
    out += item("CASTOFF_SOCKET", "The agent's socket; the option --socket goes before it.")
    out += item("NO_COLOR", "Output without colours.")
    return page(out + see_also("castoff(8)", "castoff.toml(5)"))


def exit_codes() -> list[str]:
    """List the codes of ``sensor.errors``, each with the first line of its classes."""
    codes: dict[int, list[str]] = {0: ["Success."], 1: ["Failure."], 2: ["Wrong usage."]}
    for _, kind in sorted(inspect.getmembers(errors, inspect.isclass)):
        if issubclass(kind, errors.CastoffError) and kind is not errors.CastoffError:
            codes.setdefault(kind.exit_code, []).append(str(inspect.getdoc(kind)).split("\n\n")[0])
    return [line for code in sorted(codes) for line in item(str(code), " ".join(codes[code]))]


# ------------------------------------------------------------------------------------ castoff.toml


@dataclasses.dataclass(slots=True)
class Entry:
    """Keys of ``castoff.toml`` that share a comment."""

    keys: list[str]
    comment: str


def sections(document: str) -> Iterator[tuple[str, list[Entry]]]:
    """Read the commented defaults: section, and its keys with the comment above them."""
    name = ""
    entries: list[Entry] = []
    comment: list[str] = []
    for line in document.splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            if name:
                yield name, entries
            name, entries, comment = found.group(1), [], []
        elif found := re.fullmatch(r"#(\w+ = .*)", line):
            if comment or not entries:
                entries.append(Entry([], " ".join(comment)))
                comment = []
            entries[-1].keys.append(found.group(1))
        elif line.startswith("# ") and name:
            comment.append(line[2:])
        elif not line:
            comment = []
    yield name, entries


def castoff_toml_5() -> str:
    """castoff.toml(5)."""
    out = header("castoff.toml", "5", "configuration of the castoff agent")
    out += [".SH SYNOPSIS", "/etc/castoff/castoff.toml", ".br", "/etc/castoff/castoff.d/*.toml"]
    preface = re.match(r"(?:# .*\n)+", DEFAULTS.read_text(encoding="utf-8"))
    lines = preface.group(0) if preface else ""
    out += [".SH DESCRIPTION", *paragraphs(re.sub(r"^# ", "", lines, flags=re.MULTILINE))]
    for name, entries in sections(DEFAULTS.read_text(encoding="utf-8")):
        out.append(f'.SH "[{text(name)}]"')
        for entry in entries:
            for key in entry.keys[:-1]:
                out += [".TP", f"\\fB{text(key)}\\fR", ".PD 0"]
            out += item(entry.keys[-1], entry.comment)
            out.append(".PD")
    out += ['.SH "[outputs.NAME]"', "One table for each output. All kinds have these keys:"]
    out += settings(Common)
    for kind in registry.KINDS:
        out.append(f'.SS "type = \\(dq{text(kind)}\\(dq"')
        out += settings(registry.kind_of(kind).settings)
    return page(out + see_also("castoff(1)", "castoff(8)"))


def settings(kind: type[Any]) -> list[str]:
    """List a settings dataclass: key, type, default, and the string below the field."""
    described = attribute_docstrings(kind)
    hints = get_type_hints(kind, localns={"Path": Path})
    out: list[str] = []
    for field in dataclasses.fields(kind):
        brief = type_name(hints[field.name])
        if field.default is not dataclasses.MISSING and field.default not in (
            None,
            (),
            "",
            Secret(),
        ):
            brief += f", default {default_of(field.name, field.default)}"
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            brief += ", required"
        out += item(f"{field.name} ({brief})", described.get(field.name, ""))
    return out


def default_of(key: str, value: object) -> str:
    """Return a default as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"0o{value:o}" if key == "mode" else str(value)


def type_name(hint: object) -> str:
    """Name the TOML type of a field."""
    plain = [one for one in get_args(hint) if one is not type(None)] or [hint]
    one = plain[0]
    if isinstance(one, type) and issubclass(one, StrEnum):
        return " | ".join(one)
    if isinstance(one, type) and dataclasses.is_dataclass(one) and one.__name__ != "Secret":
        return "table: " + ", ".join(field.name for field in dataclasses.fields(one))
    names: dict[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
    if str(hint).startswith("tuple["):
        return "table" if "tuple[tuple[" in str(hint) else "list"
    return names.get(one, "path" if one is Path else "string")


def attribute_docstrings(kind: type[Any]) -> dict[str, str]:
    """Read the strings that stand below the fields of a dataclass."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    if not isinstance(tree, ast.ClassDef):
        raise TypeError(kind)
    described: dict[str, str] = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            described[before.target.id] = str(after.value.value).replace("``", "")
    return described


# --------------------------------------------------------------------------------------- castoff 8


def castoff_8() -> str:
    """castoff(8): sections of ``daemon.txt``, a heading being a line without indentation."""
    out = header("castoff", "8", "container start sensor: the service")
    for line in DAEMON.read_text(encoding="utf-8").splitlines():
        if not line:
            out.append(".PP")
        elif line == "@exit-codes@":
            out += exit_codes()
        elif found := re.fullmatch(r"- (.+?): (.+)", line):
            out += item(found.group(1), found.group(2))
        elif line.startswith("    "):
            out += [".nf", f"    {text(line.strip())}", ".fi"]
        elif line.isupper():
            out.append(f".SH {text(line)}")
        else:
            out.append(text(line))
    return page(out + see_also("castoff(1)", "castoff.toml(5)", "systemctl(1)", "auditctl(8)"))


def page(lines: list[str]) -> str:
    """Join lines; roff wants no empty ones, and no paragraph request beside a heading."""
    kept: list[str] = []
    for line in lines:
        if not line:
            continue
        if line == ".PP" and (not kept or kept[-1] == ".PP" or kept[-1].startswith((".SH", ".SS"))):
            continue
        if line.startswith((".SH", ".SS")) and kept and kept[-1] == ".PP":
            kept.pop()
        kept.append(line)
    return "\n".join(kept) + "\n"


PAGES = {"castoff.1": castoff_1, "castoff.toml.5": castoff_toml_5, "castoff.8": castoff_8}


def main(directory: Path) -> None:
    """Write all pages."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (directory / name).write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
