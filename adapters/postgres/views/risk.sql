-- Risk figures over the tables of read models. Amounts are exact; correlations are statistics in double precision.

-- What each account is worth and exposed to, in the reference currency.
CREATE OR REPLACE VIEW tickwerk.account_risk AS
SELECT account, equity, gross_exposure, net_exposure, round(gross_exposure / NULLIF(equity, 0), 8) AS leverage,
    peak_equity - equity AS drawdown, round((peak_equity - equity) / NULLIF(peak_equity, 0), 8) AS drawdown_ratio,
    equity - day_equity AS day_result, currency, marked_at, global_position
FROM tickwerk.accounts WHERE equity IS NOT NULL;

-- What is open, by instrument and account, in the settlement currency at the last mark: cost of what is open plus its
-- unrealised profit.
CREATE OR REPLACE VIEW tickwerk.instrument_exposure AS
SELECT symbol, account, sum(GREATEST(open_cost + unrealized, 0)) AS long_value,
    -sum(LEAST(open_cost + unrealized, 0)) AS short_value, sum(open_cost + unrealized) AS net_value,
    sum(abs(open_cost + unrealized)) AS gross_value, max(updated_at) AS updated_at, max(global_position) AS global_position
FROM tickwerk.positions WHERE qty <> 0 GROUP BY symbol, account;

