//! When a failed attempt may be made again. There is no random source: the jitter is derived from the task and the attempt,
//! so the same history gives the same times everywhere (G10).

use std::time::Duration;

use crate::id::{Attempt, TaskId};

/// How long to wait after failures of the surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure; doubles with each further one.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(300) }
    }
}

/// The wait before the next attempt after `failures` failures (1 or more): `base · 2ⁿ`, at most `cap`, with full jitter.
/// Never overflows, whatever the number of failures.
#[must_use]
pub fn wait(backoff: Backoff, task: TaskId, attempt: Attempt, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(63);
    let span_ms =
        backoff.base.as_millis().checked_mul(1_u128 << doublings).map_or(backoff.cap.as_millis(), |ms| ms.min(backoff.cap.as_millis()));
    let span_ms = u64::try_from(span_ms).unwrap_or(u64::MAX);
    if planted!("retry_without_jitter") {
        return Duration::from_millis(span_ms);
    }
    Duration::from_millis(jitter((u64::from(task.0) << 32) | u64::from(attempt.0), span_ms))
}

/// A number from 0 to `max`, spread evenly over the seeds (the finaliser of splitmix64).
#[must_use]
pub fn jitter(seed: u64, max: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    match max.checked_add(1) {
        Some(values) => z % values,
        None => z,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_never_passes_its_bounds(task in 1u32.., attempt in any::<u32>(), failures in any::<u32>()) {
            let backoff = Backoff::default();
            let wait = wait(backoff, TaskId(task), Attempt(attempt), failures);
            prop_assert!(wait <= backoff.cap);
            if failures <= 1 { prop_assert!(wait <= backoff.base); }
        }
    }

    #[test]
    fn waits_are_spread_over_their_span() {
        let waits: Vec<u128> = (1..=1_000).map(|task| wait(Backoff::default(), TaskId(task), Attempt(1), 5).as_millis()).collect();
        let mean = waits.iter().sum::<u128>() / 1_000;
        assert!((7_000..9_000).contains(&mean), "half of 16 s is expected, the mean is {mean} ms");
        let distinct: std::collections::HashSet<_> = waits.iter().collect();
        assert!(distinct.len() > 900, "only {} distinct waits: without jitter all workers return at once", distinct.len());
    }

    #[test]
    fn ten_thousand_failures_do_not_overflow() {
        let backoff = Backoff { base: Duration::MAX, cap: Duration::MAX };
        let _ = wait(backoff, TaskId(1), Attempt(1), 10_000);
    }
}
