//! What an account would be exposed to, and whether it could pay, in the model's risk check.

use super::super::desk::{BTC, USD, instrument};
use super::model::{Model, Scope, spot_cost};
use super::money::{BASE_FACTOR, part, posted, sides};
use super::risk::{No, Pass, no, plain};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{AccountId, CurrencyId, Instrument, InstrumentKind, LimitKind, Rate, Reject, Side};

/// Exposure of an account in the reference currency.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Exposure {
    pub(super) gross: i128,
    long: i128,
    short: i128,
}

impl Exposure {
    pub(super) fn net(&self) -> i128 {
        self.long.abs().max(self.short.abs())
    }
}

/// Gross exposure ÷ equity in units of 10⁻⁸, rounded up.
pub(super) fn leverage(gross: i128, equity: i128) -> i128 {
    if gross == 0 {
        0
    } else if equity <= 0 {
        i128::MAX
    } else {
        let scaled = gross * i128::from(Rate::ONE.0);
        scaled / equity + i128::from(scaled % equity != 0)
    }
}

impl Model {
    /// Exposure of an account with an order, its open ones at their worst.
    pub(super) fn exposure(
        &self,
        account: AccountId,
        with: Option<(&NewOrder, i64)>,
    ) -> Result<Exposure, Reject> {
        let mut sum = Exposure::default();
        let own = with.map(|(order, _)| order.instrument);
        // The order's own market first: its reasons come first.
        let rest = self.markets.keys().copied().filter(|id| Some(*id) != own);
        for id in own.into_iter().chain(rest) {
            for side in sides(self.mode(account)) {
                let (mut long, mut short) = self.worst_of((account, id, *side));
                if let Some((order, _)) =
                    with.filter(|(of, _)| of.instrument == id && self.side_of(of) == *side)
                {
                    match order.side {
                        Side::Buy => long += order.qty.0,
                        Side::Sell => short -= order.qty.0,
                    }
                }
                if (long, short) == (0, 0) && self.position((account, id, *side)).qty == 0 {
                    continue;
                }
                let fallback = with.filter(|(of, _)| of.instrument == id).map(|(_, price)| price);
                let mark = self.market(id).mark_price().or(fallback).ok_or(Reject::NoReferencePrice)?;
                let value = |qty: i64| {
                    let value = posted(&instrument(id), mark, qty.abs());
                    let signed = if qty < 0 { -value } else { value };
                    self.in_reference(instrument(id).settlement, signed).ok_or(Reject::NoConversionRate)
                };
                let (long, short) = (value(long)?, value(short)?);
                sum.gross += long.abs().max(short.abs());
                sum.long += long;
                sum.short += short;
            }
        }
        Ok(sum)
    }

    pub(super) fn check_exposure(&self, order: &NewOrder, scope: Scope, price: i64) -> Result<i128, No> {
        let [gross, net, most] = [LimitKind::GrossExposure, LimitKind::NetExposure, LimitKind::Leverage]
            .map(|kind| self.limit(scope, kind));
        if gross.or(net).or(most).is_none() {
            return Ok(0);
        }
        let is_reducing = self.is_reducing(order);
        let after = match self.exposure(scope.0, Some((order, price))) {
            Ok(after) => after,
            Err(_) if is_reducing => return Ok(0),
            Err(reason) => return Err(plain(reason)),
        };
        if is_reducing {
            return Ok(after.gross);
        }
        if let Some(limit) = gross.map(i128::from).filter(|limit| after.gross > *limit) {
            return Err(no(Reject::GrossExposureAboveLimit, limit, after.gross));
        }
        if let Some(limit) = net.map(i128::from).filter(|limit| after.net() > *limit) {
            return Err(no(Reject::NetExposureAboveLimit, limit, after.net()));
        }
        if let Some(limit) = most.map(i128::from) {
            let equity = self.equity(scope.0).ok_or(plain(Reject::NoConversionRate))?;
            let seen = leverage(after.gross, equity);
            if seen > limit {
                return Err(no(Reject::LeverageAboveLimit, limit, seen));
            }
        }
        Ok(after.gross)
    }

    pub(super) fn check_money(
        &self,
        order: &NewOrder,
        scope: Scope,
        price: i64,
        gross: i128,
    ) -> Result<Pass, No> {
        let of = instrument(order.instrument);
        let settlement = of.settlement;
        if of.kind != InstrumentKind::Spot {
            return self.check_margin(order, &of, price, gross);
        }
        if order.side == Side::Buy {
            let amount = spot_cost(&of, price, order.qty.0);
            self.afford(scope, settlement, amount, self.spendable(order.account, settlement))?;
            return Ok(Pass { amount, currency: of.quote, price, gross });
        }
        let (amount, has) = (i128::from(order.qty.0) * BASE_FACTOR, self.spendable(order.account, of.base));
        if amount > has {
            return Err(no(Reject::InsufficientBuyingPower, has, amount));
        }
        Ok(Pass { amount, currency: of.base, price, gross })
    }

    fn check_margin(&self, order: &NewOrder, of: &Instrument, price: i64, gross: i128) -> Result<Pass, No> {
        let (account, settlement) = (order.account, of.settlement);
        let place = (account, order.instrument, self.side_of(order));
        let mark = self.margin_price(order.instrument, price);
        let (long, short) = self.worst_of(place);
        let with = match order.side {
            Side::Buy => (long + order.qty.0, short),
            Side::Sell => (long, short - order.qty.0),
        };
        let needed = Self::margin_of(of, with, mark);
        let pass = Pass { amount: needed, currency: settlement, price: mark, gross };
        if needed <= Self::margin_of(of, (long, short), mark) {
            return Ok(pass);
        }
        let fee = part(of, price, order.qty.0, Rate(of.taker_fee.0.max(0)));
        let others = self.available(account, settlement) + self.position(place).margin;
        let available = others + self.profit_in(account, settlement);
        self.afford((account, order.instrument), settlement, needed + fee, available)?;
        Ok(pass)
    }

    /// Whether something is there, or can be had on credit.
    fn afford(&self, scope: Scope, settlement: CurrencyId, needed: i128, available: i128) -> Result<(), No> {
        if needed <= available {
            return Ok(());
        }
        let Some(credit) = self.limit(scope, LimitKind::Credit).map(i128::from) else {
            return Err(no(Reject::InsufficientBuyingPower, available, needed));
        };
        let no_rate = plain(Reject::NoConversionRate);
        let used = self.credit_used(scope.0, Some(settlement)).ok_or(no_rate)?;
        let after = used + self.in_reference(settlement, needed - available).ok_or(no_rate)?;
        if after > credit {
            return Err(no(Reject::InsufficientBuyingPower, credit, after));
        }
        Ok(())
    }

    /// What an account ties up beyond what it has, over all currencies but one.
    pub(super) fn credit_used(&self, account: AccountId, except: Option<CurrencyId>) -> Option<i128> {
        let mut used = 0;
        for currency in [USD, BTC].into_iter().filter(|currency| Some(*currency) != except) {
            used += self.in_reference(currency, (-self.available(account, currency)).max(0))?;
        }
        Some(used)
    }
}
