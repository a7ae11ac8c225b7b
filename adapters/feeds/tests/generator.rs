//! The generated market is the same for the same seed, consistent in itself, and has the habits of a market.

#![expect(clippy::float_arithmetic, reason = "statistics over the generated prices")]
#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "test code")]

use std::collections::BTreeMap;
use tickwerk_domain::{
    Aggressor, Command, InstrumentId, Payload, Price, Qty, Record, Side, SourceId, TimeNs,
};
use tickwerk_feeds::{Generator, GeneratorConfig, GeneratorError, GeneratorInstrument};

fn config(seed: u64) -> GeneratorConfig {
    let liquid = GeneratorInstrument {
        instrument: InstrumentId(1),
        reference_price: Price(6_180_000),
        tick_size: Price(10),
        lot_size: Qty(1_000),
        typical_size: Qty(500_000),
        spread_ticks: 1,
        volatility: 150,
        arrivals_per_second: 200,
    };
    let wide = GeneratorInstrument {
        instrument: InstrumentId(2),
        reference_price: Price(268_000),
        tick_size: Price(1),
        spread_ticks: 3,
        volatility: 400,
        arrivals_per_second: 60,
        ..liquid
    };
    let wild = GeneratorInstrument {
        instrument: InstrumentId(7),
        reference_price: Price(50_000),
        tick_size: Price(5),
        lot_size: Qty(1),
        typical_size: Qty(1),
        spread_ticks: 2,
        volatility: 2_000,
        arrivals_per_second: 20,
    };
    let start_time = TimeNs(1_700_000_000_000_000_000);
    GeneratorConfig { seed, start_time, source: SourceId(17), instruments: vec![liquid, wide, wild] }
}

fn records(seed: u64, count: usize) -> Vec<Record> {
    let mut batch = Vec::new();
    Generator::new(&config(seed)).unwrap().fill(&mut batch, count);
    batch
}

fn command(record: &Record) -> Command {
    match record.payload {
        Payload::Command(command) => command,
        Payload::Event(_) => panic!("a feed has commands only"),
    }
}

#[test]
fn a_seed_is_a_market_and_a_skip_is_its_suffix() {
    let first = records(1, 20_000);
    assert_eq!(first, records(1, 20_000));
    assert_eq!(first, Generator::new(&config(1)).unwrap().take(20_000).collect::<Vec<_>>());
    assert_ne!(first, records(2, 20_000));
    let mut resumed = Generator::new(&config(1)).unwrap();
    resumed.skip_through(12_345);
    assert_eq!(first[12_345..], resumed.take(20_000 - 12_345).collect::<Vec<_>>());
}

