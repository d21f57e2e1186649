//! Timestamps and durations as the JSON mapping writes them: RFC 3339 in UTC, and decimal seconds followed by `s`.
//!
//! Both are a count of seconds and a count of nanoseconds, printed with no, three, six or nine decimals.

use std::ops::RangeInclusive;

/// The years 1 to 9999.
pub(super) const TIMESTAMP_SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Some ten thousand years either way.
pub(super) const DURATION_SECONDS: RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// Seconds and nanoseconds, as both message types hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) seconds: i64,
    pub(super) nanos: i32,
}

/// Appends `2026-11-22T08:30:00.250Z`; `None` if the timestamp is outside the years 1 to 9999.
pub(super) fn write_timestamp(out: &mut Vec<u8>, timestamp: Span) -> Option<()> {
    let nanos = u32::try_from(timestamp.nanos).ok().filter(|&nanos| nanos < NANOS_PER_SECOND)?;
    if !TIMESTAMP_SECONDS.contains(&timestamp.seconds) {
        return None;
    }
    let (year, month, day) = date_of_day(timestamp.seconds.div_euclid(SECONDS_PER_DAY));
    let second_of_day = timestamp.seconds.rem_euclid(SECONDS_PER_DAY);
    write_digits(out, year, 4);
    out.push(b'-');
    write_digits(out, month, 2);
    out.push(b'-');
    write_digits(out, day, 2);
    out.push(b'T');
    write_digits(out, second_of_day / 3600, 2);
    out.push(b':');
    write_digits(out, second_of_day / 60 % 60, 2);
    out.push(b':');
    write_digits(out, second_of_day % 60, 2);
    write_fraction(out, nanos);
    out.push(b'Z');
    Some(())
}

/// Appends `-1.500s`; `None` if the duration is out of range or its parts differ in sign.
pub(super) fn write_duration(out: &mut Vec<u8>, duration: Span) -> Option<()> {
    let nanos = Some(duration.nanos.unsigned_abs()).filter(|&nanos| nanos < NANOS_PER_SECOND)?;
    let signs_differ = duration.seconds.signum() * i64::from(duration.nanos.signum()) < 0;
    if signs_differ || !DURATION_SECONDS.contains(&duration.seconds) {
        return None;
    }
    if duration.seconds < 0 || duration.nanos < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(duration.seconds.unsigned_abs().to_string().as_bytes());
    write_fraction(out, nanos);
    out.push(b's');
    Some(())
}

