//! What an account may do, and how it counts positions. The moves are in `lifecycle.rs`.

use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::lifecycle;
use crate::limits::ACCOUNTS_MAX;
use tickwerk_domain::command::{AccountDefined, AccountStateSet};
use tickwerk_domain::{AccountId, AccountState, Reject};

impl Machine {
    pub(super) fn define_account(&mut self, account: &AccountDefined, out: &mut EventBuffer) -> u64 {
        let (id, mode) = (account.account, account.mode);
        if !is_in_range(id.0, ACCOUNTS_MAX) {
            self.refuse(&(*account).into(), Reject::IdOutOfRange, i64::from(id.0), out);
            return 0;
        }
        let row = self.accounts.account_mut(id);
        row.version += 1;
        let version = row.version;
        if mode != self.positions.mode(id) && !self.is_idle(id) {
            self.accounts.rehash_account(id, &mut self.digest);
            self.refuse(&(*account).into(), Reject::PositionModeInvalid, i64::from(id.0), out);
            return version;
        }
        self.accounts.define_account(id, account.name, &mut self.digest);
        if mode != self.positions.mode(id) {
            self.positions.set_mode(id, mode, &mut self.digest);
        }
        version
    }

    pub(super) fn set_account_state(&mut self, setting: &AccountStateSet, out: &mut EventBuffer) -> u64 {
        let (id, to) = (setting.account, setting.state);
        let Some(from) = self.accounts.account(id).map(|row| row.state) else {
            self.refuse(&(*setting).into(), Reject::UnknownAccount, i64::from(id.0), out);
            return 0;
        };
        let is_possible =
            lifecycle::account::is_allowed(from, to) && (to != AccountState::Closed || self.is_idle(id));
        let row = self.accounts.account_mut(id);
        row.version += 1;
        let version = row.version;
        if is_possible {
            row.state = to;
        } else {
            self.refuse(&(*setting).into(), Reject::IllegalMove, to as i64, out);
        }
        self.accounts.rehash_account(id, &mut self.digest);
        version
    }

    /// Whether an account has neither a position nor an open order; its number in range.
    fn is_idle(&self, account: AccountId) -> bool {
        self.accounts.account(account).is_none_or(|row| row.open_orders == 0)
            && self.positions.busy(account).next().is_none()
    }
}