#[test]
fn the_first_records_never_change() {
    // The generator is a fixture: a change of its output is a change of every journal made from it.
    let mut sum: u64 = 0;
    for record in records(42, 50_000) {
        let mut text = format!("{:?}", command(&record)).into_bytes();
        text.extend(record.envelope.time_ns.0.to_le_bytes());
        // FNV-1a, 64 bits.
        sum = text.iter().fold(sum ^ 0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    }
    assert_eq!(
        sum, 6_272_405_189_982_424_881,
        "the generated records changed; if that was meant, write the new sum here"
    );
}

/// One instrument's market as a reader of the records sees it.
#[derive(Default)]
struct Seen {
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    quote: Option<[i64; 4]>,
    touch_after_trade: Option<(Side, Price, Qty)>,
    update_id: u64,
    trade_id: u64,
    kinds: [u64; 3],
}

impl Seen {
    fn top(&self) -> [i64; 4] {
        let (bid, ask) = (self.bids.last_key_value().unwrap(), self.asks.first_key_value().unwrap());
        [bid.0.0, bid.1.0, ask.0.0, ask.1.0]
    }

    fn side(&mut self, side: Side) -> &mut BTreeMap<Price, Qty> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Takes one record; what must follow from it is checked at the next.
    fn take(&mut self, command: &Command) {
        match *command {
            Command::BookDelta(delta) => {
                self.kinds[0] += 1;
                for (side, level) in delta.sided_levels() {
                    if level.qty == Qty::ZERO {
                        self.side(side)
                            .remove(&level.price)
                            .expect("only levels that are there are taken away");
                    } else {
                        self.side(side).insert(level.price, level.qty);
                    }
                }
                assert!(delta.update_id == self.update_id || delta.update_id == self.update_id + 1);
                self.update_id = delta.update_id;
                if !delta.is_last() {
                    return;
                }
                assert_eq!((self.bids.len(), self.asks.len()), (20, 20));
                let [bid, bid_qty, ask, ask_qty] = self.top();
                assert!(0 < bid && bid < ask && bid_qty > 0 && ask_qty > 0, "crossed: {:?}", self.top());
                if let Some((side, price, left)) = self.touch_after_trade.take() {
                    let resting = self.side(side).get(&price).copied().unwrap_or_default();
                    assert_eq!(resting, left, "the trade takes from the book");
                }
            }
            Command::QuoteObserved(quote) => {
                self.kinds[1] += 1;
                let told = [quote.bid_price.0, quote.bid_qty.0, quote.ask_price.0, quote.ask_qty.0];
                assert_eq!((told, quote.update_id), (self.top(), self.update_id));
                assert_ne!(self.quote, Some(told), "a quote tells something new");
                self.quote = Some(told);
            }
            Command::TradeObserved(trade) => {
                self.kinds[2] += 1;
                assert_eq!(trade.trade_id, self.trade_id + 1);
                self.trade_id = trade.trade_id;
                let [bid, bid_qty, ask, ask_qty] = self.quote.unwrap();
                let (side, price, resting) = match trade.aggressor {
                    Aggressor::Buyer => (Side::Sell, ask, ask_qty),
                    Aggressor::Seller => (Side::Buy, bid, bid_qty),
                    Aggressor::Unknown => panic!("the aggressor is known"),
                };
                assert_eq!(trade.price.0, price, "a trade happens at the touch");
                assert!(0 < trade.qty.0 && trade.qty.0 <= resting);
                self.touch_after_trade = Some((side, trade.price, Qty(resting - trade.qty.0)));
            }
            ref other => panic!("{other:?} is not market data"),
        }
    }
}

fn instrument_of(command: &Command) -> InstrumentId {
    match command {
        Command::BookDelta(delta) => delta.instrument,
        Command::QuoteObserved(quote) => quote.instrument,
        Command::TradeObserved(trade) => trade.instrument,
        other => panic!("{other:?} is not market data"),
    }
}

#[test]
fn book_quotes_and_trades_tell_one_story() {
    for seed in 0..4 {
        let mut seen: BTreeMap<InstrumentId, Seen> = BTreeMap::new();
        let mut time = TimeNs::UNKNOWN;
        let mut pending_top: Option<(InstrumentId, [i64; 4])> = None;
        for (index, record) in records(seed, 100_000).iter().enumerate() {
            let envelope = record.envelope;
            assert_eq!((envelope.source, envelope.source_sequence), (SourceId(17), index as u64 + 1));
            assert!(time <= envelope.time_ns, "time ran backwards");
            time = envelope.time_ns;
            let command = command(record);
            let instrument = instrument_of(&command);
            let market = seen.entry(instrument).or_default();
            market.take(&command);
            if let Some(pending) = pending_top.take() {
                assert_eq!(
                    Some(pending),
                    market.quote.map(|quote| (instrument, quote)),
                    "the top was not quoted"
                );
            }
            if let Command::BookDelta(delta) = command
                && delta.is_last()
                && market.quote != Some(market.top())
            {
                pending_top = Some((instrument, market.top()));
            }
        }
        for (instrument, market) in &seen {
            let [deltas, quotes, trades] = market.kinds;
            assert!(
                trades * 30 > deltas && quotes * 5 > deltas && trades < quotes,
                "{instrument}: {:?}",
                market.kinds
            );
        }
    }
}

#[test]
fn the_spread_is_one_to_a_few_ticks() {
    let (mut usual, mut total) = ([0_u64; 8], [0_u64; 8]);
    for record in records(3, 300_000) {
        let Command::QuoteObserved(quote) = command(&record) else { continue };
        let character = config(3).instruments.into_iter().find(|c| c.instrument == quote.instrument).unwrap();
        let ticks = (quote.ask_price.0 - quote.bid_price.0) / character.tick_size.0;
        let wanted = i64::from(character.spread_ticks);
        assert!((1..=wanted + 7).contains(&ticks), "{ticks} ticks, usually {wanted}");
        let index = quote.instrument.0 as usize;
        usual[index] += u64::from(ticks <= wanted + 1);
        total[index] += 1;
    }
    for index in [1, 2, 7] {
        assert!(usual[index] * 10 > total[index] * 7, "usual spread in {} of {}", usual[index], total[index]);
    }
}

/// Changes of the mid in half ticks over windows of time, and trades in each window, for instrument 1.
fn windows(seed: u64, count: usize, window_ns: u64) -> (Vec<f64>, Vec<f64>) {
    let start = config(seed).start_time.0;
    let (mut returns, mut arrivals) = (Vec::new(), Vec::new());
    let (mut mid, mut mid_before, mut trades, mut index) = (0, 0, 0_u32, 0);
    for record in records(seed, count) {
        let window = (record.envelope.time_ns.0 - start) / window_ns;
        while index < window {
            returns.push(f64::from(i32::try_from(mid - mid_before).unwrap()));
            arrivals.push(f64::from(std::mem::take(&mut trades)));
            mid_before = mid;
            index += 1;
        }
        match command(&record) {
            Command::QuoteObserved(quote) if quote.instrument == InstrumentId(1) => {
                mid = (quote.bid_price.0 + quote.ask_price.0) / 10;
                mid_before = if mid_before == 0 { mid } else { mid_before };
            }
            Command::TradeObserved(trade) if trade.instrument == InstrumentId(1) => trades += 1,
            _ => {}
        }
    }
    (returns, arrivals)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap())
}

