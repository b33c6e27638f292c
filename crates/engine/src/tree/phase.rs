//! Decides what a guardian does next with what it runs, and until when it may wait. Pure: no process, no clock.

use std::time::{Duration, Instant};

use super::order::{How, Order, Why};

/// What a tree gets between TERM and KILL when the loop is gone, or when a guardian is (G19).
pub(super) const ORPHAN_GRACE: Duration = Duration::from_secs(2);
/// What processes get that outlive a program which ended by itself.
pub(super) const STRAGGLER_GRACE: Duration = Duration::from_millis(500);
/// How long KILL is repeated before a tree is reported as not empty.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// How far the end of a tree has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The program runs and nobody wants it to end.
    Running,
    /// It was asked to end.
    Ending { kill_at: Instant },
    /// It has ended, and what it left behind was asked to.
    Straggling { kill_at: Instant },
    /// Whatever is left is killed, again and again.
    Killing { give_up_at: Instant },
}

/// What a guardian sees when it looks around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) now: Instant,
    /// When the last byte of output came, or the start.
    pub(super) output_at: Instant,
    pub(super) asked: Option<How>,
    pub(super) loop_gone: bool,
    pub(super) leader_ended: bool,
    /// No process of the tree is left. Only asked for when the leader has ended or everything is being killed.
    pub(super) empty: bool,
}

/// The limits of one order as moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    timeout_at: Option<Instant>,
    silence: Option<Duration>,
    grace: Duration,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing before this moment, unless something happens.
    Wait { until: Option<Instant> },
    /// TERM to the program's own group.
    AskLeader,
    /// TERM to all the others.
    AskRest,
    /// TERM to all.
    AskAll,
    /// KILL to all.
    Kill,
    /// Report.
    Finish,
}

/// The phase from now on, who is the cause if this is where the end of the program begins, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) phase: Phase,
    pub(super) why: Option<Why>,
    pub(super) act: Act,
}

impl Limits {
    pub(super) fn of(order: &Order, started_at: Instant) -> Self {
        // A limit that the clock cannot express is none.
        let timeout_at = order.timeout.and_then(|timeout| started_at.checked_add(timeout));
        Self { timeout_at, silence: order.silence, grace: order.grace }
    }

    fn silence_at(&self, seen: &Seen) -> Option<Instant> {
        self.silence.and_then(|silence| seen.output_at.checked_add(silence))
    }
}

/// What to do next. Called again after each act, it comes to `Wait` or `Finish`; time alone always leads to `Finish`,
/// except from `Running` without limits.
pub(super) fn next(phase: Phase, seen: &Seen, limits: &Limits) -> Decision {
    match phase {
        Phase::Running => running(seen, limits),
        Phase::Ending { kill_at } if seen.leader_ended => {
            // Its group was asked when it was.
            straggling_or_done(phase, seen, kill_at.max(after(seen, STRAGGLER_GRACE)), Act::AskRest)
        }
        Phase::Ending { kill_at } => {
            let kill_at = hurried(kill_at, seen);
            if seen.asked == Some(How::AtOnce) || seen.now >= kill_at {
                return kill(seen, None);
            }
            wait(Phase::Ending { kill_at }, Some(kill_at))
        }
        Phase::Straggling { kill_at } => {
            let kill_at = hurried(kill_at, seen);
            if seen.empty {
                finish(phase)
            } else if seen.asked == Some(How::AtOnce) || seen.now >= kill_at {
                kill(seen, None)
            } else {
                wait(Phase::Straggling { kill_at }, Some(kill_at))
            }
        }
        Phase::Killing { give_up_at } if seen.empty || seen.now >= give_up_at => finish(phase),
        Phase::Killing { .. } => Decision { phase, why: None, act: Act::Kill },
    }
}

fn running(seen: &Seen, limits: &Limits) -> Decision {
    if seen.leader_ended {
        return straggling_or_done(Phase::Running, seen, after(seen, STRAGGLER_GRACE), Act::AskAll);
    }
    let over = |moment: Option<Instant>| moment.is_some_and(|moment| seen.now >= moment);
    let end = |why, act, grace| Decision { phase: Phase::Ending { kill_at: after(seen, grace) }, why: Some(why), act };
    let silence_at = limits.silence_at(seen);
    match seen.asked {
        Some(How::AtOnce) => kill(seen, Some(Why::Asked)),
        _ if seen.loop_gone => end(Why::Asked, Act::AskAll, limits.grace.min(ORPHAN_GRACE)),
        Some(How::Gracefully) => end(Why::Asked, Act::AskLeader, limits.grace),
        None if over(limits.timeout_at) => end(Why::Timeout, Act::AskLeader, limits.grace),
        None if over(silence_at) => end(Why::Silence, Act::AskLeader, limits.grace),
        None => wait(Phase::Running, earlier(limits.timeout_at, silence_at)),
    }
}

fn straggling_or_done(phase: Phase, seen: &Seen, kill_at: Instant, act: Act) -> Decision {
    if seen.empty {
        return finish(phase);
    }
    let kill_at = hurried(kill_at, seen);
    Decision { phase: Phase::Straggling { kill_at }, why: None, act }
}

fn kill(seen: &Seen, why: Option<Why>) -> Decision {
    Decision { phase: Phase::Killing { give_up_at: after(seen, KILL_PATIENCE) }, why, act: Act::Kill }
}

fn finish(phase: Phase) -> Decision {
    Decision { phase, why: None, act: Act::Finish }
}

fn wait(phase: Phase, until: Option<Instant>) -> Decision {
    Decision { phase, why: None, act: Act::Wait { until } }
}

