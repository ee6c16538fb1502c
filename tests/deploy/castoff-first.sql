-- The first version of deploy/clickhouse/castoff.sql, for the test of upgrade.sql.

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
    requested_by         LowCardinality(Nullable(String)),
    expected             Nullable(Bool),
    reasons              Array(String),
    attack               Array(LowCardinality(String)),
    confidence_container LowCardinality(Nullable(String)),
    confidence_trigger   LowCardinality(Nullable(String)),
    confidence_initiator LowCardinality(Nullable(String)),
    gap_source           LowCardinality(Nullable(String)),
    gap_reason           LowCardinality(Nullable(String)),
    gap_since            Nullable(DateTime64(9, 'UTC')),
    gap_until            Nullable(DateTime64(9, 'UTC')),
    gap_lost             Nullable(UInt64),
    sensor_action        LowCardinality(Nullable(String)),
    sensor_containers    Nullable(UInt32),
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
    JSONExtract(line, 'orchestrator', 'requested_by', 'Nullable(String)') AS requested_by,
    JSONExtract(line, 'verdict', 'expected', 'Nullable(Bool)') AS expected,
    JSONExtract(line, 'verdict', 'reasons', 'Array(String)') AS reasons,
    JSONExtract(line, 'verdict', 'attack', 'Array(String)') AS attack,
    JSONExtract(line, 'confidence', 'container', 'Nullable(String)') AS confidence_container,
    JSONExtract(line, 'confidence', 'trigger', 'Nullable(String)') AS confidence_trigger,
    JSONExtract(line, 'confidence', 'initiator', 'Nullable(String)') AS confidence_initiator,
    JSONExtract(line, 'gap', 'source', 'Nullable(String)') AS gap_source,
    JSONExtract(line, 'gap', 'reason', 'Nullable(String)') AS gap_reason,
    parseDateTime64BestEffortOrNull(JSONExtractString(line, 'gap', 'since'), 9, 'UTC') AS gap_since,
    parseDateTime64BestEffortOrNull(JSONExtractString(line, 'gap', 'until'), 9, 'UTC') AS gap_until,
    JSONExtract(line, 'gap', 'lost', 'Nullable(UInt64)') AS gap_lost,
    JSONExtract(line, 'sensor', 'action', 'Nullable(String)') AS sensor_action,
    JSONExtract(line, 'sensor', 'containers', 'Nullable(UInt32)') AS sensor_containers,
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