fn central_moment(values: &[f64], power: i32) -> f64 {
    let mean = mean(values);
    self::mean(&values.iter().map(|value| (value - mean).powi(power)).collect::<Vec<_>>())
}

fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let mean = mean(values);
    let products: Vec<f64> = values.windows(lag + 1).map(|w| (w[0] - mean) * (w[lag] - mean)).collect();
    self::mean(&products) / central_moment(values, 2)
}

#[test]
fn volatility_clusters_tails_are_fat_and_trades_come_in_bursts() {
    let (returns, arrivals) = windows(11, 1_000_000, 1_000_000_000);
    assert!(returns.len() > 1_000, "{} windows", returns.len());
    let absolute: Vec<f64> = returns.iter().map(|value| value.abs()).collect();
    // A permutation keeps the distribution and loses the order: every 7,919th, over and over.
    let count = absolute.len();
    let stride = if count.is_multiple_of(7_919) { 7_907 } else { 7_919 };
    let shuffled: Vec<f64> = (0..count).map(|index| absolute[index * stride % count]).collect();
    let (ordered, without_order) = (autocorrelation(&absolute, 1), autocorrelation(&shuffled, 1));
    let kurtosis = central_moment(&returns, 4) / central_moment(&returns, 2).powi(2);
    let dispersion = central_moment(&arrivals, 2) / mean(&arrivals);
    let drift = autocorrelation(&returns, 1);
    println!(
        "{count} windows of 1 s: |return| autocorrelation {ordered:.3} (shuffled {without_order:.3}), kurtosis \
         {kurtosis:.2}, return autocorrelation {drift:.3}, variance ÷ mean of trades {dispersion:.2}"
    );
    assert!(ordered > 0.1 && ordered > without_order + 0.1);
    assert!(kurtosis > 4.0, "a bell curve has 3");
    assert!(dispersion > 2.0, "a Poisson process has 1");
    assert!(drift.abs() < 0.3, "returns themselves are nearly unrelated");
}

