//! What the configuration of earlier starts has applied, and the texts that have numbers.
//!
//! It is read from the journal's records, or from a snapshot: there it is the commands themselves, in the encoding that
//! the journal has for them, so that an older one is read as an older record is. Texts and numbers are the core's.

use std::collections::BTreeMap;
use tickwerk_domain::{
    AccountId, Command, CurrencyId, InstrumentId, Kind, LimitKind, Payload, Record, SourceId, StrategyId,
    TextId, TimeNs, VenueId,
};
use tickwerk_engine::Core;
use tickwerk_journal::format::{PAYLOAD_SIZE_MAX, aligned};
use tickwerk_journal::schema;

/// What a command of the configuration is about: two commands with the same key replace each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    Rules,
    Text(TextId),
    Currency(CurrencyId),
    Instrument(InstrumentId),
    Venue(InstrumentId),
    Latency(InstrumentId),
    LatencyPoint(InstrumentId, TimeNs),
    Band(InstrumentId),
    Account(AccountId),
    Deposit(AccountId, CurrencyId),
    VenueDefined(VenueId),
    Route(InstrumentId),
    Mark(InstrumentId),
    Reference,
    Conversion(CurrencyId),
    Limit(AccountId, InstrumentId, StrategyId, LimitKind),
    Strategy(StrategyId),
}

/// What earlier starts applied, and the dictionary.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(super) commands: BTreeMap<Key, Command>,
    pub(super) texts: BTreeMap<String, TextId>,
    pub(super) highest: u64,
}

impl Applied {
    /// Takes note of a journaled record.
    pub(crate) fn observe(&mut self, record: &Record) {
        let Payload::Command(command) = &record.payload else {
            return;
        };
        if let Command::TextDefined(text) = command {
            self.texts.insert(text.text.as_str().to_owned(), text.text_id);
        }
        if record.envelope.source == SourceId::CONFIG {
            self.highest = record.envelope.source_sequence;
            if let Command::VenueLatencySet(setting) = command {
                // The venue forgets what was recorded.
                let of_it = |key: &Key| matches!(key, Key::LatencyPoint(of, _) if *of == setting.instrument);
                self.commands.retain(|key, _| !of_it(key));
            }
            if let Some(key) = key_of(command) {
                self.commands.insert(key, *command);
            }
        }
    }
}

pub(super) fn key_of(command: &Command) -> Option<Key> {
    // The configuration sends no commands of other types.
    Some(if let Command::RulesActivated(_) = command {
        Key::Rules
    } else if let Command::TextDefined(text) = command {
        Key::Text(text.text_id)
    } else if let Command::CurrencyDefined(currency) = command {
        Key::Currency(currency.currency)
    } else if let Command::InstrumentDefined(instrument) = command {
        Key::Instrument(instrument.instrument)
    } else if let Command::SimulatedVenueSet(venue) = command {
        Key::Venue(venue.instrument)
    } else if let Command::VenueLatencySet(setting) = command {
        Key::Latency(setting.instrument)
    } else if let Command::LatencyRecorded(point) = command {
        Key::LatencyPoint(point.instrument, point.sent_at)
    } else if let Command::PriceBandSet(band) = command {
        Key::Band(band.instrument)
    } else if let Command::AccountDefined(account) = command {
        Key::Account(account.account)
    } else if let Command::CashTransferred(deposit) = command {
        Key::Deposit(deposit.account, deposit.currency)
    } else if let Command::LimitSet(limit) = command {
        Key::Limit(limit.account, limit.instrument, limit.strategy, limit.kind)
    } else if let Command::VenueDefined(venue) = command {
        Key::VenueDefined(venue.venue)
    } else if let Command::RouteSet(route) = command {
        Key::Route(route.instrument)
    } else if let Command::MarkSourceSet(mark) = command {
        Key::Mark(mark.instrument)
    } else if let Command::ReferenceCurrencySet(_) = command {
        Key::Reference
    } else if let Command::ConversionSet(conversion) = command {
        Key::Conversion(conversion.currency)
    } else if let Command::StrategyDefined(strategy) = command {
        Key::Strategy(strategy.strategy)
    } else {
        return None;
    })
}

impl Applied {
    /// Whether a command needs not be sent again. A deposit is made once, whatever its amount was.
    pub(super) fn holds(&self, key: Key, command: &Command) -> bool {
        match key {
            Key::Deposit(..) => self.commands.contains_key(&key),
            Key::Rules
            | Key::Text(_)
            | Key::Currency(_)
            | Key::Instrument(_)
            | Key::Venue(_)
            | Key::Latency(_)
            | Key::LatencyPoint(..)
            | Key::Band(_)
            | Key::Account(_)
            | Key::VenueDefined(_)
            | Key::Route(_)
            | Key::Mark(_)
            | Key::Reference
            | Key::Conversion(_)
            | Key::Limit(..)
            | Key::Strategy(_) => self.commands.get(&key) == Some(command),
        }
    }
}

/// Bytes before a payload: type id, schema version, length, zeros.
const ROW_HEADER_SIZE: usize = 16;

/// Where a payload can be read: records are, too, on such a boundary.
#[repr(align(16))]
struct Aligned([u8; PAYLOAD_SIZE_MAX]);

impl Applied {
    /// The rules that were activated; 0 before any.
    pub(crate) fn rules_version(&self) -> u32 {
        match self.commands.get(&Key::Rules) {
            Some(Command::RulesActivated(rules)) => rules.version,
            Some(_) | None => 0,
        }
    }

    /// The commands as bytes, for a snapshot.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for command in self.commands.values() {
            let mut space = Aligned([0; PAYLOAD_SIZE_MAX]);
            let encoded = schema::encode(&Payload::Command(*command), &mut space.0)
                .expect("any payload fits its bound");
            let words = [encoded.type_id.0, encoded.schema_version, u16_of(encoded.length), 0];
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            bytes.extend([0; ROW_HEADER_SIZE - 8]);
            bytes.extend(&space.0[..aligned(encoded.length)]);
        }
        bytes
    }

    /// What [`Self::to_bytes`] wrote, beside the core that it was written with.
    pub(crate) fn from_bytes(bytes: &[u8], core: &Core) -> Result<Self, String> {
        let texts = core.machine().texts().map(|(id, text)| (text.to_owned(), id)).collect();
        let mut applied =
            Self { commands: BTreeMap::new(), texts, highest: core.source_position(SourceId::CONFIG) };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (header, after) = rest.split_at_checked(ROW_HEADER_SIZE).ok_or("a row is cut short")?;
            let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
            let length = usize::from(word(4));
            let payload = after.get(..length).filter(|_| length <= PAYLOAD_SIZE_MAX);
            let mut space = Aligned([0; PAYLOAD_SIZE_MAX]);
            space.0[..length.min(PAYLOAD_SIZE_MAX)].copy_from_slice(payload.ok_or("a row is cut short")?);
            let decoded = schema::decode(Kind::Command, word(0), word(2), &space.0[..length]);
            let Payload::Command(command) = decoded.map_err(|error| error.to_string())? else {
                return Err("an event is no command".to_owned());
            };
            let key = key_of(&command).ok_or("the configuration sends no such command")?;
            applied.commands.insert(key, command);
            rest = after.get(aligned(length)..).ok_or("a row is cut short")?;
        }
        Ok(applied)
    }
}

fn u16_of(length: usize) -> u16 {
    u16::try_from(length).expect("a payload is shorter than 64 KiB")
}
