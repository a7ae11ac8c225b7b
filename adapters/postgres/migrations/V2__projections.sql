-- Rebuilding of read models. Runs as tickwerk_owner.

-- The last rebuild of each read model: how far it is or how it ended.
CREATE TABLE tickwerk.projection_rebuild (
    name text PRIMARY KEY REFERENCES tickwerk.projection ON DELETE CASCADE,
    version int NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'done', 'failed')),
    global_position bigint NOT NULL,          -- everything up to it is in the new tables
    target bigint NOT NULL,                   -- where the checkpoint was when that was looked at last
    rows_written bigint NOT NULL DEFAULT 0,
    error text,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Events that a rebuild could not take; they become `parked` when its tables take their place.
CREATE TABLE tickwerk.rebuild_parked (
    projection text NOT NULL REFERENCES tickwerk.projection ON DELETE CASCADE,
    global_position bigint NOT NULL,
    event_type text NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (projection, global_position)
);
