//! Time as numbers that somebody else read from a clock. There is no `now()` here.
//!
//! Two scales that must not be mixed, so they are two types: [`Timestamp`] is the wall clock, for people, and may jump;
//! [`StoreTime`] is the store's own clock, never goes back, and is what leases and delays are counted in (G9, T18, T19).

use std::time::Duration;

/// A moment on the wall clock, in milliseconds since 1970-01-01T00:00:00Z. For showing only: it may jump (A40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// A moment on the store's clock, in milliseconds. It never goes back, also over a restart of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StoreTime(pub i64);

impl StoreTime {
    /// The moment `span` later; stays at the end of time instead of overflowing.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// How long it is from `earlier` to here; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Timestamp {
    /// The moment that lies `to - from` on the store's clock away from here.
    #[must_use]
    pub fn shifted(self, from: StoreTime, to: StoreTime) -> Self {
        Self(self.0.saturating_add(to.0.saturating_sub(from.0)))
    }

    /// How long it is from `earlier` to here; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// One reading of both clocks, taken inside the transaction that uses it (T10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// The store's clock.
    pub store: StoreTime,
}

/// A span in whole milliseconds; the end of the scale instead of an overflow.
#[must_use]
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The longest duration that can be written: a year.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads `90s`, `15m`, `2h`, `1h30m`, `250ms`, `2d`.
///
/// # Errors
/// A fragment that says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a duration such as 90s, 15m or 2h, found '{}'", crate::text::escaped(text, 40));
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(expected());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| expected())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit_ms: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(expected()),
        };
        rest = &rest[letters..];
        let part = number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(expected)?;
        total = total.checked_add(part).ok_or_else(expected)?;
    }
    if total > DURATION_MAX {
        return Err(format!("a duration may be 366d at most, found '{}'", crate::text::escaped(text, 40)));
    }
    Ok(total)
}

/// Writes a duration the way [`parse_duration`] reads it, with the two largest units that are not zero: `1h30m`, `12s`, `250ms`.
#[must_use]
pub fn show_duration(span: Duration) -> String {
    let ms = span.as_millis();
    if ms < 1_000 {
        return format!("{ms}ms");
    }
    let seconds = span.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut shown = String::new();
    let mut parts = 0;
    for (size, unit) in units {
        if rest >= size && parts < 2 {
            shown.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
            parts += 1;
        } else if parts == 1 {
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [("90s", 90_000), ("15m", 900_000), ("2h", 7_200_000), ("1h30m", 5_400_000), ("250ms", 250), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(show_duration(Duration::from_secs(5_400)), "1h30m");
        assert_eq!(show_duration(Duration::from_secs(90)), "1m30s");
        assert_eq!(show_duration(Duration::from_secs(3_605)), "1h");
        assert_eq!(show_duration(Duration::from_millis(250)), "250ms");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "10", "-5s", "1.5h", "5 m", "5y", "99999999999999999999s", "400d", "1e3s"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn time_saturates_instead_of_overflowing() {
        assert_eq!(StoreTime(i64::MAX).plus(Duration::from_secs(1)), StoreTime(i64::MAX));
        assert_eq!(StoreTime(5).since(StoreTime(9)), Duration::ZERO);
    }
}
