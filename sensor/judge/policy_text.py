"""Reads policy files: TOML in, a :class:`~sensor.judge.policy.Policy` or one clear error out.

    zone = "Europe/Berlin"              # of windows without a zone; else the host's

    [expect.shop]                       # explains a start
    workload = "compose/shop/*"
    login = ["deploy", "alice"]
    allows = ["cap:NET_ADMIN"]          # privileges that it explains, by name

    [window.office]                     # with a selector: what it selects starts within only
    days = ["mon-fri"]
    from = "08:00"
    to = "18:00"

    [findings.burst]                    # sensor.judge.tuning_text

Nothing includes anything: a policy is one file and the drop-ins beside it. A rule's name occurs
once in all of them.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.judge.policy import RULES_MAX, Approval, Policy, Rule, Section, Suppression
from sensor.judge.rule_index import RuleIndex
from sensor.judge.table_reader import TableReader, place_of, unknown
from sensor.judge.toml_document import TomlDocument
from sensor.judge.toml_lines import KeyLines
from sensor.judge.tuning_text import TABLES, read_tuning
from sensor.judge.window import DAYS, MINUTES_PER_DAY, Window
from sensor.model.vocabulary import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from sensor.judge.selector import Selector


FILE_MAX = 1 << 20
"""Bytes of one file."""
SUPPRESSED_MAX = 90 * 86_400 * 1_000_000_000
"""Nanoseconds for which a finding may be suppressed."""
_TIME_OF_DAY = re.compile(r"(?P<hours>[0-9]{2}):(?P<minutes>[0-5][0-9])")


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file's path and its bytes."""

    path: str
    data: bytes


def read(
    files: Sequence[SourceText], zone_of: Callable[[str | None], tzinfo], now: int | None
) -> Policy:
    """Read a policy from its files in their order; ``now`` is the wall clock in ns.

    With None the ends of suppressions may lie at any distance: these files were accepted before.

    ``zone_of`` gives the zone of an IANA name, the host's for None, and raises ValueError for one
    that is unknown. Raises :class:`ConfigError` with the file, the line, the key and the reason.
    """
    documents = [_parse(file) for file in files]
    zone = _zone(documents, zone_of)
    rules: dict[Section, list[Rule]] = {section: [] for section in Section}
    windows: dict[str, Window] = {}
    places: dict[tuple[str, str], str] = {}
    for document in documents:
        _check_sections(document)
        for name, reader in document.tables(Section.WINDOW):
            _note_place(places, Section.WINDOW, name, reader)
            window, rule = _window(name, reader, zone, zone_of)
            windows[name] = window
            if not rule.selector.selects_all:
                rules[Section.WINDOW].append(rule)
    for document in documents:
        for section in Section:
            if section is Section.WINDOW:
                continue
            for name, reader in document.tables(section):
                _note_place(places, section, name, reader)
                rules[section].append(_rule(section, name, reader, windows, now))
    if (count := sum(map(len, rules.values()))) > RULES_MAX:
        raise ConfigError(
            f"{files[0].path}: {count} rules; at most {RULES_MAX} are allowed",
            "Join rules: a key may have a list of patterns.",
        )
    return Policy(
        expect=RuleIndex(rules[Section.EXPECT]),
        forbid=RuleIndex(rules[Section.FORBID]),
        windows=RuleIndex(rules[Section.WINDOW]),
        require=RuleIndex(rules[Section.REQUIRE]),
        approve=RuleIndex(one for one in rules[Section.APPROVE] if isinstance(one, Approval)),
        suppress=RuleIndex(one for one in rules[Section.SUPPRESS] if isinstance(one, Suppression)),
        tuning=read_tuning(documents),
        digest=digest_of(files) if files else None,
        files=tuple(file.path for file in files),
    )


