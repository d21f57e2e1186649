//! Todoist's dates: what a person typed, as `every! 3 days at 9am` or `5 Jan`.
//!
//! ISO dates are understood in every language, words in English. What is not understood is `None`, never a guess.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};

use crate::import::text::day;
use crate::import::wall_clock::{WallClock, time_of_day};

const INTERVAL_MAX: u32 = 1000;
/// A date without a year that is longer ago than this is meant for the next year.
const PAST_DAYS_MAX: i64 = 180;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTHS_IN_FULL: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// When a task is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct When {
    /// The day, of a task that repeats the first.
    pub day: NaiveDate,
    /// The time of that day, if it is said.
    pub time: Option<NaiveTime>,
    /// How it repeats.
    pub recurrence: Option<Recurrence>,
}

/// How a task repeats.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recurrence {
    /// RFC 5545, without `RRULE:`.
    pub rule: String,
    /// Counted from the completion rather than from the schedule.
    pub from_completion: bool,
}

/// What dates are read against.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// The day on which words such as `tomorrow` are read.
    pub today: NaiveDate,
    /// The clocks that the times are meant for.
    pub clock: WallClock,
}

/// A date phrase, taken apart.
#[derive(Debug)]
struct Phrase<'a> {
    words: Vec<&'a str>,
    time: Option<NaiveTime>,
    start: Option<NaiveDate>,
    until: Option<NaiveDate>,
}

/// What follows a word such as `until` is not what it should be.
struct NotUnderstood;

/// Reads a date in `language`, a code such as `en`; empty is English.
pub fn parse(text: &str, language: &str, reference: Reference) -> Option<When> {
    if let Some(when) = iso(text.trim(), reference.clock) {
        return Some(when);
    }
    if !(language.is_empty() || language.eq_ignore_ascii_case("en")) {
        return None;
    }
    let text = text.to_lowercase().replace(',', " ").replace('@', " at ").replace('!', "! ");
    let phrase = Phrase::parse(text.split_whitespace().collect(), reference.today)?;
    match phrase.words.split_first()? {
        (&("every" | "each" | "ev"), rule) => phrase.repeated(&frequency(rule)?, false, reference),
        (&("every!" | "each!" | "ev!" | "after"), rule) => phrase.repeated(&frequency(rule)?, true, reference),
        (&"daily", []) => phrase.repeated("FREQ=DAILY", false, reference),
        (&"weekly", []) => phrase.repeated("FREQ=WEEKLY", false, reference),
        (&"monthly", []) => phrase.repeated("FREQ=MONTHLY", false, reference),
        (&"yearly", []) => phrase.repeated("FREQ=YEARLY", false, reference),
        _ => {
            let day = date(&phrase.words, reference.today)?;
            let is_once = phrase.start.is_none() && phrase.until.is_none();
            is_once.then_some(When { day, time: phrase.time, recurrence: None })
        }
    }
}

fn iso(text: &str, clock: WallClock) -> Option<When> {
    let once = |day, time| When { day, time, recurrence: None };
    if let Some(day) = day(text) {
        return Some(once(day, None));
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        let wall = clock.shown_at(instant.to_utc());
        return day(&wall.date().to_string()).map(|day| once(day, Some(wall.time())));
    }
    let (date, time) = text.split_once([' ', 'T'])?;
    Some(once(day(date)?, Some(time_of_day(time)?)))
}

impl<'a> Phrase<'a> {
    fn parse(mut words: Vec<&'a str>, today: NaiveDate) -> Option<Self> {
        let until = bound(&mut words, &["until", "ending"], today).ok()?;
        let start = bound(&mut words, &["starting", "from"], today).ok()?;
        let time = time(&mut words).ok()?;
        Some(Self { words, time, start, until })
    }

    fn repeated(&self, rule: &str, from_completion: bool, reference: Reference) -> Option<When> {
        let day = first_day(rule, self.start.unwrap_or(reference.today))?;
        let mut rule = rule.to_owned();
        if let Some(until) = self.until {
            let end = reference.clock.instant(until.and_hms_opt(23, 59, 59)?);
            let _ = write!(rule, ";UNTIL={}", end.format("%Y%m%dT%H%M%SZ"));
        }
        Some(When { day, time: self.time, recurrence: Some(Recurrence { rule, from_completion }) })
    }
}

