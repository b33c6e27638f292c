//! Servers, databases and schemas that are not as they should be: each gets its error, and nothing is changed.

use super::*;
use std::sync::Barrier;

use engine::error::Kind;

#[track_caller]
fn refused(address: &PgAddress, missing: Missing) -> (&'static str, String) {
    match PgStore::open(address, Use::OneShot, missing, Time::Database) {
        Ok(_) => panic!("it was opened"),
        Err(error) => {
            assert_eq!(error.kind, Kind::Store);
            assert!(!error.hints.is_empty(), "{error:?}");
            (error.code, error.message)
        }
    }
}

#[test]
fn a_schema_that_is_not_there_is_missing() {
    let address = address(&testkit::postgres::fresh_address());
    let (code, message) = refused(&address, Missing::Refuse);
    assert_eq!(code, "store_missing");
    assert!(message.contains(address.schema()), "{message}");
}

#[test]
fn a_schema_of_somebody_else_is_left_alone() {
    let place = Place::new();
    let schema = place.0.schema().to_owned();
    place.ask(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.customers (id int)"));
    assert_eq!(refused(&place.0, Missing::Make).0, "foreign_file");
    place.ask(&format!("DROP TABLE {schema}.customers; CREATE TABLE {schema}.meta (key int)"));
    assert_eq!(refused(&place.0, Missing::Make).0, "foreign_file");
    assert_eq!(place.ask(&format!("SELECT count(*) FROM pg_class WHERE relnamespace = '{schema}'::regnamespace")), "1");
}

#[test]
fn an_empty_schema_that_an_administrator_made_is_filled() {
    let place = Place::new();
    place.ask(&format!("CREATE SCHEMA {}", place.0.schema()));
    add(&place.door(), 1).unwrap();
}

#[test]
fn a_newer_schema_is_refused_before_anything_is_written() {
    let place = Place::new();
    drop(place.store());
    place.ask(&format!("UPDATE {}.meta SET value = '99' WHERE name = 'schema_version'", place.0.schema()));
    let (code, message) = refused(&place.0, Missing::Make);
    assert_eq!(code, "newer_schema");
    assert!(message.contains("99"), "{message}");
}

#[test]
fn many_may_make_it_at_once() {
    let place = Place::new();
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                drop(place.store());
            });
        }
    });
    add(&place.door(), 1).unwrap();
    audit(&place.door());
}

#[test]
fn two_schemas_of_one_database_know_nothing_of_each_other() {
    let (one, two) = (Place::new(), Place::new());
    add(&one.door(), 3).unwrap();
    add(&two.door(), 1).unwrap();
    assert_eq!((last_task(&one.door()), last_task(&two.door())), (TaskId(3), TaskId(1)));
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (code, message) = refused(&address(&format!("postgres://me:secret@127.0.0.1:{port}/db")), Missing::Refuse);
    assert_eq!(code, "store_unreachable");
    assert!(message.contains(&port.to_string()) && !message.contains("secret"), "{message}");
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let url = testkit::postgres::fresh_address().replace("/postgres?", "/nowhere?");
    let (code, message) = refused(&address(&url), Missing::Make);
    assert_eq!(code, "store_unreachable");
    assert!(message.contains("nowhere"), "{message}");
}

#[test]
fn a_database_that_takes_no_changes_says_so() {
    let place = Place::new();
    drop(place.store());
    let url = format!("{}&options=-c%20default_transaction_read_only%3Don", place.0.with_secrets());
    let store = Arc::new(PgStore::open(&address(&url), Use::OneShot, Missing::Refuse, Time::Database).unwrap());
    let door = Orchestrator::new(store, Settings::default());
    let error = add(&door, 1).unwrap_err();
    assert_eq!(error.code, "store_read_only");
    assert_eq!(last_task(&door), TaskId(0));
}
