//! Sixteen processes and one queue (G6, G11).

use std::collections::BTreeMap;

use crate::shop::{Shop, text};

#[test]
fn sixteen_processes_get_each_task_once_and_in_order() {
    let shop = Shop::new(&[]);
    // Twenty chains of three: the second of each waits for the first, the third for both.
    let mut plan = String::from("title = \"race\"\n[defaults]\ntests = \"none\"\n");
    for chain in 0..20 {
        plan.push_str(&format!("[[task]]\nid = \"a{chain}\"\ntitle = \"a {chain}\"\n[[task]]\nid = \"b{chain}\"\ntitle = \"b {chain}\"\nafter = [\"a{chain}\"]\n"));
        plan.push_str(&format!("[[task]]\nid = \"c{chain}\"\ntitle = \"c {chain}\"\nafter = [\"a{chain}\", \"b{chain}\"]\n"));
    }
    std::fs::write(shop.path("plan.toml"), plan).unwrap();
    shop.ok(&["plan", "plan.toml"]);

    let done: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|worker| {
                let shop = &shop;
                scope.spawn(move || {
                    let name = format!("w{worker}");
                    let mut done = Vec::new();
                    loop {
                        let output = shop.run(&["claim", "--worker", &name, "--wait", "300ms", "--json"]);
                        match output.status.code() {
                            Some(0) => {}
                            Some(4) => return done,
                            other => panic!("claim ended with {other:?}: {}", text(&output.stderr)),
                        }
                        let claimed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                        shop.ok(&["complete", claimed["claim"].as_str().unwrap()]);
                        done.push(claimed["task"]["id"].as_str().unwrap().to_owned());
                    }
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });

    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for id in &done {
        *times.entry(id).or_default() += 1;
    }
    assert_eq!(times.len(), 60, "every task was done");
    assert!(times.values().all(|times| *times == 1), "no task was done twice: {times:?}");
    assert_eq!(shop.events("task_claimed").len(), 60);
    // No task was claimed before what it waits for was completed.
    let seq = |kind: &str| -> BTreeMap<String, u64> {
        shop.events(kind).iter().map(|event| (event["task"].as_str().unwrap().to_owned(), event["seq"].as_u64().unwrap())).collect()
    };
    let (claimed, completed) = (seq("task_claimed"), seq("task_completed"));
    let tasks = shop.json(&["list"]);
    for task in tasks.as_array().unwrap() {
        for need in task["after"].as_array().unwrap() {
            assert!(completed[need.as_str().unwrap()] < claimed[task["id"].as_str().unwrap()], "{task}");
        }
    }
    shop.audit();
}
