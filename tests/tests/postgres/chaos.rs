//! A daemon under load ships through a network that breaks into a server that stops, kills and hangs, and is itself killed
//! in between; or somebody else ships beside it, and is killed as well. Afterwards every event is there once, and every
//! table as if nothing had happened.
//!
//! Faults, their order and their moments are drawn from a seed; where in the journal they fall is up to the machine.

use crate::fixture::tell;
use crate::live::{LiveDaemon, Load, Over, expect_no_waits};
use crate::process::{Process, wait_for};
use crate::proxy::{Fault, Proxy, Way};
use crate::server::{Database, Server};
use crate::support::{
    checkpoint, db, expect_same_tables, last_sequence, migrate, ship, start_shipping, text, traded,
    wait_until_shipped,
};
use crate::{is_long, seed};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const BATCH: u64 = 200;
const LOOK: Duration = Duration::from_millis(5);
/// Frames until a connection breaks, at most: less than a batch.
const FRAMES: u64 = 40;

/// Numbers from a seed. Steele, Lea, Flood 2014: `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for place in (1..all.len()).rev() {
            let other = usize::try_from(self.below(place as u64 + 1)).expect("a place");
            all.swap(place, other);
        }
    }
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// The server stops as by a power cut, and comes back.
    StopServer,
    /// The server ends the replicator's process.
    KillBackend,
    /// Every process of the server is held.
    FreezeServer,
    /// The replicator's process of the server is held, and let go.
    FreezeBackend,
    /// The daemon is killed and started again.
    KillDaemon,
    /// So is whoever ships beside it.
    KillReplicator,
    Network(Fault),
}

/// Who ships.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shipping {
    /// The daemon itself.
    Inside,
    /// `tickwerk db replicate`, which follows it.
    Beside,
}

/// What goes wrong in a run, in the order of its seed.
fn blows(shipping: Shipping, random: &mut Random) -> Vec<Blow> {
    let is_long = is_long();
    let mut all = Vec::new();
    let mut add = |short: usize, long: usize, blow: Blow| {
        all.extend(std::iter::repeat_n(blow, if is_long { long } else { short }));
    };
    add(2, 20, Blow::StopServer);
    add(2, 20, Blow::KillBackend);
    add(1, 3, Blow::FreezeServer);
    add(1, 3, Blow::FreezeBackend);
    add(2, 8, Blow::KillDaemon);
    if shipping == Shipping::Beside {
        add(1, 8, Blow::KillReplicator);
    }
    for way in [Way::ToServer, Way::ToClient] {
        add(1, 5, Blow::Network(Fault::Cut(way, 0)));
        add(1, 4, Blow::Network(Fault::HalfClose(way, 0)));
    }
    for fault in [
        Fault::Delay(Duration::from_millis(3)),
        Fault::Throttle(100_000),
        Fault::Stall,
        Fault::Abandon(0),
        Fault::LoseCommit,
        Fault::CutCommit,
    ] {
        add(1, 4, Blow::Network(fault));
    }
    random.shuffle(&mut all);
    all
}

/// The process of the server that serves the replicator.
fn backend(admin: &str) -> Option<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tickwerk replicator%'";
    let rows = Database::try_open(admin)?.try_rows(sql).ok()?;
    rows.first()?.first()?.as_ref()?.parse().ok()
}

/// A moment, longer in a long run.
fn hold(long_s: u64) {
    sleep(if is_long() { Duration::from_secs(long_s) } else { Duration::from_millis(300) });
}

/// What blows fall on.
struct Scene<'a> {
    server: Server,
    proxy: Proxy,
    daemon: LiveDaemon,
    /// Whoever ships beside the daemon, which does not then.
    beside: Option<Process>,
    load: &'a Load,
    random: Random,
}

