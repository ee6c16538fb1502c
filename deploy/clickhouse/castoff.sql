-- Castoff's events in ClickHouse (25.3 or newer): one table, and the questions that are asked first.
--
-- Events go into castoff.inbox, one JSON line of schema castoff.event/1 a row:
--     INSERT INTO castoff.inbox FORMAT JSONAsString
-- The inbox keeps nothing: a materialized view takes the line apart into castoff.events.
-- Delivery is at least once. What arrives twice has the same id, type, host and time, so it falls together when
-- ClickHouse merges; the views read FINAL and never show it twice.
-- A table of an earlier version gets its new columns from upgrade.sql, which is run before this file.
-- An insert of a batch is one block and therefore atomic: it is stored whole or answered with an error.

CREATE DATABASE IF NOT EXISTS castoff;

CREATE TABLE IF NOT EXISTS castoff.inbox (line String) ENGINE = Null;

CREATE TABLE IF NOT EXISTS castoff.events
(
    id                   String,
    type                 LowCardinality(String),
    time                 DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    observed             DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    received             DateTime DEFAULT now() CODEC(Delta, ZSTD),
    host                 LowCardinality(String) COMMENT 'machine id, else boot id: names are not unique in a fleet',
    host_name            LowCardinality(String),
    host_node            LowCardinality(Nullable(String)),
    boot_id              LowCardinality(String),
    container_id         Nullable(String),
    container_name       Nullable(String),
    container_parents    Array(String),
    image                LowCardinality(Nullable(String)),
    image_id             LowCardinality(Nullable(String)),
    runtime              LowCardinality(Nullable(String)),
    sandbox              Nullable(Bool),
    privileged           Nullable(Bool),
    labels               Map(String, String),
    start_kind           LowCardinality(Nullable(String)),
    start_trigger        LowCardinality(Nullable(String)),
    start_attempt        Nullable(UInt32),
    dormant_seconds      Nullable(Float64),
    start_cause          LowCardinality(Nullable(String)),
    start_failures       Nullable(UInt32),
    exit_code            Nullable(Int32),
    stop_reason          LowCardinality(Nullable(String)),
    initiator_exe        Nullable(String),
    initiator_argv       Array(String),
    initiator_uid        Nullable(UInt32),
    initiator_user       LowCardinality(Nullable(String)),
    initiator_auid       Nullable(UInt32) COMMENT 'who logged in, whatever sudo made of it',
    initiator_login      LowCardinality(Nullable(String)),
    initiator_container  Nullable(String),
    orchestrator         LowCardinality(Nullable(String)),
    namespace            LowCardinality(Nullable(String)),
    pod                  Nullable(String),
    pod_uid              Nullable(String),
    cluster              LowCardinality(Nullable(String)),
    requested_by         LowCardinality(Nullable(String)) COMMENT 'who asked the control plane, of explained starts',
    requested_kind       LowCardinality(Nullable(String)),
    requested_effect     LowCardinality(Nullable(String)),
    requested_confidence LowCardinality(Nullable(String)),
    requested_pod_uid    Nullable(String) COMMENT 'the pod from which the requester called',
    task_arn             Nullable(String),
    pod_source           LowCardinality(Nullable(String)),
    owner_kind           LowCardinality(Nullable(String)),
    owner_name           LowCardinality(Nullable(String)),
    late                 Nullable(Bool),
    container_type       LowCardinality(Nullable(String)) COMMENT 'main, init, sidecar or ephemeral, where it is known',
    request_source       LowCardinality(Nullable(String)),
    request_id           Nullable(String),
    request_action       LowCardinality(Nullable(String)),
    request_effect       LowCardinality(Nullable(String)),
    request_chain        LowCardinality(Nullable(String)),
    request_outcome      LowCardinality(Nullable(String)),
    request_reason       LowCardinality(Nullable(String)),
    actor                LowCardinality(Nullable(String)),
    actor_kind           LowCardinality(Nullable(String)),
    actor_pod_uid        Nullable(String),
    request_address      Nullable(String),
    request_cluster      LowCardinality(Nullable(String)),
    request_account      LowCardinality(Nullable(String)),
    workload_kind        LowCardinality(Nullable(String)),
    workload_namespace   LowCardinality(Nullable(String)),
    workload_name        Nullable(String),
    workload_uid         Nullable(String),
    workload_task        Nullable(String),
    request_container_ids Array(String),
    start_id             Nullable(String),
    expected             Nullable(Bool),
    reasons              Array(String),
    attack               Array(LowCardinality(String)),
    explanation          LowCardinality(Nullable(String)),
    findings             Array(LowCardinality(String)),
    workload             LowCardinality(Nullable(String)),
    change               Nullable(String),
    engine_namespace     LowCardinality(Nullable(String)),
    restart_policy       LowCardinality(Nullable(String)),
    oci_runtime_path     LowCardinality(Nullable(String)),
    initiator_unit       LowCardinality(Nullable(String)),
    confidence_container LowCardinality(Nullable(String)),
    confidence_trigger   LowCardinality(Nullable(String)),
    confidence_initiator LowCardinality(Nullable(String)),
    confidence_pod       LowCardinality(Nullable(String)),
    gap_source           LowCardinality(Nullable(String)),
    gap_reason           LowCardinality(Nullable(String)),
    gap_since            Nullable(DateTime64(9, 'UTC')),
    gap_until            Nullable(DateTime64(9, 'UTC')),
    gap_lost             Nullable(UInt64),
    sensor_action        LowCardinality(Nullable(String)),
    sensor_containers    Nullable(UInt32),
    sensor_down_seconds  Nullable(Float64),
    sensor_detail        Nullable(String),
    sensor_by            LowCardinality(Nullable(String)),
    verdict_level        LowCardinality(Nullable(String)),
    baseline             LowCardinality(Nullable(String)),
    image_digest         LowCardinality(Nullable(String)),
    image_pinned         Nullable(Bool),
    alert_id             Nullable(String),
    alert_finding        LowCardinality(Nullable(String)),
    alert_title          LowCardinality(Nullable(String)),
    alert_class          LowCardinality(Nullable(String)),
    alert_severity       LowCardinality(Nullable(String)),
    alert_state          LowCardinality(Nullable(String)),
    alert_group          Nullable(String),
    alert_start          Nullable(String),
    alert_count          Nullable(UInt64),
    alert_first          Nullable(DateTime64(9, 'UTC')),
    alert_last           Nullable(DateTime64(9, 'UTC')),
    alert_by             LowCardinality(Nullable(String)),
    alert_reason         Nullable(String),
    alert_until          Nullable(DateTime64(9, 'UTC')),
    log_id               LowCardinality(Nullable(String)) COMMENT 'the log of the node that holds the event',
    log_sequence         Nullable(UInt64) COMMENT 'its number there: a hole is an event that is missing here',
    head_log             LowCardinality(Nullable(String)) COMMENT 'of signs of life: where the log stood',
    head_sequence        Nullable(UInt64),
    head_digest          Nullable(String),
    head_oldest          Nullable(UInt64),
    head_broken          Nullable(String),
    head_skipped         Nullable(UInt64),
    event                String CODEC(ZSTD(3)) COMMENT 'the whole event',
    INDEX of_container container_id TYPE bloom_filter GRANULARITY 4,
    INDEX of_image image TYPE bloom_filter GRANULARITY 4
)
ENGINE = ReplacingMergeTree(received)
PARTITION BY toYYYYMMDD(time)
ORDER BY (type, host, time, id)
TTL toDateTime(time) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS castoff.from_inbox TO castoff.events AS
SELECT
    JSONExtractString(line, 'id') AS id,
    JSONExtractString(line, 'type') AS type,
    -- An event without a readable time is kept under the time of its arrival.
    coalesce(parseDateTime64BestEffortOrNull(JSONExtractString(line, 'time'), 9, 'UTC'), now64(9, 'UTC')) AS time,
    coalesce(parseDateTime64BestEffortOrNull(JSONExtractString(line, 'observed'), 9, 'UTC'), time) AS observed,
    coalesce(
        JSONExtract(line, 'host', 'machine_id', 'Nullable(String)'),
        JSONExtract(line, 'host', 'boot_id', 'Nullable(String)'),
        ''
    ) AS host,
    JSONExtractString(line, 'host', 'name') AS host_name,
    JSONExtract(line, 'host', 'node', 'Nullable(String)') AS host_node,
    JSONExtractString(line, 'host', 'boot_id') AS boot_id,
    JSONExtract(line, 'container', 'id', 'Nullable(String)') AS container_id,
    JSONExtract(line, 'container', 'name', 'Nullable(String)') AS container_name,
    JSONExtract(line, 'container', 'parents', 'Array(String)') AS container_parents,
    JSONExtract(line, 'container', 'image', 'name', 'Nullable(String)') AS image,
    JSONExtract(line, 'container', 'image', 'id', 'Nullable(String)') AS image_id,
    JSONExtract(line, 'container', 'runtime', 'Nullable(String)') AS runtime,
    JSONExtract(line, 'container', 'sandbox', 'Nullable(Bool)') AS sandbox,
    JSONExtract(line, 'container', 'security', 'privileged', 'Nullable(Bool)') AS privileged,
    JSONExtract(line, 'container', 'labels', 'Map(String, String)') AS labels,
    JSONExtract(line, 'start', 'kind', 'Nullable(String)') AS start_kind,
    JSONExtract(line, 'start', 'trigger', 'Nullable(String)') AS start_trigger,
    JSONExtract(line, 'start', 'attempt', 'Nullable(UInt32)') AS start_attempt,
    JSONExtract(line, 'start', 'dormant_seconds', 'Nullable(Float64)') AS dormant_seconds,
    JSONExtract(line, 'start', 'cause', 'Nullable(String)') AS start_cause,
    JSONExtract(line, 'start', 'failures', 'Nullable(UInt32)') AS start_failures,
    JSONExtract(line, 'stop', 'exit_code', 'Nullable(Int32)') AS exit_code,
    JSONExtract(line, 'stop', 'reason', 'Nullable(String)') AS stop_reason,
    JSONExtract(line, 'initiator', 'process', 'exe', 'Nullable(String)') AS initiator_exe,
    JSONExtract(line, 'initiator', 'process', 'argv', 'Array(String)') AS initiator_argv,
    JSONExtract(line, 'initiator', 'user', 'uid', 'Nullable(UInt32)') AS initiator_uid,
    JSONExtract(line, 'initiator', 'user', 'name', 'Nullable(String)') AS initiator_user,
    JSONExtract(line, 'initiator', 'user', 'auid', 'Nullable(UInt32)') AS initiator_auid,
    JSONExtract(line, 'initiator', 'user', 'auid_name', 'Nullable(String)') AS initiator_login,
    JSONExtract(line, 'initiator', 'container_id', 'Nullable(String)') AS initiator_container,
    JSONExtract(line, 'orchestrator', 'type', 'Nullable(String)') AS orchestrator,
    JSONExtract(line, 'orchestrator', 'namespace', 'Nullable(String)') AS namespace,
    JSONExtract(line, 'orchestrator', 'pod', 'Nullable(String)') AS pod,
    JSONExtract(line, 'orchestrator', 'pod_uid', 'Nullable(String)') AS pod_uid,
    JSONExtract(line, 'orchestrator', 'cluster', 'Nullable(String)') AS cluster,
    JSONExtract(line, 'orchestrator', 'requested_by', 'actor', 'Nullable(String)') AS requested_by,
    JSONExtract(line, 'orchestrator', 'requested_by', 'kind', 'Nullable(String)') AS requested_kind,
    JSONExtract(line, 'orchestrator', 'requested_by', 'effect', 'Nullable(String)') AS requested_effect,
    JSONExtract(line, 'orchestrator', 'requested_by', 'confidence', 'Nullable(String)') AS requested_confidence,
    JSONExtract(line, 'orchestrator', 'requested_by', 'pod_uid', 'Nullable(String)') AS requested_pod_uid,
    JSONExtract(line, 'orchestrator', 'task_arn', 'Nullable(String)') AS task_arn,
    JSONExtract(line, 'orchestrator', 'source', 'Nullable(String)') AS pod_source,
    JSONExtract(line, 'orchestrator', 'owner', 'kind', 'Nullable(String)') AS owner_kind,
    JSONExtract(line, 'orchestrator', 'owner', 'name', 'Nullable(String)') AS owner_name,
    JSONExtract(line, 'orchestrator', 'late', 'Nullable(Bool)') AS late,
    JSONExtract(line, 'orchestrator', 'container_type', 'Nullable(String)') AS container_type,
    JSONExtract(line, 'request', 'source', 'Nullable(String)') AS request_source,
    JSONExtract(line, 'request', 'id', 'Nullable(String)') AS request_id,
    JSONExtract(line, 'request', 'action', 'Nullable(String)') AS request_action,
    JSONExtract(line, 'request', 'effect', 'Nullable(String)') AS request_effect,
    JSONExtract(line, 'request', 'chain', 'Nullable(String)') AS request_chain,
    JSONExtract(line, 'request', 'outcome', 'Nullable(String)') AS request_outcome,
    JSONExtract(line, 'request', 'reason', 'Nullable(String)') AS request_reason,
    JSONExtract(line, 'request', 'actor', 'name', 'Nullable(String)') AS actor,
    JSONExtract(line, 'request', 'actor', 'kind', 'Nullable(String)') AS actor_kind,
    JSONExtract(line, 'request', 'actor', 'pod_uid', 'Nullable(String)') AS actor_pod_uid,
    JSONExtract(line, 'request', 'address', 'Nullable(String)') AS request_address,
    JSONExtract(line, 'request', 'cluster', 'name', 'Nullable(String)') AS request_cluster,
    JSONExtract(line, 'request', 'cluster', 'account', 'Nullable(String)') AS request_account,
    JSONExtract(line, 'request', 'workload', 'kind', 'Nullable(String)') AS workload_kind,
    JSONExtract(line, 'request', 'workload', 'namespace', 'Nullable(String)') AS workload_namespace,
    JSONExtract(line, 'request', 'workload', 'name', 'Nullable(String)') AS workload_name,
    JSONExtract(line, 'request', 'workload', 'uid', 'Nullable(String)') AS workload_uid,
    JSONExtract(line, 'request', 'workload', 'task', 'Nullable(String)') AS workload_task,
    arrayFilter(
        id -> id != '', JSONExtract(line, 'request', 'containers', 'Array(Tuple(id String))').id
    ) AS request_container_ids,
    JSONExtract(line, 'start_id', 'Nullable(String)') AS start_id,
    JSONExtract(line, 'verdict', 'expected', 'Nullable(Bool)') AS expected,
    JSONExtract(line, 'verdict', 'reasons', 'Array(String)') AS reasons,
    JSONExtract(line, 'verdict', 'attack', 'Array(String)') AS attack,
    JSONExtract(line, 'verdict', 'explanation', 'Nullable(String)') AS explanation,
    JSONExtract(line, 'verdict', 'findings', 'Array(String)') AS findings,
    JSONExtract(line, 'verdict', 'workload', 'Nullable(String)') AS workload,
    JSONExtract(line, 'verdict', 'change', 'Nullable(String)') AS change,
    JSONExtract(line, 'container', 'namespace', 'Nullable(String)') AS engine_namespace,
    JSONExtract(line, 'container', 'restart_policy', 'Nullable(String)') AS restart_policy,
    JSONExtract(line, 'container', 'oci_runtime_path', 'Nullable(String)') AS oci_runtime_path,
    JSONExtract(line, 'initiator', 'unit', 'Nullable(String)') AS initiator_unit,
    JSONExtract(line, 'confidence', 'container', 'Nullable(String)') AS confidence_container,
    JSONExtract(line, 'confidence', 'trigger', 'Nullable(String)') AS confidence_trigger,
    JSONExtract(line, 'confidence', 'initiator', 'Nullable(String)') AS confidence_initiator,
    JSONExtract(line, 'confidence', 'pod', 'Nullable(String)') AS confidence_pod,
    JSONExtract(line, 'gap', 'source', 'Nullable(String)') AS gap_source,
    JSONExtract(line, 'gap', 'reason', 'Nullable(String)') AS gap_reason,
    parseDateTime64BestEffortOrNull(JSONExtractString(line, 'gap', 'since'), 9, 'UTC') AS gap_since,
    parseDateTime64BestEffortOrNull(JSONExtractString(line, 'gap', 'until'), 9, 'UTC') AS gap_until,
    JSONExtract(line, 'gap', 'lost', 'Nullable(UInt64)') AS gap_lost,
    JSONExtract(line, 'sensor', 'action', 'Nullable(String)') AS sensor_action,
    JSONExtract(line, 'sensor', 'containers', 'Nullable(UInt32)') AS sensor_containers,
    JSONExtract(line, 'sensor', 'down_seconds', 'Nullable(Float64)') AS sensor_down_seconds,
    JSONExtract(line, 'sensor', 'detail', 'Nullable(String)') AS sensor_detail,
    JSONExtract(line, 'sensor', 'by', 'Nullable(String)') AS sensor_by,
    JSONExtract(line, 'verdict', 'level', 'Nullable(String)') AS verdict_level,
    JSONExtract(line, 'verdict', 'baseline', 'Nullable(String)') AS baseline,
    JSONExtract(line, 'container', 'image', 'digest', 'Nullable(String)') AS image_digest,
    JSONExtract(line, 'container', 'image', 'pinned', 'Nullable(Bool)') AS image_pinned,
    JSONExtract(line, 'alert', 'id', 'Nullable(String)') AS alert_id,
    JSONExtract(line, 'alert', 'finding', 'Nullable(String)') AS alert_finding,
    JSONExtract(line, 'alert', 'title', 'Nullable(String)') AS alert_title,
    JSONExtract(line, 'alert', 'class', 'Nullable(String)') AS alert_class,
    JSONExtract(line, 'alert', 'severity', 'Nullable(String)') AS alert_severity,
    JSONExtract(line, 'alert', 'state', 'Nullable(String)') AS alert_state,
    JSONExtract(line, 'alert', 'group', 'Nullable(String)') AS alert_group,
    JSONExtract(line, 'alert', 'start', 'Nullable(String)') AS alert_start,
    JSONExtract(line, 'alert', 'count', 'Nullable(UInt64)') AS alert_count,
    parseDateTime64BestEffortOrNull(JSONExtractString(line, 'alert', 'first'), 9, 'UTC') AS alert_first,
    parseDateTime64BestEffortOrNull(JSONExtractString(line, 'alert', 'last'), 9, 'UTC') AS alert_last,
    JSONExtract(line, 'alert', 'by', 'Nullable(String)') AS alert_by,
    JSONExtract(line, 'alert', 'reason', 'Nullable(String)') AS alert_reason,
    parseDateTime64BestEffortOrNull(JSONExtractString(line, 'alert', 'until'), 9, 'UTC') AS alert_until,
    JSONExtract(line, 'log', 'id', 'Nullable(String)') AS log_id,
    JSONExtract(line, 'log', 'sequence', 'Nullable(UInt64)') AS log_sequence,
    JSONExtract(line, 'sensor', 'log', 'id', 'Nullable(String)') AS head_log,
    JSONExtract(line, 'sensor', 'log', 'sequence', 'Nullable(UInt64)') AS head_sequence,
    JSONExtract(line, 'sensor', 'log', 'digest', 'Nullable(String)') AS head_digest,
    JSONExtract(line, 'sensor', 'log', 'oldest', 'Nullable(UInt64)') AS head_oldest,
    JSONExtract(line, 'sensor', 'log', 'broken', 'Nullable(String)') AS head_broken,
    JSONExtract(line, 'sensor', 'log', 'skipped', 'Nullable(UInt64)') AS head_skipped,
    line AS event