#[test]
fn fast_and_slow_averages_cross_and_trends_are_there() {
    let (mut fast, mut slow, mut crossings, mut above) = (0.0, 0.0, 0, false);
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for record in records(5, 300_000) {
        let Command::QuoteObserved(quote) = command(&record) else { continue };
        if quote.instrument != InstrumentId(1) {
            continue;
        }
        let mid = f64::from(i32::try_from(quote.bid_price.0 + quote.ask_price.0).unwrap()) / 20.0;
        (low, high) = (low.min(mid), high.max(mid));
        if fast == 0.0 {
            (fast, slow) = (mid, mid);
        }
        fast += (mid - fast) * 2.0 / 51.0;
        slow += (mid - slow) * 2.0 / 201.0;
        crossings += u32::from((fast > slow) != above);
        above = fast > slow;
    }
    println!("{crossings} crossings of EMA 50 and 200, range of the mid {low} to {high} ticks");
    assert!(crossings > 50, "{crossings} crossings");
    assert!(high - low > 50.0, "the price went from {low} to {high} ticks");
}

#[test]
fn sizes_have_a_heavy_tail() {
    let mut sizes: Vec<i64> = records(9, 300_000)
        .iter()
        .filter_map(|record| match command(record) {
            Command::QuoteObserved(quote) if quote.instrument == InstrumentId(1) => Some(quote.bid_qty.0),
            _ => None,
        })
        .collect();
    sizes.sort_unstable();
    let at = |percent: usize| sizes[sizes.len() * percent / 100];
    assert!(at(99) > 8 * at(50), "median {}, 99 % {}", at(50), at(99));
    assert!(sizes.iter().all(|size| size % 1_000 == 0), "lots");
}

#[test]
fn a_bad_configuration_is_named() {
    let with = |change: fn(&mut GeneratorInstrument)| {
        let mut config = config(1);
        change(&mut config.instruments[1]);
        Generator::new(&config).map(|_| ()).unwrap_err()
    };
    let field = |change| match with(change) {
        GeneratorError::OutOfRange { instrument: InstrumentId(2), field, .. } => field,
        other => panic!("{other}"),
    };
    assert_eq!(field(|c| c.tick_size = Price(0)), "tick_size");
    assert_eq!(field(|c| c.lot_size = Qty(-1)), "lot_size");
    assert_eq!(field(|c| c.reference_price = Price(4_095)), "reference_price");
    assert_eq!(field(|c| c.reference_price = Price(i64::MAX)), "reference_price");
    assert_eq!(field(|c| (c.tick_size, c.reference_price) = (Price(2), Price(99_999))), "reference_price");
    assert_eq!(field(|c| c.typical_size = Qty(999)), "typical_size");
    assert_eq!(field(|c| c.spread_ticks = 0), "spread_ticks");
    assert_eq!(field(|c| c.volatility = 2_001), "volatility");
    assert_eq!(field(|c| c.arrivals_per_second = 0), "arrivals_per_second");
    assert_eq!(
        with(|c| c.instrument = InstrumentId(1)),
        GeneratorError::Duplicate { instrument: InstrumentId(1) }
    );
    let nothing = GeneratorConfig { instruments: Vec::new(), ..config(1) };
    assert_eq!(Generator::new(&nothing).map(|_| ()).unwrap_err(), GeneratorError::NoInstruments);
    let timeless = GeneratorConfig { start_time: TimeNs::UNKNOWN, ..config(1) };
    assert_eq!(Generator::new(&timeless).map(|_| ()).unwrap_err(), GeneratorError::NoStartTime);
}

#[test]
fn the_largest_and_the_smallest_values_that_are_allowed_work() {
    let extreme = GeneratorInstrument {
        instrument: InstrumentId(1),
        reference_price: Price((1 << 60) - (1 << 20)),
        tick_size: Price(1 << 20),
        lot_size: Qty(1 << 26),
        typical_size: Qty(1 << 49),
        spread_ticks: 32,
        volatility: 2_000,
        arrivals_per_second: 1_000_000,
    };
    let tiny = GeneratorInstrument {
        instrument: InstrumentId(2),
        reference_price: Price(4_096),
        tick_size: Price(1),
        lot_size: Qty(1),
        typical_size: Qty(1),
        spread_ticks: 1,
        volatility: 1,
        arrivals_per_second: 1,
    };
    let instruments = vec![extreme, tiny];
    let config = GeneratorConfig { seed: 1, start_time: TimeNs(1), source: SourceId(16), instruments };
    assert_eq!(Generator::new(&config).unwrap().take(300_000).count(), 300_000);
}
