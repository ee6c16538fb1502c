"""A policy is read whole, or refused with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.errors import ConfigError
from sensor.judge.change_text import of_file
from sensor.judge.policy_text import FILE_MAX, SourceText, read
from sensor.model.container import Orchestrator
from sensor.model.control_plane import Owner
from sensor.model.vocabulary import Finding
from tests.judge.samples import NOW, facts, policy, start, zone_of

DOCS = Path(__file__).parents[2] / "docs"
WHOLE = """
zone = "Europe/Berlin"

[expect.shop]
workload = "compose/shop/*"
login = ["deploy", "alice"]
allows = "cap:NET_ADMIN"
window = "office"

[forbid.privileged]
privilege = ["privileged", "mount:root:rw"]

[window.office]
days = ["mon-fri"]
from = "08:00"
to = "18:00"
except = [2026-12-25, "2026-12-26"]

[window.people]
account = "*"
to = "20:00"

[require_explanation.all]

[approve.ours]
namespace = "shop"
repository = ["registry.example.com/*"]

[suppress.lab]
finding = "direct-runtime"
account = "lab"
until = 2026-12-31
reason = "the lab runs runc by hand until the move"
"""


def test_a_whole_policy_is_read() -> None:
    found = policy(WHOLE)
    names = [(rule.section.value, rule.name) for rule in found.rules]
    assert names == [
        ("forbid", "privileged"),
        ("window", "people"),
        ("approve", "ours"),
        ("expect", "shop"),
        ("require_explanation", "all"),
        ("suppress", "lab"),
    ]
    (expect,) = found.expect.rules
    assert expect.place == "policy.toml:4"
    assert str(expect.windows[0]) == "office (mon,tue,wed,thu,fri 08:00-18:00 Europe/Berlin)"
    assert found.suppress.rules[0].finding is Finding.DIRECT_RUNTIME
    assert found.digest is not None
    assert len(found.digest) == 64


def test_the_empty_policy_is_a_policy() -> None:
    assert read([], zone_of, NOW).rules == ()


def test_drop_ins_add_rules_and_the_digest_covers_all_of_them() -> None:
    one = SourceText("policy.toml", b"[forbid.a]\n")
    two = SourceText("policy.d/x.toml", b"[forbid.b]\n")
    found = read([one, two], zone_of, NOW)
    assert [rule.name for rule in found.forbid.rules] == ["a", "b"]
    assert found.digest != read([one], zone_of, NOW).digest
    assert found.files == ("policy.toml", "policy.d/x.toml")


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("[expct.a]", "policy.toml:1: expct: unknown key", "expect"),
        ("\n[expect.a]\nimge = 'x'", "policy.toml:3: expect.a.imge: unknown key", "image"),
        ("[expect.a]\nallow = 'x'", "policy.toml:2: expect.a.allow: unknown key", "allows"),
        ("[forbid.a]\nallows = 'x'", "policy.toml:2: forbid.a.allows: unknown key", ""),
        ("include = 'policy.toml'", "policy.toml:1: include: unknown key", ""),
        ("[expect.a]\nimage = 7", "policy.toml:2: expect.a.image: neither", ""),
        ("[expect.a]\nimage = []", "policy.toml:2: expect.a.image: an empty list", ""),
        ("[expect.a]\nimage = '" + "*" * 200 + "'", "policy.toml:2: expect.a.image: a pattern", ""),
        ("[expect.a]\nimage = '" + "*" * 10_000 + "'", "expect.a.image: a pattern of 10000", ""),
        ("[expect.a]\nname = 'web?'", "policy.toml:2: expect.a.name: '?' is not a wildcard", ""),
        ("[expect.a]\ntrigger = 'cron'", "expect.a.trigger: 'cron' is not one of", ""),
        ("[expect.a]\nwindow = 'ofice'\n[window.office]", "expect.a.window: 'ofice'", "office"),
        ("[window.a]\ndays = ['moon']", "policy.toml:2: window.a.days: 'moon' is not a day", ""),
        ("[window.a]\nfrom = '25:00'", "policy.toml:2: window.a.from", ""),
        ("[window.a]\nfrom = '8:00'", "policy.toml:2: window.a.from", ""),
        ("[window.a]\nfrom = '08:00'\nto = '08:00'", "policy.toml:3: window.a.to: the same", ""),
        ("zone = 'Mars/Base'", "zone: 'Mars/Base' is not a known", "tzdata"),
        (
            "[suppress.a]\nfinding = ['burst', 'dormant']\nuntil = 2026-12-31\nreason = 'x'",
            "policy.toml:2: suppress.a.finding: 2 values",
            "Give one",
        ),
        ("[findings.burst]\nseverity = ['low', 'high']", "findings.burst.severity: 2", "Give one"),
        ("[window.a]\nzone = 'Mars/Base'", "window.a.zone: 'Mars/Base' is not a known", "tzdata"),
        ("[window.a]\nexcept = ['someday']", "window.a.except", ""),
        ("[suppress.a]\nfinding = 'direct-runtim'", "suppress.a.finding", "direct-runtime"),
        ("[suppress.a]\nfinding = 'forbidden'\nreason = 'x'", "suppress.a.until: missing", ""),
        (
            "[suppress.a]\nfinding = 'forbidden'\nreason = 'x'\nuntil = 2027-06-01",
            "policy.toml:4: suppress.a.until: more than 90 days",
            "",
        ),
        (
            "[suppress.a]\nfinding = 'forbidden'\nuntil = 2026-12-24",
            "suppress.a.reason: missing",
            "",
        ),
        ("[approve.a]\nnamespace = 'x'", "approve.a.repository: missing", ""),
        ("expect = 3", "policy.toml:1: expect: not a table of rules", "[expect.NAME]"),
        ("[[expect]]\nimage = 'x'", "expect: not a table of rules", "[expect.NAME]"),
        ("[expect.a\n", "policy.toml: ", "TOML"),
        ('[expect.x]\nwindow = "nights"\n', "expect.x.window", "Define [window.nights]."),
    ],
)
def test_what_is_wrong_is_named(text: str, problem: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        policy(text)
    assert problem in caught.value.problem
    assert fix in caught.value.fix


def test_a_key_in_a_text_of_several_lines_is_not_taken_for_the_wrong_one() -> None:
    text = '[suppress.a]\nreason = """\nimge = 1\n"""\n[expect.b]\nimge = "x"\n'
    with pytest.raises(ConfigError, match=r"policy\.toml:6: expect\.b\.imge"):
        policy(text)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"# \xff\n", "policy.toml:1: not valid UTF-8"),
        (b"#" * (FILE_MAX + 1), "larger than"),
        (b"a = " + b"[" * 100_000, "policy.toml: nested too deep"),
        (b"a = " + b"9" * 5000, "policy.toml: "),
        (
            "[expect.a]\nname = '\u202eexe'".encode(),
            "policy.toml:2: expect.a.name: holds a control",
        ),
    ],
)
def test_a_file_that_is_not_text_or_too_large_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read([SourceText("policy.toml", data)], zone_of, NOW)
    assert problem in caught.value.problem


def test_a_byte_order_mark_is_passed_over() -> None:
    found = policy("\ufeff[forbid.a]\nimage = 'x'\n")
    assert [rule.place for rule in found.rules] == ["policy.toml:1"]


def test_one_name_in_two_files_is_refused_with_both_places() -> None:
    files = [SourceText("a.toml", b"\n[forbid.x]\n"), SourceText("b.toml", b"[forbid.x]\n")]
    with pytest.raises(ConfigError, match=r"b\.toml:1: forbid\.x: stands at a\.toml:2"):
        read(files, zone_of, NOW)


def refusal(text: str) -> ConfigError | None:
    """Return why a policy is refused; any other error is a defect."""
    try:
        policy(text)
    except ConfigError as error:
        return error
    return None


def is_named(refused: ConfigError | None) -> bool:
    """Whether a refusal names the file and a fix."""
    return refused is None or bool(refused.problem.startswith("policy.toml") and refused.fix)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_one_clear_error(text: str) -> None:
    assert is_named(refusal(text))


_VALUES = st.one_of(
    st.text(max_size=20), st.integers(), st.booleans(), st.lists(st.text(max_size=8), max_size=3)
)


@settings(deadline=None)
@given(
    st.sampled_from(["expect", "forbid", "window", "approve", "suppress", "require_explanation"]),
    st.dictionaries(
        st.sampled_from(["image", "login", "window", "days", "from", "until", "finding", "zone"]),
        _VALUES,
        max_size=4,
    ),
)
def test_any_value_of_a_key_is_taken_or_refused_by_name(
    section: str, keys: dict[str, object]
) -> None:
    lines = [f"[{section}.r]"]
    for key, value in keys.items():
        shown = str(value).lower() if isinstance(value, bool | int) else repr(value)
        lines.append(f"{key} = {shown}")
    assert is_named(refusal("\n".join(lines)))


def documented(page: str, first: str) -> str:
    """Return the indented block of a page of the documentation that begins with a line."""
    lines = (DOCS / page).read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.strip().startswith(first))
    block = []
    for line in lines[begin:]:
        if line and not line.startswith("    "):
            break
        block.append(line[4:])
    return "\n".join(block)


def test_the_documented_policy_is_valid() -> None:
    found = policy(documented("policy.md", 'zone = "Europe/Berlin"'))
    assert {rule.section.value for rule in found.rules} == {
        "expect",
        "forbid",
        "window",
        "approve",
        "require_explanation",
        "suppress",
    }


def test_the_documented_change_is_valid() -> None:
    text = documented("changes.md", "[change.CHG-123]")
    (change,) = of_file(SourceText("a.toml", text.encode()), NOW)
    assert change.selector.written() == {"workload": ["compose/shop/ledger"]}


def test_an_owner_is_the_controller_by_the_pods_name_or_as_the_node_infers_it() -> None:
    pod = Orchestrator(
        "kubernetes", "shop", "web-5d4f8c9b7d-x2x7k", owner=Owner("Deployment", "shop-web")
    )
    event = facts(start(pod=pod))
    for owner in ("web", "shop-web"):
        (rule,) = policy(f"[expect.a]\nowner = '{owner}'").expect.rules
        assert rule.selector.matches(event)
