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
SELECT 'replication', 'checkpoint', 'ok', 'at ' || global_position,
    format('%s rows in %s commits', rows_shipped, commits), updated_at, global_position
FROM tickwerk.checkpoint
UNION ALL
SELECT 'projection', p.name,
    CASE WHEN p.status = 'failed' THEN 'critical'
        WHEN p.status = 'paused' OR p.waiting > 0 THEN 'warning' ELSE 'ok' END, p.status,
    NULLIF(concat_ws(', ', p.error, CASE WHEN p.waiting > 0 THEN p.waiting || ' events parked' END), ''),
    p.updated_at, p.global_position
FROM (SELECT projection.*,
        (SELECT count(*) FROM tickwerk.parked WHERE projection = projection.name AND resolved IS NULL) AS waiting
    FROM tickwerk.projection) AS p;
