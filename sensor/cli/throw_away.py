"""Throw-away containers of an engine, for the selftest of findings.

The image is an empty tree into which the host's programs are bound, read-only: nothing is pulled,
and nothing of the host can be changed. All that an object of this made goes when it is closed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sensor.cli import proof
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LETTERS = "ghjkmnpqrstvwxyz"
"""No hexadecimal digits: a name of them is not taken for a generated one."""
SOCKET = "unix://"
DOCKER_SOCKET = "/run/docker.sock"
UNSET = 0xFFFF_FFFF
LOGINUID = Path("/proc/self/loginuid")


def new_word() -> str:
    """Return a name that no workload of this node has."""
    return "castoff-selftest-" + "".join(secrets.choice(LETTERS) for _ in range(8))


@dataclass(frozen=True, slots=True)
class ClientAccount:
    """As whom a client is run: with a login uid, and as an account."""

    loginuid: int
    uid: int = 0
    groups: tuple[int, ...] = ()

    def become(self) -> None:
        """Turn this process into it."""
        LOGINUID.write_text(str(self.loginuid), encoding="ascii")
        if self.uid:
            os.setgroups(self.groups)
            os.setgid(self.uid)
            os.setuid(self.uid)


class ThrowAway:
    """Containers by Docker or Podman. ``where`` is the client's program."""

    def __init__(self, engine: str, where: str, organisation: str) -> None:
        """``organisation`` is one that the node knows: an image of it is not new by that."""
        self.engine = engine
        self.image = new_word()
        self._organisation = organisation
        self._where = where
        self._names: list[str] = []
        self._images: list[str] = []
        self._options: list[str] = []

    def __enter__(self) -> Self:
        """Make the image. Raises OSError with what the engine said."""
        with tempfile.TemporaryDirectory(prefix="castoff-selftest-") as temporary:
            rootfs = Path(temporary) / "rootfs"
            self._options = [f"--volume={one}:{one}:ro" for one in proof.lay_out(rootfs)]
            archive = shutil.make_archive(str(Path(temporary) / "image"), "tar", rootfs)
            self._images.append(f"{self._organisation}/{self.image}:latest")
            problem = self._client("import", archive, self._images[0])
        if problem is not None:
            raise OSError(problem)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove every container and every image."""
        if self._names:
            self._client("rm", "--force", *self._names)
        self._client("rmi", "--force", *reversed(self._images))

    @property
    def socket(self) -> str | None:
        """The engine's socket, where a client inside a container can be given it."""
        if self.engine != "docker":
            return None
        named = os.environ.get("DOCKER_HOST", SOCKET + DOCKER_SOCKET)
        path = named.removeprefix(SOCKET)
        return path if named.startswith(SOCKET) and Path(path).is_socket() else None

    @property
    def program(self) -> str:
        """The client's program, as a container sees it."""
        return self._where

    def tag(self, name: str) -> str | None:
        """Give the image one more name."""
        self._images.append(name)
        return self._client("tag", self._images[0], name)

    def run(
        self,
        name: str,
        *command: str,
        options: tuple[str, ...] = (),
        image: str | None = None,
        caller: ClientAccount | None = None,
    ) -> str | None:
        """Run a container, in place of an earlier one of its name."""
        return self._make("run", name, *command, options=options, image=image, caller=caller)

    def create(self, name: str, *command: str) -> str | None:
        """Create a container that is not started."""
        return self._make("create", name, *command, options=(), image=None, caller=None)

    def running(self) -> int:
        """Return how many containers the engine runs."""
        done = proof.output_of(self._where, "ps", "--quiet")
        return len(done.split())

    def _make(
        self,
        verb: str,
        name: str,
        *command: str,
        options: tuple[str, ...],
        image: str | None,
        caller: ClientAccount | None,
    ) -> str | None:
        if name in self._names:
            self._client("rm", "--force", name)
        else:
            self._names.append(name)
        fixed = ("--network=none", f"--name={name}", *self._options, *options)
        before = caller.become if caller is not None else None
        return self._client(verb, *fixed, image or self._images[0], *command, before=before)

    def _client(self, *words: str, before: Callable[[], None] | None = None) -> str | None:
        return proof.run(self._where, *words, before=before)
