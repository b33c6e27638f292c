//! `kill -9` at any moment: what was acknowledged is there, what is repeated happens once (G1, G2, G3).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::shop::{Dice, Shop, rounds};

#[test]
fn killed_writers_lose_nothing_that_was_acknowledged_and_repeats_have_one_effect() {
    let shop = Shop::new(&[]);
    let mut dice = Dice::new();
    let kills = rounds("GANGER_KILLS", 120);
    let mut acknowledged = Vec::new();
    for round in 0..kills {
        // Two at once, so that a kill also hits one that waits for its turn.
        let mut writers: Vec<_> = (0..2)
            .map(|part| {
                let title = format!("task {round}.{part}");
                let request = format!("request-{round}-{part}");
                (shop.start(&["add", &title, "--request-id", &request]), title, request)
            })
            .collect();
        std::thread::sleep(Duration::from_micros(dice.below(18_000)));
        for (child, ..) in &mut writers {
            let _ = child.kill();
        }
        for (child, title, request) in writers {
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                acknowledged.push((title, String::from_utf8(output.stdout).unwrap().trim().to_owned(), request));
            }
        }
    }
    for (title, id, request) in &acknowledged {
        assert_eq!(shop.task(id)["title"], *title, "an acknowledged task is there");
        assert_eq!(shop.ok(&["add", title, "--request-id", request]), *id, "repeated, it is the same task");
    }
    // Repeating everything blindly completes the rest, each once.
    for round in 0..kills {
        for part in 0..2 {
            shop.ok(&["add", &format!("task {round}.{part}"), "--request-id", &format!("request-{round}-{part}")]);
        }
    }
    let tasks = shop.json(&["list"]);
    let mut titles: BTreeMap<&str, u32> = BTreeMap::new();
    for task in tasks.as_array().unwrap() {
        *titles.entry(task["title"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(titles.len() as u64, kills * 2);
    assert!(titles.values().all(|times| *times == 1), "a repeat had a second effect");
    shop.audit();
}