impl Scene<'_> {
    fn strike(&mut self, blow: Blow) {
        let admin = self.server.address("postgres");
        match blow {
            Blow::StopServer => {
                self.server.stop_immediately();
                self.load.wait_for_more(20);
                self.server.run();
            }
            Blow::KillBackend => {
                let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tickwerk replicator%'";
                Database::open(&admin).execute(sql);
            }
            Blow::FreezeServer => {
                self.server.freeze(true);
                // Nobody who trades notices.
                self.load.wait_for_more(100);
                hold(5);
                self.server.freeze(false);
            }
            Blow::FreezeBackend => {
                let Some(pid) = backend(&admin) else { return };
                Server::freeze_process(pid, true);
                self.load.wait_for_more(100);
                hold(5);
                Server::freeze_process(pid, false);
            }
            Blow::KillDaemon => {
                self.daemon.kill();
                self.daemon.start_again();
            }
            Blow::KillReplicator => {
                self.beside.take().expect("somebody ships beside the daemon").kill();
                self.beside = Some(beside(&self.proxy, &self.daemon));
            }
            Blow::Network(fault) if !fault.is_once() => {
                self.proxy.set(fault);
                self.load.wait_for_more(100);
                hold(2);
                self.proxy.set(Fault::None);
            }
            Blow::Network(mut fault) => {
                for way in [Way::ToServer, Way::ToClient] {
                    if let Some(frames) = fault.frames_left(way) {
                        *frames = self.random.below(FRAMES);
                    }
                }
                self.proxy.strike(fault);
            }
        }
    }
}

/// Requires that a database holds a journal: every event once, dense and in order, and tables as of an undisturbed one.
fn expect_whole(server: &Server, often: &str, journal: &Path) {
    let last = last_sequence(journal);
    assert_eq!(checkpoint(often), last);
    let database = Database::open(often);
    let figures = "SELECT count(*), count(DISTINCT global_position), min(global_position), max(global_position) FROM tickwerk.events";
    let expected = [last, last, 1, last].map(|figure| Some(figure.to_string())).to_vec();
    assert_eq!(database.rows(figures), [expected]);
    let disorder = "SELECT count(*) FROM (SELECT recorded_at_ns < lag(recorded_at_ns) OVER (ORDER BY global_position) AS is_earlier
        FROM tickwerk.events) AS pairs WHERE is_earlier";
    assert_eq!(database.number(disorder), 0);
    let proof = db(often, &["verify", text(journal), "--json"]).expect(0).json();
    assert_eq!((&proof["ok"], &proof["checked"]), (&true.into(), &last.into()), "{proof}");
    let once = fresh(server, "once");
    ship(&once, journal);
    expect_same_tables(often, &once);
}

/// A database with the schema and nothing in it.
fn fresh(server: &Server, name: &str) -> String {
    Database::open(&server.address("postgres")).execute(&format!("CREATE DATABASE {name}"));
    let address = server.address(name);
    migrate(&address);
    address
}

/// Begins to ship beside a daemon.
fn beside(proxy: &Proxy, daemon: &LiveDaemon) -> Process {
    start_shipping(&proxy.address("often"), &daemon.dir(), BATCH)
}

#[test]
fn everything_breaks_under_load_and_every_event_is_there_once() {
    let mut random = Random(seed());
    // A short run has one of both.
    let both = [Shipping::Inside, Shipping::Beside];
    let drawn = usize::from(random.below(2) == 1);
    for shipping in if is_long() { &both[..] } else { &both[drawn..=drawn] } {
        break_everything(*shipping, &mut random);
    }
}

