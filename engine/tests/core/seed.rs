//! Seeds of random tests and the small generator behind them.

/// Runs `test` for `SEED` if that is set, else for seeds `0..count`. A failing seed is printed.
pub(crate) fn each_seed(count: u64, test: impl Fn(u64)) {
    let fixed: Option<u64> = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    for seed in fixed.map_or(0..count, |seed| seed..seed + 1) {
        let _print_seed = PrintOnPanic(seed);
        test(seed);
    }
}

/// Whether random tests take their time: `TICKWERK_LONG=1`.
pub(crate) fn is_long() -> bool {
    std::env::var_os("TICKWERK_LONG").is_some_and(|value| value == "1")
}

struct PrintOnPanic(u64);

impl Drop for PrintOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("run again with SEED={}", self.0);
        }
    }
}

/// The generator `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number from 0 to `count` − 1.
    pub(crate) fn below(&mut self, count: u32) -> u32 {
        u32::try_from(self.next() % u64::from(count)).unwrap()
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::from(self.below(u32::try_from(high - low + 1).unwrap()))
    }

    /// True in one of `count` cases.
    pub(crate) fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(u32::try_from(items.len()).unwrap()) as usize]
    }
}
