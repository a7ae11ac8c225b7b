//! Servers that cannot be used as they are: too old, read-only, standbys, without rights, without a partition, and those whose
//! certificate proves nothing. Each is told in words, and nothing is lost.

use crate::fixture::tell_skipped;
use crate::process::Process;
use crate::server::{Database, Server};
use crate::support::{
    checkpoint, db, db_arguments, expect_same_tables, last_sequence, migrate, ship, start_shipping, text,
    traded, wait_until_shipped,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

const CAUGHT_UP: &str = "--until-caught-up";

#[test]
fn a_server_that_only_reads_is_told_of_and_gets_everything_later() {
    let Some(mut server) = Server::start() else { return };
    let (_bench, journal) = traded(800);
    let address = server.address("postgres");
    migrate(&address);
    let mut replicator = start_shipping(&address, &journal, 50);
    wait_until_shipped(&address, 1);
    let admin = Database::open(&address);
    admin.execute("ALTER SYSTEM SET default_transaction_read_only = on");
    admin.execute("SELECT pg_reload_conf()");
    replicator.wait_until_told("read-only");
    let reached = checkpoint(&address);
    assert!(reached < last_sequence(&journal), "it came too late");
    admin.execute("SET default_transaction_read_only = off");
    admin.execute("ALTER SYSTEM RESET default_transaction_read_only");
    admin.execute("SELECT pg_reload_conf()");
    wait_until_shipped(&address, reached + 200);
    replicator.stop().expect(0);

    server.run_as_standby();
    let refused = db(&address, &["replicate", text(&journal), CAUGHT_UP]);
    refused.expect_told(1, &["the server is a standby", "write the primary's address into postgres.url"]);
    Database::open(&address).execute("SELECT pg_promote()");
    ship(&address, &journal);
    db(&address, &["verify", text(&journal)]).expect(0);
}

#[test]
fn a_role_without_rights_is_told_which_it_needs() {
    let Some(server) = Server::start() else { return };
    let admin = Database::open(&server.address("postgres"));
    admin.execute("CREATE ROLE stranger LOGIN");
    let stranger = server.address_as("stranger", "postgres");
    let words = ["cannot migrate the schema", "the right to create a schema", "permission denied"];
    db(&stranger, &["migrate"]).expect_told(1, &words);
    // Roles are there and granted, the right to make a schema is not.
    for role in ["tickwerk_owner", "tickwerk_writer", "tickwerk_reader"] {
        admin.execute(&format!("CREATE ROLE {role}; GRANT {role} TO stranger"));
    }
    db(&stranger, &["migrate"]).expect_told(1, &words);
    assert_eq!(admin.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'tickwerk'"), 0);
    admin.execute("GRANT CREATE ON DATABASE postgres TO stranger, tickwerk_owner");
    db(&stranger, &["migrate"]).expect(0);
    let (_bench, journal) = traded(200);
    ship(&stranger, &journal);
    // A writer that is none any more.
    admin.execute("REVOKE tickwerk_writer FROM stranger");
    let refused = db(&stranger, &["replicate", text(&journal), CAUGHT_UP]);
    refused.expect_told(1, &["tickwerk_writer"]);
}

#[test]
fn a_partition_that_is_missing_is_told_of_and_nothing_is_lost() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(600);
    let admin = Database::open(&server.address("postgres"));
    let [once, often] = ["once", "often"].map(|name| {
        admin.execute(&format!("CREATE DATABASE {name}"));
        migrate(&server.address(name));
        server.address(name)
    });
    ship(&once, &journal);
    let replicator = start_shipping(&often, &journal, 50);
    wait_until_shipped(&often, last_sequence(&journal) / 3);
    replicator.stop().expect(0);
    let database = Database::open(&often);
    let part = database.value(
        "SELECT name FROM tickwerk.event_partition WHERE family = 'market' ORDER BY from_time LIMIT 1",
    );
    let bounds = database
        .value(&format!("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = '{part}'"));
    database.execute(&format!("ALTER TABLE tickwerk.events_market DETACH PARTITION tickwerk.{part}"));
    let reached = checkpoint(&often);
    let refused = db(&often, &["replicate", text(&journal), CAUGHT_UP]);
    refused.expect_told(1, &["cannot copy events", "no partition of relation", "attach it again"]);
    assert_eq!(checkpoint(&often), reached);
    database
        .execute(&format!("ALTER TABLE tickwerk.events_market ATTACH PARTITION tickwerk.{part} {bounds}"));
    ship(&often, &journal);
    expect_same_tables(&often, &once);
}

#[test]
fn rows_that_the_server_drops_end_a_call_that_waits_for_all_of_them() {
    let Some(place) = crate::server::database() else { return };
    let (_bench, journal) = traded(200);
    migrate(&place.address);
    Database::open(&place.address).execute(
        "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER swallow BEFORE INSERT ON tickwerk.events FOR EACH ROW EXECUTE FUNCTION public.swallow()",
    );
    let refused = db(&place.address, &["replicate", text(&journal), CAUGHT_UP]);
    refused.expect_told(1, &["cannot copy events", "something on the table drops them"]);
    assert_eq!(checkpoint(&place.address), 0);
}

#[test]
fn a_journal_that_is_being_opened_is_waited_for_and_never_called_shorter() {
    let Some(place) = crate::server::database() else { return };
    let (_bench, journal) = traded(600);
    migrate(&place.address);
    let replicator = start_shipping(&place.address, &journal, 50);
    wait_until_shipped(&place.address, last_sequence(&journal) / 3);
    replicator.stop().expect(0);
    let (last, reached) = (last_sequence(&journal), checkpoint(&place.address));
    assert!(reached < last, "it was stopped in the middle");
    // As a daemon has it that recovers: the journal is locked, and what the last one said of it is gone.
    std::fs::remove_file(journal.join("WATERMARKS")).expect("what the last daemon said");
    let lock = std::fs::File::open(journal.join("LOCK")).expect("a lock");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("nobody holds it");
    let mut arguments = db_arguments(&place.address, &["replicate", text(&journal), CAUGHT_UP, "--json"]);
    arguments.extend(["--set".into(), "postgres.batch_events=50".into()]);
    let mut waiting = Process::start(arguments);
    waiting.wait_until_told("is opening the journal");
    let asked = db(&place.address, &["verify", text(&journal)]);
    asked.expect_told(1, &["is opening the journal"]);
    assert_eq!(checkpoint(&place.address), reached);
    drop(lock);
    let done = waiting.finish().expect(0).json();
    assert_eq!(done["replicated_through"], last, "{done}");
}

/// A frame as a server sends it.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a short frame");
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// Lets one client in and says of which version it is, as PostgreSQL 13 would.
fn serve_old(mut client: TcpStream) -> std::io::Result<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut rest)?;
    let ready = frame(b'Z', b"I");
    client.write_all(&[frame(b'R', &[0; 4]), ready.clone()].concat())?;
    // Two columns, an integer and a text, in the binary format where they are asked for.
    let column = |name: &str, kind: u32, size: i16| {
        [name.as_bytes(), &[0], &[0; 6], &kind.to_be_bytes(), &size.to_be_bytes(), &[0xff; 4], &[0, 0]]
            .concat()
    };
    let columns = [&[0, 2][..], &column("number", 23, 4), &column("words", 25, -1)].concat();
    let words = b"PostgreSQL 13.14";
    let row = [&[0, 2, 0, 0, 0, 4][..], &130_014_u32.to_be_bytes(), &[0, 0, 0, 16], words].concat();
    let prepared = [frame(b'1', b""), frame(b't', &[0, 0]), frame(b'T', &columns), ready.clone()].concat();
    let executed = [frame(b'2', b""), frame(b'D', &row), frame(b'C', b"SELECT 1\0"), ready.clone()].concat();
    let mut answer = ready.clone();
    loop {
        let mut head = [0; 5];
        client.read_exact(&mut head)?;
        let length = u32::from_be_bytes(head[1..].try_into().expect("four bytes")) as usize - 4;
        client.read_exact(&mut vec![0; length])?;
        match head[0] {
            b'P' => answer.clone_from(&prepared),
            b'B' => answer.clone_from(&executed),
            b'S' => client.write_all(&std::mem::replace(&mut answer, ready.clone()))?,
            _ => {}
        }
    }
}

