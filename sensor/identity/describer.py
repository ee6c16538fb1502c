"""From a request to a description: opens the right root, reads the bundle, asks the engine's state.

Everything here blocks on a disk, and possibly on one that hangs: it runs in the worker's threads.
"""

from __future__ import annotations

import posixpath
import re
import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.identity.cgroup import parse
from sensor.identity.containerd import containerd_facts, with_pod_labels
from sensor.identity.containerd_metadata import containerd_record
from sensor.identity.crio import crio_facts
from sensor.identity.digests import PulledDigests
from sensor.identity.discovery import ROOTS_MAX, Roots, root_of_bundle
from sensor.identity.docker import docker_facts
from sensor.identity.ecs_task import ECS, task_of
from sensor.identity.facts import EngineFacts, bounded_facts, is_hex_digest
from sensor.identity.files import Failure
from sensor.identity.oci import Bundle, bundle_of
from sensor.identity.ownership import Ownership, containerd_namespace, ownership_of
from sensor.identity.places import find_bundle, is_safe_id
from sensor.identity.pod_logs import pod_from_logs
from sensor.identity.pod_owner import owner_of_pod
from sensor.identity.podman import podman_facts
from sensor.identity.reading import FileKind, RootReader
from sensor.identity.redact import redact_argv
from sensor.identity.roots import absolute, executable, working_directory
from sensor.identity.security import security_of
from sensor.identity.settings import IdentitySettings
from sensor.identity.text import known
from sensor.identity.trust import TrustedDirectories, owners_of
from sensor.identity.view import View, Views
from sensor.model.container import Description, Security
from sensor.model.vocabulary import ContainerId, Engine, PodSource

if TYPE_CHECKING:
    from sensor.identity.containerd_metadata import ContainerdRecord
    from sensor.model.requests import DescribeRequest


USERS_MAX = 64
"""Users beside root whose engines' own places are remembered."""

_USER_SLICE = re.compile(r"/user\.slice/user-(\d{1,10})\.slice/")


def owner_of(request: DescribeRequest) -> int | None:
    """Return the uid that may speak of a container beside root, None for root's own.

    It is that of the runtime's process. Where that is unknown it is the user in whose slice the
    container's cgroup lies: only root can put a process of its own there, and no user elsewhere.
    """
    if request.reader_uid is not None:
        return request.reader_uid
    slice_ = _USER_SLICE.match(request.cgroup or "")
    return int(slice_[1]) if slice_ is not None else None