FROM castoff.inbox
WHERE JSONHas(line, 'id');

-- The questions. Each event once, however often it arrived.

CREATE VIEW IF NOT EXISTS castoff.starts AS
SELECT * FROM castoff.events FINAL WHERE type = 'container.start' AND NOT coalesce(sandbox, false);

-- Who starts containers: SELECT * FROM castoff.starts_by_initiator WHERE day = today() ORDER BY starts DESC
CREATE VIEW IF NOT EXISTS castoff.starts_by_initiator AS
SELECT
    toDate(time) AS day,
    start_trigger AS trigger,
    coalesce(initiator_login, initiator_user, requested_by) AS who,
    initiator_exe AS program,
    count() AS starts,
    uniq(host) AS hosts,
    uniq(image) AS images,
    countIf(expected = false) AS unexpected,
    max(time) AS last
FROM castoff.starts
GROUP BY day, trigger, who, program;

-- What was stopped, lay for a while and was started again; the longest dormant first.
CREATE VIEW IF NOT EXISTS castoff.reactivations AS
SELECT
    time, host_name, container_id, container_name, image, dormant_seconds,
    start_trigger AS trigger,
    coalesce(initiator_login, initiator_user, requested_by) AS who,
    initiator_argv AS command,
    confidence_initiator AS confidence,
    id