/// Cuts `until DATE` off.
fn bound(words: &mut Vec<&str>, markers: &[&str], today: NaiveDate) -> Result<Option<NaiveDate>, NotUnderstood> {
    let Some(place) = words.iter().position(|word| markers.contains(word)) else { return Ok(None) };
    // The longest date that follows: `5 jan` may go on with a year or with a time.
    let found = (1..=3).rev().find_map(|length| {
        let following = words.get(place + 1..=place + length)?;
        Some((date(following, today)?, length))
    });
    let (day, length) = found.ok_or(NotUnderstood)?;
    words.drain(place..=place + length);
    Ok(Some(day))
}

/// Cuts `at 9am`, or a time that stands alone, off.
fn time(words: &mut Vec<&str>) -> Result<Option<NaiveTime>, NotUnderstood> {
    if let Some(place) = words.iter().position(|word| *word == "at") {
        let found = (1..=2).rev().find_map(|length| Some((clock(words.get(place + 1..=place + length)?)?, length)));
        let (time, length) = found.ok_or(NotUnderstood)?;
        words.drain(place..=place + length);
        return Ok(Some(time));
    }
    let found = words.last().filter(|word| word.contains(':') || word.ends_with("am") || word.ends_with("pm"));
    let time = found.and_then(|word| time_of_day(word));
    if time.is_some() {
        words.pop();
    }
    Ok(time)
}

fn clock(words: &[&str]) -> Option<NaiveTime> {
    let text = words.join(" ");
    let hour = || text.parse().ok().and_then(|hour| NaiveTime::from_hms_opt(hour, 0, 0));
    time_of_day(&text).or_else(hour)
}

/// One day, said in words.
fn date(words: &[&str], today: NaiveDate) -> Option<NaiveDate> {
    match *words {
        ["today"] => Some(today),
        ["tomorrow"] => today.succ_opt(),
        ["yesterday"] => today.pred_opt(),
        [word] => day(word).or_else(|| next(weekday(word)?, today)),
        [first, second] => {
            let (month, day) = month_and_day(first, second)?;
            without_year(month, day, today)
        }
        [first, second, year] => {
            let (month, day) = month_and_day(first, second)?;
            NaiveDate::from_ymd_opt(year.parse().ok().filter(|year| (1900..=2200).contains(year))?, month, day)
        }
        _ => None,
    }
}

fn next(weekday: Weekday, today: NaiveDate) -> Option<NaiveDate> {
    (1..=7).filter_map(|days| today.checked_add_days(Days::new(days))).find(|day| day.weekday() == weekday)
}

fn without_year(month: u32, day: u32, today: NaiveDate) -> Option<NaiveDate> {
    let earliest = today.checked_sub_signed(TimeDelta::days(PAST_DAYS_MAX))?;
    // 29 February comes within eight years.
    (earliest.year()..earliest.year() + 9)
        .filter_map(|year| NaiveDate::from_ymd_opt(year, month, day))
        .find(|day| *day >= earliest)
}

/// What comes after `every`, as a rule of RFC 5545.
fn frequency(words: &[&str]) -> Option<String> {
    let words: Vec<&str> = words.iter().copied().filter(|word| !matches!(*word, "the" | "of" | "on" | "and")).collect();
    match words.as_slice() {
        ["other", rest @ ..] => every(2, rest),
        ["last", "day"] | ["month", "last", "day"] | ["last", "day", "month"] => {
            Some("FREQ=MONTHLY;BYMONTHDAY=-1".to_owned())
        }
        [place, name] | [place, name, "month"] if ordinal(place).is_some() && weekday(name).is_some() => {
            Some(format!("FREQ=MONTHLY;BYDAY={}{}", ordinal(place)?, code(weekday(name)?)))
        }
        [day] | [day, "month"] | ["month", day] if month_day(day).is_some() => {
            Some(format!("FREQ=MONTHLY;BYMONTHDAY={}", month_day(day)?))
        }
        [first, second] if month_and_day(first, second).is_some() => {
            let (month, day) = month_and_day(first, second)?;
            Some(format!("FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={day}"))
        }
        [number, rest @ ..] if number.parse::<u32>().is_ok() => every(number.parse().ok()?, rest),
        rest => every(1, rest),
    }
}

