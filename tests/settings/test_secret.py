"""Secrets are read from where they are kept, and shown nowhere."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from sensor.settings.secret import Secret, hidden, resolve


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n", encoding="utf-8")
    path.chmod(0o600)
    assert resolve(f"file:{path}", {}).reveal() == "s3cret"
    assert resolve(f"Bearer ${{file:{path}}}", {}).reveal() == "Bearer s3cret"
    link = tmp_path / "link"
    link.symlink_to(path)
    assert resolve(f"file:{link}", {}).reveal() == "s3cret"


@pytest.mark.parametrize("make", ["missing", "fifo", "large", "writable", "binary", "relative"])
def test_a_file_that_is_not_a_safe_secret_is_refused(tmp_path: Path, make: str) -> None:
    path = tmp_path / "token"
    if make == "fifo":
        os.mkfifo(path)
    elif make != "missing":
        path.write_bytes({"large": b"x" * 65_537, "binary": b"\xff"}.get(make, b"s3cret"))
        path.chmod(0o666 if make == "writable" else 0o600)
    reference = "file:token" if make == "relative" else f"file:{path}"
    with pytest.raises(ValueError, match="token") as caught:
        resolve(reference, {})
    assert "s3cret" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_secret_of_another_user_is_refused(tmp_path: Path) -> None:
    path, link = tmp_path / "token", tmp_path / "link"
    path.write_text("s3cret", encoding="utf-8")
    path.chmod(0o600)
    link.symlink_to(path)
    os.chown(link, 65_534, 65_534, follow_symlinks=False)
    with pytest.raises(ValueError, match="belongs to neither root nor"):
        resolve(f"file:{link}", {})
    os.chown(path, 65_534, 65_534)
    with pytest.raises(ValueError, match="belongs to neither root nor"):
        resolve(f"file:{path}", {})


def test_a_literal_is_itself() -> None:
    assert resolve("plain $HOME ${x}", {}).reveal() == "plain $HOME ${x}"


@pytest.mark.parametrize("reference", ["file:{}", "${{file:{}}}", "${{env:KEY}}"])
def test_a_secret_with_a_nul_is_refused_wherever_it_is_kept(tmp_path: Path, reference: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"s3c\0ret")
    path.chmod(0o600)
    with pytest.raises(ValueError, match="NUL") as caught:
        resolve(reference.format(path), {"KEY": "s3c\0ret"})
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_copied_out_of_the_process(copied: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="secret"):
        copied(Secret("s3cret"))


def test_a_short_secret_does_not_garble_what_is_shown() -> None:
    assert hidden("the key is a key", (Secret("key"),)) == "the key is a key"
    assert hidden("the s3cret is a key", (Secret("s3cret"),)) == "the *** is a key"
