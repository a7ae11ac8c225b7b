//! The thread of the control socket.

mod commands;
mod metrics;
mod queries;
mod space;
mod watermarks;

use super::SOCKET;
use super::acknowledged::Acknowledged;
use super::answer::{self, Outcome};
use super::connection::{Connection, Line, Reply, Waiting};
use super::known_orders::{About, KnownOrders, Place};
use super::request::{Asked, Fault, Query, Refused, Request, parse, refused};
use crate::config::Acknowledge;
use crate::follower;
use crate::replication::ReplicationFigures;
use crate::session::released_through;
use crate::setup::Names;
use crate::stop::Stop;
use crate::upkeep::UpkeepCounts;
use anyhow::{Context, Result};
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickwerk_domain::{Command, Sequence};
use tickwerk_engine::pipeline::{self, Admission, EgressReader, LaneProducer, PipelineStats};
use tickwerk_journal::{Failpoint, Fault as Broken, Watermarks, has_fault, reach};
use tickwerk_render::Dictionary;

const CONNECTIONS_MAX: usize = 64;
const LISTENER: Token = Token(0);
/// No connection has the listener's token.
const NOBODY: usize = 0;
/// Wait for the socket while nothing is under way.
const QUIET: Duration = Duration::from_millis(50);
/// Pause between two looks at the watermarks while something is.
const BUSY: Duration = Duration::from_micros(50);
/// Time that clients have to take their last replies.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the control socket speaks with.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) dir: PathBuf,
    pub(crate) names: Names,
    pub(crate) dictionary: Dictionary,
    pub(crate) acknowledge: Acknowledge,
    /// The replicator that is awaited.
    pub(crate) replicator: Option<String>,
    /// Replication to PostgreSQL, where there is any.
    pub(crate) postgres: Option<ReplicationFigures>,
    pub(crate) lane: LaneProducer,
    pub(crate) egress: EgressReader,
    pub(crate) admission: Admission,
    pub(crate) stats: Arc<PipelineStats>,
    pub(crate) watermarks: Watermarks,
    pub(crate) upkeep: Arc<UpkeepCounts>,
    pub(crate) queries: Sender<follower::Query>,
    /// The highest number that the core has seen of the control socket.
    pub(crate) position: u64,
    pub(crate) stop: Stop,
}

/// A control socket that is served.
#[derive(Debug)]
pub(crate) struct Control {
    thread: JoinHandle<Acknowledged>,
    path: PathBuf,
}

