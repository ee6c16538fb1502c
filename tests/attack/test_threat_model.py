"""docs/threat-model.md names tests that exist, and all attacks are in it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
HERE = Path(__file__).parent
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
CASE = re.compile(r"\b(sec-[a-z-]+)")

CASES = {
    "sec-below-a-shell-called-runc",
    "sec-blind-without-a-word",
    "sec-caller-called-dockerd",
    "sec-connect-refused-is-candidate",
    "sec-crafted-argument-stalls-agent",
    "sec-damaged-log-is-given-up",
    "sec-event-log-washed-out",
    "sec-forged-client-is-exact",
    "sec-forged-runtime-commands",
    "sec-forged-start-takes-a-running-container",
    "sec-identity-from-a-strangers-directory",
    "sec-node-lock-by-anybody",
    "sec-one-pin-removed",
    "sec-other-engines-sockets-crowd-out",
    "sec-pid-host-start-is-missed",
    "sec-plain-user-hides-a-start",
    "sec-reactivation-disguised",
    "sec-refused-request-is-exact",
    "sec-renamed-runtime-own-cgroup-path",
    "sec-runtime-options-in-gos-spelling",
    "sec-sixteen-digits-name-every-container",
}
"""The attacks that users of this field described; redaction has tables of its own."""


def attacks() -> dict[str, str]:
    """Return the text of each file of attacks."""
    return {path.name: path.read_text() for path in HERE.glob("test_*.py") if path.name != NAME}


NAME = Path(__file__).name


def test_each_test_that_the_model_names_exists() -> None:
    elsewhere = set(re.findall(r"`(tests/[\w/.]+\.py)`", TEXT))
    texts = [*attacks().values(), *((ROOT / path).read_text() for path in elsewhere)]
    known = {name for text in texts for name in TEST.findall(text)}
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert named
    assert named <= known, named - known


def test_each_attack_is_in_the_model() -> None:
    known = {name for text in attacks().values() for name in TEST.findall(text)}
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert known <= named, known - named


def test_each_case_has_a_test_that_names_it() -> None:
    named = {case for text in attacks().values() for case in CASE.findall(text)}
    assert named == CASES
