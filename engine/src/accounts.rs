//! Accounts and the ledger: double entry, one set of books per currency.
//!
//! Invariant: every leg moves one amount from one book to another, so the sum over all books of a currency is zero
//! after every command. Units: the currency's scale.

pub mod worth;

use crate::limits::{ACCOUNTS_MAX, CURRENCIES_MAX};
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::event::{LedgerBook, Leg};
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};
use tickwerk_domain::{AccountId, AccountState, CurrencyId, Digest, TextId};
use worth::Worths;

/// A trading account.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Whether it was defined.
    pub is_defined: bool,
    /// What it may do.
    pub state: AccountState,
    /// Its name.
    pub name: TextId,
    /// Orders that are not done.
    pub open_orders: u32,
    /// Records of its stream.
    pub version: u64,
    row: u64,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            is_defined: false,
            state: AccountState::Active,
            name: TextId::NONE,
            open_orders: 0,
            version: 0,
            row: 0,
        }
    }
}

/// A currency.
#[derive(Clone, Copy, Debug, Default)]
pub struct Currency {
    /// Whether it was defined.
    pub is_defined: bool,
    /// Its code.
    pub code: TextId,
    /// Decimals of its amounts.
    pub scale: u8,
    row: u64,
}

/// What an account has of a currency.
#[derive(Clone, Copy, Debug, Default)]
pub struct Balance {
    /// All of it.
    pub cash: i128,
    /// What open orders and margins tie up.
    pub reserved: i128,
    row: u64,
}

impl Balance {
    /// What may be spent.
    pub fn available(&self) -> i128 {
        self.cash - self.reserved
    }
}

/// All accounts, currencies and books.
#[derive(Debug)]
pub struct Accounts {
    accounts: Box<[Account]>,
    currencies: Box<[Currency]>,
    balances: Box<[Balance]>,
    /// Per account, a bit for each currency that it ever had.
    held: Box<[u64]>,
    /// Per account, a bit for each currency of which more is tied up than there is.
    short: Box<[u64]>,
    /// What accounts are worth, where that is counted.
    pub(crate) worths: Worths,
    /// Per currency, the books that belong to no account, by [`LedgerBook`].
    books: Box<[[i128; LedgerBook::ALL.len()]]>,
    book_rows: Box<[u64]>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self::new()
    }
}

impl Accounts {
    /// No accounts.
    pub fn new() -> Self {
        Self {
            accounts: vec![Account::default(); ACCOUNTS_MAX].into(),
            currencies: vec![Currency::default(); CURRENCIES_MAX].into(),
            balances: vec![Balance::default(); ACCOUNTS_MAX * CURRENCIES_MAX].into(),
            held: vec![0; ACCOUNTS_MAX].into(),
            short: vec![0; ACCOUNTS_MAX].into(),
            worths: Worths::new(),
            books: vec![[0; LedgerBook::ALL.len()]; CURRENCIES_MAX].into(),
            book_rows: vec![0; CURRENCIES_MAX].into(),
        }
    }