#[test]
fn a_server_that_is_too_old_or_none_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let serving = std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        // It ends with its client; who comes next finds nobody.
        serve_old(client).ok();
    });
    let address = format!("host=127.0.0.1 port={port} user=u dbname=d");
    let words = ["the server is PostgreSQL 13.14", "at least PostgreSQL 14 is needed"];
    db(&address, &["migrate"]).expect_told(1, &words);
    serving.join().expect("it served");
    let nobody = db(&address, &["migrate"]);
    nobody.expect_told(74, &[&format!("cannot connect to PostgreSQL at 127.0.0.1:{port}"), "refused"]);
}

/// Makes an authority, and a certificate by it for the host `localhost`; `false` where there is no program for that.
fn make_certificates(folder: &Path, authority: &str) -> bool {
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"];
    let (key, certificate) = (format!("{authority}.key"), format!("{authority}.crt"));
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").expect("a file can be written");
    let subject = format!("/CN={authority}");
    openssl(
        &[&["req", "-x509"], &new_key[..], &[&key, "-out", &certificate, "-days", "30", "-subj", &subject]]
            .concat(),
    ) && openssl(
        &[&["req", "-new"], &new_key[..], &["server.key", "-out", "server.csr", "-subj", "/CN=localhost"]]
            .concat(),
    ) && openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        &certificate,
        "-CAkey",
        &key,
        "-set_serial",
        "1",
        "-days",
        "30",
        "-extfile",
        "names",
        "-out",
        "server.crt",
    ])
}

