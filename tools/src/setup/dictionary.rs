//! What numbers mean, from the configuration and a core, without a journal to read.

use super::Names;
use tickwerk_domain::{AccountId, BreakerKind, StrategyId, TextId};
use tickwerk_engine::Core;
use tickwerk_engine::risk::subjects::SubjectId;
use tickwerk_render::{Dictionary, OrderEntry, Traded};

/// The scales and symbols of what was configured, and the orders and breakers that `core` remembers.
pub(crate) fn dictionary(names: &Names, core: &Core) -> Dictionary {
    let mut dictionary = Dictionary::default();
    for order in core.machine().orders().remembered() {
        dictionary.remember(
            order.id,
            OrderEntry {
                instrument: order.instrument,
                side: Some(order.side),
                account: order.account,
                strategy: StrategyId::NONE,
                traded: Traded::default(),
            },
        );
    }
    for (account, _) in core.machine().accounts().accounts() {
        note_breakers(&mut dictionary, (account, StrategyId::NONE), SubjectId::Account(account), core);
    }
    for (strategy, slot) in core.machine().strategies() {
        note_breakers(&mut dictionary, (slot.account, strategy), SubjectId::Strategy(strategy), core);
    }
    for (symbol, instrument) in &names.instruments {
        dictionary.define_text(instrument.symbol, symbol);
        dictionary.define_instrument(instrument);
    }
    for currency in names.currencies.values() {
        dictionary.define_currency(currency.id, TextId::NONE, currency.scale);
    }
    if let Some(reference) = names.reference {
        dictionary.set_reference(reference.id);
    }
    dictionary
}

fn note_breakers(
    dictionary: &mut Dictionary,
    owner: (AccountId, StrategyId),
    subject: SubjectId,
    core: &Core,
) {
    for kind in BreakerKind::ALL {
        let state = core.machine().subjects().get(subject).breaker(*kind).state;
        dictionary.note_breaker(owner, *kind, state);
    }
}