    /// The account, where it is defined.
    #[inline]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id.0 as usize).filter(|account| account.is_defined)
    }

    /// The row of an account whose number is in range.
    pub(crate) fn account_mut(&mut self, id: AccountId) -> &mut Account {
        &mut self.accounts[id.0 as usize]
    }

    /// The currency, where it is defined.
    pub fn currency(&self, id: CurrencyId) -> Option<&Currency> {
        self.currencies.get(id.0 as usize).filter(|currency| currency.is_defined)
    }

    /// All accounts in order of number.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        (0..).map(AccountId).zip(self.accounts.iter()).filter(|(_, account)| account.is_defined)
    }

    /// All currencies in order of number.
    pub fn currencies(&self) -> impl Iterator<Item = (CurrencyId, &Currency)> {
        (0..).map(CurrencyId).zip(self.currencies.iter()).filter(|(_, currency)| currency.is_defined)
    }

    /// What an account has of a currency; both numbers in range.
    #[inline]
    pub fn balance(&self, account: AccountId, currency: CurrencyId) -> &Balance {
        &self.balances[account.0 as usize * CURRENCIES_MAX + currency.0 as usize]
    }

    /// Currencies that the account ever had, in order of number.
    pub fn held(&self, account: AccountId) -> impl Iterator<Item = CurrencyId> + use<> {
        let mut rest = self.held[account.0 as usize];
        std::iter::from_fn(move || {
            let next = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            Some(CurrencyId(next))
        })
    }

    /// Currencies of which an account has less than it has tied up, in order of number.
    pub(crate) fn short(&self, account: AccountId) -> impl Iterator<Item = CurrencyId> + use<> {
        crate::positions::bits(self.short[account.0 as usize]).map(CurrencyId)
    }

    /// Whether an account has less of any currency than it has tied up.
    #[inline]
    pub(crate) fn is_short(&self, account: AccountId) -> bool {
        self.short[account.0 as usize] != 0
    }

    /// What is kept of an account's worth; its number in range.
    pub fn worth(&self, account: AccountId) -> &worth::Worth {
        self.worths.get(account)
    }

    /// A book of a currency that belongs to no account; [`LedgerBook::Client`] gives the sum over all accounts.
    pub fn book(&self, currency: CurrencyId, book: LedgerBook) -> i128 {
        match book {
            LedgerBook::Client => {
                (0..).take(ACCOUNTS_MAX).map(|id| self.balance(AccountId(id), currency).cash).sum()
            }
            LedgerBook::Venue
            | LedgerBook::Fee
            | LedgerBook::Rounding
            | LedgerBook::External
            | LedgerBook::Funding
            | LedgerBook::Adjustment => self.books[currency.0 as usize][book as usize],
        }
    }

    /// Defines an account.
    pub fn define_account(&mut self, id: AccountId, name: TextId, digest: &mut Digest) {
        let account = self.account_mut(id);
        account.is_defined = true;
        account.name = name;
        self.rehash_account(id, digest);
    }

    /// Defines a currency.
    pub fn define_currency(&mut self, id: CurrencyId, code: TextId, scale: u8, digest: &mut Digest) {
        let currency = &mut self.currencies[id.0 as usize];
        (currency.is_defined, currency.code, currency.scale) = (true, code, scale);
        let row = row_hash(TAG_CURRENCY, &[u64::from(id.0), u64::from(code.0), u64::from(scale)]);
        digest.update(&mut currency.row, row);
    }

    /// Posts transfers of an account.
    pub fn post(&mut self, account: AccountId, legs: &[Leg], digest: &mut Digest) {
        for leg in legs {
            let amount = leg.amount.get();
            assert!(amount >= 0, "a leg says by its direction which way the amount goes");
            self.add(account, leg.currency, leg.from, -amount);
            self.add(account, leg.currency, leg.to, amount);
        }
        for (place, leg) in legs.iter().enumerate() {
            if legs[..place].iter().all(|earlier| earlier.currency != leg.currency) {
                self.rehash_balance(account, leg.currency, digest);
                self.rehash_books(leg.currency, digest);
            }
        }
    }

    fn add(&mut self, account: AccountId, currency: CurrencyId, book: LedgerBook, amount: i128) {
        match book {
            LedgerBook::Client => {
                self.held[account.0 as usize] |= 1 << currency.0;
                self.worths.touch(account);
                self.balance_mut(account, currency).cash += amount;
            }
            LedgerBook::Venue
            | LedgerBook::Fee
            | LedgerBook::Rounding
            | LedgerBook::External
            | LedgerBook::Funding
            | LedgerBook::Adjustment => {
                self.books[currency.0 as usize][book as usize] += amount;
            }
        }
    }

    /// Brings the digest up to date with the books of a currency.
    fn rehash_books(&mut self, currency: CurrencyId, digest: &mut Digest) {
        let index = currency.0 as usize;
        let mut words = [u64::from(currency.0); LedgerBook::ALL.len() + 2];
        let mut highs = 0_u64;
        for (word, held) in words[2..].iter_mut().zip(&self.books[index]) {
            let [high, low] = words_of(*held);
            // High words are nearly always the same few; turned apart, they share a word.
            highs = highs.rotate_left(13) ^ high;
            *word = low;
        }
        words[1] = highs;
        digest.update(&mut self.book_rows[index], row_hash(TAG_BOOKS, &words));
    }

    /// Changes what is tied up.
    pub fn reserve(&mut self, account: AccountId, currency: CurrencyId, change: i128, digest: &mut Digest) {
        if change != 0 {
            let balance = self.balance_mut(account, currency);
            balance.reserved += change;
            assert!(balance.reserved >= 0, "never more is released than was tied up");
            self.rehash_balance(account, currency, digest);
        }
    }

    /// Brings the digest up to date with an account's row.
    pub(crate) fn rehash_account(&mut self, id: AccountId, digest: &mut Digest) {
        let account = self.account_mut(id);
        let named = u64::from(id.0) << 32 | u64::from(account.name.0);
        let orders = (account.state as u64) << 32 | u64::from(account.open_orders);
        let words = [u64::from(account.is_defined), named, orders, account.version];
        digest.update(&mut account.row, row_hash(TAG_ACCOUNT, &words));
    }

    fn balance_mut(&mut self, account: AccountId, currency: CurrencyId) -> &mut Balance {
        &mut self.balances[account.0 as usize * CURRENCIES_MAX + currency.0 as usize]
    }

    fn rehash_balance(&mut self, account: AccountId, currency: CurrencyId, digest: &mut Digest) {
        let balance = self.balance_mut(account, currency);
        let [cash_high, cash] = words_of(balance.cash);
        let [reserved_high, reserved] = words_of(balance.reserved);
        let owner = u64::from(account.0) << 32 | u64::from(currency.0);
        let row = row_hash(TAG_BALANCE, &[owner, cash_high, cash, reserved_high, reserved]);
        digest.update(&mut balance.row, row);
        let is_short = u64::from(balance.available() < 0);
        let short = &mut self.short[account.0 as usize];
        *short = *short & !(1 << currency.0) | is_short << currency.0;
    }
}