impl Control {
    /// Opens the socket and serves it until it is told to stop.
    pub(crate) fn start(door: Door) -> Result<Self> {
        let path = door.dir.join(SOCKET);
        // The journal's lock is ours, so a socket that lies there belongs to nobody any more.
        if path.exists() {
            std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
        let listener = bind(&path)?;
        let mut server = Server::new(door, listener)?;
        let thread = std::thread::Builder::new().name("tw-control".to_owned()).spawn(move || {
            server.run();
            server.acknowledged
        })?;
        Ok(Self { thread, path })
    }

    /// Waits until the last replies are out, and says what was answered; the stop must have been told.
    pub(crate) fn finish(self) -> Acknowledged {
        let acknowledged = self.thread.join().unwrap_or_else(|_| {
            crate::command::tell("warning: the control thread panicked");
            Acknowledged::default()
        });
        // It may be gone already.
        std::fs::remove_file(&self.path).ok();
        acknowledged
    }
}

/// The watermark that answers wait for; a test may break it, to see that it would notice.
fn answered_through(watermarks: &Watermarks, acknowledge: Acknowledge) -> Sequence {
    if has_fault(Broken::ReleaseUnwritten) {
        Sequence(u64::MAX)
    } else {
        released_through(watermarks, acknowledge)
    }
}

fn bind(path: &Path) -> Result<UnixListener> {
    let listener =
        UnixListener::bind(path).with_context(|| format!("opening the control socket {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("setting the mode of {}", path.display()))?;
    Ok(listener)
}

/// Tells a client that there is no room for it; then its connection is closed.
fn refuse(stream: &mut UnixStream) {
    let message = format!("{CONNECTIONS_MAX} connections are open; connect again when one has ended");
    let fault = Fault::whole("engine_busy", message);
    // A client that cannot take one line has gone already.
    stream.write_all(answer::line(&Value::Null, None, None, Err(fault)).as_bytes()).ok();
}

/// The answer of a query, for the request with this ticket.
type Answer = (usize, u64, Outcome, Sequence);
/// Where the order is that the command with this ticket is about.
type Found = (usize, u64, Option<Place>);

struct Server {
    poll: Poll,
    listener: Option<UnixListener>,
    connections: BTreeMap<usize, Connection>,
    next_token: usize,
    next_ticket: u64,
    lane: Option<LaneProducer>,
    /// Commands under way, in order: number, connection, ticket.
    under_way: VecDeque<(u64, usize, u64)>,
    answers: Receiver<Answer>,
    answer_to: Sender<Answer>,
    known: KnownOrders,
    /// Commands that wait for what the follower says of their order, by ticket.
    checked: BTreeMap<u64, (Command, About)>,
    found: Receiver<Found>,
    found_to: Sender<Found>,
    position: u64,
    acknowledged: Acknowledged,
    opened: Instant,
    /// What was decided when the socket was opened, the configuration included: no query shows less.
    opened_at: Sequence,
    door: DoorRest,
}

/// What of the door stays as it is.
struct DoorRest {
    names: Names,
    /// What the numbers of a refusal mean; it learns the orders that are answered here.
    dictionary: Dictionary,
    acknowledge: Acknowledge,
    replicator: Option<String>,
    postgres: Option<ReplicationFigures>,
    egress: EgressReader,
    admission: Admission,
    stats: Arc<PipelineStats>,
    watermarks: Watermarks,
    upkeep: Arc<UpkeepCounts>,
    queries: Sender<follower::Query>,
    stop: Stop,
}

impl Server {
    fn new(door: Door, mut listener: UnixListener) -> Result<Self> {
        let poll = Poll::new().context("waiting for the control socket")?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (answer_to, answers) = channel();
        let (found_to, found) = channel();
        let Door {
            names,
            dictionary,
            acknowledge,
            replicator,
            postgres,
            lane,
            egress,
            admission,
            stats,
            watermarks,
            upkeep,
            queries,
            position,
            stop,
            ..
        } = door;
        Ok(Self {
            poll,
            listener: Some(listener),
            connections: BTreeMap::new(),
            next_token: 1,
            next_ticket: 0,
            lane: Some(lane),
            under_way: VecDeque::new(),
            answers,
            answer_to,
            known: KnownOrders::default(),
            checked: BTreeMap::new(),
            found,
            found_to,
            position,
            acknowledged: Acknowledged::default(),
            opened: Instant::now(),
            opened_at: stats.decided_through(),
            door: DoorRest {
                names,
                dictionary,
                acknowledge,
                replicator,
                postgres,
                egress,
                admission,
                stats,
                watermarks,
                upkeep,
                queries,
                stop,
            },
        })
    }

    fn run(&mut self) {
        let mut events = Events::with_capacity(128);
        let mut farewell = None;
        loop {
            let is_busy = !self.under_way.is_empty() || self.connections.values().any(Connection::is_busy);
            let wait = if is_busy { Duration::ZERO } else { QUIET };
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                crate::command::tell(&format!("warning: waiting for the control socket: {error}"));
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept();
                } else if let Some(connection) = self.connections.get_mut(&event.token().0) {
                    connection.is_readable |=
                        event.is_readable() || event.is_read_closed() || event.is_error();
                    // One that has only said all still listens.
                    if event.is_write_closed() || event.is_error() {
                        connection.hang_up();
                    }
                }
            }
            let mut moved = self.read_all();
            moved |= self.take_replies();
            moved |= self.ask_all();
            moved |= self.take_answers();
            moved |= self.take_found();
            moved |= self.flush_all();
            if self.door.stop.is_told() {
                let deadline = *farewell.get_or_insert_with(|| self.begin_farewell());
                let is_done =
                    self.under_way.is_empty() && !self.connections.values().any(Connection::is_busy);
                if is_done || Instant::now() >= deadline {
                    return;
                }
            }
            if is_busy && !moved {
                std::thread::sleep(BUSY);
            }
        }
    }

    /// Takes nothing more in; dropping the lane lets the pipeline come to its end.
    fn begin_farewell(&mut self) -> Instant {
        self.listener = None;
        self.lane = None;
        self.connections.values_mut().for_each(Connection::stop_reading);
        Instant::now() + FAREWELL
    }

    fn accept(&mut self) {
        while let Some(Ok((mut stream, _))) = self.listener.as_ref().map(UnixListener::accept) {
            let token = self.next_token;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.connections.len() >= CONNECTIONS_MAX {
                refuse(&mut stream);
                continue;
            }
            if self.poll.registry().register(&mut stream, Token(token), interest).is_err() {
                // The client sees its connection closed.
                continue;
            }
            self.next_token += 1;
            self.connections.insert(token, Connection::new(stream, self.opened_at));
        }
    }

    fn read_all(&mut self) -> bool {
        let tokens: Vec<usize> = self.connections.keys().copied().collect();
        let mut moved = false;
        for token in tokens {
            while let Some(connection) = self.connections.get_mut(&token)
                && connection.has_room()
                && let Some(line) = connection.next_line()
            {
                moved = true;
                match line {
                    Line::Text(text) if text.is_empty() => {}
                    Line::Text(text) => self.take_line(token, &text),
                    Line::Bad(problem) => {
                        let fault = Fault::whole("bad_json", problem);
                        self.reply(token, answer::line(&Value::Null, None, None, Err(fault)));
                    }
                }
            }
        }
        moved
    }

    fn take_line(&mut self, token: usize, text: &str) {
        let request = match parse(text, &self.door.names, self.door.acknowledge) {
            Ok(request) => request,
            Err(refused) => return self.refuse(token, *refused),
        };
        let Request { id, acknowledge, mut asked, about, reason, object } = request;
        if acknowledge == Acknowledge::Replicated && self.door.replicator.is_none() {
            let message = "no replicator is configured (journal.replicator); ask for durable at most";
            let fault = Fault::new("invalid_value", "ack", json!(acknowledge.word()), message);
            let record = refused(&object, &self.door.names, &fault);
            return self.refuse(token, Refused { id, fault, record });
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if let (Asked::Command(command), Some(about)) = (&asked, about) {
            match self.known.find(&about).map(|place| about.check(place, &self.door.names)) {
                Some(Ok(())) => {}
                Some(Err(fault)) => {
                    let record = refused(&object, &self.door.names, &fault);
                    return self.refuse(token, Refused { id, fault, record });
                }
                None => {
                    self.checked.insert(ticket, (*command, about));
                    asked = Asked::Query(Query::Order(about));
                }
            }
        }
        let sent = match asked {
            Asked::Command(command) => self.send_with_reason(token, ticket, command, reason),
            Asked::Query(_) => Ok(true),
        };
        let is_reason_kept = match sent {
            Ok(is_kept) => is_kept,
            Err(fault) => return self.reply(token, answer::line(&id, None, None, Err(fault))),
        };
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.replies.push_back(Reply::Waiting(Waiting {
                ticket,
                id,
                acknowledge,
                request: object,
                fault: None,
                is_reason_kept,
                asked: Instant::now(),
            }));
            if let Asked::Query(query) = asked {
                connection.query = Some((ticket, query));
            }
        }
    }

    fn take_replies(&mut self) -> bool {
        let released = answered_through(&self.door.watermarks, self.door.acknowledge);
        let mut moved = false;
        while let Some(reply) = self.door.egress.next(released) {
            moved = true;
            reach(Failpoint::ReplyReady);
            let Some((_, token, ticket)) = self.under_way.pop_front() else {
                continue;
            };
            let (acknowledge, watermarks) = (self.door.acknowledge, &self.door.watermarks);
            let (dictionary, acknowledged) = (&mut self.door.dictionary, &mut self.acknowledged);
            if let pipeline::Reply::Frame(frame) = &reply {
                self.known.watch(frame.records());
                // Whether or not whoever asked is still there.
                for record in frame.records() {
                    dictionary.watch(record, frame.records());
                }
            }
            let Some(connection) = self.connections.get_mut(&token) else {
                continue;
            };
            connection.settle(ticket, |waiting| match &reply {
                pipeline::Reply::Frame(frame) => {
                    let through = frame.last_sequence();
                    let reached = waiting.acknowledge.max(acknowledge);
                    let mut outcome = match waiting.fault.take() {
                        Some(fault) => Err(fault),
                        None => answer::of_frame(frame, &waiting.request, dictionary),
                    };
                    if let Ok(result) = &mut outcome
                        && !waiting.is_reason_kept
                    {
                        result["reason_kept"] = json!(false);
                    }
                    let line = answer::line(
                        &waiting.id,
                        Some(frame.records()[0].envelope.sequence),
                        Some(reached),
                        outcome,
                    );
                    if answered_through(watermarks, reached) < through {
                        Reply::Held { line, acknowledge: reached, through, asked: waiting.asked }
                    } else {
                        acknowledged.note(reached, waiting.asked.elapsed());
                        Reply::Ready(line)
                    }
                }
                pipeline::Reply::Repeat { source_sequence, .. } => {
                    let message = format!("number {source_sequence} was sent before; send the request again");
                    let outcome: Outcome = Err(Fault::new("repeated", "op", Value::Null, message));
                    Reply::Ready(answer::line(&waiting.id, None, None, outcome))
                }
            });
            if let pipeline::Reply::Frame(frame) = &reply {
                connection.seen_through = connection.seen_through.max(frame.last_sequence());
            }
        }
        moved
    }

    fn flush_all(&mut self) -> bool {
        let watermarks = &self.door.watermarks;
        let released = released_through(watermarks, self.door.acknowledge);
        let has_reached = |acknowledge, through| answered_through(watermarks, acknowledge) >= through;
        let mut moved = false;
        let (checked, acknowledged) = (&mut self.checked, &mut self.acknowledged);
        self.connections.retain(|_, connection| {
            moved |= connection.flush(has_reached, acknowledged);
            let is_done = connection.is_done(released);
            if let Some((ticket, _)) = connection.query.filter(|_| is_done) {
                checked.remove(&ticket);
            }
            !is_done
        });
        moved
    }

    fn reply(&mut self, token: usize, line: String) {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.replies.push_back(Reply::Ready(line));
        }
    }
}
