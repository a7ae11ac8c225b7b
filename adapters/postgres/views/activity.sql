-- The payload of an event, for as long as it is kept. Planned for its values each time, so that the server opens the one
-- partition that holds it, however many there are; a join, or a query of the view's own, would open every one of them for
-- each row, and be compiled for seconds before.
CREATE OR REPLACE FUNCTION tickwerk.payload_of(of_family text, at timestamptz, of_position bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, tickwerk, pg_temp
SET plan_cache_mode = force_custom_plan SET jit = off AS $$
BEGIN
    RETURN (SELECT event_data FROM tickwerk.events
        WHERE family = of_family AND recorded_at = at AND global_position = of_position);
END $$;

-- The activity feed with the whole payload. Payloads cost a tenth of a millisecond each, and are looked up behind a LIMIT.
CREATE OR REPLACE VIEW tickwerk.activity AS
SELECT f.global_position, f.recorded_at, f.category, f.event_type, f.title, f.description, f.actor, f.visibility,
    f.order_id, f.account, f.symbol, f.strategy,
    tickwerk.payload_of(split_part(f.event_type, '.', 1), f.recorded_at, f.global_position) AS details
FROM tickwerk.activity_feed f;

-- The same by what it is about: `WHERE entity_type = 'account' AND entity_id = 'alice' ORDER BY global_position`; orders also
-- by `entity_order_id`, which has an index. The parts have no conditions of their own, so that the server sees through them
-- and reads the index of the one that is asked for, in order.
CREATE OR REPLACE VIEW tickwerk.entity_timeline AS
SELECT f.entity_type, f.entity_id, f.entity_order_id, f.global_position, f.recorded_at, f.category, f.event_type, f.title,
    f.description, f.actor, f.visibility, f.order_id, f.account, f.symbol, f.strategy,
    tickwerk.payload_of(split_part(f.event_type, '.', 1), f.recorded_at, f.global_position) AS details
FROM (
    SELECT 'order'::text AS entity_type, order_id::text AS entity_id, order_id AS entity_order_id, feed.*
    FROM tickwerk.activity_feed feed
    UNION ALL SELECT 'account'::text, account, NULL::bigint, feed.* FROM tickwerk.activity_feed feed
    UNION ALL SELECT 'instrument'::text, symbol, NULL::bigint, feed.* FROM tickwerk.activity_feed feed
    UNION ALL SELECT 'strategy'::text, strategy, NULL::bigint, feed.* FROM tickwerk.activity_feed feed
) f WHERE f.entity_id IS NOT NULL;

-- A page of the feed, newest first, behind `before` (NULL for the first page): all of it, of one category, or about one
-- entity. The times of the page are constants of the second statement, so that the server looks at no partitions of events
-- but those of the page, however many there are, and asks for all payloads of the page at once.
CREATE OR REPLACE FUNCTION tickwerk.activity_page(of_type text, of_id text, before bigint, at_most int)
RETURNS TABLE (global_position bigint, recorded_at timestamptz, category text, event_type text, title text,
    description text, actor text, visibility text, order_id bigint, account text, symbol text, strategy text, details jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, tickwerk, pg_temp AS $$
#variable_conflict use_column
DECLARE
    -- One plan for each type, so that each uses the index of its own.
    what text := CASE of_type WHEN 'all' THEN '$1 IS NULL' WHEN 'category' THEN 'category = $1'
        WHEN 'order' THEN 'order_id = $1::bigint' WHEN 'account' THEN 'account = $1'
        WHEN 'instrument' THEN 'symbol = $1' WHEN 'strategy' THEN 'strategy = $1' END;
    since timestamptz;
    until timestamptz;
    positions bigint[];
    families text[];
BEGIN
    IF what IS NULL THEN
        RAISE EXCEPTION 'there is no type of entity %', of_type USING HINT = 'order, account, instrument or strategy';
    END IF;
    IF at_most IS NULL OR at_most NOT BETWEEN 0 AND 10000 THEN
        RAISE EXCEPTION 'a page has up to 10000 entries, not %', COALESCE(at_most::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'ask for the next page with `before`';
    END IF;
    EXECUTE format('SELECT min(recorded_at), max(recorded_at), array_agg(global_position),
            array_agg(DISTINCT split_part(event_type, ''.'', 1))
        FROM (SELECT recorded_at, global_position, event_type FROM tickwerk.activity_feed
            WHERE %s AND global_position < $2 ORDER BY global_position DESC LIMIT $3) f', what)
    INTO since, until, positions, families USING of_id, COALESCE(before, 9223372036854775807), at_most;
    RETURN QUERY EXECUTE 'SELECT f.global_position, f.recorded_at, f.category, f.event_type, f.title, f.description, f.actor,
            f.visibility, f.order_id, f.account, f.symbol, f.strategy, e.event_data
        FROM tickwerk.activity_feed f LEFT JOIN (SELECT global_position, event_data FROM tickwerk.events
            WHERE family = ANY($1) AND recorded_at BETWEEN $2 AND $3 AND global_position = ANY($4)) e USING (global_position)
        WHERE f.global_position = ANY($4) ORDER BY f.global_position DESC'
    USING families, since, until, positions;
END $$;

-- A page of the feed, of one category or of all.
CREATE OR REPLACE FUNCTION tickwerk.feed(before bigint DEFAULT NULL, at_most int DEFAULT 50, of_category text DEFAULT NULL)
RETURNS TABLE (global_position bigint, recorded_at timestamptz, category text, event_type text, title text,
    description text, actor text, visibility text, order_id bigint, account text, symbol text, strategy text, details jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, tickwerk, pg_temp AS $$
SELECT * FROM tickwerk.activity_page(CASE WHEN of_category IS NULL THEN 'all' ELSE 'category' END, of_category, before, at_most)
$$;

-- A page of the timeline of one entity.
CREATE OR REPLACE FUNCTION tickwerk.timeline(of_type text, of_id text, before bigint DEFAULT NULL, at_most int DEFAULT 50)
RETURNS TABLE (global_position bigint, recorded_at timestamptz, category text, event_type text, title text,
    description text, actor text, visibility text, details jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, tickwerk, pg_temp AS $$
SELECT global_position, recorded_at, category, event_type, title, description, actor, visibility, details
FROM tickwerk.activity_page(CASE WHEN of_type IN ('all', 'category') THEN 'none' ELSE of_type END, of_id, before, at_most)
$$;

-- Trading activity by day, account, instrument and strategy, with what people ask of it.
CREATE OR REPLACE VIEW tickwerk.trading_activity_unified AS
SELECT day, symbol, account, strategy,
    COALESCE(submitted, 0) AS submitted, COALESCE(refused, 0) AS refused, COALESCE(rejected, 0) AS rejected,
    COALESCE(replaced, 0) AS replaced, COALESCE(cancels, 0) AS cancels, COALESCE(canceled, 0) AS canceled,
    COALESCE(expired, 0) AS expired, COALESCE(filled, 0) AS filled, COALESCE(fills, 0) AS fills,
    COALESCE(restated, 0) AS restated,
    COALESCE(buy_qty, 0) AS buy_qty, COALESCE(sell_qty, 0) AS sell_qty,
    COALESCE(buy_qty, 0) - COALESCE(sell_qty, 0) AS net_qty,
    COALESCE(buy_value, 0) AS buy_value, COALESCE(sell_value, 0) AS sell_value,
    COALESCE(buy_value, 0) + COALESCE(sell_value, 0) AS turnover, COALESCE(fees, 0) AS fees,
    round(COALESCE(filled, 0)::numeric / NULLIF(submitted, 0), 6) AS fill_ratio,
    round((COALESCE(refused, 0) + COALESCE(rejected, 0))::numeric
        / NULLIF(COALESCE(submitted, 0) + COALESCE(refused, 0), 0), 6) AS refusal_ratio,
    round((COALESCE(submitted, 0) + COALESCE(replaced, 0) + COALESCE(cancels, 0))::numeric / NULLIF(fills, 0), 6) AS order_to_trade,
    first_at, last_at, global_position
FROM tickwerk.trading_activity;
