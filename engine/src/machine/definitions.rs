//! Definitions and settings: all configuration that decides comes as commands and is checked here.

use super::{InstrumentSlot, Machine, StrategySlot, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::{CURRENCIES_MAX, INSTRUMENTS_MAX, STRATEGIES_MAX, TEXTS_MAX};
use crate::rules::Rules;
use crate::signals::AnyStrategy;
use tickwerk_domain::command::{
    CashTransferred, CurrencyDefined, RulesActivated, StrategyDefined, TextDefined,
};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::{LEGS_PER_POSTING_MAX, LedgerBook, Leg, Posted};
use tickwerk_domain::numbers::{SCALE_MAX, power_of_ten};
use tickwerk_domain::{
    AccountId, AccountState, CurrencyId, Instrument, InstrumentId, InstrumentKind, Money, Rate, Reject,
    SignalDirection, StrategyId,
};

impl Machine {
    pub(super) fn define_text(&mut self, text: &TextDefined, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        let number = text.text_id.0;
        if !is_in_range(number, TEXTS_MAX) {
            self.refuse(&(*text).into(), Reject::IdOutOfRange, i64::from(number), out);
        } else if !self.text(text.text_id).is_empty() && self.text(text.text_id) != text.text.as_str() {
            self.refuse(&(*text).into(), Reject::DefinitionFixed, i64::from(number), out);
        } else if self.text(text.text_id).is_empty() && !text.text.as_str().is_empty() {
            // An empty text is as none at all.
            self.texts[number as usize] = text.text;
            self.digest.replace(0, hash_text(number, &text.text));
        }
        version
    }

    pub(super) fn define_currency(&mut self, currency: &CurrencyDefined, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        let number = currency.currency.0;
        let known = self.accounts.currency(currency.currency);
        if !is_in_range(number, CURRENCIES_MAX) {
            self.refuse(&(*currency).into(), Reject::IdOutOfRange, i64::from(number), out);
        } else if currency.scale > SCALE_MAX {
            self.refuse(&(*currency).into(), Reject::ValueOutOfRange, i64::from(currency.scale), out);
        } else if known.is_some_and(|known| known.scale != currency.scale) {
            self.refuse(&(*currency).into(), Reject::DefinitionFixed, i64::from(currency.scale), out);
        } else {
            self.accounts.define_currency(currency.currency, currency.code, currency.scale, &mut self.digest);
        }
        version
    }

    pub(super) fn define_instrument(&mut self, instrument: &Instrument, out: &mut EventBuffer) -> u64 {
        let number = instrument.instrument.0;
        if !is_in_range(number, INSTRUMENTS_MAX) {
            self.refuse(&(*instrument).into(), Reject::IdOutOfRange, i64::from(number), out);
            return 0;
        }
        match self.checked_instrument(instrument) {
            Err((reason, value)) => self.refuse(&(*instrument).into(), reason, value, out),
            Ok(base_factor) => {
                let mut row = self.instrument(instrument.instrument).map_or(0, |known| known.row);
                self.digest.update(&mut row, hash_instrument(instrument));
                self.instruments[number as usize] =
                    Some(InstrumentSlot { definition: *instrument, base_factor, row });
            }
        }
        self.next_instrument_version(instrument.instrument)
    }

    /// The base factor of a good definition, or what is wrong with it.
    fn checked_instrument(&self, new: &Instrument) -> Result<i128, (Reject, i64)> {
        for currency in [new.base, new.quote, new.settlement] {
            self.accounts.currency(currency).ok_or((Reject::UnknownCurrency, i64::from(currency.0)))?;
        }
        let settlement_scale = self.accounts.currency(new.settlement).map_or(0, |currency| currency.scale);
        let base_scale = self.accounts.currency(new.base).map_or(0, |currency| currency.scale);
        let expected_settlement = match new.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => new.quote,
            InstrumentKind::Inverse => new.base,
        };
        let out_of_range = |value: i64| Err((Reject::ValueOutOfRange, value));
        for scale in [new.price_scale, new.quantity_scale] {
            if scale > SCALE_MAX {
                return out_of_range(i64::from(scale));
            }
        }
        if new.settlement != expected_settlement {
            return out_of_range(i64::from(new.settlement.0));
        }
        if new.settlement_scale != settlement_scale {
            return out_of_range(i64::from(new.settlement_scale));
        }
        for fee in [new.maker_fee, new.taker_fee] {
            if !(-Rate::ONE.0..=Rate::ONE.0).contains(&fee.0) {
                return out_of_range(fee.0);
            }
        }
        for positive in [new.tick_size.0, new.lot_size.0, new.quantity_min.0, new.multiplier] {
            if positive <= 0 {
                return out_of_range(positive);
            }
        }
        if new.quantity_max < new.quantity_min {
            return out_of_range(new.quantity_max.0);
        }
        if new.margin_rate.0 < 0 {
            return out_of_range(new.margin_rate.0);
        }
        if let Some(known) = self.instrument(new.instrument) {
            let fixed = |of: &Instrument| {
                let scales = (of.price_scale, of.quantity_scale, of.settlement_scale);
                (of.kind, of.base, of.quote, of.settlement, scales, of.multiplier)
            };
            if fixed(new) != fixed(&known.definition) {
                return Err((Reject::DefinitionFixed, i64::from(new.instrument.0)));
            }
        }
        match new.kind {
            InstrumentKind::Linear | InstrumentKind::Inverse => Ok(1),
            InstrumentKind::Spot if new.multiplier != 1 => out_of_range(new.multiplier),
            InstrumentKind::Spot => {
                let finer = base_scale.checked_sub(new.quantity_scale);
                let factor = finer.and_then(|scale| power_of_ten(u32::from(scale)));
                factor.ok_or((Reject::ValueOutOfRange, i64::from(new.quantity_scale)))
            }
        }
    }

    pub(super) fn define_strategy(&mut self, new: &StrategyDefined, out: &mut EventBuffer) -> u64 {
        match self.checked_strategy(new) {
            Err((reason, value)) => {
                self.refuse(&(*new).into(), reason, value, out);
                self.next_strategy_version(new.strategy)
            }
            Ok(slot) => {
                let index = new.strategy.0 as usize;
                if let Some(known) = self.strategies[index] {
                    self.watchers[known.instrument.0 as usize] &= !(1 << index);
                }
                self.watchers[new.instrument.0 as usize] |= u64::from(new.enabled) << index;
                self.strategies[index] = Some(slot);
                self.rehash_strategy(index);
                slot.version
            }
        }
    }

    /// The version of one more record of a strategy's stream; 0 where there is no such strategy.
    fn next_strategy_version(&mut self, strategy: StrategyId) -> u64 {
        let index = strategy.0 as usize;
        let Some(slot) = self.strategies.get_mut(index).and_then(Option::as_mut) else {
            return 0;
        };
        slot.version += 1;
        let version = slot.version;
        self.rehash_strategy(index);
        version
    }

    fn checked_strategy(&self, new: &StrategyDefined) -> Result<StrategySlot, (Reject, i64)> {
        if !is_in_range(new.strategy.0, STRATEGIES_MAX) {
            return Err((Reject::IdOutOfRange, i64::from(new.strategy.0)));
        }
        self.accounts.account(new.account).ok_or((Reject::UnknownAccount, i64::from(new.account.0)))?;
        self.instrument(new.instrument).ok_or((Reject::UnknownInstrument, i64::from(new.instrument.0)))?;
        let strategy = AnyStrategy::new(new.kind, &new.parameters)
            .ok_or((Reject::UnknownStrategyKind, i64::from(new.kind)))?
            .map_err(|_| (Reject::ValueOutOfRange, i64::from(new.kind)))?;
        let fresh = StrategySlot {
            strategy,
            parameters: new.parameters,
            kind: new.kind,
            name: new.name,
            account: new.account,
            instrument: new.instrument,
            is_enabled: new.enabled,
            direction: SignalDirection::Flat,
            held: 0,
            pending: 0,
            retries: false,
            version: 1,
            fixed_hash: hash_definition(new),
            row: 0,
        };
        let Some(known) = self.strategies[new.strategy.0 as usize] else {
            return Ok(fresh);
        };
        if (known.account, known.instrument) != (new.account, new.instrument) {
            return Err((Reject::DefinitionFixed, i64::from(new.strategy.0)));
        }
        let (version, row) = (known.version + 1, known.row);
        if (known.kind, known.parameters) == (new.kind, new.parameters) {
            let fixed_hash = fresh.fixed_hash;
            return Ok(StrategySlot {
                is_enabled: new.enabled,
                name: new.name,
                version,
                fixed_hash,
                row,
                ..known
            });
        }
        Ok(StrategySlot { held: known.held, pending: known.pending, version, row, ..fresh })
    }

    pub(super) fn rehash_strategy(&mut self, index: usize) {
        let Some(slot) = &mut self.strategies[index] else {
            return;
        };
        let state = u64::from(slot.is_enabled) << 16 | u64::from(slot.retries) << 8 | slot.direction as u64;
        let [held, pending] = [slot.held, slot.pending].map(i64::cast_unsigned);
        let words = [state, held, pending, slot.version, slot.strategy.digest()];
        self.digest.update(&mut slot.row, row_hash(slot.fixed_hash, &words));
    }

    pub(super) fn transfer(&mut self, transfer: &CashTransferred, out: &mut EventBuffer) -> u64 {
        let amount = transfer.amount.get();
        let shown = i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX });
        if self.accounts.account(transfer.account).is_none() {
            self.refuse(&(*transfer).into(), Reject::UnknownAccount, i64::from(transfer.account.0), out);
            return 0;
        }
        let row = self.accounts.account_mut(transfer.account);
        row.version += 1;
        let (version, is_closed) = (row.version, row.state == AccountState::Closed);
        if self.accounts.currency(transfer.currency).is_none() {
            self.refuse(&(*transfer).into(), Reject::UnknownCurrency, i64::from(transfer.currency.0), out);
        } else if amount.unsigned_abs() > TRANSFER_MAX {
            self.refuse(&(*transfer).into(), Reject::ValueOutOfRange, shown, out);
        } else if amount > 0 && is_closed {
            // What a closed account still has may leave.
            self.refuse(&(*transfer).into(), Reject::AccountNotActive, shown, out);
        } else if amount < 0 && self.spendable(transfer.account, transfer.currency) + amount < 0 {
            self.refuse(&(*transfer).into(), Reject::InsufficientBuyingPower, shown, out);
        } else {
            let (from, to) = if amount < 0 {
                (LedgerBook::Client, LedgerBook::External)
            } else {
                (LedgerBook::External, LedgerBook::Client)
            };
            let leg = Leg { amount: Money::new(amount.abs()), currency: transfer.currency, from, to };
            self.post(transfer.account, &[leg], out);
            self.count_transfer(transfer.account, transfer.currency, amount);
            self.shift_worth(transfer.account, transfer.currency, amount);
        }
        self.accounts.rehash_account(transfer.account, &mut self.digest);
        version
    }

    /// Posts up to four legs; those of nothing are left out.
    pub(super) fn post(&mut self, account: AccountId, legs: &[Leg], out: &mut EventBuffer) {
        let mut posted = Posted { account, count: 0, legs: [Leg::default(); LEGS_PER_POSTING_MAX] };
        for leg in legs.iter().filter(|leg| leg.amount != Money::ZERO) {
            posted.legs[usize::from(posted.count)] = *leg;
            posted.count += 1;
        }
        if posted.count > 0 {
            self.accounts.post(account, &posted.legs[..usize::from(posted.count)], &mut self.digest);
            self.push_account(account, posted, out);
        }
    }

    pub(super) fn activate_rules(&mut self, rules: &RulesActivated, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        match Rules::find(self.rules_table, rules.version) {
            Some(known) => self.rules = known,
            None => {
                self.refuse(&(*rules).into(), Reject::UnknownRulesVersion, i64::from(rules.version), out);
            }
        }
        version
    }

    pub(super) fn next_instrument_version(&mut self, instrument: InstrumentId) -> u64 {
        let market = &mut self.markets[instrument.0 as usize];
        market.version += 1;
        let version = market.version;
        market.rehash(&mut self.digest);
        version
    }
}