tickwerk_domain::persist! {
    Account { is_defined, state, name, open_orders, version, row }
    Currency { is_defined, code, scale, row }
    Balance { cash, reserved, row }
}

impl Accounts {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { accounts, currencies, balances, held, short: _, worths, books, book_rows } = self;
        to.table(accounts, &Account::default());
        to.table(currencies, &Currency::default());
        to.table(balances, &Balance::default());
        to.table(held, &0);
        worths.save(to);
        to.table(books, &[0; LedgerBook::ALL.len()]);
        to.table(book_rows, &0);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let Self { accounts, currencies, balances, held, short, worths: _, books, book_rows } = Self::new();
        let mut loaded = Self {
            accounts: from.table(accounts)?,
            currencies: from.table(currencies)?,
            balances: from.table(balances)?,
            held: from.table(held)?,
            short,
            worths: Worths::load(from, sum)?,
            books: from.table(books)?,
            book_rows: from.table(book_rows)?,
        };
        for id in (0..).take(ACCOUNTS_MAX).map(AccountId) {
            let kept = loaded.accounts[id.0 as usize].row;
            sum.row(("account", id.0.into()), kept, |change| loaded.rehash_account(id, change))?;
            for currency in (0..).take(CURRENCIES_MAX).map(CurrencyId) {
                let Balance { cash, reserved, row: kept } = *loaded.balance(id, currency);
                ensure(
                    cash.checked_sub(reserved).is_some(),
                    Fault::Broken("more is tied up than can be counted"),
                )?;
                let what = ("balance", u64::from(id.0) << 32 | u64::from(currency.0));
                sum.row(what, kept, |change| loaded.rehash_balance(id, currency, change))?;
            }
        }
        for id in (0..).take(CURRENCIES_MAX).map(CurrencyId) {
            let Currency { is_defined, code, scale, row } = loaded.currencies[id.0 as usize];
            ensure(is_defined == (row != 0), Fault::Hash { what: "currency", found: id.0.into() })?;
            let define = |change: &mut Digest| loaded.define_currency(id, code, scale, change);
            sum.row(("currency", id.0.into()), row, define)?;
            let kept = loaded.book_rows[id.0 as usize];
            sum.row(("books of currency", id.0.into()), kept, |change| loaded.rehash_books(id, change))?;
        }
        Ok(loaded)
    }
}

const TAG_ACCOUNT: u64 = 0x0701;
const TAG_CURRENCY: u64 = 0x0702;
const TAG_BALANCE: u64 = 0x0703;
const TAG_BOOKS: u64 = 0x0704;
const _: () = assert!(CURRENCIES_MAX <= 64, "a set of them is one 64-bit word");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_that_cannot_be_counted_is_refused_and_no_panic() {
        let mut accounts = Accounts::new();
        *accounts.balance_mut(AccountId(1), CurrencyId(1)) = Balance { cash: i128::MIN, reserved: 1, row: 1 };
        let mut image = ImageWriter::default();
        accounts.save(&mut image);
        let image = image.into_bytes();
        let fault = Accounts::load(&mut ImageReader::new(&image), &mut RowSum::default()).unwrap_err();
        assert_eq!(fault, Fault::Broken("more is tied up than can be counted"));
    }
}
