//! Queries, and commands that wait until the follower has told where the order is that they are about.

use super::Server;
use crate::config::Acknowledge;
use crate::control::answer::{self, Outcome};
use crate::control::connection::{Reply, Waiting};
use crate::control::known_orders::About;
use crate::control::query;
use crate::control::request::{Fault, Query, refused};
use crate::follower::{self, Wanted};
use crate::session::released_through;
use crate::snapshot::Taken;
use tickwerk_domain::Sequence;

impl Server {
    /// Asks the queries whose turn has come.
    pub(super) fn ask_all(&mut self) -> bool {
        let released = released_through(&self.door.watermarks, self.door.acknowledge);
        let due = self.connections.iter_mut().filter_map(|(token, connection)| {
            let (ticket, query) = connection.next_query()?;
            Some((*token, ticket, query, connection.seen_through.max(released)))
        });
        let due: Vec<_> = due.collect();
        for &(token, ticket, query, at_least) in &due {
            if let Query::Order(about) = query {
                self.ask_for_order(token, ticket, about, at_least);
            } else if matches!(query, Query::Watermarks | Query::Metrics) {
                let at = self.door.watermarks.written_through();
                let is_metrics = query == Query::Metrics;
                let answer = if is_metrics { self.metrics_json() } else { self.watermarks_json() };
                self.settle_query(token, ticket, at, Ok(answer));
            } else {
                self.ask(token, ticket, query, at_least);
            }
        }
        !due.is_empty()
    }

    /// Asks the follower, for a state not before what the connection was already told.
    fn ask(&self, token: usize, ticket: u64, query: Query, at_least: Sequence) {
        let answer_to = self.answer_to.clone();
        // A server that has ended needs no answer.
        let wanted = if query == Query::Snapshot {
            Wanted::Snapshot(Box::new(move |taken| {
                let at = taken.as_ref().map_or(Sequence::NONE, |taken| taken.header.sequence);
                let outcome = taken.map(Taken::to_json).map_err(|reason| Fault::whole("no_snapshot", reason));
                answer_to.send((token, ticket, outcome, at)).ok();
            }))
        } else {
            Wanted::Answer(Box::new(move |core, at| {
                answer_to.send((token, ticket, Ok(query::answer(query, core)), at)).ok();
            }))
        };
        // The follower outlives this thread.
        self.door.queries.send(follower::Query { at_least, wanted }).ok();
    }

    pub(super) fn take_answers(&mut self) -> bool {
        let mut moved = false;
        while let Ok((token, ticket, outcome, at)) = self.answers.try_recv() {
            moved = true;
            self.settle_query(token, ticket, at, outcome);
        }
        moved
    }

    fn settle_query(&mut self, token: usize, ticket: u64, at: Sequence, outcome: Outcome) {
        let reached = self.reached_by(at);
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.settle(ticket, |waiting| {
                Reply::Ready(answer::line(&waiting.id, Some(at), Some(reached), outcome))
            });
        }
    }

    /// The level that `at` has reached, up to the daemon's own: figures of the journal wait for none, and a follower
    /// begins with what was written before.
    fn reached_by(&self, at: Sequence) -> Acknowledge {
        let has_reached = |level: &Acknowledge| released_through(&self.door.watermarks, *level) >= at;
        let levels = Acknowledge::WORDS.iter().rev().map(|(_, level)| *level);
        let mut levels = levels.filter(|level| *level <= self.door.acknowledge);
        levels.find(has_reached).unwrap_or(Acknowledge::Written)
    }

    /// Asks the follower for the order that a command is about; the connection waits with it.
    fn ask_for_order(&mut self, token: usize, ticket: u64, about: About, at_least: Sequence) {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.is_checking = true;
        }
        if let Some(place) = self.known.find(&about).copied() {
            // The replies before it told.
            self.found_to.send((token, ticket, Some(place))).ok();
            return;
        }
        let found_to = self.found_to.clone();
        // A server that has ended needs no answer.
        let wanted = Wanted::Answer(Box::new(move |core, _| {
            found_to.send((token, ticket, about.find(core))).ok();
        }));
        // The follower outlives this thread.
        self.door.queries.send(follower::Query { at_least, wanted }).ok();
    }

    /// Sends the commands whose orders were found to be as they say, and those whose orders nobody knows: the core says so.
    pub(super) fn take_found(&mut self) -> bool {
        let mut moved = false;
        while let Ok((token, ticket, place)) = self.found.try_recv() {
            moved = true;
            let Some((command, about)) = self.checked.remove(&ticket) else {
                continue;
            };
            if let Some(connection) = self.connections.get_mut(&token) {
                connection.is_checking = false;
            }
            if let Some(place) = place {
                self.known.learn(&about, place);
            }
            let checked = place.map_or(Ok(()), |place| about.check(&place, &self.door.names));
            let sent = match checked {
                Ok(()) => self.send(token, ticket, command),
                Err(fault) => self.refuse_found(token, ticket, fault),
            };
            if let Err(fault) = sent
                && let Some(connection) = self.connections.get_mut(&token)
            {
                let refused = |waiting: &Waiting| answer::line(&waiting.id, None, None, Err(fault));
                connection.settle(ticket, |waiting| Reply::Ready(refused(waiting)));
            }
        }
        moved
    }

    /// Refuses a command whose order was found to be other than it says; what waits is answered when that is journaled.
    fn refuse_found(&mut self, token: usize, ticket: u64, fault: Fault) -> Result<(), Fault> {
        let waiting = self.connections.get_mut(&token).and_then(|connection| connection.waiting(ticket));
        let Some(waiting) = waiting else { return Ok(()) };
        let Some(record) = refused(&waiting.request, &self.door.names, &fault) else { return Err(fault) };
        waiting.fault = Some(fault);
        self.send(token, ticket, record.into())
    }
}