/// Largest transfer, far from where sums of an `i128` could overflow.
const TRANSFER_MAX: u128 = 1 << 90;

pub(super) fn hash_text(number: u32, text: &tickwerk_domain::TextBytes) -> u64 {
    let mut words = [u64::from(number); 13];
    for (word, bytes) in words[1..].iter_mut().zip(text.bytes().chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
    }
    row_hash(TAG_TEXT, &words)
}

/// What of a strategy changes with its definition only.
fn hash_definition(strategy: &StrategyDefined) -> u64 {
    let mut words = [0; 11];
    words[..8].copy_from_slice(&strategy.parameters.map(i64::cast_unsigned));
    words[8] = u64::from(strategy.strategy.0) << 32 | u64::from(strategy.kind);
    words[9] = u64::from(strategy.account.0) << 32 | u64::from(strategy.instrument.0);
    words[10] = u64::from(strategy.name.0);
    row_hash(TAG_STRATEGY, &words)
}

pub(super) fn hash_instrument(instrument: &Instrument) -> u64 {
    let ids = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    let CurrencyId(settlement) = instrument.settlement;
    let scales = [
        instrument.price_scale,
        instrument.quantity_scale,
        instrument.settlement_scale,
        instrument.kind as u8,
    ];
    let [notional_high, notional] = tickwerk_domain::digest::words_of(instrument.notional_max.get());
    let signed = [
        instrument.tick_size.0,
        instrument.lot_size.0,
        instrument.quantity_min.0,
        instrument.quantity_max.0,
        instrument.multiplier,
        instrument.maker_fee.0,
        instrument.taker_fee.0,
        instrument.margin_rate.0,
    ]
    .map(i64::cast_unsigned);
    let mut words = [0; 14];
    words[..8].copy_from_slice(&signed);
    words[8..].copy_from_slice(&[
        ids(instrument.instrument.0, instrument.symbol.0),
        ids(instrument.base.0, instrument.quote.0),
        u64::from(settlement),
        u64::from(u32::from_le_bytes(scales)),
        notional_high,
        notional,
    ]);
    row_hash(TAG_INSTRUMENT, &words)
}

const TAG_TEXT: u64 = 0x0802;
const TAG_INSTRUMENT: u64 = 0x0105;
const TAG_STRATEGY: u64 = 0x0201;
