-- How far the journal was when the last batch was read from it, so that the database itself tells the lag as of then. Runs as
-- tickwerk_owner.
ALTER TABLE tickwerk.checkpoint ADD COLUMN durable_position bigint;
