"""``castoff run --check-config`` reads the configuration as the agent would, and starts nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.errors import ConfigError
from tests.cli.asking import castoff

SHIPPED = Path(__file__).parents[2] / "packaging" / "etc" / "castoff.toml"


def check(path: Path) -> tuple[int, str, str]:
    done = castoff("run", "--check-config", "--config", str(path))
    return done.returncode, done.stdout, done.stderr


def test_the_shipped_file_is_right() -> None:
    assert check(SHIPPED) == (0, "the configuration is right\n", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[agent]\nstate = 1\n", "agent.state is no key"),
        ('[store]\nmax_mib = "much"\n', "store.max_mib"),
        ('[identity]\ncgroup_patterns = ["("]\n', "pattern"),
        ("[agent\n", "line 1"),
    ],
)
@pytest.mark.parametrize("in_drop_in", [False, True], ids=["file", "drop_in"])
def test_a_mistake_is_named_with_its_file(
    tmp_path: Path, text: str, said: str, *, in_drop_in: bool
) -> None:
    path = tmp_path / "castoff.toml"
    drop_in = tmp_path / "castoff.d" / "50-mine.toml"
    drop_in.parent.mkdir()
    path.write_text("" if in_drop_in else text)
    drop_in.write_text(text if in_drop_in else "")
    code, output, problem = check(path)
    assert (code, output) == (ConfigError.exit_code, "")
    assert said in problem
    assert "Traceback" not in problem
    if "pattern" not in said:
        assert str(drop_in if in_drop_in else path) in problem