FROM castoff.starts
WHERE start_kind = 'reactivation'
ORDER BY dormant_seconds DESC;

-- Starts whose cause is not known: the sensor says so and does not guess. They deserve a look first.
CREATE VIEW IF NOT EXISTS castoff.starts_without_cause AS
SELECT
    time, host_name, container_id, container_name, image, runtime, start_kind AS kind,
    start_trigger AS trigger, confidence_trigger, confidence_initiator, id
FROM castoff.starts
WHERE start_trigger = 'unknown' OR confidence_trigger = 'none'
ORDER BY time DESC;

-- Alerts as they stand: the last event about each, those that were not resolved first.
CREATE VIEW IF NOT EXISTS castoff.alerts AS
SELECT
    time, host, host_name, alert_id, alert_finding, alert_title, alert_class, alert_severity, alert_state,
    alert_group, alert_start, workload, container_name, image, alert_count, alert_first, alert_last,
    alert_by, alert_reason, reasons, id
FROM castoff.events FINAL
WHERE type = 'alert'
ORDER BY time DESC, alert_count DESC
LIMIT 1 BY host, alert_id;

-- One new registry on a thousand hosts is one incident.
CREATE VIEW IF NOT EXISTS castoff.incidents AS
SELECT
    alert_group, any(alert_finding) AS finding, any(alert_title) AS title, argMax(alert_severity, indexOf(['low', 'medium', 'high', 'critical'], alert_severity)) AS severity,
    uniq(host) AS hosts, sum(alert_count) AS seen, min(alert_first) AS first, max(alert_last) AS last,
    countIf(alert_state IN ('new', 'update')) AS open
