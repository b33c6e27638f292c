//! What a worker can do decides what it is offered.

use crate::shop::wish::{Wish, card, feature};
use crate::shop::{Shop, code};
use domain::event::EventKind;
use domain::worker::Driver;
use engine::orchestrator::Card;

cases![
    a_task_goes_to_who_can_do_all_that_it_needs,
    a_claim_by_id_of_what_it_cannot_do_is_refused,
    a_task_with_an_assignee_waits_for_it,
    an_assignee_gets_its_task_whatever_it_can_do,
    a_worker_without_an_agent_gets_commands_only,
    own_work_comes_before_that_of_others,
    capabilities_are_one_alphabet,
    a_worker_that_learns_gets_more,
];

fn a_task_goes_to_who_can_do_all_that_it_needs(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("backend,db"));
    shop.is_there("front", "frontend");
    shop.is_there("half", "backend");
    shop.is_there("whole", "db,backend,frontend");
    shop.idles("front");
    shop.idles("half");
    assert_eq!(shop.claim("whole").task, id);
}

fn a_claim_by_id_of_what_it_cannot_do_is_refused(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("backend"));
    shop.is_there("able", "backend");
    shop.is_there("amy", "");
    let refused = shop.try_claim_task("amy", id).unwrap_err();
    assert_eq!(refused.code, "cannot_do");
    assert!(refused.message.contains("backend"), "{refused:?}");
}

fn a_task_with_an_assignee_waits_for_it(shop: &mut Shop) {
    let id = shop.add_one(feature("a").assigned("amy"));
    shop.is_there("amy", "");
    shop.idles("bob");
    assert_eq!(code(shop.try_claim_task("bob", id)), "assigned_elsewhere");
    assert_eq!(shop.claim("amy").task, id);
}

fn an_assignee_gets_its_task_whatever_it_can_do(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("backend").assigned("amy"));
    assert_eq!(shop.claim("amy").task, id);
    assert_eq!(shop.kinds(id).last(), Some(&EventKind::TaskFellBack), "and it is told what it lacks");
}

fn a_worker_without_an_agent_gets_commands_only(shop: &mut Shop) {
    let ids = shop.add(vec![feature("thought"), feature("command").runs("true")]);
    shop.join_as(Card { thinks: false, ..card("shell", Driver::Shell, "") });
    let claim = shop.claim("shell");
    assert_eq!(claim.task, ids[1]);
    shop.complete(claim);
    shop.idles("shell");
    assert_eq!(code(shop.try_claim_task("shell", ids[0])), "cannot_do");
    shop.pass(10_000);
    shop.idles("shell");
    assert_eq!(shop.claim("amy").task, ids[0]);
}

fn own_work_comes_before_that_of_others(shop: &mut Shop) {
    let ids = shop.add(vec![feature("bob's").assigned("bob").priority(domain::task::Priority::High), feature("anybody's")]);
    shop.is_there("bob", "");
    shop.pass(1_000);
    assert_eq!(shop.claim("amy").task, ids[1]);
}

fn capabilities_are_one_alphabet(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("Backend"));
    shop.is_there("amy", "BACKEND");
    assert_eq!(shop.claim("amy").task, id);
}

fn a_worker_that_learns_gets_more(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("backend"));
    shop.is_there("able", "backend");
    shop.is_there("amy", "");
    shop.idles("amy");
    shop.join("amy", "backend");
    assert_eq!(shop.claim("amy").task, id);
    shop.join_as(Card { can: None, ..card("amy", Driver::Pull, "") });
    assert_eq!(shop.door.workers().unwrap()[1].worker.can.len(), 1, "saying nothing leaves what is known");
}