fn every(interval: u32, words: &[&str]) -> Option<String> {
    if !(1..=INTERVAL_MAX).contains(&interval) {
        return None;
    }
    let (frequency, by_day) = match words {
        ["day" | "days"] => ("DAILY", String::new()),
        ["week" | "weeks"] => ("WEEKLY", String::new()),
        ["month" | "months"] => ("MONTHLY", String::new()),
        ["year" | "years"] => ("YEARLY", String::new()),
        ["weekday" | "weekdays" | "workday" | "workdays"] if interval == 1 => ("WEEKLY", "MO,TU,WE,TH,FR".to_owned()),
        ["weekend" | "weekends"] if interval == 1 => ("WEEKLY", "SA,SU".to_owned()),
        ["week" | "weeks", days @ ..] | days => ("WEEKLY", weekdays(days)?),
    };
    let mut rule = format!("FREQ={frequency}");
    if interval > 1 {
        let _ = write!(rule, ";INTERVAL={interval}");
    }
    if !by_day.is_empty() {
        let _ = write!(rule, ";BYDAY={by_day}");
    }
    Some(rule)
}

fn weekdays(words: &[&str]) -> Option<String> {
    let mut days: Vec<Weekday> = words.iter().map(|word| weekday(word)).collect::<Option<_>>()?;
    days.sort_unstable_by_key(Weekday::num_days_from_monday);
    days.dedup();
    let codes: Vec<&str> = days.into_iter().map(code).collect();
    Some(codes.join(",")).filter(|codes| !codes.is_empty())
}

/// A weekday in full, in three letters, or in the plural.
fn weekday(word: &str) -> Option<Weekday> {
    let is_known = |word: &str| matches!(word, "tues" | "thur" | "thurs") || word.len() == 3 || word.ends_with("day");
    let word = word.strip_suffix("days").map_or_else(|| word.to_owned(), |stem| format!("{stem}day"));
    if !is_known(&word) {
        return None;
    }
    match word.as_str() {
        "tues" => Some(Weekday::Tue),
        "thur" | "thurs" => Some(Weekday::Thu),
        word => word.parse().ok(),
    }
}

fn code(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "MO",
        Weekday::Tue => "TU",
        Weekday::Wed => "WE",
        Weekday::Thu => "TH",
        Weekday::Fri => "FR",
        Weekday::Sat => "SA",
        Weekday::Sun => "SU",
    }
}

/// `1st` to `4th`, or `last`.
fn ordinal(word: &str) -> Option<i32> {
    match word {
        "first" | "1st" => Some(1),
        "second" | "2nd" => Some(2),
        "third" | "3rd" => Some(3),
        "fourth" | "4th" => Some(4),
        "last" => Some(-1),
        _ => None,
    }
}

/// `15th`.
fn month_day(word: &str) -> Option<u32> {
    let number = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending))?;
    number.parse().ok().filter(|day| (1..=31).contains(day))
}

fn month_and_day(first: &str, second: &str) -> Option<(u32, u32)> {
    let day = |word: &str| month_day(word).or_else(|| word.parse().ok().filter(|day| (1..=31).contains(day)));
    let (month, day) = match (month(first), month(second)) {
        (Some(month), None) => (month, day(second)?),
        (None, Some(month)) => (month, day(first)?),
        _ => return None,
    };
    // A leap year has every day that there is.
    NaiveDate::from_ymd_opt(2024, month, day).map(|_| (month, day))
}

fn month(word: &str) -> Option<u32> {
    let place = |names: [&str; 12]| names.iter().position(|name| *name == word);
    place(MONTHS).or_else(|| place(MONTHS_IN_FULL)).and_then(|place| u32::try_from(place + 1).ok())
}