FROM castoff.alerts
GROUP BY alert_group;

-- Sensors that did not see everything.
CREATE VIEW IF NOT EXISTS castoff.sensors_with_gaps AS
SELECT
    host, any(host_name) AS name, gap_source AS source, gap_reason AS reason,
    count() AS gaps,
    sum(gap_lost) AS lost,
    sum(dateDiff('second', gap_since, gap_until)) AS blind_seconds,
    max(time) AS last
FROM castoff.events FINAL
WHERE type = 'gap'
GROUP BY host, source, reason
ORDER BY last DESC;

-- Hosts that went silent: SELECT * FROM castoff.hosts_silent(minutes = 150)
-- A sensor says that it is alive once an hour (agent.heartbeat_seconds): allow for two of them and the way here.
CREATE VIEW IF NOT EXISTS castoff.hosts_silent AS
SELECT
    host,
    argMax(host_name, time) AS name,
    max(time) AS last_event,
    argMaxIf(sensor_containers, time, sensor_action = 'alive') AS containers_then,
    dateDiff('minute', last_event, now64(9, 'UTC')) AS silent_minutes
FROM castoff.events
GROUP BY host
HAVING last_event < now64(9, 'UTC') - toIntervalMinute({minutes:UInt32})
ORDER BY last_event;

