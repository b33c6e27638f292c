//! Connections that break, and hosts that keep what they should give back (A46, T8, T13).

use super::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::error::Kind;
use engine::store::{Store, Transaction};

/// Ends the connections of this store, as a server does that is started anew.
fn end_connections(place: &Place) -> String {
    let schema = place.0.schema();
    place.ask(&format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'ganger {schema}'"))
}

#[test]
fn a_connection_that_was_ended_while_idle_is_made_anew() {
    let place = Place::new();
    let door = place.door();
    for _ in 0..3 {
        add(&door, 1).unwrap();
        door.standing(None).unwrap();
        assert_ne!(end_connections(&place), "0", "there was a connection to end");
        add(&door, 1).unwrap();
        end_connections(&place);
        door.standing(None).unwrap();
    }
    assert_eq!(last_task(&door), TaskId(6));
    audit(&door);
}

#[test]
fn nothing_is_there_of_a_transaction_whose_connection_ended() {
    let place = Place::new();
    let store = place.store();
    let mut work = |tx: &dyn Transaction| {
        tx.put_meta("half", "done")?;
        let pid = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 1735288690 AND objid = (SELECT oid FROM pg_namespace WHERE nspname = '";
        assert_eq!(ask(&place.0, &format!("{pid}{}')", place.0.schema())).unwrap(), "t");
        tx.meta("half").map(|_| ())
    };
    let error = store.write(&mut work).unwrap_err();
    assert_eq!((error.kind, error.code), (Kind::Store, "store_unreachable"));
    let mut half = Some(String::new());
    let mut look = |snapshot: &dyn engine::store::Snapshot| {
        half = snapshot.meta("half")?;
        Ok(())
    };
    store.read(&mut look).unwrap();
    assert_eq!(half, None);
}

/// A host that stops in the middle of a write keeps the turn only until the server takes it back.
#[test]
fn who_keeps_the_turn_for_nothing_loses_it() {
    let place = Place::new();
    let (stopped, waiting) = (place.store(), place.door());
    let (has_turn, goes_on) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            let (told, wait) = std::sync::mpsc::channel::<()>();
            let kept = stopped.write(&mut |tx| {
                tx.put_meta("kept", "too long")?;
                has_turn.send(told.clone()).unwrap();
                // As a process that was stopped: until the other one has written.
                wait.recv().unwrap();
                tx.meta("kept").map(|_| ())
            });
            kept.unwrap_err().code
        });
        let go_on = goes_on.recv().unwrap();
        let began = Instant::now();
        add(&waiting, 1).unwrap();
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        go_on.send(()).unwrap();
        assert_eq!(other.join().unwrap(), "store_unreachable", "and what it had written is not there");
    });
    assert_eq!(waiting.look(|snapshot| snapshot.meta("kept")).unwrap(), None);
    audit(&waiting);
}

/// What is acknowledged is in the server's log on disk, whatever the database has as its default (G1, T17).
#[test]
fn a_commit_waits_for_the_disk_whatever_the_default_is() {
    let place = Place::new();
    let database = place.ask("SELECT current_database()");
    place.ask(&format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    let door = place.door();
    let lost = (0..40)
        .filter(|_| {
            let before = place.ask("SELECT pg_current_wal_insert_lsn()");
            add(&door, 1).unwrap();
            // What was inserted before our transaction is flushed with it, at the latest.
            place.ask(&format!("SELECT pg_current_wal_flush_lsn() >= '{before}'::pg_lsn")) != "t"
        })
        .count();
    place.ask(&format!("ALTER DATABASE {database} RESET synchronous_commit"));
    assert_eq!(lost, 0);
}

/// A way to the server: each direction is handled by a function of its own.
fn by_way_of<F, G>(target: &PgAddress, upstream: F, downstream: G) -> PgAddress
where
    F: Fn(TcpStream, TcpStream) + Clone + Send + 'static,
    G: Fn(TcpStream, TcpStream) + Clone + Send + 'static,
{
    let (before, rest) = target.with_secrets().split_once("127.0.0.1:").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (port, after) = rest.split_once('/').map(|(a, b)| (a.parse::<u16>().unwrap(), b.to_owned())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.set_nodelay(true).unwrap();
            let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (upstream, downstream) = (upstream.clone(), downstream.clone());
            std::thread::spawn(move || {
                upstream(ends.0, ends.1.try_clone().unwrap());
                let _ = ends.1.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || {
                downstream(server, client.try_clone().unwrap());
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    address(&format!("{before}127.0.0.1:{own}/{after}"))
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
}

fn copy_in_pieces(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0; 7];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..count]).is_err() {
            return;
        }
        // A slow line: the next piece comes when this one was read.
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// The server keeps what it was told to, and the answers of that moment are lost: those to the last writes with the one to the end. Then it
/// is unknown what came of it, and not, as the first lost answer would have it, certain that nothing did (T8, G3).
#[test]
fn an_end_whose_answers_are_lost_is_unknown() {
    let place = Place::new();
    drop(place.store());
    let is_ending = Arc::new(AtomicBool::new(false));
    let (seen, lost) = (Arc::clone(&is_ending), is_ending);
    let contains = |text: &[u8], word: &[u8]| text.windows(word.len()).any(|part| part == word);
    let upstream = move |mut client: TcpStream, mut server: TcpStream| {
        let mut said = vec![0; 1 << 16];
        while let Ok(count @ 1..) = client.read(&mut said) {
            // An answer that is lost is one to this or to something later.
            if contains(&said[..count], b"put me down") {
                seen.store(true, Ordering::SeqCst);
            }
            if server.write_all(&said[..count]).is_err() {
                return;
            }
        }
    };
    let downstream = move |mut server: TcpStream, mut client: TcpStream| {
        let mut answer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = server.read(&mut answer) {
            if !lost.load(Ordering::SeqCst) {
                client.write_all(&answer[..count]).unwrap();
            } else if contains(&answer[..count], b"COMMIT\0") {
                return;
            }
        }
    };
    let store = PgStore::open(&by_way_of(&place.0, upstream, downstream), Use::Resident, Missing::Refuse, Time::Database).unwrap();
    // The statement is known to the server from here on, so the next time it goes out together with the end.
    store.write(&mut |tx| tx.put_meta("told", "before")).unwrap();
    let error = store.write(&mut |tx| tx.put_meta("told", "put me down")).unwrap_err();
    let mut told = None;
    let mut look = |snapshot: &dyn engine::store::Snapshot| {
        told = snapshot.meta("told")?;
        Ok(())
    };
    place.store().read(&mut look).unwrap();
    assert_eq!(told.as_deref(), Some("put me down"), "the server has it");
    assert_eq!((error.kind, error.code), (Kind::Unknown, "outcome_unknown"), "{error:?}");
}

#[test]
fn answers_may_come_in_pieces() {
    let place = Place::new();
    drop(place.store());
    let store = PgStore::open(&by_way_of(&place.0, copy, copy_in_pieces), Use::Resident, Missing::Refuse, Time::Database).unwrap();
    let door = Orchestrator::new(Arc::new(store), Settings::default());
    add(&door, 3).unwrap();
    for round in 0..3 {
        let Ok(Answer::Claimed { claim, .. }) = door.apply_one(claim("amy", round)) else { panic!("there is work") };
        door.apply_one(complete(claim)).unwrap();
    }
    audit(&door);
}
