//! Times: read leniently, as clients spell them; written in one way.
//!
//! Plain arithmetic on the Gregorian calendar, because the forms that clients send are wider than any one standard and
//! nothing here needs a time zone's rules.
//!
//! - Nothing is guessed: a number might be seconds or milliseconds, so it is no time.
//! - A time without a zone is UTC. What is finer than a millisecond is cut off.

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Milliseconds since 1970-01-01T00:00:00Z of any spelling that clients use; `None` if it is no time.
///
/// A date, then perhaps `T` or a space and a time with or without seconds, with any number of decimals, then perhaps `Z`
/// or an offset (`+02:00`, `+0200`, `+02`). Month, day and hour may lack their leading zero.
pub fn parse_time(text: &str) -> Option<i64> {
    let mut rest = Digits(text.trim_ascii().as_bytes());
    let year = rest.number(4, 4)?;
    rest.skip(b"-")?;
    let month = rest.number(1, 2).filter(|month| (1..=12).contains(month))?;
    rest.skip(b"-")?;
    let day = rest.number(1, 2).filter(|day| (1..=days_in_month(year, month)).contains(day))?;
    let midnight = days_since_1970(year, month, day) * DAY_MS;
    if rest.0.is_empty() {
        return Some(midnight);
    }
    if rest.skip(b"Tt").is_none() {
        rest.skip(b" ")?;
    }
    let of_day = rest.time_of_day()?;
    let offset = rest.offset()?;
    rest.0.is_empty().then_some(midnight + of_day - offset)
}

/// What is left of a spelling.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    /// A number of at least `min` and at most `max` digits.
    fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let digits = self.0.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at_checked(digits).filter(|_| digits >= min)?;
        self.0 = rest;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    /// One byte of `wanted`.
    fn skip(&mut self, wanted: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first().filter(|(first, _)| wanted.contains(first))?;
        self.0 = rest;
        Some(first)
    }

    /// `10:00`, `10:00:00`, `10:00:00.123456`, in milliseconds. 24:00 and a leap second run over into what follows.
    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.number(1, 2)?;
        self.skip(b":")?;
        let minute = self.number(2, 2).filter(|minute| *minute < 60)?;
        let mut seconds_ms = 0;
        if self.skip(b":").is_some() {
            seconds_ms = self.number(2, 2).filter(|second| *second <= 60)? * 1_000;
            if self.skip(b".,").is_some() {
                seconds_ms += self.decimals();
            }
        }
        let of_day = hour * HOUR_MS + minute * MINUTE_MS + seconds_ms;
        (hour < 24 || of_day == DAY_MS).then_some(of_day)
    }

    /// Milliseconds of any number of decimals.
    fn decimals(&mut self) -> i64 {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (decimals, rest) = self.0.split_at(count);
        self.0 = rest;
        (0..3).fold(0, |ms, place| ms * 10 + decimals.get(place).map_or(0, |digit| i64::from(digit - b'0')))
    }

    /// The zone's distance from UTC in milliseconds; none is UTC.
    fn offset(&mut self) -> Option<i64> {
        while self.skip(b" ").is_some() {}
        if self.0.is_empty() || self.skip(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.skip(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2, 2).filter(|hours| *hours < 24)?;
        let minutes = if self.0.is_empty() {
            0
        } else {
            self.skip(b":");
            self.number(2, 2).filter(|minutes| *minutes < 60)?
        };
        Some(sign * (hours * HOUR_MS + minutes * MINUTE_MS))
    }
}

/// A time as the pipeline writes it: `2026-11-23T10:00:00.000Z`, on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stamp([u8; 24]);

