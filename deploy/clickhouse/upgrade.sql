-- Brings a table of an earlier version of castoff.sql to this one; run it first, then castoff.sql. Running it again changes nothing.
-- Columns that are there already stay as they are. Rows of before have the default in the new ones; the whole event is in `event`.

-- The views are made anew by castoff.sql: one that stays would lack the new columns. Between the two files nothing may be inserted: the inbox
-- keeps nothing.
DROP VIEW IF EXISTS castoff.from_inbox;
DROP VIEW IF EXISTS castoff.starts;
DROP VIEW IF EXISTS castoff.starts_by_initiator;
DROP VIEW IF EXISTS castoff.reactivations;
DROP VIEW IF EXISTS castoff.starts_without_cause;
DROP VIEW IF EXISTS castoff.alerts;
DROP VIEW IF EXISTS castoff.incidents;
DROP VIEW IF EXISTS castoff.sensors_with_gaps;
DROP VIEW IF EXISTS castoff.hosts_silent;
DROP VIEW IF EXISTS castoff.events_missing;
DROP VIEW IF EXISTS castoff.chains_broken;
DROP VIEW IF EXISTS castoff.heads_backwards;
DROP VIEW IF EXISTS castoff.logs_of_hosts;
DROP VIEW IF EXISTS castoff.population;
DROP VIEW IF EXISTS castoff.requests;
DROP VIEW IF EXISTS castoff.explanations;
DROP VIEW IF EXISTS castoff.pod_starts;
DROP VIEW IF EXISTS castoff.pod_containers;
DROP VIEW IF EXISTS castoff.pod_starts_explained;
DROP VIEW IF EXISTS castoff.starts_by_requester;
DROP VIEW IF EXISTS castoff.starts_without_request;
DROP VIEW IF EXISTS castoff.requests_without_start;
DROP VIEW IF EXISTS castoff.pods_by_hand;
DROP VIEW IF EXISTS castoff.requests_from_containers;
DROP VIEW IF EXISTS castoff.control_planes_silent;