/// The first day, `start` or later, that the rule names: its interval begins there, whatever period `start` is in.
fn first_day(rule: &str, start: NaiveDate) -> Option<NaiveDate> {
    let parts: Vec<&str> = rule.split(';').filter(|part| !part.starts_with("INTERVAL=")).collect();
    let rule = parts.join(";");
    let set: rrule::RRuleSet = format!("DTSTART:{}T000000Z\nRRULE:{rule}", start.format("%Y%m%d")).parse().ok()?;
    set.all(1).dates.first().map(|first| first.with_timezone(&Utc).date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Reference {
        // A Wednesday.
        let today = NaiveDate::from_ymd_opt(2026, 6, 17).unwrap();
        Reference { today, clock: WallClock::new(chrono_tz::Europe::Berlin) }
    }

    fn describe(text: &str) -> String {
        let Some(When { day, time, recurrence }) = parse(text, "en", reference()) else { return "?".to_owned() };
        let time = time.map(|time| time.format(" %H:%M").to_string()).unwrap_or_default();
        let rule = recurrence.map(|it| format!(" {}{}", if it.from_completion { "!" } else { "" }, it.rule));
        format!("{day}{time}{}", rule.unwrap_or_default())
    }

    #[test]
    fn dates_are_understood() {
        for (text, expected) in [
            ("2026-01-02", "2026-01-02"),
            ("2026-01-02 15:30", "2026-01-02 15:30"),
            ("2026-01-02T15:30:00", "2026-01-02 15:30"),
            ("2026-01-02T15:30:00Z", "2026-01-02 16:30"),
            ("today", "2026-06-17"),
            ("Tomorrow at 9am", "2026-06-18 09:00"),
            ("Friday", "2026-06-19"),
            ("5 Jan", "2026-01-05"),
            ("1 dec", "2026-12-01"),
            ("17 december", "2026-12-17"),
            ("Mar 5th @ 18:00", "2026-03-05 18:00"),
            ("March 5, 2025", "2025-03-05"),
            ("29 feb", "2028-02-29"),
        ] {
            assert_eq!(describe(text), expected, "{text}");
        }
    }

    #[test]
    fn repetitions_become_rules_that_begin_with_the_first_day_they_fall_on() {
        for (text, expected) in [
            ("every day", "2026-06-17 FREQ=DAILY"),
            ("daily at 7:15", "2026-06-17 07:15 FREQ=DAILY"),
            ("every weekday", "2026-06-17 FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
            ("every workday at 9 am", "2026-06-17 09:00 FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
            ("every week", "2026-06-17 FREQ=WEEKLY"),
            ("every month", "2026-06-17 FREQ=MONTHLY"),
            ("every year", "2026-06-17 FREQ=YEARLY"),
            ("every 3 days", "2026-06-17 FREQ=DAILY;INTERVAL=3"),
            ("every other week", "2026-06-17 FREQ=WEEKLY;INTERVAL=2"),
            ("every monday", "2026-06-22 FREQ=WEEKLY;BYDAY=MO"),
            ("every Mondays", "2026-06-22 FREQ=WEEKLY;BYDAY=MO"),
            ("ev mon, wed", "2026-06-17 FREQ=WEEKLY;BYDAY=MO,WE"),
            ("every wed and mon 9pm", "2026-06-17 21:00 FREQ=WEEKLY;BYDAY=MO,WE"),
            ("every 3 mon starting 2026-12-01", "2026-12-07 FREQ=WEEKLY;INTERVAL=3;BYDAY=MO"),
            ("every other tuesday", "2026-06-23 FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"),
            ("every! 2 weeks", "2026-06-17 !FREQ=WEEKLY;INTERVAL=2"),
            ("every!day", "2026-06-17 !FREQ=DAILY"),
            ("every 15th", "2026-07-15 FREQ=MONTHLY;BYMONTHDAY=15"),
            ("every month on the 3rd", "2026-07-03 FREQ=MONTHLY;BYMONTHDAY=3"),
            ("every last day", "2026-06-30 FREQ=MONTHLY;BYMONTHDAY=-1"),
            ("every 1st monday", "2026-07-06 FREQ=MONTHLY;BYDAY=1MO"),
            ("every last friday of the month", "2026-06-26 FREQ=MONTHLY;BYDAY=-1FR"),
            ("every jan 5", "2027-01-05 FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=5"),
            ("every day starting 2026-07-01", "2026-07-01 FREQ=DAILY"),
            (
                "every monday at 10:00 starting jul 1 until aug 31 2026",
                "2026-07-06 10:00 FREQ=WEEKLY;BYDAY=MO;UNTIL=20260831T215959Z",
            ),
        ] {
            assert_eq!(describe(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        for text in [
            "",
            "every",
            "every!",
            "every 0 days",
            "every 2000 days",
            "every 3 hours",
            "every blue moon",
            "soon",
            "every day at noonish",
            "every day until then",
            "31 feb",
            "2026-02-30",
            "at 9",
            "every 2 weekdays",
            "every mon sometimes",
            "tomorrow until friday",
            "every 32nd",
        ] {
            assert_eq!(describe(text), "?", "{text}");
        }
        assert_eq!(parse("jeden Tag", "de", reference()), None);
        assert!(parse("2026-01-02", "de", reference()).is_some());
    }
}