fn break_everything(shipping: Shipping, random: &mut Random) {
    let Some(server) = Server::start() else { return };
    let often = fresh(&server, "often");
    let proxy = Proxy::to(&server.socket());
    let (url, batch) = (proxy.address("often"), BATCH.to_string());
    let sets =
        [("postgres.url", url.as_str()), ("postgres.batch_events", &batch), ("postgres.retry_max_ms", "200")];
    let is_inside = shipping == Shipping::Inside;
    let daemon = LiveDaemon::start(if is_inside { &sets } else { &[] });
    let (journal, load) = (daemon.dir(), Load::default());
    let blows = blows(shipping, random);
    let count = blows.len();
    let beside = (!is_inside).then(|| beside(&proxy, &daemon));
    let random = Random(random.next());
    let mut scene = Scene { server, proxy, daemon, beside, load: &load, random };
    std::thread::scope(|scope| {
        let over = Over(&load);
        scope.spawn(|| load.send(&journal));
        for blow in blows {
            // The last blow is overcome, and it is shipped again, when the next one falls.
            let moment = scene.random.below(300) + 1;
            wait_until_shipped(&often, checkpoint(&often) + moment);
            assert!(scene.beside.as_mut().is_none_or(Process::is_running), "it gave up");
            scene.strike(blow);
        }
        drop(over);
    });
    let Scene { server, proxy, mut daemon, beside, .. } = scene;
    expect_no_waits(&daemon.watermarks());
    wait_until_shipped(&often, last_sequence(&journal));
    let summary = daemon.stop().json();
    if let Some(beside) = beside {
        wait_until_shipped(&often, last_sequence(&journal));
        beside.stop().expect(0);
    } else {
        assert_eq!(summary["postgres"]["lag_events"], 0, "{summary}");
    }
    drop(proxy);
    expect_whole(&server, &often, &journal);
    let last = last_sequence(&journal);
    let answers = load.answers();
    tell(&format!("{shipping:?}: {count} blows, {answers} answers, {last} records, each of them there once"));
}

#[test]
fn one_two_or_three_interrupted_replicators_leave_identical_tables() {
    let mut random = Random(seed());
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(if is_long() { 3_000 } else { 500 });
    let last = last_sequence(&journal);
    let proxy = Proxy::to(&server.socket());
    let once = fresh(&server, "once");
    ship(&once, &journal);
    for replicators in 1..=3 {
        let name = format!("by_{replicators}");
        let (address, through_proxy) = (fresh(&server, &name), proxy.address(&name));
        let database = Database::open(&address);
        for which in 1..=replicators {
            let batch = 40 + random.below(80);
            let start = || start_shipping(&through_proxy, &journal, batch);
            // Anywhere from the first words on.
            let frames = random.below(FRAMES * 10);
            let fault = match random.below(3) {
                0 => Fault::Cut(Way::ToServer, frames),
                1 => Fault::Cut(Way::ToClient, frames),
                _ => Fault::LoseCommit,
            };
            let mut begun = None;
            proxy.strike_while(fault, || begun = Some(start()));
            let mut replicator = begun.expect("it was begun");
            // Its share of the journal; the last one ships the rest.
            let goal = if which == replicators { last } else { last * which / (replicators + 1) };
            wait_for("its share", || {
                // Who could not even begin is gone.
                if !replicator.is_running() {
                    replicator = start();
                }
                sleep(LOOK);
                let reached =
                    database.number("SELECT COALESCE(max(global_position), 0) FROM tickwerk.checkpoint");
                (reached >= goal).then_some(())
            });
            if which < replicators {
                replicator.kill();
            } else {
                replicator.stop().expect(0);
            }
        }
        expect_same_tables(&address, &once);
    }
}

/// Here the harness is tried: the replicator is the real one, and its transaction is taken apart on the way.
#[test]
fn rows_committed_before_their_checkpoint_are_caught() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(400);
    let proxy = Proxy::to(&server.socket());
    let apart = fresh(&server, "apart");
    let mut replicator = start_shipping(&proxy.address("apart"), &journal, 50);
    wait_until_shipped(&apart, 1);
    proxy.strike(Fault::CommitRowsApart);
    // The server itself refuses a row that is there already, so nothing goes on.
    replicator.wait_until_told("duplicate key");
    replicator.kill();
    let reached = checkpoint(&apart);
    let highest = Database::open(&apart).number("SELECT max(global_position) FROM tickwerk.events");
    assert!(reached < highest && highest < last_sequence(&journal), "{reached} {highest}");
    let again = db(&apart, &["replicate", text(&journal), "--until-caught-up"]);
    again.expect_told(1, &["cannot copy events", "duplicate key"]);
    let found = db(&apart, &["verify", text(&journal), "--json"]).expect(3).json();
    assert_eq!(found["first_difference"]["sequence"], reached + 1, "{found}");
}