/// Reads RFC 3339 with any offset and up to nine decimals; `None` if it is anything else.
pub(super) fn parse_timestamp(text: &str) -> Option<Span> {
    let mut cursor = Cursor(text.as_bytes());
    let year = cursor.digits(4)?;
    cursor.expect(b'-')?;
    let month = cursor.digits(2)?;
    cursor.expect(b'-')?;
    let day = cursor.digits(2)?;
    cursor.expect(b'T')?;
    let hour = cursor.digits(2)?;
    cursor.expect(b':')?;
    let minute = cursor.digits(2)?;
    cursor.expect(b':')?;
    let second = cursor.digits(2)?;
    let nanos = cursor.fraction()?;
    let offset_seconds = cursor.offset_seconds()?;
    let is_date = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !cursor.0.is_empty() || !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = day_of_date(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset_seconds;
    TIMESTAMP_SECONDS.contains(&seconds).then_some(Span { seconds, nanos })
}

/// Reads decimal seconds followed by `s`, with up to nine decimals; `None` if it is anything else.
pub(super) fn parse_duration(text: &str) -> Option<Span> {
    let text = text.strip_suffix('s')?;
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let digits_count = magnitude.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = magnitude.split_at(digits_count);
    let seconds: i64 = whole.parse().ok()?;
    let mut cursor = Cursor(rest.as_bytes());
    let nanos = cursor.fraction()?;
    let span = Span { seconds: sign * seconds, nanos: if sign < 0 { -nanos } else { nanos } };
    (cursor.0.is_empty() && DURATION_SECONDS.contains(&span.seconds)).then_some(span)
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn next_if(&mut self, accepted: impl Fn(u8) -> bool) -> Option<u8> {
        let (&byte, rest) = self.0.split_first().filter(|(byte, _)| accepted(**byte))?;
        self.0 = rest;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.next_if(|next| next == byte).map(drop)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let mut value = 0;
        for _ in 0..count {
            value = value * 10 + i64::from(self.next_if(|byte| byte.is_ascii_digit())? - b'0');
        }
        Some(value)
    }

    /// The nanoseconds of `.25`; 0 if there is no point.
    fn fraction(&mut self) -> Option<i32> {
        if self.expect(b'.').is_none() {
            return Some(0);
        }
        let mut nanos = 0;
        let mut unit = 100_000_000;
        while let Some(digit) = self.next_if(|byte| byte.is_ascii_digit()) {
            if unit == 0 {
                return None;
            }
            nanos += i32::from(digit - b'0') * unit;
            unit /= 10;
        }
        (unit < 100_000_000).then_some(nanos)
    }

    fn offset_seconds(&mut self) -> Option<i64> {
        match self.next_if(|byte| matches!(byte, b'Z' | b'+' | b'-'))? {
            b'Z' => Some(0),
            sign => {
                let hours = self.digits(2)?;
                self.expect(b':')?;
                let minutes = self.digits(2)?;
                let seconds = hours * 3600 + minutes * 60;
                (hours < 24 && minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
            }
        }
    }
}

fn write_digits(out: &mut Vec<u8>, value: i64, count: u32) {
    for place in (0..count).rev() {
        out.push(digit(value / 10_i64.pow(place) % 10));
    }
}

fn write_fraction(out: &mut Vec<u8>, nanos: u32) {
    let (value, count) = match nanos {
        0 => return,
        _ if nanos.is_multiple_of(1_000_000) => (nanos / 1_000_000, 3),
        _ if nanos.is_multiple_of(1_000) => (nanos / 1_000, 6),
        _ => (nanos, 9),
    };
    out.push(b'.');
    write_digits(out, i64::from(value), count);
}

/// The character of a value from 0 to 9.
fn digit(value: i64) -> u8 {
    b'0' + value.to_le_bytes()[0]
}

/// Days since 1970-01-01 of a date in the Gregorian calendar. Counting years from March puts the leap day last.
fn day_of_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a count of days since 1970-01-01.
fn date_of_day(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_from_march + 2) / 5 + 1)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(seconds: i64, nanos: i32) -> Option<String> {
        let mut out = Vec::new();
        write_timestamp(&mut out, Span { seconds, nanos })?;
        Some(String::from_utf8(out).unwrap())
    }

    fn duration(seconds: i64, nanos: i32) -> Option<String> {
        let mut out = Vec::new();
        write_duration(&mut out, Span { seconds, nanos })?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn timestamps_print_as_many_decimals_as_they_need() {
        assert_eq!(timestamp(0, 0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_789_999_999, 250_000_000).unwrap(), "2026-09-21T14:13:19.250Z");
        assert_eq!(timestamp(-1, 999_999_000).unwrap(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(timestamp(951_782_400, 1).unwrap(), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(timestamp(*TIMESTAMP_SECONDS.start(), 0).unwrap(), "0001-01-01T00:00:00Z");
        assert_eq!(timestamp(*TIMESTAMP_SECONDS.end(), 0).unwrap(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn every_day_of_four_centuries_reads_as_it_prints() {
        for day in 0..146_097 {
            let text = timestamp(day * SECONDS_PER_DAY + 1, 0).unwrap();
            assert_eq!(parse_timestamp(&text).unwrap().seconds, day * SECONDS_PER_DAY + 1, "{text}");
        }
    }

    #[test]
    fn spans_that_cannot_be_printed_are_refused() {
        assert_eq!(timestamp(TIMESTAMP_SECONDS.start() - 1, 0), None);
        assert_eq!(timestamp(TIMESTAMP_SECONDS.end() + 1, 0), None);
        assert_eq!(timestamp(0, -1), None);
        assert_eq!(timestamp(0, 1_000_000_000), None);
        assert_eq!(duration(1, -1), None);
        assert_eq!(duration(DURATION_SECONDS.end() + 1, 0), None);
    }

    #[test]
    fn timestamps_are_read_in_any_offset() {
        let expected = Span { seconds: 1_789_999_999, nanos: 250_000_000 };
        for text in ["2026-09-21T14:13:19.25Z", "2026-09-21T16:13:19.250+02:00", "2026-09-21T08:43:19.25-05:30"] {
            assert_eq!(parse_timestamp(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "2026-09-21",
            "2026-09-21 14:13:19Z",
            "2026-09-21t14:13:19Z",
            "2026-09-21T14:13:19z",
            "2026-09-21T14:13:19",
            "2026-09-21T14:13Z",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-09-21T24:00:00Z",
            "2026-09-21T14:13:60Z",
            "2026-09-21T14:13:19.Z",
            "2026-09-21T14:13:19.1234567890Z",
            "2026-09-21T14:13:19+0200",
            "2026-09-21T14:13:19Z ",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "10000-01-01T00:00:00Z",
            "2026-09-21T14:13:19+24:00",
            "२026-09-21T14:13:19Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn durations_keep_their_sign_below_one_second() {
        for (seconds, nanos, text) in [
            (0, 0, "0s"),
            (1, 500_000_000, "1.500s"),
            (0, -500_000_000, "-0.500s"),
            (-3, -1, "-3.000000001s"),
            (315_576_000_000, 0, "315576000000s"),
        ] {
            assert_eq!(duration(seconds, nanos).as_deref(), Some(text));
            assert_eq!(parse_duration(text), Some(Span { seconds, nanos }));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "1", "1.s", ".5s", "1m", "+1s", "--1s", "1.5 s", "1.0000000001s", "315576000001s", "1e3s"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
