"""Docker's containers, from the two files that dockerd keeps of each on disk.

``<data-root>/containers/<id>/config.v2.json`` and ``hostconfig.json`` are written before the
runtime is called, and by rename, so that a reader never sees half of one (moby
container/container.go ``toDisk``). Environment values lie in the same file and are not looked at.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.identity.digests import PulledDigests
from sensor.identity.document import JsonDocument
from sensor.identity.facts import EngineFacts, image_of
from sensor.identity.kubernetes import from_labels
from sensor.identity.reading import FileKind, RootReader
from sensor.identity.timestamp import wall_time
from sensor.model.container import EngineRecord, Image

if TYPE_CHECKING:
    from sensor.identity.oci import Bundle
    from sensor.identity.settings import IdentitySettings

_OWN_FILE = re.compile(r"(/.*)/containers/[0-9a-f]{64}/(?:hostname|hosts|resolv\.conf)", re.DOTALL)
_DRIVER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MODES = (
    ("PidMode", "pid"),
    ("NetworkMode", "network"),
    ("IpcMode", "ipc"),
    ("UTSMode", "uts"),
    ("CgroupnsMode", "cgroup"),
    ("UsernsMode", "user"),
)
"""Keys of hostconfig.json that may say ``host`` (moby api/types/container/hostconfig.go). With
``--network host`` the bundle joins a bind mount of the host's namespace, not shown by its name."""
_SANDBOX_TYPE = "io.kubernetes.docker.type"


def docker_facts(
    bundle: Bundle | None,
    container: str,
    reading: RootReader,
    settings: IdentitySettings,
    digests: PulledDigests | None = None,
) -> EngineFacts | None:
    """Read dockerd's record of a container, None if none of the data roots has one.

    The data root is known from the bundle's mounts: dockerd binds ``hostname``, ``hosts`` or
    ``resolv.conf`` from there, the container's own or those of the container whose network it
    shares. Else the known roots are tried. ``digests`` is what is known of the node's images.
    """
    directory = _container_directory(bundle, container) if bundle is not None else None
    directories = (directory,) if directory else _known_directories(container, reading, settings)
    for candidate in directories:
        path = f"{candidate}/config.v2.json"
        config = reading.document(FileKind.DOCKER_CONFIG, path, optional=directory is None)
        if config is not None and config.text("ID") in (None, container):
            host_config = reading.document(
                FileKind.DOCKER_HOST_CONFIG, f"{candidate}/hostconfig.json"
            )
            known = digests or PulledDigests()
            return _facts(config, host_config or JsonDocument(), candidate, reading, known)
    return None


def _container_directory(bundle: Bundle, container: str) -> str | None:
    for mount in bundle.mounts:
        match = _OWN_FILE.fullmatch(posixpath.normpath(mount.source))
        if match is not None:
            return f"{match[1]}/containers/{container}"
    return None


def _known_directories(
    container: str, reading: RootReader, settings: IdentitySettings
) -> tuple[str, ...]:
    daemon = reading.document(FileKind.DOCKER_DAEMON, settings.docker_config, optional=True)
    configured = daemon.text("data-root") or daemon.text("graph") if daemon is not None else None
    roots = settings.docker_roots
    if configured and configured.startswith("/"):
        roots = (configured, *roots)
    return tuple(f"{root}/containers/{container}" for root in dict.fromkeys(roots))


def _facts(
    config: JsonDocument,
    host_config: JsonDocument,
    directory: str,
    reading: RootReader,
    digests: PulledDigests,
) -> EngineFacts:
    labels = config.part("Config").part("Labels").pairs()
    name = (config.text("Name") or "").removeprefix("/") or None
    kind = next((value for key, value in labels if key == _SANDBOX_TYPE), None)
    return EngineFacts(
        name=name,
        image=_image(config, directory, reading, digests),
        labels=labels,
        created_wall=wall_time(config.text("Created")),
        orchestrator=from_labels(labels, name),
        sandbox=kind == "podsandbox" or (name or "").startswith("k8s_POD_"),
        record=_record(config, host_config),
        privileged=host_config.flag("Privileged"),
        host_namespaces=tuple(
            namespace for key, namespace in _MODES if host_config.text(key) == "host"
        ),
    )


def _record(config: JsonDocument, host_config: JsonDocument) -> EngineRecord:
    state = config.part("State")
    started = wall_time(state.text("StartedAt"))
    finished = wall_time(state.text("FinishedAt"))
    flag = config.flag("HasBeenStartedBefore")
    has_run = True if flag or started is not None else flag
    policy = host_config.part("RestartPolicy")
    return EngineRecord(
        has_run=has_run,
        started_wall=started,
        finished_wall=finished,
        exit_code=state.number("ExitCode") if finished is not None else None,
        restarting=state.flag("Restarting"),
        restart_count=config.number("RestartCount"),
        manually_stopped=config.flag("HasBeenManuallyStopped"),
        restart_policy=(policy.text("Name") or "no") if policy else None,
    )


def _image(
    config: JsonDocument, directory: str, reading: RootReader, digests: PulledDigests
) -> Image | None:
    name = config.part("Config").text("Image")
    image_id = config.text("Image")
    image = image_of(name, image_id, config.part("ImageManifest").text("digest"))
    if image is not None and image.name is not None and image.pinned is None:
        # Config.Image is the reference as the client gave it.
        image = replace(image, pinned=False)
    if image is None or image.digest is not None or image.id is None:
        return image
    driver = config.text("Driver")
    if driver is None or not _DRIVER.fullmatch(driver):
        return image
    path = f"{directory.rsplit('/', 2)[0]}/image/{driver}/repositories.json"
    digest = digests.digest(path, image.id, image.name, reading)
    return image if digest is None else replace(image, digest=digest)