/// Without a loop nothing gets more than the short grace, counted from the first look that finds the loop gone: later
/// looks see an earlier `kill_at` and keep it.
fn hurried(kill_at: Instant, seen: &Seen) -> Instant {
    if seen.loop_gone { kill_at.min(after(seen, ORPHAN_GRACE)) } else { kill_at }
}

fn after(seen: &Seen, grace: Duration) -> Instant {
    // A grace that the clock cannot express is cut to a day.
    seen.now.checked_add(grace).unwrap_or(seen.now + Duration::from_secs(86_400))
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn at(ms: u64) -> Instant {
        use std::sync::OnceLock;
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(crate::clock::instant) + Duration::from_millis(ms)
    }

    fn seen(ms: u64) -> Seen {
        Seen { now: at(ms), output_at: at(0), asked: None, loop_gone: false, leader_ended: false, empty: false }
    }

    fn limits() -> Limits {
        Limits { timeout_at: Some(at(1_000)), silence: Some(Duration::from_millis(300)), grace: GRACE }
    }

    #[track_caller]
    fn check(phase: Phase, seen: Seen, expected: (Phase, Option<Why>, Act)) {
        let (phase_next, why, act) = expected;
        assert_eq!(next(phase, &seen, &limits()), Decision { phase: phase_next, why, act });
    }

    #[test]
    fn a_running_program() {
        use Phase::{Ending, Killing, Running, Straggling};
        let ending = |ms| Ending { kill_at: at(ms) };
        check(Running, seen(0), (Running, None, Act::Wait { until: Some(at(300)) }));
        let talking = |ms| Seen { output_at: at(ms), ..seen(ms) };
        check(Running, talking(800), (Running, None, Act::Wait { until: Some(at(1_000)) }));
        check(Running, talking(1_000), (ending(6_000), Some(Why::Timeout), Act::AskLeader));
        check(Running, seen(300), (ending(5_300), Some(Why::Silence), Act::AskLeader));
        let asked = |how| Seen { asked: Some(how), ..seen(2_000) };
        check(Running, asked(How::Gracefully), (ending(7_000), Some(Why::Asked), Act::AskLeader));
        let killing = Killing { give_up_at: at(12_000) };
        check(Running, asked(How::AtOnce), (killing, Some(Why::Asked), Act::Kill));
        let gone = Seen { loop_gone: true, ..seen(2_000) };
        check(Running, gone, (ending(4_000), Some(Why::Asked), Act::AskAll));
        // That it ended by itself counts more than whatever else became true in the same moment.
        let ended = Seen { leader_ended: true, empty: true, ..asked(How::AtOnce) };
        check(Running, ended, (Running, None, Act::Finish));
        let left = Seen { leader_ended: true, ..seen(2_000) };
        check(Running, left, (Straggling { kill_at: at(2_500) }, None, Act::AskAll));
    }

    #[test]
    fn a_program_that_was_asked_to_end() {
        use Phase::{Ending, Killing, Straggling};
        let ending = Ending { kill_at: at(5_000) };
        let killing = |ms| Killing { give_up_at: at(ms) };
        check(ending, seen(4_000), (ending, None, Act::Wait { until: Some(at(5_000)) }));
        check(ending, seen(5_000), (killing(15_000), None, Act::Kill));
        check(ending, Seen { asked: Some(How::AtOnce), ..seen(1_000) }, (killing(11_000), None, Act::Kill));
        let hurried = Ending { kill_at: at(3_000) };
        let gone = |ms| Seen { loop_gone: true, ..seen(ms) };
        check(ending, gone(1_000), (hurried, None, Act::Wait { until: Some(at(3_000)) }));
        check(hurried, gone(2_900), (hurried, None, Act::Wait { until: Some(at(3_000)) }));
        let ended = |ms| Seen { leader_ended: true, ..seen(ms) };
        // The rest of its group keeps what is left of the grace, and never less than a straggler gets.
        check(ending, ended(1_000), (Straggling { kill_at: at(5_000) }, None, Act::AskRest));
        check(ending, ended(4_900), (Straggling { kill_at: at(5_400) }, None, Act::AskRest));
        check(ending, Seen { empty: true, ..ended(1_000) }, (ending, None, Act::Finish));
    }

    #[test]
    fn what_a_program_leaves_behind() {
        use Phase::{Killing, Straggling};
        let straggling = Straggling { kill_at: at(500) };
        let left = |ms| Seen { leader_ended: true, ..seen(ms) };
        check(straggling, left(400), (straggling, None, Act::Wait { until: Some(at(500)) }));
        check(straggling, left(500), (Killing { give_up_at: at(10_500) }, None, Act::Kill));
        check(straggling, Seen { empty: true, ..left(500) }, (straggling, None, Act::Finish));
        let killing = Killing { give_up_at: at(10_500) };
        check(killing, left(10_499), (killing, None, Act::Kill));
        check(killing, left(10_500), (killing, None, Act::Finish));
        check(killing, Seen { empty: true, ..left(600) }, (killing, None, Act::Finish));
    }

    #[test]
    fn limits_beyond_the_clock_are_none() {
        let limits = Limits { timeout_at: None, silence: Some(Duration::MAX), grace: Duration::MAX };
        let waits = Decision { phase: Phase::Running, why: None, act: Act::Wait { until: None } };
        assert_eq!(next(Phase::Running, &seen(0), &limits), waits);
        let asked = Seen { asked: Some(How::Gracefully), ..seen(0) };
        assert_eq!(next(Phase::Running, &asked, &limits).act, Act::AskLeader);
    }
}
