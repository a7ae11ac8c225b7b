//! Every capacity of the engine, with the assertions that tie them together.
//!
//! All stores are fixed: a full store is a reason code, never an allocation and never a panic.

use tickwerk_domain::image::capacity;

/// Events that one command may cause, a digest included; larger effects go on by `Continue`.
pub const EVENTS_PER_COMMAND_MAX: usize = 64;
/// Records of the largest frame.
pub const RECORDS_PER_FRAME_MAX: usize = EVENTS_PER_COMMAND_MAX + 1;
/// Frames from one `StateDigest` to the next.
pub const DIGEST_INTERVAL_FRAMES: u64 = 10_000;

/// Instruments, with number 0 left out.
pub const INSTRUMENTS_MAX: usize = 64;
/// Accounts, with number 0 left out.
pub const ACCOUNTS_MAX: usize = 64;
/// Currencies, with number 0 left out.
pub const CURRENCIES_MAX: usize = 64;
/// Strategies, with number 0 left out.
pub const STRATEGIES_MAX: usize = 64;
/// Dictionary texts, with number 0 left out.
pub const TEXTS_MAX: usize = capacity(4096, 64);
/// Sources of commands.
pub const SOURCES_MAX: usize = 64;

/// Price levels that one side of a book holds.
pub const BOOK_LEVELS_MAX: usize = capacity(8192, 64);
/// Instruments whose markets can be told order by order.
pub const ORDER_BOOKS_MAX: usize = 2;
/// Orders that one such book holds.
pub const ORDERS_PER_BOOK_MAX: usize = capacity(32_768, 64);
/// Orders that are remembered, done ones included: the window in which a client order id is known.
pub const ORDERS_MAX: usize = capacity(65_536, 128);
/// Orders that may be open at one time; the rest of [`ORDERS_MAX`] remembers done ones.
pub const OPEN_ORDERS_MAX: usize = capacity(32_768, 64);
/// Timers that may be set at one time: one for each open order and a few for each account and instrument.
pub const TIMERS_MAX: usize = capacity(65_536, 2048);
/// Executions that are remembered: the window in which a fill is known again, and can be taken back or corrected.
pub const EXECUTIONS_MAX: usize = capacity(131_072, 128);
/// Fills without an order that are kept.
pub const UNMATCHED_FILLS_MAX: usize = 256;
/// Venues, with number 0 left out.
pub const VENUES_MAX: usize = 16;
/// Orders of an instrument that wait for one kind of price to rise, or to fall, to their triggers.
pub const TRIGGERS_PER_PRICE_MAX: usize = capacity(512, 16);
/// Trailing stops that wait in one instrument; each observation looks at all of them.
pub const TRAILING_PER_INSTRUMENT_MAX: usize = capacity(256, 16);
/// Orders of an instrument that wait for their market to take them, or for a quantity that the venue did not take.
pub const WAITING_PER_INSTRUMENT_MAX: usize = capacity(256, 16);
/// Groups of linked orders that are remembered, those of done orders included.
pub const LINKS_MAX: usize = capacity(16_384, 64);
/// Orders of one link that may be open at one time.
pub const LINK_ORDERS_MAX: usize = 8;

const _: () = assert!(ORDERS_PER_BOOK_MAX.is_power_of_two(), "the index of a book masks with it");
const _: () = assert!(ORDER_BOOKS_MAX < 256, "the place of a book has 8 bits");
const _: () = assert!(ORDERS_MAX.is_power_of_two(), "the order index masks with it");
const _: () = assert!(TIMERS_MAX.is_power_of_two() && TIMERS_MAX >= OPEN_ORDERS_MAX + 16 * 64);
const _: () = assert!(EXECUTIONS_MAX.is_power_of_two(), "the execution index masks with it");
const _: () = assert!(LINKS_MAX.is_power_of_two(), "the index of links masks with it");
const _: () = assert!(VENUES_MAX <= 1 << 16, "a venue's number has 16 bits");
const _: () = assert!(OPEN_ORDERS_MAX < ORDERS_MAX, "there is always a done order to forget");
const _: () = assert!(INSTRUMENTS_MAX <= 64 && ACCOUNTS_MAX <= 64, "sets of them are one 64-bit word");
