"""All that sources report to the core."""

from __future__ import annotations

from sensor.model.agent_records import (
    AccountsRead,
    AgentStalled,
    ClockStepped,
    ClockSynced,
    Heartbeat,
    HostFacts,
    Notice,
    OutputLoss,
    ProbesAttached,
    ProbesLost,
    ProbesRestored,
    StoreLoss,
)
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiHop, ApiRequest, ConnectionClosed
from sensor.model.inventory import ContainerDescribed, InventoryTaken, KnowledgeRestored
from sensor.model.kernel_records import (
    CgroupBirth,
    CgroupFrozen,
    CommandExec,
    CommandExit,
    InitExec,
    InitExit,
    KernelLoss,
)
from sensor.model.witness_records import (
    AuditExec,
    AuditLoss,
    AuditRulesChanged,
    EngineConfigWritten,
    EngineEvent,
    EngineLoss,
    EngineRecalled,
    ManifestWritten,
    SourceChanged,
)

Observation = (
    HostFacts
    | ClockSynced
    | InitExec
    | InitExit
    | CommandExec
    | CommandExit
    | CgroupBirth
    | ApiConnect
    | ApiRequest
    | ApiAnswer
    | ConnectionClosed
    | ApiHop
    | CgroupFrozen
    | AuditExec
    | ManifestWritten
    | AuditRulesChanged
    | EngineConfigWritten
    | AuditLoss
    | EngineEvent
    | EngineRecalled
    | EngineLoss
    | SourceChanged
    | KernelLoss
    | AccountsRead
    | OutputLoss
    | StoreLoss
    | Heartbeat
    | ProbesAttached
    | ProbesLost
    | ProbesRestored
    | AgentStalled
    | ClockStepped
    | Notice
    | ContainerDescribed
    | InventoryTaken
    | KnowledgeRestored
)
