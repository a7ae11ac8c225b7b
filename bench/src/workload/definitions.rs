//! What exists in the workload: markets, accounts, limits, strategies.

use super::market::MarketModel;
use super::random::Random;
use super::{SEED, START, record};
use tickwerk_domain::command::{
    AccountDefined, CashTransferred, CurrencyDefined, LimitSet, RulesActivated, SimulatedVenueSet,
    StrategyDefined, TextDefined,
};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, DurationNs, Instrument, InstrumentId, InstrumentKind, LimitKind, Money,
    PositionMode, Price, Qty, Rate, Record, SourceId, StrategyId, TextBytes, TextId,
};
use tickwerk_engine::machine::RULES_VERSION;

const USDT: CurrencyId = CurrencyId(1);
const BTC: CurrencyId = CurrencyId(2);
const ETH: CurrencyId = CurrencyId(3);
/// Decimals of every currency.
const CURRENCY_SCALE: u8 = 8;
/// The accounts whose orders the workload holds.
pub(super) const TRADERS: [AccountId; 3] = [AccountId(1), AccountId(2), AccountId(3)];
/// The account of the strategies.
const STRATEGIST: AccountId = AccountId(4);
/// The stable number of the EMA crossover.
const EMA_CROSS: u16 = 1;
/// Far more than fees and losses can ever take: a run has no end that money gives it.
const DEPOSIT: i128 = 1_000_000_000_000_000_000_000_000;
/// Open orders of an account; steady state has some fifty.
const OPEN_ORDERS_MAX: i64 = 1_000;
/// 2 %.
const COLLAR: Rate = Rate(2_000_000);
const VENUE_LATENCY: DurationNs = DurationNs(100_000);

/// How a market is observed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    Quotes,
    Book,
}

/// A market; prices and quantities are mantissas.
#[derive(Debug)]
pub(super) struct MarketSettings {
    pub(super) instrument: InstrumentId,
    pub(super) price: i64,
    pub(super) tick: i64,
    pub(super) lot: i64,
    pub(super) order_lots_max: i64,
    pub(super) seen: Seen,
    kind: InstrumentKind,
    base: CurrencyId,
    price_scale: u8,
    quantity_scale: u8,
    multiplier: i64,
    symbol: &'static str,
}

pub(super) const MARKETS: [MarketSettings; 4] = [
    MarketSettings {
        instrument: InstrumentId(1),
        price: 6_000_000,
        tick: 10,
        lot: 100,
        order_lots_max: 50,
        seen: Seen::Quotes,
        kind: InstrumentKind::Spot,
        base: BTC,
        price_scale: 2,
        quantity_scale: 5,
        multiplier: 1,
        symbol: "BTCUSDT",
    },
    MarketSettings {
        instrument: InstrumentId(2),
        price: 600_000,
        tick: 10,
        lot: 5,
        order_lots_max: 50,
        seen: Seen::Book,
        kind: InstrumentKind::Linear,
        base: BTC,
        price_scale: 1,
        quantity_scale: 3,
        multiplier: 1,
        symbol: "BTCUSDT-PERP",
    },
    MarketSettings {
        instrument: InstrumentId(3),
        price: 250_000,
        tick: 10,
        lot: 10,
        order_lots_max: 50,
        seen: Seen::Quotes,
        kind: InstrumentKind::Linear,
        base: ETH,
        price_scale: 2,
        quantity_scale: 3,
        multiplier: 1,
        symbol: "ETHUSDT-PERP",
    },
    MarketSettings {
        instrument: InstrumentId(4),
        price: 600_000,
        tick: 10,
        lot: 1,
        order_lots_max: 50,
        seen: Seen::Book,
        kind: InstrumentKind::Inverse,
        base: BTC,
        price_scale: 1,
        quantity_scale: 0,
        multiplier: 100,
        symbol: "BTCUSD-PERP",
    },
];