-- What the chain of each node's log proves. Every event has the log's id and a number without holes there.

-- Events that are missing here: numbers that no event has, between the first and the last that arrived.
-- Numbers that the node gave up with a damaged file (head_skipped) are not missing. Dead letters and filters of an
-- output leave holes, too: a collector of evidence gets everything.
CREATE VIEW IF NOT EXISTS castoff.events_missing AS
WITH
    numbers AS (
        SELECT DISTINCT assumeNotNull(log_id) AS log, assumeNotNull(log_sequence) AS number,
            argMax(host, time) OVER (PARTITION BY log_id) AS host, argMax(host_name, time) OVER (PARTITION BY log_id) AS name
        FROM castoff.events FINAL WHERE log_id IS NOT NULL AND log_sequence IS NOT NULL
    ),
    neighbours AS (
        SELECT *, lagInFrame(number, 1, number) OVER (PARTITION BY log ORDER BY number ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
        FROM numbers
    ),
    skipped AS (
        SELECT assumeNotNull(head_log) AS log, assumeNotNull(head_sequence) AS last, max(assumeNotNull(head_skipped)) AS numbers
        FROM castoff.events FINAL WHERE head_skipped > 0 GROUP BY log, last
    ),
    holes AS (
        SELECT host, name, log, before + 1 AS first, number - 1 AS last
        FROM neighbours WHERE number > before + 1
    )
SELECT
    h.host AS host, h.name AS name, h.log AS log, h.first AS first, h.last AS last,
    h.last - h.first + 1 - sum(if(s.last BETWEEN h.first AND h.last, s.numbers, 0)) AS events
FROM holes AS h
LEFT JOIN skipped AS s ON s.log = h.log
GROUP BY host, name, log, first, last
HAVING events > 0
ORDER BY host, log, first;

-- Places where a chain begins anew, with the reason that the node gave.
CREATE VIEW IF NOT EXISTS castoff.chains_broken AS
SELECT time, host, host_name AS name, head_log AS log, head_sequence AS sequence, head_broken AS reason, head_skipped AS skipped
FROM castoff.events FINAL
WHERE head_broken IS NOT NULL
ORDER BY time DESC;

-- Logs whose head went backwards, or that had two digests at one number: events were taken out or written again.
CREATE VIEW IF NOT EXISTS castoff.heads_backwards AS
WITH heads AS (
    SELECT
        host, host_name, assumeNotNull(head_log) AS log, assumeNotNull(head_sequence) AS sequence,
        assumeNotNull(head_digest) AS digest, time,
        coalesce(log_sequence, 0) AS place,
        lagInFrame(toNullable(assumeNotNull(head_sequence)), 1) OVER (PARTITION BY head_log ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS earlier,
        uniqExact(assumeNotNull(head_digest)) OVER (PARTITION BY head_log, head_sequence) AS digests
    FROM castoff.events FINAL
    WHERE head_log IS NOT NULL AND head_sequence IS NOT NULL AND head_digest IS NOT NULL
)
SELECT time, host, host_name AS name, log, earlier, sequence, digests,
    multiIf(digests > 1, 'two digests at one number', place > 0 AND sequence >= place, 'the head is beyond its own event', 'the head went backwards') AS finding
FROM heads
WHERE digests > 1 OR earlier > sequence OR (place > 0 AND sequence >= place)
ORDER BY time DESC;

-- Hosts whose log was exchanged for another one: SELECT * FROM castoff.logs_of_hosts WHERE logs > 1
CREATE VIEW IF NOT EXISTS castoff.logs_of_hosts AS
SELECT host, argMax(host_name, time) AS name, uniqExact(log_id) AS logs, groupUniqArray(assumeNotNull(log_id)) AS ids,
    max(log_sequence) AS newest, max(time) AS last
FROM castoff.events
WHERE log_id IS NOT NULL
GROUP BY host;

-- The population of starts of a period, for an auditor, with a digest over all of them in the order of their ids:
-- SELECT * FROM castoff.population(since = '2026-11-01', until = '2026-12-01')
CREATE VIEW IF NOT EXISTS castoff.population AS
SELECT
    count() AS starts,
    uniqExact(host) AS hosts,
    min(time) AS first,
    max(time) AS last,
    lower(hex(SHA256(arrayStringConcat(arraySort(groupArray(id)), '\n')))) AS digest
FROM castoff.starts
WHERE time >= toDateTime64({since:String}, 9, 'UTC') AND time < toDateTime64({until:String}, 9, 'UTC');

-- What control planes recorded, beside what nodes saw. A request is never a start.

-- Requests, each with the last that is known of its outcome.
CREATE VIEW IF NOT EXISTS castoff.requests AS
SELECT * FROM castoff.events FINAL
WHERE type IN ('container.start_requested', 'container.stop_requested')
ORDER BY observed DESC
LIMIT 1 BY id;

-- Who asked for each pod, and not who added a debug container to it. A node writes the uid of a static pod with dashes, its manifest's hash
-- has none.
CREATE VIEW IF NOT EXISTS castoff.explanations AS
SELECT
    *,
    replaceAll(coalesce(pod_uid, ''), '-', '') AS pod_key,
    JSONExtractString(event, 'orchestrator', 'owner', 'kind') AS owner_kind
FROM castoff.events FINAL
WHERE type = 'container.start_explained' AND pod_key != '' AND coalesce(requested_effect, '') != 'ephemeral'
    AND JSONExtractString(event, 'orchestrator', 'requested_by', 'chain', -1, 'action') NOT IN ('patch pods', 'update pods', 'patch pods/resize')
ORDER BY start_id IS NOT NULL, observed DESC
LIMIT 1 BY pod_key;

-- Starts of pods. What kubelet restarted by itself has an attempt above 0 and no requester.
CREATE VIEW IF NOT EXISTS castoff.pod_starts AS
SELECT
    *,
    replaceAll(coalesce(pod_uid, ''), '-', '') AS pod_key,
    JSONExtractString(event, 'orchestrator', 'container') AS pod_container,
    coalesce(start_attempt, 0) > 0 AS by_kubelet
FROM castoff.starts
WHERE orchestrator = 'kubernetes';

-- The containers that requests name of each pod: its own, and those that were added for debugging.
CREATE VIEW IF NOT EXISTS castoff.pod_containers AS
SELECT
    replaceAll(coalesce(workload_uid, ''), '-', '') AS pod_key,
    arrayJoin(JSONExtract(event, 'request', 'containers', 'Array(Tuple(name String))')).1 AS pod_container,
    argMax(coalesce(request_effect, ''), (request_effect = 'start', time)) AS effect,
    argMax(actor, (request_effect = 'start', -toUnixTimestamp64Nano(time))) AS requester,
    argMax(actor_kind, (request_effect = 'start', -toUnixTimestamp64Nano(time))) AS kind
FROM castoff.requests
WHERE workload_kind = 'Pod' AND request_effect IN ('start', 'ephemeral') AND request_outcome = 'success' AND coalesce(workload_uid, '') != ''
GROUP BY pod_key, pod_container
HAVING pod_container != '';

-- Starts of pods with their requesters: what the node itself explained of the start, else who added the container, else who asked for the pod.
-- A container that no request names was put into its pod by hand, where the pod's own request names its containers.
CREATE VIEW IF NOT EXISTS castoff.pod_starts_explained AS
SELECT
    s.time AS time, s.host_name AS host_name, s.container_id AS container_id, s.namespace AS namespace, s.pod AS pod, s.image AS image,
    s.pod_key AS pod_key, s.id AS id, s.by_kubelet AS by_kubelet,
    own.found AND NOT s.by_kubelet OR NOT s.by_kubelet AND e.type != '' AND NOT by_hand AS explained,
    p.pod_key != '' AND c.pod_key = '' AND s.pod_container != '' AS by_hand,
    multiIf(own.found, own.requested_by, c.effect = 'ephemeral', c.requester, e.requested_by) AS requester,
    multiIf(own.found, own.requested_kind, c.effect = 'ephemeral', c.kind, e.requested_kind) AS kind,
    multiIf(own.found, own.requested_effect, c.effect = 'ephemeral', toNullable('ephemeral'), e.requested_effect) AS effect,
    multiIf(own.found, own.requested_confidence, c.effect = 'ephemeral', toNullable('exact'), e.requested_confidence) AS confidence
FROM castoff.pod_starts AS s
LEFT JOIN (
    SELECT coalesce(start_id, '') AS start, true AS found, requested_by, requested_kind, requested_effect, requested_confidence
    FROM castoff.events FINAL
    WHERE type = 'container.start_explained' AND start_id IS NOT NULL
    ORDER BY observed DESC
    LIMIT 1 BY start
) AS own ON own.start = s.id
LEFT JOIN castoff.pod_containers AS c ON c.pod_key = s.pod_key AND c.pod_container = s.pod_container
LEFT JOIN (SELECT DISTINCT pod_key FROM castoff.pod_containers WHERE effect = 'start') AS p ON p.pod_key = s.pod_key
LEFT JOIN castoff.explanations AS e ON e.pod_key = s.pod_key;

-- Who has containers started through the cluster: SELECT * FROM castoff.starts_by_requester WHERE day = today()
CREATE VIEW IF NOT EXISTS castoff.starts_by_requester AS
SELECT toDate(time) AS day, requester, kind, effect, confidence, uniqExact(id) AS starts, uniq(pod_key) AS pods, max(time) AS last
FROM castoff.pod_starts_explained
WHERE explained
GROUP BY day, requester, kind, effect, confidence;

-- Starts that no request explains: a container put into a pod by hand, a forged pod, or a hole in the audit policy.
CREATE VIEW IF NOT EXISTS castoff.starts_without_request AS
SELECT time, host_name, container_id, namespace, pod, image, pod_key, by_hand, id
FROM castoff.pod_starts_explained
WHERE NOT by_kubelet AND NOT explained
ORDER BY time DESC;

-- Requests that led to no start: refused, not schedulable, or an image that cannot be pulled.
CREATE VIEW IF NOT EXISTS castoff.requests_without_start AS
SELECT
    time, actor, request_action AS action, request_outcome AS outcome, request_reason AS reason,
    workload_namespace AS namespace, workload_name AS name, workload_uid AS uid, id
FROM castoff.requests
WHERE type = 'container.start_requested' AND (
    request_outcome = 'failure'
    OR (
        workload_kind = 'Pod' AND workload_uid IS NOT NULL
        AND replaceAll(coalesce(workload_uid, ''), '-', '') NOT IN (SELECT pod_key FROM castoff.pod_starts)
    )
)
ORDER BY time DESC;

-- Pods that a person made directly, where a workload's controller is expected to make them.
CREATE VIEW IF NOT EXISTS castoff.pods_by_hand AS
SELECT time, requested_by AS requester, cluster, namespace, pod, pod_uid, requested_confidence AS confidence, id
FROM castoff.explanations
WHERE requested_kind = 'user' AND requested_effect = 'start' AND owner_kind = ''
ORDER BY time DESC;

-- Requests that came from inside a container (a bound token names its pod), with the starts that they led to.
CREATE VIEW IF NOT EXISTS castoff.requests_from_containers AS
SELECT
    r.time AS time, r.actor AS actor, r.actor_pod_uid AS from_pod_uid, r.request_action AS action,
    r.workload_namespace AS namespace, r.workload_name AS name, r.request_outcome AS outcome,
    e.pod AS started_pod, e.pod_uid AS started_pod_uid, r.id AS id
FROM castoff.requests AS r
LEFT JOIN (
    SELECT DISTINCT pod, pod_uid, coalesce(requested_pod_uid, '') AS from_pod, JSONExtractString(event, 'orchestrator', 'requested_by', 'request_id') AS request
    FROM castoff.events FINAL
    WHERE type = 'container.start_explained' AND requested_pod_uid IS NOT NULL
) AS e ON e.from_pod = coalesce(r.actor_pod_uid, '') AND e.request = coalesce(r.request_id, '')
WHERE r.actor_pod_uid IS NOT NULL
ORDER BY time DESC;

-- A time ahead of its reading is a wrong clock's. Clusters and accounts that went silent: SELECT * FROM castoff.control_planes_silent(minutes = 60)
CREATE VIEW IF NOT EXISTS castoff.control_planes_silent AS
SELECT
    request_source AS source,
    coalesce(request_cluster, '') AS cluster,
    coalesce(request_account, '') AS account,
    count() AS records,
    max(least(time, observed)) AS last_record,
    dateDiff('minute', last_record, now64(9, 'UTC')) AS silent_minutes
FROM castoff.events
WHERE request_source IS NOT NULL
GROUP BY source, cluster, account
HAVING last_record < now64(9, 'UTC') - toIntervalMinute({minutes:UInt32})
ORDER BY last_record;