#[test]
fn a_connection_is_encrypted_and_the_server_verified_or_there_is_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The first authority certifies nobody here.
    if !make_certificates(folder.path(), "stranger") || !make_certificates(folder.path(), "ours") {
        tell_skipped("openssl cannot make certificates here");
        return;
    }
    let Some(mut server) = Server::start() else { return };
    let (_bench, journal) = traded(200);
    for name in ["server.crt", "server.key"] {
        let made = std::fs::read_to_string(folder.path().join(name)).expect("it was made");
        server.configure(name, &made);
        server.keep_secret(name);
    }
    // From loopback only what is encrypted comes in.
    server.configure("pg_hba.conf", "local all all trust\nhostssl all all 127.0.0.1/32 trust\n");
    let port = server.run_on_loopback(&["ssl=on"]);
    let url =
        |host: &str, rest: &str| format!("host={host} port={port} user=postgres dbname=postgres {rest}");
    let trusted = |name: &str| format!("postgres.root_cert_file={}", text(&folder.path().join(name)));
    let (ours, stranger, none) = (trusted("ours.crt"), trusted("stranger.crt"), trusted("none.crt"));
    let verified = url("localhost", "sslmode=verify-full");
    db(&verified, &["migrate", "--set", &ours]).expect(0);
    db(&verified, &["replicate", text(&journal), CAUGHT_UP, "--set", &ours]).expect(0);
    let refused = |url: &str, set: &str, code: i32, words: &[&str]| {
        let told = db(url, &["replicate", text(&journal), CAUGHT_UP, "--set", set]);
        told.expect_told(code, words);
    };
    let cannot = "cannot connect to PostgreSQL at";
    refused(&verified, &stranger, 74, &[cannot, "invalid peer certificate: UnknownIssuer"]);
    refused(&verified, &none, 78, &["TLS cannot be set up", "none.crt"]);
    refused(&url("127.0.0.1", "sslmode=verify-full"), &ours, 74, &[cannot, "certificate not valid for name"]);
    refused(&url("127.0.0.1", "sslmode=disable"), &ours, 74, &[cannot, "no encryption"]);
    refused(&url("localhost", ""), &ours, 74, &[cannot, "no encryption"]);
    refused(&url("localhost", "sslmode=require"), &ours, 78, &["verifies nothing", "sslmode=verify-full"]);
    db(&server.address("postgres"), &["verify", text(&journal)]).expect(0);

    let port = server.run_on_loopback(&["ssl=off"]);
    let plain = format!("host=localhost port={port} user=postgres dbname=postgres sslmode=verify-full");
    refused(&plain, &ours, 74, &[cannot, "does not support TLS"]);
}