impl Stamp {
    /// Of milliseconds since 1970; what lies outside the years 0000 to 9999 becomes their first or last millisecond.
    pub fn of(ms: i64) -> Self {
        const FIRST: i64 = -719_528 * DAY_MS;
        const LAST: i64 = 2_932_897 * DAY_MS - 1;
        let ms = ms.clamp(FIRST, LAST);
        let (year, month, day) = date_of(ms.div_euclid(DAY_MS));
        let of_day = ms.rem_euclid(DAY_MS);
        let mut stamp = *b"0000-00-00T00:00:00.000Z";
        put(&mut stamp[0..4], year);
        put(&mut stamp[5..7], month);
        put(&mut stamp[8..10], day);
        put(&mut stamp[11..13], of_day / HOUR_MS);
        put(&mut stamp[14..16], of_day / MINUTE_MS % 60);
        put(&mut stamp[17..19], of_day / 1_000 % 60);
        put(&mut stamp[20..23], of_day % 1_000);
        Self(stamp)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        // Always ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// `YYYY-MM-DD` in UTC.
    pub fn day(&self) -> &str {
        self.as_str().get(..10).unwrap_or_default()
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Fills `digits` with the decimal digits of `number`.
fn put(digits: &mut [u8], mut number: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

// Both ways count in years that begin with March, so that a leap day is a year's last, and in eras of 400 years, after
// which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const SHIFT_DAYS: i64 = 719_468;

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - SHIFT_DAYS
}

fn date_of(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + SHIFT_DAYS;
    let of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = days.div_euclid(ERA_DAYS) * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_that_clients_send_is_read() {
        let tests = [
            ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.000Z"),
            ("2026-11-23T10:00:00.123Z", "2026-11-23T10:00:00.123Z"),
            ("2026-11-23T10:00:00.123456Z", "2026-11-23T10:00:00.123Z"),
            ("2026-11-23T10:00:00.1234567Z", "2026-11-23T10:00:00.123Z"),
            ("2026-11-23T10:00:00.123456789Z", "2026-11-23T10:00:00.123Z"),
            ("2026-11-23T10:00:00.5Z", "2026-11-23T10:00:00.500Z"),
            ("2026-11-23T10:00:00,25Z", "2026-11-23T10:00:00.250Z"),
            ("2026-11-23T10:00:00.999999999999999999999Z", "2026-11-23T10:00:00.999Z"),
            ("2026-11-23T10:00:00.123456+00:00", "2026-11-23T10:00:00.123Z"),
            ("2026-11-23T10:00:00.1234567+02:00", "2026-11-23T08:00:00.123Z"),
            ("2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00.000Z"),
            ("2026-11-23T10:00:00+0200", "2026-11-23T08:00:00.000Z"),
            ("2026-11-23T10:00:00+02", "2026-11-23T08:00:00.000Z"),
            ("2026-11-23T10:00:00-05:30", "2026-11-23T15:30:00.000Z"),
            ("2026-11-23T10:00:00 +02:00", "2026-11-23T08:00:00.000Z"),
            ("2026-11-23T10:00:00", "2026-11-23T10:00:00.000Z"),
            ("2026-11-23T10:00", "2026-11-23T10:00:00.000Z"),
            ("2026-11-23 10:00:00.5", "2026-11-23T10:00:00.500Z"),
            ("2026-11-23 10:00:00Z", "2026-11-23T10:00:00.000Z"),
            ("2026-11-23t10:00:00z", "2026-11-23T10:00:00.000Z"),
            ("2026-11-23", "2026-11-23T00:00:00.000Z"),
            ("2015-2-02T00:30:12.984Z", "2015-02-02T00:30:12.984Z"),
            ("2015-2-2T1:30:12Z", "2015-02-02T01:30:12.000Z"),
            (" 2026-11-23T10:00:00Z ", "2026-11-23T10:00:00.000Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
            ("2000-02-29", "2000-02-29T00:00:00.000Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
            ("2026-11-23T24:00:00Z", "2026-11-24T00:00:00.000Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ];
        for (spelling, expected) in tests {
            assert_eq!(
                parse_time(spelling).map(Stamp::of).map(|stamp| stamp.to_string()).as_deref(),
                Some(expected),
                "{spelling}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for spelling in [
            "",
            " ",
            "now",
            "1700000000000",
            "1700000000",
            "2026",
            "2026-11",
            "2026-11-",
            "26-11-23",
            "2026-13-01",
            "2026-00-01",
            "2026-11-00",
            "2026-11-31",
            "2023-02-29",
            "1900-02-29",
            "2026-11-23T",
            "2026-11-23T10",
            "2026-11-23T10:0",
            "2026-11-23T10:60",
            "2026-11-23T25:00",
            "2026-11-23T24:00:01",
            "2026-11-23T10:00:61",
            "2026-11-23T10:00:00+",
            "2026-11-23T10:00:00+2",
            "2026-11-23T10:00:00+02:",
            "2026-11-23T10:00:00+24:00",
            "2026-11-23T10:00:00+02:60",
            "2026-11-23T10:00:00Zulu",
            "2026-11-23T10:00:00Z+02:00",
            "2026-11-23X10:00:00",
            "+2026-11-23",
            "２０２６-11-23",
            "2026\u{2011}11\u{2011}23",
            "Mon, 23 Nov 2026 10:00:00 GMT",
        ] {
            assert_eq!(parse_time(spelling), None, "{spelling}");
        }
    }

    #[test]
    fn a_stamp_outside_the_calendar_becomes_its_end() {
        assert_eq!(Stamp::of(i64::MIN).as_str(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Stamp::of(i64::MAX).as_str(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Stamp::of(0).as_str(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Stamp::of(-1).as_str(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_of_800_years_follows_the_one_before() {
        let mut expected = (1600, 1, 1);
        for days in days_since_1970(1600, 1, 1)..days_since_1970(2400, 1, 1) {
            let (year, month, day) = date_of(days);
            assert_eq!((year, month, day), expected);
            assert_eq!(days_since_1970(year, month, day), days);
            expected = match () {
                () if day < days_in_month(year, month) => (year, month, day + 1),
                () if month < 12 => (year, month + 1, 1),
                () => (year + 1, 1, 1),
            };
        }
    }

    proptest! {
        #[test]
        fn a_stamp_reads_back_as_the_same_millisecond(ms in -62_167_219_200_000_i64..253_402_300_800_000) {
            prop_assert_eq!(parse_time(Stamp::of(ms).as_str()), Some(ms));
        }

        #[test]
        fn no_text_panics(text in "[-0-9TZ:+. ]{0,40}|.{0,40}") {
            parse_time(&text);
        }
    }
}
