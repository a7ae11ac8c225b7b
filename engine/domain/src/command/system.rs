//! Commands of the system family and free-form streams.

use crate::fields::payloads;
use crate::reject::ReasonCode;
use crate::{AccountId, ContinueKind, InstrumentId, Sequence, TextBytes, TextId, TimeNs, TimerKind, VenueId};

payloads! {
    /// The rules that decide from here on.
    RulesActivated {
        /// Their version.
        version: u32,
    }
    /// Gives a text its number.
    TextDefined {
        /// The number.
        text_id: TextId,
        /// The text.
        text: TextBytes,
    }
    /// Time has come to the stamp of this command, with nothing else to say.
    TimeAdvanced {
        /// The due time that time was moved for.
        due: TimeNs,
    }
    /// A timer of the core is due.
    TimerFired {
        /// When it was due.
        due: TimeNs,
        /// What it is about: an order, an account.
        subject: u64,
        /// What it is for.
        kind: TimerKind,
    }
    /// The venue's own view begins: open orders, balances and positions of an account follow.
    ReconcileStarted {
        /// Number of the reconciliation, chosen by the source.
        run: u64,
        /// Whose.
        account: AccountId,
        /// Which venue's view.
        venue: VenueId,
    }
    /// The venue's own view is complete: what is open here of its orders and was not stated is ended, and where it stated a
    /// position, those of the account's contracts that it left out count as stated zero. Balances that it left out stay.
    ReconcileEnded {
        /// Number of the reconciliation.
        run: u64,
    }
    /// A request that was refused at the door, as it could not become a command; nothing changed.
    RequestRefused {
        /// Its op, and the field and value that were at fault, cut to the size: `order.new quantity=-1`.
        request: TextBytes,
        /// Whose, as far as it could be read; 0 for unknown.
        account: AccountId,
        /// Which market, as far as it could be read; 0 for unknown.
        instrument: InstrumentId,
        /// Why.
        reason: ReasonCode,
    }
    /// A long effect goes on.
    Continue {
        /// The last order, or the last account, that was dealt with.
        after: u64,
        /// The sequence of the command that started it.
        started_by: Sequence,
        /// Which effect.
        kind: ContinueKind,
    }
    /// How the process is, each second in live mode.
    HealthObserved {
        /// Records in the outcome ring.
        outcome_depth: u32,
        /// Commands in the control lane.
        control_depth: u32,
        /// Commands in the venue report lane.
        report_depth: u32,
        /// Commands in the order lane.
        order_depth: u32,
        /// Commands in the market lane.
        market_depth: u32,
        /// Replies that wait for release.
        egress_depth: u32,
        /// Commands refused because a lane or the egress store was full.
        refusals: u64,
        /// Records decided but not yet written.
        written_lag: u64,
        /// Records written but not yet durable.
        durable_lag: u64,
        /// Resident memory.
        memory_bytes: u64,
        /// Records written but not yet in the hash chain; 0 where schema 1 did not tell.
        chained_lag: u64,
    }
    /// A free-form event, whose content lies out of line.
    StreamAppended {
        /// BLAKE3 of the content.
        content_hash: [u8; 32],
        /// Bytes of the content.
        content_length: u32,
        /// Which stream.
        stream: u32,
        /// What the content is, as a dictionary text.
        content_type: TextId,
    }
}
