-- Views over several read models. Runs as tickwerk_owner, after the tables of read models.
-- Money is numeric; ratios without a unit (rates, factors, returns) are numeric or, where logarithms need it, double precision.

-- Statistics of trades that ended, in all three cuts. Amounts of two currencies are never added.
CREATE OR REPLACE VIEW tickwerk.trade_statistics_unified AS
SELECT
    CASE WHEN grouping(account) = 0 THEN 'account' WHEN grouping(symbol) = 0 THEN 'instrument' ELSE 'strategy' END AS scope,
    coalesce(account, symbol, strategy) AS name,
    currency,
    sum(trades)::bigint AS trades,
    sum(wins)::bigint AS wins,
    sum(losses)::bigint AS losses,
    round(sum(wins) / nullif(sum(trades), 0), 6) AS win_rate,
    round(sum(gross_profit) / nullif(sum(wins), 0), 8) AS average_win,
    round(sum(gross_loss) / nullif(sum(losses), 0), 8) AS average_loss,
    round(sum(gross_profit) / nullif(-sum(gross_loss), 0), 6) AS profit_factor,  -- NULL without a loss
    sum(gross_profit) + sum(gross_loss) AS net,
    max(largest_win) AS largest_win,
    min(largest_loss) AS largest_loss,
    sum(fees) AS fees,
    sum(funding) AS funding,
    round(sum(holding_s) / nullif(sum(trades), 0), 6) AS average_holding_s,
    max(longest_s) AS longest_s,
    min(first_at) AS first_at,
    max(last_at) AS last_at,
    max(global_position) AS global_position
FROM tickwerk.trade_statistics
GROUP BY GROUPING SETS ((account, currency), (symbol, currency), (strategy, currency))
-- What counts nothing any more (its fills were taken back) is not there.
HAVING coalesce(account, symbol, strategy) IS NOT NULL AND sum(trades) > 0;

-- Profit by minute or day of strategies, instruments and accounts.
CREATE OR REPLACE VIEW tickwerk.profit_series_unified AS
SELECT of.scope, of.name, s.period, s.bucket, s.currency,
    sum(s.realized) AS realized, sum(s.fees) AS fees, sum(s.funding) AS funding,
    sum(s.realized) - sum(s.fees) + sum(s.funding) AS net,
    sum(s.volume) AS volume, coalesce(sum(s.fills), 0)::bigint AS fills, max(s.global_position) AS global_position
FROM tickwerk.profit_series s
CROSS JOIN LATERAL (VALUES ('account', s.account), ('instrument', s.symbol), ('strategy', s.strategy)) AS of (scope, name)
WHERE of.name IS NOT NULL
GROUP BY of.scope, of.name, s.period, s.bucket, s.currency;

-- The latest signal for each instrument and strategy. `confidence` is the share of the strategy's trades in the
-- instrument that won, NULL before the first one ended; `history` has the last ten signals, the newest first.
CREATE OR REPLACE VIEW tickwerk.stock_analysis_unified AS
SELECT l.symbol, l.strategy, l.instrument_id, l.strategy_id,
    l.direction,
    CASE l.direction WHEN 'long' THEN 'buy' WHEN 'short' THEN 'sell' ELSE 'hold' END AS recommendation,
    l.strength, t.confidence, l.fast, l.slow, l.changed_at, l.first_at, l.changes,
    t.trades, t.net, t.profit_factor, t.currency,
    h.history,
    l.global_position
FROM tickwerk.latest_signals l
LEFT JOIN LATERAL (
    SELECT min(s.currency) AS currency, sum(s.trades)::bigint AS trades,
        round(sum(s.wins) / nullif(sum(s.trades), 0), 6) AS confidence,
        sum(s.gross_profit) + sum(s.gross_loss) AS net,
        round(sum(s.gross_profit) / nullif(-sum(s.gross_loss), 0), 6) AS profit_factor
    FROM tickwerk.trade_statistics s
    WHERE s.instrument_id = l.instrument_id AND s.strategy_id = l.strategy_id) t ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('at', n.recorded_at, 'direction', n.direction, 'strength', n.strength::text,
        'fast', n.fast::text, 'slow', n.slow::text, 'global_position', n.global_position)
        ORDER BY n.global_position DESC) AS history
    FROM (SELECT * FROM tickwerk.signals s
        WHERE s.instrument_id = l.instrument_id AND s.strategy_id = l.strategy_id
        ORDER BY s.global_position DESC LIMIT 10) n) h ON true;

