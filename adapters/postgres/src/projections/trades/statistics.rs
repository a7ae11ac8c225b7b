//! What is told of many trades that ended: sums, in which a trade can be taken back, and extremes, in which it cannot.
//!
//! Amounts are mantissas of the settlement currency, times are microseconds.

use super::lifecycle::Trade;

/// What changes in the sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sums {
    pub(super) trades: i64,
    pub(super) wins: i64,
    pub(super) losses: i64,
    pub(super) gross_profit: i128,
    pub(super) gross_loss: i128,
    pub(super) realized: i128,
    pub(super) fees: i128,
    pub(super) funding: i128,
    pub(super) held_us: i128,
}

impl Sums {
    /// Adds a trade, or takes it back where `times` is −1.
    pub(super) fn add(&mut self, trade: &Trade, times: i64) {
        let net = trade.net();
        let many = i128::from(times);
        self.trades += times;
        self.wins += if net > 0 { times } else { 0 };
        self.losses += if net < 0 { times } else { 0 };
        self.gross_profit += many * net.max(0);
        self.gross_loss += many * net.min(0);
        self.realized += many * trade.realized;
        self.fees += many * trade.fees;
        self.funding += many * trade.funding;
        self.held_us += many * i128::from(trade.held_us());
    }
}

/// Extremes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Statistics {
    /// 0 where nothing was won.
    pub(super) largest_win: i128,
    pub(super) largest_loss: i128,
    pub(super) longest_us: u64,
    /// When the first and the last of them ended; 0 where there is none.
    pub(super) first_us: u64,
    pub(super) last_us: u64,
}

impl Statistics {
    pub(super) fn take(&mut self, trade: &Trade) {
        let net = trade.net();
        self.largest_win = self.largest_win.max(net);
        self.largest_loss = self.largest_loss.min(net);
        self.longest_us = self.longest_us.max(trade.held_us());
        self.first_us = if self.first_us == 0 { trade.closed_us } else { self.first_us.min(trade.closed_us) };
        self.last_us = self.last_us.max(trade.closed_us);
    }
}
