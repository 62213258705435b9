//! Moments as others read them: RFC 3339, in UTC. And a sleep until one that may not come.

use std::time::{Duration, Instant, SystemTime};

/// A time that is not set does not come. Boxed: a task without a time carries no room for a sleep.
pub(crate) async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => Box::pin(tokio::time::sleep_until(at)).await,
        None => std::future::pending().await,
    }
}

/// `2026-01-31T07:05:09Z`. Before 1970 it is 1970.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    format!("{}Z", seconds(since_1970(time).as_secs()))
}

/// `2026-01-31T07:05:09.000123Z`
pub(crate) fn rfc3339_micros(time: SystemTime) -> String {
    let since = since_1970(time);
    format!("{}.{:06}Z", seconds(since.as_secs()), since.subsec_micros())
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn seconds(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// How the clock on the wall showed a moment of the runtime's clock. It is reckoned back from now, so that it is right
/// also after the clock was set: a Raspberry Pi has none of its own.
pub(crate) fn at(moment: Instant, now: (Instant, SystemTime)) -> (String, u64) {
    let ago = now.0.saturating_duration_since(moment);
    let then = now.1.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
    (rfc3339(then + Duration::from_millis(500)), ago.as_secs())
}

/// Year, month and day of a day counted from 1970-01-01 (Gregorian; in years that begin on 1 March, so that the leap day
/// is the last).
fn date(days: u64) -> (u64, u64, u64) {
    // Days from 0000-03-01, in eras of 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_seconds(seconds: u64) -> String {
        rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // By date(1).
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_763_846_103, "2025-11-22T21:15:03Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(at_seconds(seconds), text);
        }
    }

    #[test]
    fn microseconds_have_six_digits() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_763_846_103_000_042_999);
        assert_eq!(rfc3339_micros(time), "2025-11-22T21:15:03.000042Z");
    }

    #[test]
    fn a_moment_is_reckoned_back_from_now() {
        let now = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let moment = now.0 - Duration::from_secs(10);
        assert_eq!(at(moment, now), ("1970-01-12T13:46:30Z".to_owned(), 10));
    }
}
