//! The only room that reads the time. Two clocks: the wall, for people, and a steady one that never jumps and stands still
//! while the machine sleeps, for leases. A test brings a clock that it moves by hand.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;

/// What a clock tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// Milliseconds on the steady clock, counted from a moment that only [`Clock::boot`] knows.
    pub steady_ms: i64,
}

/// A source of time.
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn read(&self) -> Reading;
    /// Names the span in which the steady clock counts without a break: the boot of this machine.
    fn boot(&self) -> String;
}

/// The clocks of this machine: `CLOCK_MONOTONIC`, which stands still during suspend (T19), and the boot id of the kernel.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn read(&self) -> Reading {
        let steady = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Reading { wall: wall(), steady_ms: steady.tv_sec.saturating_mul(1_000).saturating_add(steady.tv_nsec / 1_000_000) }
    }

    fn boot(&self) -> String {
        boot_id()
    }
}

fn wall() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(target_os = "linux")]
fn boot_id() -> String {
    #[expect(clippy::disallowed_methods, reason = "the kernel's boot id is part of the clock, not a project file")]
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| boot_by_uptime(), |id| id.trim().to_owned())
}

#[cfg(not(target_os = "linux"))]
fn boot_id() -> String {
    boot_by_uptime()
}

/// Where the kernel gives no id: the moment of the boot, to the minute.
fn boot_by_uptime() -> String {
    let steady = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    format!("booted-{}", (wall().0 / 1_000 - steady.tv_sec) / 60)
}

/// A moment for measuring spans inside one process: how long something took, when to give up.
#[must_use]
pub fn instant() -> std::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
    std::time::Instant::now()
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(Reading, String)>,
}

impl ManualClock {
    /// A clock at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self { now: Mutex::new((Reading { wall: Timestamp(1_767_225_600_000), steady_ms: 1_000 }, "manual-1".to_owned())) }
    }

    /// Lets time pass on both clocks.
    pub fn pass(&self, span: Duration) {
        let ms = domain::time::millis(span);
        self.change(|reading, _| {
            reading.wall = Timestamp(reading.wall.0.saturating_add(ms));
            reading.steady_ms = reading.steady_ms.saturating_add(ms);
        });
    }

    /// Sets the wall clock only, as an administrator or a time server does (A40).
    pub fn jump_wall_ms(&self, ms: i64) {
        self.change(|reading, _| reading.wall = Timestamp(reading.wall.0.saturating_add(ms)));
    }

    /// Starts the machine anew: the steady clock begins at zero under another name.
    pub fn reboot(&self) {
        self.change(|reading, boot| {
            reading.steady_ms = 0;
            boot.push('+');
        });
    }

    fn change(&self, change: impl FnOnce(&mut Reading, &mut String)) {
        let mut now = self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (reading, boot) = &mut *now;
        change(reading, boot);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn read(&self) -> Reading {
        self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0.clone()
    }

    fn boot(&self) -> String {
        self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1.clone()
    }
}

/// A moment as RFC 3339 in UTC, to the millisecond: `2026-02-02T10:00:00.000Z`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| format!("{} ms", at.0), |at| format!("{at:.3}"))
}

/// Reads RFC 3339.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond()))
}

/// A moment on the user's clock, with the zone: `2026-02-02 11:00:00+01:00`.
#[must_use]
pub fn local_time(at: Timestamp) -> String {
    local(at, "%Y-%m-%d %H:%M:%S%:z")
}

/// The day on the user's clock, with the zone: `2026-02-02, UTC+01:00`.
#[must_use]
pub fn local_day(at: Timestamp) -> String {
    local(at, "%Y-%m-%d, UTC%:z")
}

fn local(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| format!("{} ms", at.0), |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime(format).to_string())
}

/// The hour on the user's clock, `HH:MM:SS`.
#[must_use]
pub fn local_hour(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "--:--:--".to_owned(), |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string())
}

/// The day in UTC, `YYYY-MM-DD`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    rfc3339(at).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_and_read_back() {
        let at = Timestamp(1_767_225_600_123);
        assert_eq!(rfc3339(at), "2026-01-01T00:00:00.123Z");
        assert_eq!(parse_rfc3339("2026-01-01T00:00:00.123Z"), Some(at));
        assert_eq!(day(at), "2026-01-01");
        assert_eq!(rfc3339(Timestamp(i64::MAX)), format!("{} ms", i64::MAX));
    }

    #[test]
    fn the_machine_clock_has_a_boot_and_does_not_go_back() {
        let clock = MachineClock;
        assert!(!clock.boot().is_empty());
        assert!(clock.read().steady_ms <= clock.read().steady_ms);
    }
}