ALTER TABLE castoff.events
    ADD COLUMN IF NOT EXISTS host_node LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS container_id Nullable(String),
    ADD COLUMN IF NOT EXISTS container_name Nullable(String),
    ADD COLUMN IF NOT EXISTS container_parents Array(String),
    ADD COLUMN IF NOT EXISTS image LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS image_id LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS runtime LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS sandbox Nullable(Bool),
    ADD COLUMN IF NOT EXISTS privileged Nullable(Bool),
    ADD COLUMN IF NOT EXISTS labels Map(String, String),
    ADD COLUMN IF NOT EXISTS start_kind LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS start_trigger LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS start_attempt Nullable(UInt32),
    ADD COLUMN IF NOT EXISTS dormant_seconds Nullable(Float64),
    ADD COLUMN IF NOT EXISTS start_cause LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS start_failures Nullable(UInt32),
    ADD COLUMN IF NOT EXISTS exit_code Nullable(Int32),
    ADD COLUMN IF NOT EXISTS stop_reason LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS initiator_exe Nullable(String),
    ADD COLUMN IF NOT EXISTS initiator_argv Array(String),
    ADD COLUMN IF NOT EXISTS initiator_uid Nullable(UInt32),
    ADD COLUMN IF NOT EXISTS initiator_user LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS initiator_auid Nullable(UInt32) COMMENT 'who logged in, whatever sudo made of it',
    ADD COLUMN IF NOT EXISTS initiator_login LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS initiator_container Nullable(String),
    ADD COLUMN IF NOT EXISTS orchestrator LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS namespace LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS pod Nullable(String),
    ADD COLUMN IF NOT EXISTS pod_uid Nullable(String),
    ADD COLUMN IF NOT EXISTS cluster LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS requested_by LowCardinality(Nullable(String)) COMMENT 'who asked the control plane, of explained starts',
    ADD COLUMN IF NOT EXISTS requested_kind LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS requested_effect LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS requested_confidence LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS requested_pod_uid Nullable(String) COMMENT 'the pod from which the requester called',
    ADD COLUMN IF NOT EXISTS task_arn Nullable(String),
    ADD COLUMN IF NOT EXISTS pod_source LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS owner_kind LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS owner_name LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS late Nullable(Bool),
    ADD COLUMN IF NOT EXISTS container_type LowCardinality(Nullable(String)) COMMENT 'main, init, sidecar or ephemeral, where it is known',
    ADD COLUMN IF NOT EXISTS request_source LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS request_id Nullable(String),
    ADD COLUMN IF NOT EXISTS request_action LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS request_effect LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS request_chain LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS request_outcome LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS request_reason LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS actor LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS actor_kind LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS actor_pod_uid Nullable(String),
    ADD COLUMN IF NOT EXISTS request_address Nullable(String),
    ADD COLUMN IF NOT EXISTS request_cluster LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS request_account LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS workload_kind LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS workload_namespace LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS workload_name Nullable(String),
    ADD COLUMN IF NOT EXISTS workload_uid Nullable(String),
    ADD COLUMN IF NOT EXISTS workload_task Nullable(String),
    ADD COLUMN IF NOT EXISTS request_container_ids Array(String),
    ADD COLUMN IF NOT EXISTS start_id Nullable(String),
    ADD COLUMN IF NOT EXISTS expected Nullable(Bool),
    ADD COLUMN IF NOT EXISTS reasons Array(String),
    ADD COLUMN IF NOT EXISTS attack Array(LowCardinality(String)),
    ADD COLUMN IF NOT EXISTS explanation LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS findings Array(LowCardinality(String)),
    ADD COLUMN IF NOT EXISTS workload LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS change Nullable(String),
    ADD COLUMN IF NOT EXISTS engine_namespace LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS restart_policy LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS oci_runtime_path LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS initiator_unit LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS confidence_container LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS confidence_trigger LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS confidence_initiator LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS confidence_pod LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS gap_source LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS gap_reason LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS gap_since Nullable(DateTime64(9, 'UTC')),
    ADD COLUMN IF NOT EXISTS gap_until Nullable(DateTime64(9, 'UTC')),
    ADD COLUMN IF NOT EXISTS gap_lost Nullable(UInt64),
    ADD COLUMN IF NOT EXISTS sensor_action LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS sensor_containers Nullable(UInt32),
    ADD COLUMN IF NOT EXISTS sensor_down_seconds Nullable(Float64),
    ADD COLUMN IF NOT EXISTS sensor_detail Nullable(String),
    ADD COLUMN IF NOT EXISTS sensor_by LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS verdict_level LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS baseline LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS image_digest LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS image_pinned Nullable(Bool),
    ADD COLUMN IF NOT EXISTS alert_id Nullable(String),
    ADD COLUMN IF NOT EXISTS alert_finding LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS alert_title LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS alert_class LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS alert_severity LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS alert_state LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS alert_group Nullable(String),
    ADD COLUMN IF NOT EXISTS alert_start Nullable(String),
    ADD COLUMN IF NOT EXISTS alert_count Nullable(UInt64),
    ADD COLUMN IF NOT EXISTS alert_first Nullable(DateTime64(9, 'UTC')),
    ADD COLUMN IF NOT EXISTS alert_last Nullable(DateTime64(9, 'UTC')),
    ADD COLUMN IF NOT EXISTS alert_by LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS alert_reason Nullable(String),
    ADD COLUMN IF NOT EXISTS alert_until Nullable(DateTime64(9, 'UTC')),
    ADD COLUMN IF NOT EXISTS log_id LowCardinality(Nullable(String)) COMMENT 'the log of the node that holds the event',
    ADD COLUMN IF NOT EXISTS log_sequence Nullable(UInt64) COMMENT 'its number there: a hole is an event that is missing here',
    ADD COLUMN IF NOT EXISTS head_log LowCardinality(Nullable(String)) COMMENT 'of signs of life: where the log stood',
    ADD COLUMN IF NOT EXISTS head_sequence Nullable(UInt64),
    ADD COLUMN IF NOT EXISTS head_digest Nullable(String),
    ADD COLUMN IF NOT EXISTS head_oldest Nullable(UInt64),
    ADD COLUMN IF NOT EXISTS head_broken Nullable(String),
    ADD COLUMN IF NOT EXISTS head_skipped Nullable(UInt64);
