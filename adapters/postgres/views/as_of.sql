-- How things stood at any sequence or time. Runs as tickwerk_owner, after the tables of read models.
-- A row says how it stood when everything up to the sequence had happened; names are those of now.

-- Refuses a sequence that a read model has not reached, rather than give a wrong answer.
CREATE OR REPLACE FUNCTION tickwerk.check_as_of(as_of bigint, VARIADIC needed text[]) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    behind record;
BEGIN
    SELECT p.name, p.status, p.global_position INTO behind FROM tickwerk.projection p
    WHERE p.name = ANY(needed) AND p.global_position < as_of ORDER BY p.global_position LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the read model % is at sequence %, not yet at %', behind.name, behind.global_position, as_of
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = format('its status is %s; ask for an earlier sequence, or wait until it is there', behind.status);
    END IF;
    IF as_of IS NULL OR as_of < 0 THEN
        RAISE EXCEPTION '% is no sequence', COALESCE(as_of::text, 'NULL') USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;

-- The last record of these histories at or before a time, 0 where there is none, NULL for NULL. Stamps rise with sequences, so whatever
-- the histories hold through it happened by then. The server keeps microseconds.
CREATE OR REPLACE FUNCTION tickwerk.sequence_at(as_of timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN as_of IS NOT NULL THEN greatest(
        0,
        (SELECT global_position FROM tickwerk.position_history WHERE recorded_at <= as_of
            ORDER BY recorded_at DESC, global_position DESC LIMIT 1),
        (SELECT global_position FROM tickwerk.balance_history WHERE recorded_at <= as_of
            ORDER BY recorded_at DESC, global_position DESC LIMIT 1),
        (SELECT global_position FROM tickwerk.order_history WHERE recorded_at <= as_of
            ORDER BY recorded_at DESC, global_position DESC LIMIT 1)) END
$$;

CREATE OR REPLACE FUNCTION tickwerk.positions_as_of(as_of bigint) RETURNS TABLE (
    account_id bigint, instrument_id bigint, side text, account text, symbol text, qty numeric, open_cost numeric,
    realized_total numeric, unrealized numeric, fees_total numeric, funding_total numeric, mark numeric,
    first_at timestamptz, updated_at timestamptz, global_position bigint)
LANGUAGE plpgsql STABLE ROWS 100 AS $$
#variable_conflict use_column
BEGIN
    PERFORM tickwerk.check_as_of(as_of, 'positions');
    RETURN QUERY
    SELECT p.account_id, p.instrument_id, p.side, p.account, p.symbol, h.qty, h.open_cost, h.realized_total,
        h.unrealized, h.fees_total, h.funding_total, h.mark, p.first_at, h.recorded_at, h.global_position
    FROM tickwerk.positions p CROSS JOIN LATERAL (
        SELECT * FROM tickwerk.position_history h
        WHERE h.account_id = p.account_id AND h.instrument_id = p.instrument_id AND h.side = p.side
            AND h.global_position <= as_of
        ORDER BY h.global_position DESC LIMIT 1) h;
END $$;

CREATE OR REPLACE FUNCTION tickwerk.balances_as_of(as_of bigint) RETURNS TABLE (
    account_id bigint, currency_id bigint, book text, account text, currency text, balance numeric,
    updated_at timestamptz, global_position bigint)
LANGUAGE plpgsql STABLE ROWS 100 AS $$
#variable_conflict use_column
BEGIN
    PERFORM tickwerk.check_as_of(as_of, 'balances');
    RETURN QUERY
    SELECT b.account_id, b.currency_id, b.book, b.account, b.currency, h.balance, h.recorded_at, h.global_position
    FROM tickwerk.balances b CROSS JOIN LATERAL (
        SELECT * FROM tickwerk.balance_history h
        WHERE h.account_id = b.account_id AND h.currency_id = b.currency_id AND h.book = b.book
            AND h.global_position <= as_of
        ORDER BY h.global_position DESC LIMIT 1) h;
END $$;

-- Orders that were open then; with `also_done` those that were done by then, too. An order's number is the sequence of
-- its request, so one with a larger number was not there.
CREATE OR REPLACE FUNCTION tickwerk.orders_as_of(as_of bigint, also_done boolean DEFAULT false) RETURNS TABLE (
    order_id bigint, account text, symbol text, strategy text, client_order_id text, side text, order_type text,
    time_in_force text, venue text, venue_order_id numeric, status text, price numeric, qty numeric,
    trigger_price numeric, display_qty numeric, cum_qty numeric, leaves_qty numeric, cum_value numeric,
    cum_fee numeric, reason text, created_at timestamptz, updated_at timestamptz, global_position bigint)
LANGUAGE plpgsql STABLE ROWS 1000 AS $$
#variable_conflict use_column
BEGIN
    PERFORM tickwerk.check_as_of(as_of, 'orders');
    RETURN QUERY
    SELECT o.order_id, o.account, o.symbol, o.strategy, o.client_order_id, o.side, o.order_type, o.time_in_force,
        o.venue, h.venue_order_id, h.status, h.price, h.qty, h.trigger_price, h.display_qty, h.cum_qty, h.leaves_qty,
        h.cum_value, h.cum_fee, h.reason, o.created_at, h.recorded_at, h.global_position
    FROM tickwerk.orders o CROSS JOIN LATERAL (
        -- Each event says a part; the last word on each counts.
        SELECT
            (array_agg(h.venue_order_id ORDER BY h.global_position DESC) FILTER (WHERE h.venue_order_id IS NOT NULL))[1]
                AS venue_order_id,
            (array_agg(h.status ORDER BY h.global_position DESC) FILTER (WHERE h.status IS NOT NULL))[1] AS status,
            (array_agg(h.price ORDER BY h.global_position DESC) FILTER (WHERE h.price IS NOT NULL))[1] AS price,
            (array_agg(h.qty ORDER BY h.global_position DESC) FILTER (WHERE h.qty IS NOT NULL))[1] AS qty,
            (array_agg(h.trigger_price ORDER BY h.global_position DESC) FILTER (WHERE h.trigger_price IS NOT NULL))[1]
                AS trigger_price,
            (array_agg(h.display_qty ORDER BY h.global_position DESC) FILTER (WHERE h.display_qty IS NOT NULL))[1]
                AS display_qty,
            (array_agg(h.cum_qty ORDER BY h.global_position DESC) FILTER (WHERE h.cum_qty IS NOT NULL))[1] AS cum_qty,
            (array_agg(h.leaves_qty ORDER BY h.global_position DESC) FILTER (WHERE h.leaves_qty IS NOT NULL))[1]
                AS leaves_qty,
            (array_agg(h.cum_value ORDER BY h.global_position DESC) FILTER (WHERE h.cum_value IS NOT NULL))[1]
                AS cum_value,
            (array_agg(h.cum_fee ORDER BY h.global_position DESC) FILTER (WHERE h.cum_fee IS NOT NULL))[1] AS cum_fee,
            (array_agg(h.reason ORDER BY h.global_position DESC)
                FILTER (WHERE h.reason IS NOT NULL AND h.status IS NOT NULL))[1] AS reason,
            max(h.recorded_at) AS recorded_at,
            max(h.global_position) AS global_position
        FROM tickwerk.order_history h
        WHERE h.order_id = o.order_id AND h.global_position <= as_of) h
    WHERE o.order_id <= as_of AND h.global_position IS NOT NULL
        AND (also_done OR NOT coalesce(o.is_done, false) OR o.global_position > as_of)
        AND (also_done OR h.status NOT IN ('filled', 'canceled', 'rejected', 'expired'));
END $$;

-- Profit of each position so far; `net` is realized + unrealized - fees + funding.
CREATE OR REPLACE FUNCTION tickwerk.profit_as_of(as_of bigint) RETURNS TABLE (
    account_id bigint, instrument_id bigint, side text, account text, symbol text, currency text, realized numeric,
    unrealized numeric, fees numeric, funding numeric, net numeric, updated_at timestamptz, global_position bigint)
LANGUAGE plpgsql STABLE ROWS 100 AS $$
#variable_conflict use_column
BEGIN
    PERFORM tickwerk.check_as_of(as_of, 'positions', 'instruments');
    RETURN QUERY
    SELECT p.account_id, p.instrument_id, p.side, p.account, p.symbol, i.settlement,
        p.realized_total, p.unrealized, p.fees_total,
        coalesce(p.funding_total, p.realized_total * 0),  -- a zero with the currency's decimals
        p.realized_total + p.unrealized - p.fees_total + coalesce(p.funding_total, 0),
        p.updated_at, p.global_position
    FROM tickwerk.positions_as_of(as_of) p LEFT JOIN tickwerk.instruments i USING (instrument_id);
END $$;

CREATE OR REPLACE FUNCTION tickwerk.positions_as_of(as_of timestamptz) RETURNS TABLE (
    account_id bigint, instrument_id bigint, side text, account text, symbol text, qty numeric, open_cost numeric,
    realized_total numeric, unrealized numeric, fees_total numeric, funding_total numeric, mark numeric,
    first_at timestamptz, updated_at timestamptz, global_position bigint)
LANGUAGE sql STABLE ROWS 100 AS $$ SELECT * FROM tickwerk.positions_as_of(tickwerk.sequence_at(as_of)) $$;

CREATE OR REPLACE FUNCTION tickwerk.balances_as_of(as_of timestamptz) RETURNS TABLE (
    account_id bigint, currency_id bigint, book text, account text, currency text, balance numeric,
    updated_at timestamptz, global_position bigint)
LANGUAGE sql STABLE ROWS 100 AS $$ SELECT * FROM tickwerk.balances_as_of(tickwerk.sequence_at(as_of)) $$;

CREATE OR REPLACE FUNCTION tickwerk.orders_as_of(as_of timestamptz, also_done boolean DEFAULT false) RETURNS TABLE (
    order_id bigint, account text, symbol text, strategy text, client_order_id text, side text, order_type text,
    time_in_force text, venue text, venue_order_id numeric, status text, price numeric, qty numeric,
    trigger_price numeric, display_qty numeric, cum_qty numeric, leaves_qty numeric, cum_value numeric,
    cum_fee numeric, reason text, created_at timestamptz, updated_at timestamptz, global_position bigint)
LANGUAGE sql STABLE ROWS 1000 AS $$ SELECT * FROM tickwerk.orders_as_of(tickwerk.sequence_at(as_of), also_done) $$;

CREATE OR REPLACE FUNCTION tickwerk.profit_as_of(as_of timestamptz) RETURNS TABLE (
    account_id bigint, instrument_id bigint, side text, account text, symbol text, currency text, realized numeric,
    unrealized numeric, fees numeric, funding numeric, net numeric, updated_at timestamptz, global_position bigint)
LANGUAGE sql STABLE ROWS 100 AS $$ SELECT * FROM tickwerk.profit_as_of(tickwerk.sequence_at(as_of)) $$;

DO $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = 'tickwerk'::regnamespace
            AND proname IN ('check_as_of', 'sequence_at', 'positions_as_of', 'balances_as_of', 'orders_as_of', 'profit_as_of')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made.name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tickwerk_reader, tickwerk_writer', made.name);
    END LOOP;
END $$;
