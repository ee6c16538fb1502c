"""The objects that documents of OCSF 1.8 are made of: device, process, container, actor, attack."""

from __future__ import annotations

import re
from typing import Any

from sensor.model.vocabulary import EventType
from sensor.outputs.formats import terms
from sensor.outputs.formats.image import tag_of
from sensor.outputs.formats.reading import NS_PER_MS, Block, EventReading, wall_of

DEVICE_SERVER = 1
OS_LINUX = 200
FILE_EXECUTABLE = 8

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def device(host: Block) -> dict[str, Any]:
    """Return the host that the sensor runs on."""
    return {
        "type_id": DEVICE_SERVER,
        "type": "Server",
        "hostname": host.text("name") or "unknown",
        "name": host.text("node"),
        "uid": host.text("machine_id"),
        "boot_uid": host.text("boot_id"),
        "os": {
            "name": "Linux",
            "type": "Linux",
            "type_id": OS_LINUX,
            "kernel_release": host.text("kernel"),
        },
    }


def init(event: EventReading) -> dict[str, Any]:
    """Return the container's init. Its user is the one inside of the container."""
    container = event.container
    command = container.texts("command")
    pid = container.number("pid")
    started = event.type is EventType.START
    return {
        "pid": pid,
        # The class wants a pid or a uid, and of a container that never ran there is no pid.
        "uid": container.text("id") if pid is None else None,
        "name": command[0].rpartition("/")[2] if command else None,
        "cmd_line": terms.command_line(command),
        "created_time": event.wall // NS_PER_MS if started else None,
        "terminated_time": event.wall // NS_PER_MS if event.type is EventType.STOP else None,
        "user": _inner_user(container.text("user")),
        "container": _container(event),
    }


def _inner_user(user: str | None) -> dict[str, Any] | None:
    """Return the user of a container: ``uid``, ``uid:gid``, ``name`` or ``name:group``."""
    if user is None:
        return None
    name = user.partition(":")[0]
    return {"uid": name} if name.isdecimal() else {"name": name or None}


def _container(event: EventReading) -> dict[str, Any]:
    container, orchestrator = event.container, event.root.block("orchestrator")
    pod_uid = orchestrator.text("pod_uid") or ""
    return {
        "uid": container.text("id"),
        "name": container.text("name"),
        "runtime": container.text("runtime"),
        "image": _image(container.block("image")),
        "tags": [{"name": name, "value": value} for name, value in container.pairs("labels")],
        "orchestrator": orchestrator.text("type"),
        "pod_uuid": pod_uid if is_uuid(pod_uid) else None,
    }


def _image(image: Block) -> dict[str, Any] | None:
    """Return the image; OCSF wants an id: the digest or the name where the id is unknown."""
    name = image.text("name")
    uid = image.text("id") or image.text("digest") or name
    return None if uid is None else {"uid": uid, "name": name, "tag": tag_of(name)}


def actor(root: Block) -> dict[str, Any]:
    """Return who caused it: never empty, since OCSF wants an actor even where none is known."""
    initiator = root.block("initiator")
    user = initiator.block("user")
    auid, uid = user.number("auid"), user.number("uid")
    login = {"uid": auid, "name": user.text("auid_name")}
    account = {"uid": uid, "name": user.text("name")}
    return {
        "app_name": root.block("start").text("trigger") or "unknown",
        "user": _user(login if auid is not None else account),
        "session": _session(initiator),
        "process": _client(initiator, _user(account)),
    }


def _user(user: dict[str, Any]) -> dict[str, Any]:
    uid = user["uid"]
    return {"uid": None if uid is None else str(uid), "name": user["name"]}


def _session(initiator: Block) -> dict[str, Any]:
    session = initiator.block("user").number("session")
    return {
        "uid": None if session is None else str(session),
        "terminal": initiator.block("process").text("tty"),
    }


def _client(initiator: Block, account: dict[str, Any]) -> dict[str, Any] | None:
    process, user = initiator.block("process"), initiator.block("user")
    pid = process.number("pid")
    if pid is None:
        return None
    path, argv, start = process.text("exe"), process.texts("argv"), process.text("start_time")
    name = (path or (argv[0] if argv else "")).rpartition("/")[2] or None
    inside = initiator.text("container_id")
    parents = [_ancestor(ancestor) for ancestor in initiator.blocks("ancestors")]
    return {
        "pid": pid,
        "name": name,
        "path": path,
        "file": None
        if path is None or name is None
        else {"name": name, "path": path, "type_id": FILE_EXECUTABLE, "type": "Executable File"},
        "cmd_line": terms.command_line(argv),
        "working_directory": process.text("cwd"),
        "created_time": None if start is None else wall_of(start) // NS_PER_MS,
        "user": account,
        "euid": user.number("uid"),
        "auid": user.number("auid"),
        "container": None if inside is None else {"uid": inside},
        "parent_process": parents[0] if parents else None,
        "ancestry": parents[1:],
    }


def _ancestor(ancestor: Block) -> dict[str, Any]:
    return {
        "pid": ancestor.number("pid"),
        "name": ancestor.text("comm"),
        "path": ancestor.text("exe"),
    }


def attack(uid: str) -> dict[str, Any]:
    """Return a technique, sub-technique or tactic of ATT&CK."""
    if uid.startswith("TA"):
        return {"tactic": {"uid": uid}}
    if "." in uid:
        return {"technique": {"uid": uid.partition(".")[0]}, "sub_technique": {"uid": uid}}
    return {"technique": {"uid": uid}}


def is_uuid(text: str) -> bool:
    """Return whether a text may stand where OCSF wants a uuid_t. A static pod's uid may not."""
    return _UUID.fullmatch(text) is not None
