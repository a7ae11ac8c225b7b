-- Records by day, type and source with how long they took to come, and the share of refusals.
CREATE OR REPLACE VIEW tickwerk.event_statistics_unified AS
SELECT day, family, kind, event_type, source, count, refusals, round(refusals::numeric / NULLIF(count, 0), 6) AS refusal_ratio,
    measured, round(processing_ns / NULLIF(measured, 0) / 1000, 3) AS processing_avg_us,
    round(processing_min_ns / 1000, 3) AS processing_min_us, round(processing_max_ns / 1000, 3) AS processing_max_us,
    first_at, last_at, global_position
FROM tickwerk.event_statistics;

-- Who asked most, by day.
CREATE OR REPLACE VIEW tickwerk.most_active_actors AS
SELECT day, actor, commands, orders, cancels, refusals, rank() OVER (PARTITION BY day ORDER BY commands DESC) AS place,
    first_at, last_at, global_position
FROM tickwerk.actor_statistics;

-- How far replication was behind the journal in its last transaction: records that were durable when its batch was read,
-- and the age of the last one shipped, by the server's clock, where there were more. What came to the journal since is told
-- by `tickwerk db status DIR`, which sees both. `is_attended` tells whether a replicator is there now.
CREATE OR REPLACE VIEW tickwerk.replication_lag AS
SELECT global_position, durable_position, of.lag_events,
    CASE WHEN lag_events > 0 THEN greatest(0, round(extract(epoch FROM updated_at) - recorded_at_ns / 1e9, 3))
        WHEN lag_events = 0 THEN 0 END AS lag_s,
    rows_shipped, commits, updated_at,
    -- Locks are not copied to a standby, where nobody knows.
    CASE WHEN NOT pg_is_in_recovery() THEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32 | objid::bigint) = hashtextextended('tickwerk.replicator', 0)) END AS is_attended
FROM tickwerk.checkpoint CROSS JOIN LATERAL (
    -- Not known of a database that nothing was shipped to since it has the column.
    SELECT CASE WHEN durable_position IS NOT NULL THEN greatest(0, durable_position - global_position) END AS lag_events) AS of;

-- Every part of the system, one row each: what the engine said of itself, of venues, books and switches, and how far
-- replication and read models are. `status` is ok, warning or critical.
CREATE OR REPLACE VIEW tickwerk.system_health_unified AS
SELECT component_type, component, status, state, NULLIF(detail, '') AS detail, since, global_position
FROM tickwerk.system_component
UNION ALL
SELECT 'engine', 'pipeline',
    CASE WHEN durable_lag > 1000000 THEN 'critical' WHEN durable_lag > 100000 THEN 'warning' ELSE 'ok' END, 'running',
    format('durable lag %s, outcome depth %s, memory %s bytes, refusals %s', durable_lag, outcome_depth, memory_bytes, refusals),
    minute, global_position
FROM (SELECT * FROM tickwerk.system_health ORDER BY minute DESC LIMIT 1) AS newest
UNION ALL
SELECT 'replication', 'checkpoint',
    CASE WHEN lag_s > 600 THEN 'critical' WHEN lag_s > 60 OR NOT is_attended THEN 'warning' ELSE 'ok' END, 'at ' || global_position,
    concat_ws(', ', CASE WHEN NOT is_attended THEN 'no replicator is there' END, CASE WHEN lag_events = 0 THEN 'no lag' WHEN lag_events > 0 THEN format('lag %s events and %s seconds', lag_events, lag_s) END,
        format('%s rows in %s commits', rows_shipped, commits)), updated_at, global_position
FROM tickwerk.replication_lag
UNION ALL
SELECT 'projection', p.name,
    CASE WHEN p.status = 'failed' THEN 'critical'
        WHEN p.status = 'paused' OR p.waiting > 0 THEN 'warning' ELSE 'ok' END, p.status,
    NULLIF(concat_ws(', ', p.error, CASE WHEN p.waiting > 0 THEN p.waiting || ' events parked' END), ''),
    p.updated_at, p.global_position
FROM (SELECT projection.*,
        (SELECT count(*) FROM tickwerk.parked WHERE projection = projection.name AND resolved IS NULL) AS waiting
    FROM tickwerk.projection) AS p;
