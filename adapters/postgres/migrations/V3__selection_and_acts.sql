-- What is selected from which record on, and who dropped what and why. Runs as tickwerk_owner.

-- Rules in order; each holds from its position up to the next one's.
CREATE TABLE tickwerk.selection (
    from_position bigint PRIMARY KEY,
    families text[] NOT NULL,
    market text NOT NULL,                     -- all, none, `sample N` or `conflate PERIOD`
    chosen_at timestamptz NOT NULL DEFAULT now(),
    chosen_by text NOT NULL DEFAULT session_user
);
INSERT INTO tickwerk.selection (from_position, families, market) SELECT 1, families, 'all' FROM tickwerk.checkpoint;
GRANT INSERT, UPDATE ON tickwerk.selection TO tickwerk_writer;
ALTER TABLE tickwerk.checkpoint DROP COLUMN families;

-- What was done to the events by command; never changed.
CREATE TABLE tickwerk.act (
    act_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    act text NOT NULL,                        -- drop_partition
    subject text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    actor text NOT NULL CHECK (actor <> ''),  -- who asked
    done_by text NOT NULL DEFAULT session_user,
    details jsonb NOT NULL
);
INSERT INTO tickwerk.act (happened_at, act, subject, reason, actor, done_by, details)
SELECT dropped_at, 'drop_partition', name, 'none was asked for', dropped_by, dropped_by,
    jsonb_build_object('family', family, 'from', from_time, 'to', to_time, 'rows', rows_dropped, 'first_position', first_position,
        'last_position', last_position)
FROM tickwerk.event_partition WHERE dropped_at IS NOT NULL ORDER BY dropped_at, name;

-- Drops a partition and keeps in mind what went, who asked and why.
DROP FUNCTION tickwerk.drop_partition(text);
CREATE FUNCTION tickwerk.drop_partition(part text, because text, asked_by text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, tickwerk, pg_temp AS $$
DECLARE
    counted bigint;
    lowest bigint;
    highest bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM tickwerk.event_partition WHERE name = part AND dropped_at IS NULL) THEN
        RAISE EXCEPTION 'there is no partition %', part;
    END IF;
    EXECUTE format('SELECT count(*), min(global_position), max(global_position) FROM tickwerk.%I', part) INTO counted, lowest, highest;
    EXECUTE format('DROP TABLE tickwerk.%I', part);
    UPDATE tickwerk.event_partition
    SET dropped_at = now(), dropped_by = session_user, rows_dropped = counted, first_position = lowest, last_position = highest
    WHERE name = part;
    INSERT INTO tickwerk.act (act, subject, reason, actor, details)
    SELECT 'drop_partition', name, because, asked_by, jsonb_build_object('family', family, 'from', from_time, 'to', to_time,
        'rows', rows_dropped, 'first_position', first_position, 'last_position', last_position)
    FROM tickwerk.event_partition WHERE name = part;
    RETURN counted;
END $$;
REVOKE ALL ON FUNCTION tickwerk.drop_partition FROM PUBLIC;
