"""What a process is to a container start by the names of its program. Names only say where to look.

Some files hold many programs and find by their name which one to be: k3s is its own containerd, ctr
and crictl. Such a file is in the table as an orchestrator, and counts by the name that it was
executed under, if the table has that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.vocabulary import Role

if TYPE_CHECKING:
    from sensor.model.vocabulary import RoleOf


def role_by_file(role_of: RoleOf, exe: str | None, comm: str | None) -> Role | None:
    """Return the role of a process by its file, or by its comm where the file is not known.

    A process chooses its comm (prctl(2), PR_SET_NAME), so that it never overrides another file.
    """
    name = (exe or "").rpartition("/")[2]
    if not name:
        return role_of(comm) if comm else None
    role = role_of(name)
    if role is Role.ORCHESTRATOR and comm:
        return role_of(comm) or role
    return role


def role_by_names(role_of: RoleOf, exe: str | None, comm: str | None) -> Role | None:
    """Return the role of a process by its file, else by its comm: a script has its interpreter's.

    As ``on_exec`` in probes/exec.bpf.c.
    """
    return role_by_file(role_of, exe, comm) or (role_of(comm) if comm else None)