def digest_of(files: Sequence[SourceText]) -> str:
    """Return the SHA-256 of all files, each with its path and length before it."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{len(file.data)}\0".encode("utf-8", "surrogateescape"))
        digest.update(file.data)
    return digest.hexdigest()


# --------------------------------------------------------------------------- documents


def parse_document(file: SourceText) -> TomlDocument:
    """Parse one file. Raises :class:`ConfigError` for what is not TOML or too large."""
    return _parse(file)


def _parse(file: SourceText) -> TomlDocument:
    if len(file.data) > FILE_MAX:
        raise ConfigError(f"{file.path}: larger than {FILE_MAX} bytes", "Split it into drop-ins.")
    try:
        # Some editors begin a file with a byte order mark, which TOML does not know.
        text = file.data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = file.data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{file.path}:{line}: not valid UTF-8", "Save it as UTF-8.") from error
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{file.path}: nested too deep", "Write TOML (toml.io).") from error
    except ValueError as error:
        # TOMLDecodeError, or a number with more digits than Python reads.
        raise ConfigError(f"{file.path}: {error}", "Write TOML (toml.io).") from error
    return TomlDocument(file.path, values, KeyLines(text))


def _check_sections(document: TomlDocument) -> None:
    known = (*Section, *TABLES, "zone")
    for key in document.values:
        if key not in known:
            unknown(place_of(document.path, document.lines, (key,)), (), key, known)


def _zone(documents: Sequence[TomlDocument], zone_of: Callable[[str | None], tzinfo]) -> str | None:
    zone: str | None = None
    for document in documents:
        reader = TableReader(document.values, document.path, document.lines, ())
        named = reader.text("zone")
        if named is not None:
            _known_zone(reader, named, zone_of)
            zone = named
    return zone


def _known_zone(
    reader: TableReader, name: str | None, zone_of: Callable[[str | None], tzinfo]
) -> tzinfo:
    try:
        return zone_of(name)
    except ValueError as error:
        reader.fail("zone", str(error), 'Use an IANA name, as "Europe/Berlin", and install tzdata.')


def _note_place(
    places: dict[tuple[str, str], str], section: Section, name: str, reader: TableReader
) -> None:
    earlier = places.setdefault((section, name), reader.place)
    if earlier != reader.place:
        raise ConfigError(
            f"{reader.place}: {section}.{name}: stands at {earlier} already",
            "Give each rule of a section a name of its own.",
        )


# --------------------------------------------------------------------------- rules


def _rule(
    section: Section, name: str, reader: TableReader, windows: dict[str, Window], now: int | None
) -> Rule:
    selector = reader.selector()
    held = reader.members("window", windows)
    if section is Section.APPROVE:
        rule: Rule = Approval(
            section,
            name,
            selector,
            reader.place,
            held,
            repositories=reader.globs("repository"),
            tags=reader.globs("tag"),
            digests=frozenset(reader.texts("digest")),
            pinned=reader.flag("pinned"),
        )
        if isinstance(rule, Approval) and not rule.demands:
            reader.fail("repository", "missing", "Add repository, tag, digest or pinned.")
    elif section is Section.SUPPRESS:
        rule = _suppression(name, selector, held, reader, now)
    else:
        allows = reader.globs("allows") if section is Section.EXPECT else ()
        rule = Rule(section, name, selector, reader.place, held, allows)
    reader.check()
    return rule


def _suppression(
    name: str,
    selector: Selector,
    held: tuple[Window, ...],
    reader: TableReader,
    now: int | None,
) -> Suppression:
    findings = {str(finding): finding for finding in Finding}
    finding = reader.member("finding", findings)
    if finding is None:
        reader.fail("finding", "missing", f"Add one of {', '.join(findings)}.")
    until = reader.moment("until")
    if until is None:
        reader.fail("until", "missing", "Add until = 2026-12-31, at most 90 days ahead.")
    if now is not None and until - now > SUPPRESSED_MAX:
        reader.fail("until", "more than 90 days ahead", "Choose an earlier date and renew it then.")
    reason = reader.needed("reason")
    return Suppression(
        Section.SUPPRESS,
        name,
        selector,
        reader.place,
        held,
        finding=finding,
        until=until,
        reason=reason,
    )


def _window(
    name: str, reader: TableReader, zone: str | None, zone_of: Callable[[str | None], tzinfo]
) -> tuple[Window, Rule]:
    zone_name = reader.text("zone") or zone
    found = _known_zone(reader, zone_name, zone_of)
    days = _days(reader)
    start = reader.parsed("from", _minute)
    end = reader.parsed("to", _minute)
    window = Window(
        name,
        found,
        zone_name or "host time",
        days,
        0 if start is None else start,
        MINUTES_PER_DAY if end is None else end,
        reader.dates("except"),
    )
    if window.start == window.end:
        reader.fail("to", "the same time as from", "Leave both out for the whole day.")
    selector = reader.selector()
    reader.check()
    return window, Rule(Section.WINDOW, name, selector, reader.place, (window,))


def _days(reader: TableReader) -> frozenset[int]:
    found: set[int] = set()
    for one in reader.texts("days"):
        first, dash, last = one.lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            reader.fail("days", f"{one[:16]!r} is not a day", "Use mon to sun, or mon-fri.")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        found.update((begin + step) % 7 for step in range(length + 1))
    return frozenset(found) or frozenset(range(7))


def _minute(text: str) -> int:
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        message = f"{text[:16]!r} is not a time of day, as 08:30"
        raise ValueError(message)
    minute = int(found["hours"]) * 60 + int(found["minutes"])
    if minute > MINUTES_PER_DAY:
        message = f"{text} is not a time of day"
        raise ValueError(message)
    return minute
