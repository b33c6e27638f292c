//! Time: what the wall clock does changes nothing, and leases end with the boot of the machine where they are counted on its clock (G9, A40).

use crate::shop::wish::{Wish, feature, features};
use crate::shop::{Shop, code, secs, wish};
use domain::task::{FailReason, Status};
use domain::worker::WorkerState;
use engine::orchestrator::Settings;

cases![
    the_wall_clock_may_jump,
    the_wall_clock_may_jump_between_every_two_calls,
    a_reboot_ends_every_lease_at_once,
    after_a_reboot_the_store_goes_on,
    a_reboot_does_not_let_time_go_back,
    nothing_expires_because_somebody_else_opens_the_store,
    a_long_lease_is_no_overflow,
];

const DAY_MS: i64 = 24 * 3_600 * 1_000;

fn the_wall_clock_may_jump(shop: &mut Shop) {
    for jump in [DAY_MS, -DAY_MS, -60 * 365 * DAY_MS] {
        let ids = shop.add(vec![feature("a"), feature("b").needs("cobol"), feature("c").attempts(9)]);
        shop.claim_task("amy", ids[0]);
        let task = shop.fail(shop.claim_task("bob", ids[2]), FailReason::Infrastructure);
        let wait = task.not_before.unwrap().since(task.ready_at);
        shop.stand.clock().jump_wall_ms(jump);
        assert_eq!(shop.sweep(), 0, "no false death");
        assert_eq!(shop.is_ready(ids[2]), wait.is_zero(), "no attempt comes sooner");
        assert_eq!(shop.state_of("amy"), WorkerState::Busy);
        assert_eq!(code(shop.try_claim_task("bob", ids[1])), "cannot_do");
        shop.stand.clock().pass(wait);
        assert!(shop.is_ready(ids[2]), "nor later");
        shop.pass(119 - wait.as_secs());
        assert_eq!(shop.sweep(), 0);
        shop.pass(1);
        assert_eq!(shop.sweep(), 1, "and no dead worker lives on");
        shop.complete(shop.claim_task("bob", ids[0]));
        shop.complete(shop.claim_task("bob", ids[2]));
        shop.pass(60);
        shop.complete(shop.claim_task("bob", ids[1]));
    }
}

fn the_wall_clock_may_jump_between_every_two_calls(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0), feature("c").after(1)]);
    for (round, id) in ids.iter().enumerate() {
        let jump = if round % 2 == 0 { DAY_MS } else { -2 * DAY_MS };
        let claim = shop.claim("amy");
        assert_eq!(claim.task, *id);
        for _ in 0..3 {
            shop.stand.clock().jump_wall_ms(jump);
            shop.pass(100);
            shop.heartbeat(claim);
            assert_eq!(shop.sweep(), 0);
        }
        shop.stand.clock().jump_wall_ms(-jump);
        shop.complete(claim);
    }
    assert!(ids.iter().all(|id| shop.task(*id).crashes == 0));
    assert_eq!(shop.door.workers().unwrap()[0].worker.runtime_ms, 900_000);
}

/// Starts the machine anew; whoever had the store open is gone.
fn reboot(shop: &mut Shop) {
    shop.stand.clock().reboot();
    shop.settle_on(Settings::default());
}

fn a_reboot_ends_every_lease_at_once(shop: &mut Shop) {
    if !shop.stand.leases_end_with_the_boot() {
        return;
    }
    let ids = shop.add(features(3));
    let (one, two) = (shop.claim("amy"), shop.claim("bob"));
    shop.pass(50);
    shop.heartbeat(two);
    reboot(shop);
    assert_eq!(shop.door.standing(None).unwrap().stale, [ids[0], ids[1]]);
    assert_eq!(shop.sweep(), 2);
    assert_eq!((shop.task(ids[0]).crashes, shop.status(ids[2])), (1, Status::Pending));
    assert_eq!(code(shop.report(wish::complete(one))), "stale_claim");
    assert_eq!(shop.drain("cy"), ids);
}

fn after_a_reboot_the_store_goes_on(shop: &mut Shop) {
    let ids = shop.add(features(2));
    for _ in 0..3 {
        reboot(shop);
        let claim = shop.claim("amy");
        shop.pass(100);
        shop.heartbeat(claim);
        shop.pass(100);
        assert_eq!(shop.sweep(), 0, "a lease of this boot counts as ever");
        shop.release(claim);
    }
    assert_eq!(shop.task(ids[0]).crashes, 0);
    assert_eq!(shop.drain("amy").len(), 2);
}

fn a_reboot_does_not_let_time_go_back(shop: &mut Shop) {
    if !shop.stand.leases_end_with_the_boot() {
        return;
    }
    let id = shop.add_one(feature("a").needs("cobol"));
    let now = |shop: &Shop| shop.door.look(|snapshot| Ok(snapshot.now().store)).unwrap();
    shop.is_there("amy", "");
    shop.pass(5_000);
    shop.must_change_worker("amy", engine::orchestrator::WorkerAct::Seen);
    let before = now(shop);
    reboot(shop);
    assert!(now(shop) > before);
    let before = now(shop);
    reboot(shop);
    assert!(now(shop) >= before);
    assert_eq!(shop.claim("amy").task, id, "what was ready for long still is");
}

fn nothing_expires_because_somebody_else_opens_the_store(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    shop.pass(119);
    for _ in 0..3 {
        let other = shop.second_door();
        assert_eq!(other.standing(None).unwrap().stale, []);
    }
    assert_eq!(shop.sweep(), 0);
    shop.complete(claim);
}

fn a_long_lease_is_no_overflow(shop: &mut Shop) {
    let long = domain::time::DURATION_MAX;
    shop.settle_on(Settings { lease: long, ..Settings::default() });
    let id = shop.add_one(feature("a").timeout(long.as_secs()));
    shop.claim("amy");
    shop.pass(long.as_secs() - 1);
    assert_eq!(shop.sweep(), 0);
    shop.pass(1);
    assert_eq!(shop.sweep(), 1);
    assert_eq!(shop.task(id).failures, 1);
    let patch = engine::orchestrator::Patch { timeout: Some(secs(u64::MAX)), ..engine::orchestrator::Patch::default() };
    shop.edit(id, patch).unwrap();
    shop.claim("amy");
    assert_eq!(shop.sweep(), 0);
}
