//! Files whose bytes were changed: flipped bits, lost pages, cut ends. One oracle judges them all.

use std::collections::BTreeMap;

use domain::event::EventKind;
use engine::audit::{self, Report};
use engine::error::Kind;
use engine::repair::{Outcome, Wish};
use rusqlite::types::Value;

use super::scene::Scene;
use super::{forget_log, kept_columns, mend, names, readable};

/// What came of one damage.
#[derive(Debug, Default)]
struct Tally {
    refused: u32,
    found: u32,
    harmless: u32,
    silent: u32,
    beyond: u32,
    kept: u64,
}

/// The oracle: whatever happened to the file, it is refused, or something is found, or what it says is right, but for texts that nothing
/// repeats. And after the repair nothing is wrong, and every row that could still be read and was as before is still there.
fn judge(scene: &Scene, whole: &BTreeMap<(&'static str, String), Vec<Value>>, tally: &mut Tally, what: &str) {
    let damaged = scene.folder.path().join("ganger.db");
    let now = readable(&damaged);
    let intact: Vec<_> = whole.iter().filter(|(key, row)| now.get(*key) == Some(*row)).collect();
    match scene.try_open() {
        Err(error) => {
            assert_eq!(error.kind, Kind::Store, "{what}: {error:?}");
            tally.refused += 1;
        }
        Ok(store) => {
            let mut report = Report::default();
            audit::strict(&store, &mut report).unwrap_or_else(|error| panic!("{what}: {error:?}"));
            if !report.is_ok() {
                tally.found += 1;
            } else if now == *whole {
                tally.harmless += 1;
            } else {
                tally.silent += 1;
                for ((table, key), row) in whole {
                    let is = &now[&(*table, key.clone())];
                    for (column, (was, is)) in row.iter().zip(is).enumerate() {
                        let moves = (*table, column) == ("events", 2) && [was, is].into_iter().any(moves_a_task);
                        assert!(
                            was == is || (uncovered(table, column) && !moves),
                            "{what}: column {column} of {table} {key} was {was:?}, is {is:?}, and nothing was found"
                        );
                    }
                }
            }
        }
    }
    match mend(scene, Wish::Repair) {
        Ok(Outcome::Healthy) => {}
        Ok(Outcome::Done(rebuilt, file)) => {
            let report = scene.audit();
            assert!(report.is_ok(), "{what}: {:?}", report.findings());
            let new = readable(&scene.path());
            for ((table, key), row) in intact {
                let kept = new.get(&(*table, key.clone())).unwrap_or_else(|| panic!("{what}: {table} {key} is gone: {rebuilt:?}"));
                let same = kept_columns(table, row) == kept_columns(table, kept);
                let touched = rebuilt.lost.listed.iter().any(|lost| key_of(&lost.key) == key_of(key));
                assert!(same || touched, "{what}: {table} {key} was {row:?}, is {kept:?}: {rebuilt:?}");
                tally.kept += u64::from(same);
            }
            for ending in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{ending}", file.display()));
            }
        }
        Ok(Outcome::Would(_)) => panic!("{what}: nobody asked for a dry run"),
        Err(error) => {
            assert!(matches!(error.code, "beyond_repair" | "foreign_file" | "newer_schema" | "store_empty"), "{what}: {error:?}");
            tally.beyond += 1;
        }
    }
    assert!(!names(scene).iter().any(|name| name.contains(".new-")), "{what}: {:?}", names(scene));
}

/// The number in a key, however it is written.
fn key_of(key: &str) -> Option<u64> {
    let digits: String = key.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Columns that hold what nothing else repeats: texts, times of people, what a worker is like. A hash chain will cover them.
fn uncovered(table: &str, column: usize) -> bool {
    match table {
        // phase and priority are in tallies and nowhere; path_ms, times, notes, limits
        "tasks" => matches!(column, 4 | 5 | 11 | 12 | 14 | 15 | 16 | 17 | 18 | 22..=24 | 26..=30 | 33 | 35) || column == 9,
        "specs" => column == 2 || column == 1,
        "events" => matches!(column, 1..=3 | 5 | 6 | 8),
        _ => true,
    }
}

/// Whether events of this kind say how a task stands: those are held against its row.
fn moves_a_task(kind: &Value) -> bool {
    let Value::Integer(number) = kind else { return true };
    let kind = <EventKind as engine::store::rows::Number>::from_number(*number);
    let seen = kind.map(|kind| domain::event::fold::Seen { kind, attempt: None, is_final: false, status: None });
    seen.is_none_or(|seen| domain::event::fold::fold([seen]).status.is_some())
}

#[test]
fn single_bits_that_flip() {
    let scene = Scene::played();
    scene.settle();
    let bytes = std::fs::read(scene.path()).unwrap();
    let whole = readable(&scene.path());
    forget_log(&scene);
    // Most of a small file is empty: what is flipped there tells nothing.
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut tally = Tally::default();
    for step in 0..150_u64 {
        let at = usize::try_from(domain::retry::jitter(step, used.len() as u64 * 8 - 1)).unwrap();
        let at = used[at / 8] * 8 + at % 8;
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        std::fs::write(scene.path(), &flipped).unwrap();
        judge(&scene, &whole, &mut tally, &format!("bit {} of byte {} in page {}", at % 8, at / 8, 1 + at / 8 / 4_096));
        forget_log(&scene);
    }
    assert!(tally.refused > 0 && tally.found > 25 && tally.beyond <= 3, "{tally:?}");
    // SQLite alone misses 62 of 100 flips that change something.
    let changing = tally.refused + tally.found + tally.silent;
    assert!(tally.silent * 100 < changing * 40, "{tally:?}");
}

#[test]
fn pages_that_are_lost() {
    let scene = Scene::played();
    scene.settle();
    let bytes = std::fs::read(scene.path()).unwrap();
    let whole = readable(&scene.path());
    forget_log(&scene);
    let mut tally = Tally::default();
    for page in 0..bytes.len() / 4_096 {
        for fill in [0, 0xa5] {
            let mut damaged = bytes.clone();
            damaged[page * 4_096..(page + 1) * 4_096].fill(fill);
            std::fs::write(scene.path(), &damaged).unwrap();
            judge(&scene, &whole, &mut tally, &format!("page {} full of {fill:#x}", page + 1));
            forget_log(&scene);
        }
    }
    assert_eq!((tally.silent, tally.beyond), (0, 0), "{tally:?}");
}

#[test]
fn files_that_are_cut() {
    let scene = Scene::played();
    scene.settle();
    let bytes = std::fs::read(scene.path()).unwrap();
    let whole = readable(&scene.path());
    forget_log(&scene);
    let mut tally = Tally::default();
    for keep in [1, 99, 4_095, 4_096, 8_192, bytes.len() / 3, bytes.len() / 2 + 17, bytes.len() - 4_096, bytes.len() - 1] {
        std::fs::write(scene.path(), &bytes[..keep]).unwrap();
        judge(&scene, &whole, &mut tally, &format!("{keep} bytes"));
        forget_log(&scene);
    }
    assert_eq!((tally.silent, tally.harmless), (0, 0), "{tally:?}");
    assert!(tally.beyond <= 6, "{tally:?}");
}
