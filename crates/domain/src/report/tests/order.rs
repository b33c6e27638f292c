//! The order in which it is told.

use proptest::prelude::*;

use super::*;

fn told(tasks: Vec<Owned>) -> Vec<u32> {
    let world = World { tasks, ..World::default() };
    world.report().tasks.iter().map(|line| line.id.0).collect()
}

#[test]
fn what_was_completed_first_is_told_first() {
    assert_eq!(told(vec![completed(1, 30), completed(2, 10), completed(3, 20), pending(4)]), [2, 3, 1, 4]);
}

#[test]
fn nothing_is_told_before_what_it_depends_on() {
    // Completed by hand against the order, as an import may hold it.
    assert_eq!(told(vec![completed(1, 30), completed(2, 10).after(&[1])]), [1, 2]);
    assert_eq!(told(vec![pending(1).after(&[3]), pending(2), pending(3).after(&[2])]), [2, 3, 1]);
}

#[test]
fn a_phase_is_told_after_the_one_before() {
    assert_eq!(told(vec![pending(1).phase(2), pending(2), pending(3).after(&[2]), pending(4).phase(9)]), [2, 3, 1, 4]);
}

#[test]
fn what_cannot_be_ordered_is_told_all_the_same() {
    assert_eq!(told(vec![pending(1).after(&[2]), pending(2).phase(2)]), [1, 2]);
    assert_eq!(told(vec![pending(1).after(&[77])]), [1], "a dependency that is not listed");
}

#[test]
fn tests_are_told_in_the_order_of_their_features() {
    let mut world = World::default();
    world.add(completed(1, 30)).add(completed(2, 10));
    world.add(pending(3).kind(Kind::Test, 1).after(&[1])).add(pending(4).kind(Kind::Test, 2).after(&[2]));
    assert_eq!(world.report().tests.iter().map(|line| line.id.0).collect::<Vec<_>>(), [4, 3]);
}

proptest! {
    #[test]
    fn an_order_holds_every_task_once_and_after_its_dependencies(
        edges in prop::collection::vec((1u32..30, 1u32..30), 0..60),
        phases in prop::collection::vec(1u32..4, 30),
        ends in prop::collection::vec(prop::option::of(0i64..100), 30),
    ) {
        // A task is of no earlier phase than what it depends on: anything else no plan can ask for.
        let phase = |id: u32| phases[id as usize];
        let tasks: Vec<Owned> = (1..30).map(|id| {
            let after: Vec<u32> = edges.iter().filter(|(task, on)| *task == id && *on < id && phase(*on) <= phase(id)).map(|(_, on)| *on).collect();
            let owned = ends[id as usize].map_or_else(|| pending(id), |at| completed(id, at));
            owned.after(&after).phase(phase(id))
        }).collect();
        let order = told(tasks.clone());
        let place = |id: u32| order.iter().position(|told| *told == id);
        prop_assert_eq!(order.len(), tasks.len());
        for owned in &tasks {
            let id = owned.task.id.0;
            prop_assert!(owned.after.iter().all(|on| place(on.0) < place(id)), "{:?}", order);
        }
        prop_assert!(order.windows(2).all(|pair| phase(pair[0]) <= phase(pair[1])), "{:?}", order);
    }
}