-- How portfolios did, day by day. The return of a day leaves out what came and went in the reference currency; transfers
-- in others are told by `has_other_transfers`. Returns are chained from an owner's first day.
CREATE OR REPLACE VIEW tickwerk.portfolio_performance_unified AS
SELECT d.owner, d.account_id, d.day::date AS day, d.currency, d.day_equity, d.equity, d.equity_high, d.equity_low,
    d.peak_equity, d.transfers, d.has_other_transfers, d.gain, d.day_return,
    -- A day that lost everything ends the chain.
    CASE WHEN bool_or(d.day_return <= -1) OVER w THEN -1
        ELSE exp(sum(ln(1 + CASE WHEN d.day_return > -1 THEN d.day_return ELSE 0 END::double precision)) OVER w) - 1
    END AS total_return,
    round((d.peak_equity - d.equity) / nullif(d.peak_equity, 0), 8) AS drawdown,
    d.gross_exposure, d.net_exposure,
    round(d.gross_exposure / nullif(d.equity, 0), 6) AS leverage,
    f.flows, p.profits, d.global_position
FROM (
    SELECT s.*, t.transfers, t.has_other_transfers, s.equity - s.day_equity - t.transfers AS gain,
        coalesce(round((s.equity - s.day_equity - t.transfers) / nullif(s.day_equity, 0), 8), 0) AS day_return
    FROM tickwerk.portfolio_snapshots s CROSS JOIN LATERAL (
        SELECT coalesce(sum(coalesce(deposits, 0) - coalesce(withdrawals, 0)) FILTER (WHERE f.currency = s.currency), 0)
                AS transfers,
            coalesce(bool_or(coalesce(deposits, 0) + coalesce(withdrawals, 0) > 0)
                FILTER (WHERE f.currency IS DISTINCT FROM s.currency), false) AS has_other_transfers
        FROM tickwerk.portfolio_flows f WHERE f.day = s.day AND f.account_id = s.account_id) t) d
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(coalesce(f.currency, f.currency_id::text), jsonb_strip_nulls(jsonb_build_object(
        'deposits', f.deposits::text, 'withdrawals', f.withdrawals::text, 'traded', f.traded::text,
        'fees', f.fees::text, 'funding', f.funding::text, 'adjusted', f.adjusted::text))) AS flows
    FROM tickwerk.portfolio_flows f WHERE f.day = d.day AND f.account_id = d.account_id) f ON true
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(of.currency, jsonb_build_object('realized', of.realized::text, 'fees', of.fees::text,
        'funding', of.funding::text, 'fills', of.fills)) AS profits
    FROM (SELECT coalesce(s.currency, '') AS currency, sum(s.realized) AS realized, sum(s.fees) AS fees,
            sum(s.funding) AS funding, coalesce(sum(s.fills), 0) AS fills
        FROM tickwerk.profit_series s
        WHERE s.period = 'day' AND s.bucket = d.day AND s.account_id = d.account_id GROUP BY s.currency) of) p ON true
WINDOW w AS (PARTITION BY d.account_id ORDER BY d.day);

-- Who changed what and why; partitions that were dropped, how long events are kept, and what is selected, included.
CREATE OR REPLACE VIEW tickwerk.audit_log AS
SELECT recorded_at, category, action, subject, account, symbol, strategy, before, after, reason, outcome, refusal, actor,
    source, details, global_position
FROM tickwerk.audit_entries
UNION ALL
SELECT happened_at, 'retention', act, subject, NULL, NULL, NULL, COALESCE(details ->> 'before', details ->> 'rows'),
    COALESCE(details ->> 'after', '0'), reason, 'done', NULL,
    actor, 'database', details || jsonb_build_object('done_by', done_by), NULL
FROM tickwerk.act
UNION ALL
SELECT chosen_at, 'configuration', 'selection', 'events', NULL, NULL, NULL,
    lag(format('families %s; market data: %s', array_to_string(families, ', '), market)) OVER (ORDER BY from_position),
    format('families %s; market data: %s', array_to_string(families, ', '), market), NULL, 'done', NULL,
    chosen_by, 'database', jsonb_build_object('from_position', from_position), from_position
FROM tickwerk.selection;