-- Refuses a window that no answer can be given for, rather than give an empty one.
CREATE OR REPLACE FUNCTION tickwerk.check_window(
    of_kind text, from_time timestamptz, to_time timestamptz, step interval, confidence numeric DEFAULT 0.5) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    IF of_kind IS NULL OR of_kind NOT IN ('account', 'instrument', 'strategy') THEN
        RAISE EXCEPTION 'there is no profit of kind %', COALESCE(of_kind, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'account, instrument or strategy';
    ELSIF step IS NULL OR step <= interval '0' THEN
        RAISE EXCEPTION '% is no step of time', COALESCE(step::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'such as interval ''1 minute'', or a period of candles';
    ELSIF from_time IS NULL OR to_time IS NULL OR NOT isfinite(from_time) OR to_time <= from_time THEN
        RAISE EXCEPTION 'nothing lies between % and %', COALESCE(from_time::text, 'NULL'), COALESCE(to_time::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'a window begins at a time and ends at a later one';
    ELSIF confidence IS NULL OR confidence <= 0 OR confidence >= 1 THEN
        RAISE EXCEPTION '% is no confidence', COALESCE(confidence::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'between 0 and 1, such as 0.99';
    END IF;
END $$;

-- Profit by steps of time, of an account (change of equity in the reference currency; steps with a deposit or withdrawal
-- are left out), an instrument or a strategy (realised and unrealised, less fees, plus funding, in the settlement currency).
-- The profit of a strategy is that of the position it trades; where others trade in the same position, theirs is in it.
-- A step without a mark is no observation.
CREATE OR REPLACE FUNCTION tickwerk.profit_changes(
    of_kind text, of_name text, from_time timestamptz, to_time timestamptz, step interval)
RETURNS TABLE (started_at timestamptz, change numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, tickwerk, pg_temp AS $$
SELECT tickwerk.check_window(of_kind, from_time, to_time, step);
WITH position AS (
    SELECT account_id, instrument_id, side FROM tickwerk.positions p
    WHERE of_kind = 'instrument' AND symbol = of_name
        OR of_kind = 'strategy' AND EXISTS (SELECT FROM tickwerk.strategies s WHERE s.strategy = of_name
            AND s.account_id = p.account_id AND s.instrument_id = p.instrument_id)
), point AS (
    SELECT account_id, instrument_id, side, h.global_position, date_bin(step, h.recorded_at, from_time) AS bin,
        h.realized_total + h.unrealized - h.fees_total AS profit, COALESCE(h.funding, 0) AS funding
    FROM position JOIN tickwerk.position_history h USING (account_id, instrument_id, side)
    WHERE h.recorded_at >= from_time AND h.recorded_at < to_time
), last AS (
    SELECT DISTINCT ON (account_id, instrument_id, side, bin) account_id, instrument_id, side, bin, profit
    FROM point WHERE profit IS NOT NULL ORDER BY account_id, instrument_id, side, bin, global_position DESC
), of_position AS (
    SELECT bin, last.profit - COALESCE(
        lag(last.profit) OVER (PARTITION BY account_id, instrument_id, side ORDER BY bin), before.profit, 0) AS change
    FROM last LEFT JOIN LATERAL (
        SELECT h.realized_total + h.unrealized - h.fees_total AS profit FROM tickwerk.position_history h
        WHERE h.account_id = last.account_id AND h.instrument_id = last.instrument_id AND h.side = last.side
            AND h.recorded_at < from_time AND h.realized_total IS NOT NULL
        ORDER BY h.global_position DESC LIMIT 1) AS before ON true
    UNION ALL
    SELECT bin, funding FROM point WHERE funding <> 0
), worth AS (
    SELECT DISTINCT ON (bin) date_bin(step, w.recorded_at, from_time) AS bin, w.equity, w.account_id, w.global_position
    FROM tickwerk.accounts a JOIN tickwerk.account_worth w USING (account_id)
    WHERE of_kind = 'account' AND a.account = of_name AND w.recorded_at >= from_time AND w.recorded_at < to_time
    ORDER BY bin, w.global_position DESC
), of_account AS (
    SELECT bin, equity - lag(equity) OVER w AS change, account_id, lag(global_position) OVER w AS after, global_position AS through
    FROM worth WINDOW w AS (ORDER BY bin)
)
SELECT bin, sum(change) FROM of_position GROUP BY bin
UNION ALL
SELECT bin, change FROM of_account WHERE change IS NOT NULL AND NOT EXISTS (SELECT FROM tickwerk.cash_transfers t
    WHERE t.account_id = of_account.account_id AND t.global_position > after AND t.global_position <= through)
$$;

-- Value at risk and expected shortfall by historical simulation: of the losses of all steps in the window, the quantile at
-- `confidence` (value at risk; Jorion, Value at Risk, on historical simulation), and the average of the losses from there
-- on (expected shortfall; Acerbi and Tasche, On the coherence of expected shortfall, 2002). A negative loss is a gain.
CREATE OR REPLACE FUNCTION tickwerk.value_at_risk(
    of_kind text, of_name text, confidence numeric, from_time timestamptz, to_time timestamptz, step interval)
RETURNS TABLE (observations bigint, value_at_risk numeric, expected_shortfall numeric, worst_loss numeric, mean_change numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, tickwerk, pg_temp AS $$
SELECT tickwerk.check_window(of_kind, from_time, to_time, step, confidence);
WITH loss AS (
    SELECT -change AS loss FROM tickwerk.profit_changes(of_kind, of_name, from_time, to_time, step)
), quantile AS (
    SELECT percentile_disc(confidence::double precision) WITHIN GROUP (ORDER BY loss) AS at FROM loss
)
SELECT count(*), min(quantile.at), avg(loss) FILTER (WHERE loss >= quantile.at), max(loss), -avg(loss)
FROM loss CROSS JOIN quantile
$$;

-- How instruments move together: Pearson's coefficient of logarithmic returns, ln(close / close before), of candles of one
-- period that both have; made of trades where there are any.
CREATE OR REPLACE FUNCTION tickwerk.instrument_correlation(of_period text, from_time timestamptz, to_time timestamptz)
RETURNS TABLE (symbol text, other text, observations bigint, correlation double precision)
LANGUAGE sql STABLE SET search_path = pg_catalog, tickwerk, pg_temp AS $$
SELECT tickwerk.check_window('instrument', from_time, to_time,
    CASE of_period WHEN '1s' THEN interval '1 s' WHEN '1m' THEN '1 min' WHEN '1h' THEN '1 h' WHEN '1d' THEN '1 day' END);
WITH candle AS (
    SELECT DISTINCT ON (instrument_id, started_at) symbol, started_at, close FROM tickwerk.candles
    WHERE period = of_period AND started_at >= from_time AND started_at < to_time AND close > 0
    ORDER BY instrument_id, started_at, source DESC
), moved AS (
    SELECT symbol, started_at, ln((close / lag(close) OVER (PARTITION BY symbol ORDER BY started_at))::double precision) AS by
    FROM candle
)
SELECT a.symbol, b.symbol, regr_count(a.by, b.by), corr(a.by, b.by)
FROM moved a JOIN moved b ON a.started_at = b.started_at AND a.symbol < b.symbol
GROUP BY a.symbol, b.symbol
$$;

-- How strategies earn together: Pearson's coefficient of their profit in steps that both have.
CREATE OR REPLACE FUNCTION tickwerk.strategy_correlation(from_time timestamptz, to_time timestamptz, step interval)
RETURNS TABLE (strategy text, other text, observations bigint, correlation double precision)
LANGUAGE sql STABLE SET search_path = pg_catalog, tickwerk, pg_temp AS $$
SELECT tickwerk.check_window('strategy', from_time, to_time, step);
WITH moved AS (
    SELECT s.strategy, c.started_at, c.change::double precision AS by
    FROM tickwerk.strategies s
    CROSS JOIN LATERAL tickwerk.profit_changes('strategy', s.strategy, from_time, to_time, step) c
)
SELECT a.strategy, b.strategy, regr_count(a.by, b.by), corr(a.by, b.by)
FROM moved a JOIN moved b ON a.started_at = b.started_at AND a.strategy < b.strategy
GROUP BY a.strategy, b.strategy
$$;
