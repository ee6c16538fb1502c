"""Completion in the shells themselves: what TAB makes of a line that a person types."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bridge import Running
from tests.cli.asking import CASTOFF

PATIENCE = 20.0
BEGIN_OF_LINE = "\x01"
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(castoff completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u -D; eval "$(castoff completion zsh)"',
    ),
}


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self._shown = ""
        self._pid, self._descriptor = pty.fork()
        if self._pid == 0:
            os.execvpe(argv[0], argv, environment)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str) -> str:
        """Return what was shown up to ``text``, and forget it."""
        end = time.monotonic() + PATIENCE
        while text not in self._shown:
            ready, _, _ = select.select([self._descriptor], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} was not shown within {PATIENCE} s: {self._shown!r}"
            self._shown += os.read(self._descriptor, 65_536).decode("utf-8", "replace")
        before, _, self._shown = self._shown.partition(text)
        return before

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._descriptor)

    def completed(self, line: str) -> list[str]:
        """Type a line and TAB; return the words that stand there then."""
        # The words are shown between marks that the echo of what is typed does not have.
        self.type(f"{line}\t{BEGIN_OF_LINE}show \n")
        self.wait_for("BEGIN(")
        return self.wait_for(")END").split("|")


@pytest.fixture(params=SHELLS)
def terminal(request: pytest.FixtureRequest, agent: Running, tmp_path: Path) -> Iterator[Terminal]:
    argv, script = SHELLS[request.param]
    if shutil.which(argv[0]) is None:
        pytest.skip(f"no {argv[0]}: apt-get install {argv[0]}")
    environment = {
        "PATH": f"{CASTOFF.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "PS1": "",
        "CASTOFF_SOCKET": str(agent.path),
    }
    opened = Terminal(argv, environment)
    try:
        opened.type('show() { local IFS=\'|\'; echo "BEG""IN($*)E""ND"; }\n')
        opened.type(f"{script}\n")
        opened.type("show ready\n")
        opened.wait_for("BEGIN(ready)END")
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("castoff cover", ["castoff", "coverage"]),
        ("castoff explain d", ["castoff", "explain", "db"]),
        ("castoff containers 4f9a", ["castoff", "containers", "4f9a4f9a4f9a"]),
        ("castoff events --filter trig", ["castoff", "events", "--filter", "trigger="]),
        ("castoff events --filter name=d", ["castoff", "events", "--filter", "name=db"]),
        ("castoff events --type star", ["castoff", "events", "--type", "start"]),
        ("castoff events --no-tr", ["castoff", "events", "--no-trunc"]),
    ],
)
def test_the_tab_key_completes_in_each_shell(
    terminal: Terminal, line: str, words: list[str]
) -> None:
    assert terminal.completed(line) == words


def test_a_name_that_is_not_a_word_of_a_shell_is_not_offered(terminal: Terminal) -> None:
    """It begins with an escape sequence; its container is offered by its id."""
    assert terminal.completed("castoff explain e") == ["castoff", "explain", "e0e0e0e0e0e0"]
