"""Operations of Azure that concern containers, and the kinds of resources that they are about."""

from __future__ import annotations

from sensor.model.control_plane import Effect, Standing

_START = (Standing.REQUESTED, Effect.START)
_RESTART = (Standing.REQUESTED, Effect.RESTART)
_ROLLOUT = (Standing.POSSIBLE, Effect.ROLLOUT)
_STOP = (Standing.NO, Effect.STOP)
_EXEC = (Standing.NO, Effect.EXEC)
_NODES = (Standing.NO, Effect.NODES)
_CLUSTER = (Standing.NO, Effect.CLUSTER)
NONE = (Standing.NO, Effect.NONE)

_GROUPS = "Microsoft.ContainerInstance/containerGroups"
_SETS = "Microsoft.ContainerInstance/containerScaleSets"
_NGROUPS = "Microsoft.ContainerInstance/NGroups"
"""Groups of container groups of one profile, scaled by a count."""
_APPS = "Microsoft.App/containerApps"
_JOBS = "Microsoft.App/jobs"
_CLUSTERS = "Microsoft.ContainerService/managedClusters"
_OPERATIONS = {
    f"{_GROUPS}/write": _START,
    f"{_GROUPS}/start/action": _START,
    f"{_GROUPS}/restart/action": _RESTART,
    f"{_GROUPS}/stop/action": _STOP,
    f"{_GROUPS}/delete": _STOP,
    f"{_GROUPS}/containers/exec/action": _EXEC,
    f"{_GROUPS}/containers/attach/action": _EXEC,
    f"{_SETS}/containerGroups/start/action": _START,
    f"{_SETS}/containerGroups/restart/action": _RESTART,
    f"{_SETS}/containerGroups/stop/action": _STOP,
    f"{_NGROUPS}/write": _ROLLOUT,
    f"{_NGROUPS}/start/action": _START,
    f"{_NGROUPS}/restart/action": _RESTART,
    f"{_NGROUPS}/stop/action": _STOP,
    f"{_NGROUPS}/delete": _STOP,
    f"{_APPS}/write": _ROLLOUT,
    f"{_APPS}/start/action": _START,
    f"{_APPS}/stop/action": _STOP,
    f"{_APPS}/delete": _STOP,
    f"{_APPS}/revisions/activate/action": _START,
    f"{_APPS}/revisions/restart/action": _RESTART,
    f"{_APPS}/revisions/deactivate/action": _STOP,
    f"{_JOBS}/write": (Standing.NO, Effect.CONFIG),
    f"{_JOBS}/start/action": _START,
    f"{_JOBS}/stop/action": _STOP,
    f"{_JOBS}/delete": _STOP,
    f"{_CLUSTERS}/write": _CLUSTER,
    f"{_CLUSTERS}/start/action": _CLUSTER,
    f"{_CLUSTERS}/stop/action": _CLUSTER,
    f"{_CLUSTERS}/delete": _CLUSTER,
    f"{_CLUSTERS}/agentPools/write": _NODES,
    f"{_CLUSTERS}/agentPools/delete": _NODES,
    f"{_CLUSTERS}/agentPools/upgradeNodeImageVersion/action": _NODES,
    f"{_CLUSTERS}/runCommand/action": _START,
}
BY_CAPITALS = {name.upper(): (name, meaning) for name, meaning in _OPERATIONS.items()}
KINDS = (
    ("/managedclusters/agentpools/", "NodePool"),
    ("/providers/microsoft.containerservice/managedclusters/", "Cluster"),
    ("/providers/microsoft.containerinstance/containergroups/", "ContainerGroup"),
    ("/providers/microsoft.containerinstance/containerscalesets/", "ContainerScaleSet"),
    ("/providers/microsoft.containerinstance/ngroups/", "NGroup"),
    ("/providers/microsoft.app/containerapps/", "ContainerApp"),
    ("/providers/microsoft.app/jobs/", "ContainerAppJob"),
)
