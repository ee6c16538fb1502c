"""Realistic command lines with and without a secret (case sec-redaction-misses).

The forms are files: one shell command a line, with the secret ``S3cr3tV``.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from sensor.identity.redact import redact_argv, redact_labels
from sensor.identity.secret_names import REDACTED

SECRET = "S3cr3tV"
_FORMS = Path(__file__).parent / "redaction"


def _lines(name: str) -> list[str]:
    return (_FORMS / name).read_text("utf-8").splitlines()


@pytest.mark.parametrize("line", _lines("secret_forms.txt"))
def test_the_secret_of_a_known_form_is_removed(line: str) -> None:
    argv = tuple(shlex.split(line))
    assert SECRET in "\n".join(argv)
    found = "\n".join(redact_argv(argv))
    assert SECRET not in found
    assert REDACTED in found


@pytest.mark.parametrize("line", _lines("harmless.txt"))
def test_a_command_without_a_secret_stays_as_it_is(line: str) -> None:
    argv = tuple(shlex.split(line))
    assert redact_argv(argv) == argv


@pytest.mark.parametrize("token", _lines("tokens.txt"))
@pytest.mark.parametrize("text", ["{}", "x={}", '"{}"', "a {} b", "https://h/{}", "--x={}"])
def test_a_token_is_known_by_its_look_wherever_it_stands(token: str, text: str) -> None:
    argv = ("docker", "run", "bb", "app", text.format(token))
    assert token not in "\n".join(redact_argv(argv))
    assert token not in redact_labels((("app.note", text.format(token)),))[0][1]


def test_the_port_behind_minus_p_of_a_container_client_is_not_a_password() -> None:
    argv = ("docker", "run", "--name", "mysql", "-p3306:3306", "mysql:8", "mysql", "-pS3cr3tV")
    assert redact_argv(argv) == (*argv[:-1], f"-p{REDACTED}")


@pytest.mark.parametrize("word", ["EOT", "'EOT'", "-EOT"])
def test_a_here_document_for_a_command_that_reads_a_secret_is_removed(word: str) -> None:
    script = f"cat <<{word} | docker login --password-stdin\n{SECRET}\nEOT\necho done"
    (*_, clean) = redact_argv(("docker", "run", "bb", "sh", "-c", script))
    assert SECRET not in clean
    assert clean.endswith("EOT\necho done")


def test_a_secret_across_the_cut_of_a_long_argument_leaves_no_half() -> None:
    token = "ghp_" + "a1B2" * 9
    for place in range(4040, 4700, 7):
        word = ("x" * place)[:-1] + " " + token + " " + "y" * 2000
        assert "ghp_" not in redact_argv((word,))[0]