/// The commands that come before a workload: definitions, limits, strategies and the first state of each market.
pub fn setup() -> Vec<Record> {
    let mut commands: Vec<Command> = vec![RulesActivated { version: RULES_VERSION }.into()];
    let mut texts = 0;
    let mut text = |text: &str, commands: &mut Vec<Command>| {
        texts += 1;
        let bytes = TextBytes::new(text).expect("the workload's names are texts");
        commands.push(TextDefined { text_id: TextId(texts), text: bytes }.into());
        TextId(texts)
    };
    let reason = text("workload", &mut commands);
    for (currency, code) in [(USDT, "USDT"), (BTC, "BTC"), (ETH, "ETH")] {
        let code = text(code, &mut commands);
        commands.push(CurrencyDefined { currency, code, scale: CURRENCY_SCALE }.into());
    }
    for market in &MARKETS {
        let symbol = text(market.symbol, &mut commands);
        commands.push(market.definition(symbol).into());
        commands.push(SimulatedVenueSet::touch(market.instrument, VENUE_LATENCY).into());
    }
    for account in TRADERS.into_iter().chain([STRATEGIST]) {
        let name = text(&format!("account-{account}"), &mut commands);
        commands.push(AccountDefined { account, name, mode: PositionMode::Netting }.into());
        for currency in [USDT, BTC, ETH] {
            let amount = Money::new(DEPOSIT);
            commands.push(CashTransferred { amount, account, currency, reason }.into());
        }
        let (instrument, kind) = (InstrumentId::NONE, LimitKind::OpenOrders);
        commands.push(
            LimitSet {
                value: OPEN_ORDERS_MAX,
                account,
                instrument,
                strategy: StrategyId::NONE,
                reason,
                kind,
            }
            .into(),
        );
    }
    let (account, instrument, kind) = (AccountId::NONE, InstrumentId::NONE, LimitKind::PriceCollar);
    commands.push(
        LimitSet { value: COLLAR.0, account, instrument, strategy: StrategyId::NONE, reason, kind }.into(),
    );
    for market in &MARKETS {
        let instrument = market.instrument;
        commands.extend(market.limits().map(|(kind, value)| {
            Command::from(LimitSet {
                value,
                account: AccountId::NONE,
                instrument,
                strategy: StrategyId::NONE,
                reason,
                kind,
            })
        }));
        commands.extend(MarketModel::new(market, 0).snapshot(&mut Random::new(SEED)));
        let name = text(&format!("trend-{instrument}"), &mut commands);
        commands.push(market.strategy(name).into());
    }
    (1..).zip(commands).map(|(number, command)| record(SourceId::CONFIG, number, START, command)).collect()
}

impl MarketSettings {
    fn definition(&self, symbol: TextId) -> Instrument {
        let settlement = match self.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => USDT,
            InstrumentKind::Inverse => self.base,
        };
        Instrument {
            notional_max: Money::ZERO,
            tick_size: Price(self.tick),
            lot_size: Qty(self.lot),
            quantity_min: Qty(self.lot),
            quantity_max: Qty(1_000_000 * self.lot),
            multiplier: self.multiplier,
            maker_fee: Rate(2_000),
            taker_fee: Rate(5_000),
            margin_rate: Rate(5_000_000),
            instrument: self.instrument,
            symbol,
            base: self.base,
            quote: USDT,
            settlement,
            kind: self.kind,
            price_scale: self.price_scale,
            quantity_scale: self.quantity_scale,
            settlement_scale: CURRENCY_SCALE,
        }
    }

    /// Limits that an order of usual size and an account of usual lean keep.
    fn limits(&self) -> [(LimitKind, i64); 3] {
        let lots_max = self.order_lots_max;
        let position_lots_max = 8 * lots_max;
        // Twice the largest order at the starting price, in the settlement currency.
        let value =
            self.definition(TextId::NONE).value_posted(Price(self.price), Qty(2 * lots_max * self.lot));
        let notional =
            value.and_then(|value| i64::try_from(value).ok()).expect("the workload's values are small");
        [
            (LimitKind::OrderQuantity, lots_max * self.lot),
            (LimitKind::OrderNotional, notional),
            (LimitKind::PositionQuantity, position_lots_max * self.lot),
        ]
    }

    /// EMA 20 and 60 over the mid price; contracts may go short.
    fn strategy(&self, name: TextId) -> StrategyDefined {
        let may_short = i64::from(self.kind != InstrumentKind::Spot);
        StrategyDefined {
            parameters: [20, 60, 10 * self.lot, 0, may_short, 0, 0, 0],
            strategy: StrategyId(self.instrument.0),
            name,
            account: STRATEGIST,
            instrument: self.instrument,
            kind: EMA_CROSS,
            enabled: true,
        }
    }
}
