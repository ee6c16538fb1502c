"""The default places."""

from __future__ import annotations

from sensor.identity.settings import IdentitySettings


def test_default_places_are_absolute_but_for_those_below_a_user() -> None:
    places = IdentitySettings()
    absolute = (
        places.proc,
        places.host_root,
        places.docker_config,
        places.homes,
        places.user_run,
        places.pod_logs,
        *places.docker_roots,
        *places.task_roots,
        *places.storage_roots,
    )
    assert all(path.startswith("/") for path in absolute)
    assert not any(path.startswith("/") for path in (places.home_storage, *places.user_task_roots))