class Describer:
    """Describes containers from the node's disk. One instance serves any number of threads."""

    def __init__(self, settings: IdentitySettings | None = None) -> None:
        """Take the places to look at; the host's root and mount namespace are looked for once."""
        self._settings = settings or IdentitySettings()
        self._views = Views(self._settings)
        self._digests = PulledDigests()
        self._trusted = TrustedDirectories()
        self._users: Bounded[int, IdentitySettings] = Bounded(USERS_MAX)
        """Settings of users other than root: with the places that their own engines use."""
        self._problems: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def host_mnt_ns(self) -> int | None:
        """Inode of the host's mount namespace, None where it is hidden."""
        return self._views.host_mnt_ns

    def describe(self, request: DescribeRequest) -> Description:
        """Read what the disk has about a container. Never raises.

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

    def learn(self, roots: Roots, user: int = 0) -> None:
        """Look in these places too, the newest first, for containers of this user from now on.

        What another user's process names is looked into for that user's containers only.
        """
        known = self._settings_of(user)
        docker = _joined(roots.docker, known.docker_roots)
        tasks = _joined(roots.tasks, known.task_roots)
        storage = _joined(roots.storage, known.storage_roots)
        learned = replace(
            known,
            docker_roots=docker,
            task_roots=tasks,
            storage_roots=storage,
            containerd_roots=_joined(roots.containerd, known.containerd_roots),
        )
        if learned == known:
            return
        if user == 0:
            self._settings = learned
            return
        with self._lock:
            self._users.put(user, learned)

    def _settings_of(self, user: int) -> IdentitySettings:
        return (self._users.get(user) if user else None) or self._settings

    def _learn_from(self, bundle: str, user: int) -> None:
        found, known = root_of_bundle(bundle), self._settings_of(user)
        tasks, storage = frozenset(found.tasks), frozenset(found.storage)
        if not (tasks.issubset(known.task_roots) and storage.issubset(known.storage_roots)):
            self.learn(found, user)

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
        view = self._views.open(request, problems)
        if view is None:
            return Description(request.id, engine=request.engine, problems=tuple(problems))
        try:
            user = owner_of(request)
            reading = RootReader(
                view.root,
                self._settings.max_file_bytes,
                problems,
                owners_of(user),
                host=view.kept,
                trusted=self._trusted,
            )
            try:
                return self._read(request, view, reading, user or 0)
            finally:
                reading.close()
        finally:
            view.close()

    def _read(
        self, request: DescribeRequest, view: View, reading: RootReader, user: int
    ) -> Description:
        settings = self._settings_of(user)
        path, bundle = self._bundle(request, view, reading, settings, user)
        record = None
        if bundle is None and not view.foreign:
            record = self._record(request, None, reading, settings, with_spec=True)
            bundle = bundle_of(record.spec) if record is not None and record.spec else None
        if bundle is not None and path is not None and not view.foreign:
            self._learn_from(path, user)
        ownership = ownership_of(request, path, bundle)
        if record is None and ownership.engine is Engine.CONTAINERD and not view.foreign:
            record = self._record(request, path, reading, settings)
        facts = self._facts(request, ownership, path, bundle, reading, settings, record)
        if facts is None or facts.orchestrator is None:
            facts = self._left_behind(request, facts, reading)
        if bundle is None and facts is None:
            reading.note(FileKind.BUNDLE, Failure.MISSING)
        if ownership.engine is None and bundle is None and facts is not None:
            ownership = replace(ownership, engine=Engine.DOCKER)
        return self._assembled(request, ownership, bundle, facts, reading)

    def _bundle(
        self,
        request: DescribeRequest,
        view: View,
        reading: RootReader,
        settings: IdentitySettings,
        user: int,
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
            path = find_bundle(request.id, request.engine, reading, settings, user)
        if path is None:
            return None, None
        config = reading.document(FileKind.BUNDLE, f"{path}/config.json")
        return path, bundle_of(config) if config is not None else None

    def _bundle_path(self, request: DescribeRequest, reading: RootReader) -> str | None:
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
        reading: RootReader,
        settings: IdentitySettings,
        record: ContainerdRecord | None,
    ) -> EngineFacts | None:
        engine = ownership.engine
        if ownership.build_step:
            return EngineFacts()
        if engine is Engine.DOCKER or (engine is None and bundle is None):
            found = docker_facts(bundle, request.id, reading, settings, self._digests)
            return _with_task(found, bundle, request.id, reading)
        if bundle is None or (path is None and record is None):
            return None
        match engine:
            case Engine.CONTAINERD:
                facts = containerd_facts(bundle, reading, settings.pod_logs, record)
                facts = self._with_pod(facts, record, reading, settings)
            case Engine.CRIO:
                facts = crio_facts(bundle)
            case Engine.PODMAN if path is not None:
                facts = podman_facts(bundle, path, request.id, reading, settings)
            case _:
                facts = EngineFacts()
        return facts

    def _record(
        self,
        request: DescribeRequest,
        path: str | None,
        reading: RootReader,
        settings: IdentitySettings,
        *,
        with_spec: bool = False,
    ) -> ContainerdRecord | None:
        """Return containerd's own record of the container, if it is one of containerd's."""
        if request.engine not in (None, Engine.CONTAINERD):
            return None
        namespace = containerd_namespace(request, path or "")
        roots = settings.containerd_roots
        return containerd_record(request.id, namespace, reading, roots, with_spec=with_spec)

    def _with_pod(
        self,
        facts: EngineFacts,
        record: ContainerdRecord | None,
        reading: RootReader,
        settings: IdentitySettings,
    ) -> EngineFacts:
        sandbox = record if facts.sandbox else None
        if sandbox is None and facts.sandbox_id is not None and is_safe_id(facts.sandbox_id):
            namespace = record.namespace if record is not None else None
            roots = settings.containerd_roots
            sandbox = containerd_record(facts.sandbox_id, namespace, reading, roots)
        return with_pod_labels(facts, sandbox)

    def _left_behind(
        self, request: DescribeRequest, facts: EngineFacts | None, reading: RootReader
    ) -> EngineFacts | None:
        """Return what kubelet left on disk of a pod's container that nothing else describes."""
        identity = parse(request.cgroup) if request.cgroup is not None else None
        if identity is None or identity.pod_uid is None or identity.id != request.id:
            return facts
        pod = pod_from_logs(
            request.id,
            identity.pod_uid,
            reading,
            self._settings.pod_logs,
            self._settings.container_logs,
        )
        if pod is None:
            return facts
        facts = facts or EngineFacts()
        return replace(facts, name=facts.name or pod.container, orchestrator=pod)

    def _assembled(
        self,
        request: DescribeRequest,
        ownership: Ownership,
        bundle: Bundle | None,
        facts: EngineFacts | None,
        reading: RootReader,
    ) -> Description:
        facts = bounded_facts(_with_owner(facts or EngineFacts()), request.cgroup)
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
            sandbox_id=ContainerId(facts.sandbox_id) if facts.sandbox_id else None,
            build_step=ownership.build_step,
            record=facts.record,
            namespace=known(ownership.namespace),
            oci_runtime_path=known(executable(self._settings.proc, request.reader)),
            cwd=known(bundle.cwd) if bundle is not None else None,
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
        configured = {*facts.host_namespaces, *(namespace.type for namespace in bundle.namespaces)}
        return security_of(
            bundle,
            privileged=facts.privileged,
            runtime_shares=self._views.shared(request, configured) if bundle.linux else None,
            engine_shares=facts.host_namespaces,
        )


def _with_task(
    facts: EngineFacts | None, bundle: Bundle | None, container: str, reading: RootReader
) -> EngineFacts | None:
    """Add the ECS task that the ECS agent's own file names."""
    if bundle is None or (facts is not None and facts.orchestrator is not None):
        return facts
    task = task_of(bundle, container, reading)
    return facts if task is None else replace(facts or EngineFacts(), orchestrator=task)


def _with_owner(facts: EngineFacts) -> EngineFacts:
    """Add the workload that a pod belongs to; a static pod belongs to none."""
    pod = facts.orchestrator
    if pod is None or pod.type == ECS or pod.source not in (None, PodSource.API):
        return facts
    return replace(facts, orchestrator=replace(pod, owner=owner_of_pod(pod.pod, facts.labels)))


def _joined(new: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Put what is new in front, keeping the number bounded."""
    fresh = tuple(place for place in new if place not in known)
    return (fresh + known)[:ROOTS_MAX]
