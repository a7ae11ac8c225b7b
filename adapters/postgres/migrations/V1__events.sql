-- Events, where replication stands, and what keeps the event table in parts. Runs as tickwerk_owner.

-- One row: which journal this is, and up to where it is here.
CREATE TABLE tickwerk.checkpoint (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    journal_id uuid NOT NULL,
    global_position bigint NOT NULL,          -- last record that was shipped; every one before it was, too
    chain_head bytea NOT NULL,                -- head of the hash chain through it
    block_position bigint NOT NULL,           -- last whole block of the chain there or before
    block_head bytea NOT NULL,
    recorded_at_ns bigint NOT NULL,           -- stamp of the last record
    fence bigint NOT NULL,                    -- rises with each replicator, so that an older one cannot go on
    generation bigint NOT NULL,               -- rises when a projection is paused, resumed or swapped
    families text[] NOT NULL,                 -- what is selected
    rows_shipped bigint NOT NULL,
    commits bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- The head of every whole block, so that a journal that was rewritten is found out.
CREATE TABLE tickwerk.chain_block (
    block_position bigint PRIMARY KEY,
    head bytea NOT NULL
);

-- What names and scales mean: the commands that define them, as they lie in the journal. With it, replication and
-- verification go on where the beginning of the journal was let go.
CREATE TABLE tickwerk.definition (
    global_position bigint PRIMARY KEY,
    kind smallint NOT NULL,
    type_id int NOT NULL,
    schema_version int NOT NULL,
    payload bytea NOT NULL
);
CREATE TABLE tickwerk.order_term (
    order_id bigint PRIMARY KEY,
    instrument_id bigint NOT NULL,
    side text,
    account_id bigint NOT NULL,
    strategy_id bigint NOT NULL,
    global_position bigint NOT NULL,
    traded_qty bigint NOT NULL,               -- its fills so far, in mantissas: what average prices are made of
    traded_weighted numeric,
    traded_price bigint NOT NULL
);

-- All that was asked, observed and decided.
CREATE TABLE tickwerk.events (
    global_position bigint NOT NULL,          -- sequence of the journal
    recorded_at timestamptz NOT NULL,         -- the stamp, cut to microseconds
    recorded_at_ns bigint NOT NULL,
    occurred_at timestamptz,                  -- the source's own time
    occurred_at_ns bigint,
    stream_version bigint NOT NULL,
    source_sequence bigint NOT NULL,
    causation bigint,                         -- the command of the frame; NULL for commands
    event_id uuid NOT NULL,                   -- version 7, from stamp, sequence and journal
    schema_version smallint NOT NULL,
    family text NOT NULL,
    kind text NOT NULL,                       -- command or event
    event_type text NOT NULL,
    stream text NOT NULL,
    stream_type text NOT NULL,
    source text NOT NULL,
    correlation_id text,
    actor text,
    symbol text,
    account text,
    event_data jsonb NOT NULL,
    metadata jsonb                            -- the opaque part, where there is one
) PARTITION BY LIST (family);

CREATE TABLE tickwerk.event_family (
    family text PRIMARY KEY,
    period text NOT NULL CHECK (period IN ('day', 'month')),  -- what a partition holds
    keep interval NOT NULL                                    -- retention, applied by command only
);
INSERT INTO tickwerk.event_family (family, period, keep) VALUES
    ('market', 'day', '30 days'),
    ('signal', 'month', '90 days'),
    ('risk', 'month', '1 year'),
    ('order', 'month', '7 years'),
    ('fill', 'month', '7 years'),
    ('position', 'month', '1 year'),
    ('account', 'month', '7 years'),
    ('system', 'month', '1 year'),
    ('stream', 'month', '7 years');

DO $$
DECLARE
    of record;
    parent text;
BEGIN
    FOR of IN SELECT family FROM tickwerk.event_family LOOP
        parent := 'events_' || of.family;
        EXECUTE format('CREATE TABLE tickwerk.%I PARTITION OF tickwerk.events FOR VALUES IN (%L) PARTITION BY RANGE (recorded_at)',
            parent, of.family);
        EXECUTE format('CREATE INDEX %I ON tickwerk.%I (stream, stream_version)', parent || '_stream', parent);
        EXECUTE format('CREATE INDEX %I ON tickwerk.%I USING brin (recorded_at)', parent || '_time', parent);
        IF of.family = 'market' THEN
            EXECUTE format('CREATE INDEX %I ON tickwerk.%I (symbol, event_type, recorded_at)', parent || '_symbol', parent);
        ELSE
            EXECUTE format('CREATE INDEX %I ON tickwerk.%I (event_type, recorded_at)', parent || '_type', parent);
            EXECUTE format('CREATE INDEX %I ON tickwerk.%I (symbol, recorded_at) WHERE symbol IS NOT NULL', parent || '_symbol', parent);
            EXECUTE format('CREATE INDEX %I ON tickwerk.%I (account, recorded_at) WHERE account IS NOT NULL', parent || '_account', parent);
            EXECUTE format('CREATE INDEX %I ON tickwerk.%I (actor, recorded_at) WHERE actor IS NOT NULL', parent || '_actor', parent);
            EXECUTE format('CREATE INDEX %I ON tickwerk.%I (correlation_id, recorded_at) WHERE correlation_id IS NOT NULL',
                parent || '_correlation', parent);
        END IF;
    END LOOP;
END $$;

-- Every partition that is or was; one that was dropped stays here, so that verification knows what may be missing.
CREATE TABLE tickwerk.event_partition (
    name text PRIMARY KEY,
    family text NOT NULL REFERENCES tickwerk.event_family,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    dropped_at timestamptz,
    dropped_by text,
    rows_dropped bigint,
    first_position bigint,
    last_position bigint
);

-- Makes the partition for a time, and the one behind it. Names what it made.
CREATE FUNCTION tickwerk.ensure_partition(of_family text, at timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tickwerk, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    unit text;
    step interval;
    start timestamptz;
    part text;
BEGIN
    SELECT period, ('1 ' || period)::interval INTO unit, step FROM tickwerk.event_family WHERE family = of_family;
    IF unit IS NULL THEN
        RAISE EXCEPTION 'there is no family of events %', of_family;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('tickwerk.ensure_partition', 0));
    FOR start IN SELECT date_trunc(unit, at) UNION SELECT date_trunc(unit, at) + step ORDER BY 1 LOOP
        part := format('events_%s_%s', of_family, to_char(start, CASE unit WHEN 'day' THEN 'YYYYMMDD' ELSE 'YYYYMM' END));
        CONTINUE WHEN EXISTS (SELECT FROM tickwerk.event_partition WHERE name = part AND dropped_at IS NULL);
        IF EXISTS (SELECT FROM tickwerk.event_partition WHERE name = part) AND start <= at AND at < start + step THEN
            RAISE EXCEPTION 'partition % was dropped; its events cannot come again', part
                USING HINT = 'ship the journal into an empty database to have them again';
        END IF;
        CONTINUE WHEN EXISTS (SELECT FROM tickwerk.event_partition WHERE name = part);
        EXECUTE format('CREATE TABLE tickwerk.%I (LIKE tickwerk.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, 'events_' || of_family);
        EXECUTE format('CREATE UNIQUE INDEX %I ON tickwerk.%I (global_position)', part || '_position', part);
        -- Events are appended and never changed: vacuum by inserts, and pages filled to the end.
        EXECUTE format('ALTER TABLE tickwerk.%I SET (fillfactor = 100, autovacuum_vacuum_insert_scale_factor = 0.1)', part);
        EXECUTE format('ALTER TABLE tickwerk.%I ATTACH PARTITION tickwerk.%I FOR VALUES FROM (%L) TO (%L)',
            'events_' || of_family, part, start, start + step);
        INSERT INTO tickwerk.event_partition (name, family, from_time, to_time) VALUES (part, of_family, start, start + step);
        RETURN NEXT part;
    END LOOP;
END $$;

-- Drops a partition and keeps in mind what went.
CREATE FUNCTION tickwerk.drop_partition(part text) RETURNS bigint
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
    RETURN counted;
END $$;

-- An index on the payload of a family, where somebody asks for it: it costs more than all others together.
CREATE FUNCTION tickwerk.create_payload_index(of_family text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, tickwerk, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON tickwerk.%I USING gin (event_data jsonb_path_ops)',
        'events_' || of_family || '_payload', 'events_' || of_family);
END $$;

-- Read models: how far each is and how it stands.
CREATE TABLE tickwerk.projection (
    name text PRIMARY KEY,
    version int NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'paused', 'failed')),
    global_position bigint NOT NULL,          -- everything up to it is in its tables
    error text,                               -- why it failed
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Events that a read model could not take; it went on without them.
CREATE TABLE tickwerk.parked (
    projection text NOT NULL REFERENCES tickwerk.projection ON DELETE CASCADE,
    global_position bigint NOT NULL,
    event_type text NOT NULL,
    error text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    resolved text CHECK (resolved IN ('retried', 'skipped')),
    resolved_at timestamptz,
    PRIMARY KEY (projection, global_position)
);

-- Events are inserted through the writer and never changed; everybody reads.
GRANT USAGE ON SCHEMA tickwerk TO tickwerk_writer, tickwerk_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA tickwerk TO tickwerk_writer, tickwerk_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA tickwerk GRANT SELECT ON TABLES TO tickwerk_writer, tickwerk_reader;
GRANT INSERT ON tickwerk.events, tickwerk.chain_block, tickwerk.definition TO tickwerk_writer;
GRANT INSERT, UPDATE, DELETE ON tickwerk.order_term TO tickwerk_writer;
GRANT INSERT, UPDATE ON tickwerk.checkpoint, tickwerk.projection, tickwerk.parked TO tickwerk_writer;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tickwerk FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tickwerk.ensure_partition TO tickwerk_writer;
