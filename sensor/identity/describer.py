"""From a request to a description: opens the right root, reads the bundle, asks the engine's state.

Everything here blocks on a disk, and possibly on one that hangs: it runs in the worker's threads.
"""

from __future__ import annotations

import os
import posixpath
import threading
import weakref
from collections import Counter
from dataclasses import dataclass, replace

from sensor.identity.containerd import containerd_facts
from sensor.identity.crio import crio_facts
from sensor.identity.discovery import ROOTS_MAX, Roots, root_of_bundle
from sensor.identity.docker import docker_facts
from sensor.identity.facts import EngineFacts, bounded_facts, is_hex_digest
from sensor.identity.files import Failure
from sensor.identity.oci import Bundle, bundle_of
from sensor.identity.ownership import Ownership, ownership_of
from sensor.identity.places import find_bundle, is_safe_id
from sensor.identity.podman import podman_facts
from sensor.identity.reading import FileKind, Reading
from sensor.identity.redact import redact_argv
from sensor.identity.roots import (
    NAMESPACES,
    absolute,
    host_namespace,
    open_process_root,
    open_root,
    own_namespaces,
    shared_namespaces,
    working_directory,
)
from sensor.identity.security import security_of
from sensor.identity.settings import IdentitySettings
from sensor.model import (
    DescribeRequest,
    Description,
    Engine,
    Security,
)


@dataclass(frozen=True, slots=True)
class _View:
    """The root that a request's paths belong to."""

    root: int
    foreign: bool
    """It is the root of a reader in a mount namespace of its own."""
    lost: bool
    """It should be foreign, but the reader has ended: paths are tried on the host."""
    kept: bool = False
    """The descriptor serves other requests, too."""


