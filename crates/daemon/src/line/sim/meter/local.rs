//! Dutch local time, as meters write it: what a time is called there, and when the clocks change.

use std::fmt;

use super::{DAY, HOUR, MINUTE};

/// Dutch local time.
pub(super) struct Local {
    year: u64,
    month: u64,
    day: u64,
    /// Days since Sunday.
    weekday: u64,
    pub(super) hour: u64,
    minute: u64,
    second: u64,
    summer: bool,
}

impl Local {
    pub(super) fn at(unix_seconds: u64) -> Self {
        let summer = is_summer_time(unix_seconds);
        let local = unix_seconds + if summer { 2 * HOUR } else { HOUR };
        let (days, second) = (local / DAY, local % DAY);
        let (year, month, day) = civil(days);
        Local {
            year,
            month,
            day,
            weekday: weekday(days),
            hour: second / HOUR,
            minute: second / MINUTE % 60,
            second: second % MINUTE,
            summer,
        }
    }

    /// 0, low, at night and at weekends; 1, normal, on weekdays from 7 to 23.
    pub(super) fn tariff(&self) -> usize {
        usize::from((1..=5).contains(&self.weekday) && (7..=22).contains(&self.hour))
    }
}

/// YYMMDDhhmmssX.
impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Local { year, month, day, hour, minute, second, .. } = self;
        let season = if self.summer { 'S' } else { 'W' };
        write!(f, "{:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}{season}", year % 100)
    }
}

/// EU rule: from 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of October.
fn is_summer_time(unix_seconds: u64) -> bool {
    let days = unix_seconds / DAY;
    let (_, month, day) = civil(days);
    let weekday = weekday(days);
    let on_last_sunday_or_later = day + 7 - weekday > 31; // both months have 31 days
    let changed = on_last_sunday_or_later && (weekday > 0 || unix_seconds % DAY >= HOUR);
    match month {
        3 => changed,
        10 => !changed,
        _ => (4..=9).contains(&month),
    }
}

/// Year, month and day of the day that is this many days after 1 January 1970. Years begin in March here, so that the
/// leap day is the last, and 400 of them are an era.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // 1 March of year 0
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153; // from March
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    match month {
        0..=9 => (year, month + 3, day),
        _ => (year + 1, month - 9, day),
    }
}

/// 1 January 1970 was a Thursday.
fn weekday(days: u64) -> u64 {
    (days + 4) % 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dutch_and_change_with_the_eu_rule() {
        for (unix_seconds, expected) in [
            (0, "700101010000W"),
            (1_515_013_402, "180103220322W"),
            (1_529_494_800, "180620134000S"),
            (1_711_846_799, "240331015959W"),
            (1_711_846_800, "240331030000S"),
            (1_729_990_799, "241027025959S"),
            (1_729_990_800, "241027020000W"),
            (1_743_296_399, "250330015959W"),
            (1_743_296_400, "250330030000S"),
            (1_709_161_200, "240229000000W"),
            (1_735_686_000, "250101000000W"),
        ] {
            assert_eq!(Local::at(unix_seconds).to_string(), expected);
        }
    }
}