class Describer:
    """Describes containers from the node's disk. One instance serves any number of threads."""

    def __init__(self, settings: IdentitySettings | None = None) -> None:
        """Take the places to look at; the host's root and mount namespace are looked for once."""
        self._settings = settings or IdentitySettings()
        known_ns = self._settings.host_mnt_ns
        self._host_mnt_ns = known_ns or host_namespace(self._settings.proc, "mount")
        self._root = open_root(self._settings.host_root)
        if isinstance(self._root, int):
            weakref.finalize(self, os.close, self._root)
        self._problems: Counter[str] = Counter()
        self._lock = threading.Lock()

    def describe(self, request: DescribeRequest) -> Description:
        """Read what the disk tells of a container. Never raises.

        What could not be read is in ``problems`` of the answer, and counted.
        """
        if not is_safe_id(request.id):
            return self._counted(
                Description(request.id, problems=(f"{FileKind.ID}:{Failure.UNSAFE}",))
            )
        try:
            description = self._described(request)
        except Exception as error:  # noqa: BLE001 - one container's odd files must not end the worker
            problem = f"{FileKind.DESCRIBER}:{type(error).__name__}"
            description = Description(request.id, problems=(problem,))
        return self._counted(description)

    def learn(self, roots: Roots) -> None:
        """Look in these places too, from the next request on; the newest first."""
        known = self._settings
        docker = _joined(roots.docker, known.docker_roots)
        tasks = _joined(roots.tasks, known.task_roots)
        storage = _joined(roots.storage, known.storage_roots)
        if (docker, tasks, storage) != (known.docker_roots, known.task_roots, known.storage_roots):
            self._settings = replace(
                known, docker_roots=docker, task_roots=tasks, storage_roots=storage
            )

    def problem_counts(self) -> tuple[tuple[str, int], ...]:
        """Return how often each problem occurred, sorted by its name."""
        with self._lock:
            return tuple(sorted(self._problems.items()))

    def _counted(self, description: Description) -> Description:
        if description.problems:
            with self._lock:
                self._problems.update(description.problems)
        return description

    def _described(self, request: DescribeRequest) -> Description:
        problems: list[str] = []
        view = self._open_view(request, problems)
        if view is None:
            return Description(request.id, engine=request.engine, problems=tuple(problems))
        try:
            reading = Reading(view.root, self._settings.max_file_bytes, problems)
            return self._read(request, view, reading)
        finally:
            if not view.kept:
                os.close(view.root)

    def _open_view(self, request: DescribeRequest, problems: list[str]) -> _View | None:
        lost = False
        if self._is_foreign(request) and request.reader is not None:
            opened = open_process_root(self._settings.proc, request.reader)
            if isinstance(opened, int):
                return _View(opened, foreign=True, lost=False)
            problems.append(f"{FileKind.PROCESS_ROOT}:{opened}")
            lost = True
        if isinstance(self._root, int):
            return _View(self._root, foreign=False, lost=lost, kept=True)
        opened = open_root(self._settings.host_root)
        if isinstance(opened, Failure):
            problems.append(f"{FileKind.HOST_ROOT}:{opened}")
            return None
        return _View(opened, foreign=False, lost=lost)

    def _is_foreign(self, request: DescribeRequest) -> bool:
        wanted, hosts = request.reader_mnt_ns, self._host_mnt_ns
        return wanted is not None and hosts is not None and wanted != hosts

    def _read(self, request: DescribeRequest, view: _View, reading: Reading) -> Description:
        path, bundle = self._bundle(request, view, reading)
        if bundle is not None and path is not None and not view.foreign:
            self.learn(root_of_bundle(path))
        ownership = ownership_of(request, path, bundle)
        facts = self._facts(request, ownership, path, bundle, reading)
        if bundle is None and facts is None:
            reading.note(FileKind.BUNDLE, Failure.MISSING)
        if ownership.engine is None and bundle is None and facts is not None:
            ownership = replace(ownership, engine=Engine.DOCKER)
        return self._assembled(request, ownership, bundle, facts, reading)

    def _bundle(
        self, request: DescribeRequest, view: _View, reading: Reading
    ) -> tuple[str | None, Bundle | None]:
        """Return the bundle's absolute path and content, both None where it is not found."""
        path = self._bundle_path(request, reading)
        if view.lost:
            # What lies on the host under a foreign runtime's path or chosen name is another's.
            if not is_hex_digest(request.id):
                return None, None
            if path is not None and request.id not in path.split("/"):
                path = None
        if path is None:
            path = find_bundle(request.id, request.engine, reading, self._settings)
        if path is None:
            return None, None
        config = reading.document(FileKind.BUNDLE, f"{path}/config.json")
        return path, bundle_of(config) if config is not None else None

    def _bundle_path(self, request: DescribeRequest, reading: Reading) -> str | None:
        if request.bundle is None or "\0" in request.bundle:
            return None
        if request.bundle.startswith("/"):
            return posixpath.normpath(request.bundle)
        if request.reader is None:
            return None
        directory = working_directory(self._settings.proc, request.reader)
        if isinstance(directory, Failure):
            reading.note(FileKind.WORKING_DIRECTORY, directory)
            return None
        return absolute(directory, request.bundle)

    def _facts(
        self,
        request: DescribeRequest,
        ownership: Ownership,
        path: str | None,
        bundle: Bundle | None,
        reading: Reading,
    ) -> EngineFacts | None:
        engine = ownership.engine
        if ownership.build_step:
            return EngineFacts()
        if engine is Engine.DOCKER or (engine is None and bundle is None):
            return docker_facts(bundle, request.id, reading, self._settings)
        if bundle is None or path is None:
            return None
        match engine:
            case Engine.CONTAINERD:
                facts = containerd_facts(bundle, reading, self._settings.pod_logs)
            case Engine.CRIO:
                facts = crio_facts(bundle)
            case Engine.PODMAN:
                facts = podman_facts(bundle, path, request.id, reading, self._settings)
            case _:
                facts = EngineFacts()
        return facts

    def _assembled(
        self,
        request: DescribeRequest,
        ownership: Ownership,
        bundle: Bundle | None,
        facts: EngineFacts | None,
        reading: Reading,
    ) -> Description:
        facts = bounded_facts(facts or EngineFacts(), request.cgroup)
        command = bundle.args if bundle is not None else None
        return Description(
            id=request.id,
            engine=ownership.engine,
            name=facts.name,
            image=facts.image,
            labels=facts.labels,
            created_wall=facts.created_wall,
            command=redact_argv(command) if command is not None else None,
            user=bundle.user if bundle is not None else None,
            security=self._security(request, bundle, facts),
            orchestrator=facts.orchestrator,
            sandbox=facts.sandbox,
            build_step=ownership.build_step,
            record=facts.record,
            problems=tuple(reading.problems),
        )

    def _security(
        self,
        request: DescribeRequest,
        bundle: Bundle | None,
        facts: EngineFacts,
    ) -> Security | None:
        if bundle is None:
            known = facts.privileged is not None
            return Security(privileged=facts.privileged) if known else None
        return security_of(
            bundle,
            privileged=facts.privileged,
            runtime_shares=self._runtime_shares(request, bundle, facts),
            engine_shares=facts.host_namespaces,
        )

    def _runtime_shares(
        self, request: DescribeRequest, bundle: Bundle, facts: EngineFacts
    ) -> tuple[str, ...] | None:
        """Return the namespaces that the runtime shares with the host, None where nothing tells.

        Of a runtime in the host's mount namespace only those are asked for that neither the bundle
        nor the engine tells.
        """
        reader = request.reader
        if self._is_foreign(request):
            return None if reader is None else shared_namespaces(self._settings.proc, reader)
        if reader is None or not bundle.linux:
            return NAMESPACES
        told = {*facts.host_namespaces, *(namespace.type for namespace in bundle.namespaces)}
        left_open = [name for name in NAMESPACES if name not in told]
        own = own_namespaces(self._settings.proc, reader, left_open)
        return tuple(name for name in NAMESPACES if name not in own) if own else NAMESPACES


def _joined(new: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Put what is new in front, keeping the number bounded."""
    fresh = tuple(place for place in new if place not in known)
    return (fresh + known)[:ROOTS_MAX]
