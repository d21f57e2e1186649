//! The RRULE of RFC 5545, section 3.3.10, as far as tasks repeat: by days and no finer.
//!
//! The text is read here rather than by the crate that expands it. That one forgives what a person should hear about
//! (`BYDAY=xMO` is every Monday to it), takes an UNTIL without a zone for one in the machine's, and prints `1MO` as
//! `MO` and no negative BYMONTHDAY at all.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Utc, Weekday};
use serde::{Deserialize, Serialize};

use super::instant;
use crate::domain::Problem;
use crate::domain::day::DayRule;

const LENGTH_MAX: usize = 500;
const INTERVAL_MAX: u16 = 1_000;
const COUNT_MAX: u32 = 10_000;
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Mon),
    ("TU", Weekday::Tue),
    ("WE", Weekday::Wed),
    ("TH", Weekday::Thu),
    ("FR", Weekday::Fri),
    ("SA", Weekday::Sat),
    ("SU", Weekday::Sun),
];

/// The unit that a rule counts its interval in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frequency {
    /// Days.
    Daily,
    /// Weeks, beginning on WKST.
    Weekly,
    /// Months.
    Monthly,
    /// Years.
    Yearly,
}

/// When a rule has its last occurrence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Never.
    Never,
    /// After this many.
    Count(u32),
    /// At the last that is not later than this.
    Until(Until),
}

/// The forms of UNTIL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Until {
    /// A local date.
    Date(NaiveDate),
    /// What the clocks show.
    Local(NaiveDateTime),
    /// An instant.
    Instant(DateTime<Utc>),
}

/// A weekday; with an ordinal, the nth of the month or year, counted from its end if it is negative.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ByDay {
    /// Which one; `None` is every one.
    pub ordinal: Option<i16>,
    /// The weekday.
    pub weekday: Weekday,
}

/// How a task repeats.
///
/// Every list ascends and has nothing twice.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// The unit of the interval.
    pub frequency: Frequency,
    /// Every how many units, from 1.
    pub interval: u16,
    /// The last occurrence.
    pub end: End,
    /// The day on which weeks begin.
    pub week_start: Weekday,
    /// Months, 1 to 12.
    pub by_month: Vec<i16>,
    /// ISO weeks.
    pub by_week_number: Vec<i16>,
    /// Days of the year.
    pub by_year_day: Vec<i16>,
    /// Days of the month.
    pub by_month_day: Vec<i16>,
    /// Weekdays.
    pub by_day: Vec<ByDay>,
    /// Which of those that a period has.
    pub by_position: Vec<i16>,
}

impl Frequency {
    fn name(self) -> &'static str {
        match self {
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
            Self::Yearly => "YEARLY",
        }
    }
}

impl End {
    /// Whether an occurrence on `date` is not too late. Those of a COUNT are counted where they are enumerated.
    pub(super) fn admits(self, date: NaiveDate, time: Option<NaiveTime>, zone: DayRule) -> bool {
        match (self, time) {
            (Self::Never | Self::Count(_), _) => true,
            (Self::Until(Until::Date(last)), _) => date <= last,
            (Self::Until(Until::Local(last)), Some(time)) => date.and_time(time) <= last,
            (Self::Until(Until::Local(last)), None) => date <= last.date(),
            (Self::Until(Until::Instant(last)), Some(time)) => instant(zone, date, time) <= last,
            (Self::Until(Until::Instant(last)), None) => date <= zone.wall_clock(last).date(),
        }
    }
}

impl Rule {
    /// Reads a rule, with or without `RRULE:` before it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > LENGTH_MAX || !text.is_ascii() {
            return Err(Problem::new(format!("must be an RRULE of at most {LENGTH_MAX} ASCII characters")));
        }
        let text = text.trim().to_ascii_uppercase();
        let parts = Parts::read(text.strip_prefix("RRULE:").unwrap_or(&text))?;
        let rule = Self {
            frequency: parts.required("FREQ", frequency)?,
            interval: parts.optional("INTERVAL", |value| number(value, 1..=INTERVAL_MAX))?.unwrap_or(1),
            end: parts.end()?,
            week_start: parts.optional("WKST", weekday)?.unwrap_or(Weekday::Mon),
            by_month: parts.list("BYMONTH", |value| number(value, 1..=12))?,
            by_week_number: parts.list("BYWEEKNO", |value| from_either_end(value, 53))?,
            by_year_day: parts.list("BYYEARDAY", |value| from_either_end(value, 366))?,
            by_month_day: parts.list("BYMONTHDAY", |value| from_either_end(value, 31))?,
            by_day: parts.days()?,
            by_position: parts.list("BYSETPOS", |value| from_either_end(value, 366))?,
        };
        rule.check()?;
        Ok(rule)
    }

    /// Refuses parts that RFC 5545 does not allow together.
    fn check(&self) -> Result<(), Problem> {
        let yearly = self.frequency == Frequency::Yearly;
        let has_ordinal = self.by_day.iter().any(|day| day.ordinal.is_some());
        let ordinal_max = if yearly { 53 } else { 5 };
        let refusals = [
            (!yearly && !self.by_week_number.is_empty(), "BYWEEKNO goes with FREQ=YEARLY only"),
            (!yearly && !self.by_year_day.is_empty(), "BYYEARDAY goes with FREQ=YEARLY only"),
            (
                self.frequency == Frequency::Weekly && !self.by_month_day.is_empty(),
                "BYMONTHDAY does not go with FREQ=WEEKLY",
            ),
            (
                has_ordinal && !matches!(self.frequency, Frequency::Monthly | Frequency::Yearly),
                "BYDAY with a number goes with FREQ=MONTHLY and FREQ=YEARLY only",
            ),
            (has_ordinal && !self.by_week_number.is_empty(), "BYDAY with a number does not go with BYWEEKNO"),
            (
                self.by_day.iter().filter_map(|day| day.ordinal).any(|ordinal| ordinal.abs() > ordinal_max),
                "BYDAY names a weekday that its month or year does not have that often",
            ),
            (!self.by_position.is_empty() && !self.has_by_parts(), "BYSETPOS needs another BY part to choose from"),
            (
                !self.by_position.is_empty() && !self.by_week_number.is_empty(),
                "BYSETPOS with BYWEEKNO is not supported",
            ),
        ];
        match refusals.into_iter().find(|(applies, _)| *applies) {
            Some((_, refusal)) => Err(Problem::new(format!("cannot be used: {refusal}"))),
            None => Ok(()),
        }
    }

    /// Whether a BY part says more than the interval does.
    pub(super) fn has_by_parts(&self) -> bool {
        let lists = [&self.by_month, &self.by_week_number, &self.by_year_day, &self.by_month_day];
        !self.by_day.is_empty() || lists.iter().any(|list| !list.is_empty())
    }

    /// The day one interval after `day`, at the end of its month if the month is too short; `None` if a BY part says
    /// more than the interval does, or beyond the calendar.
    pub(super) fn one_interval_after(&self, day: NaiveDate) -> Option<NaiveDate> {
        let interval = u32::from(self.interval);
        if self.has_by_parts() {
            return None;
        }
        match self.frequency {
            Frequency::Daily => day.checked_add_days(Days::new(interval.into())),
            Frequency::Weekly => day.checked_add_days(Days::new(u64::from(interval) * 7)),
            Frequency::Monthly => day.checked_add_months(Months::new(interval)),
            Frequency::Yearly => day.checked_add_months(Months::new(interval * 12)),
        }
    }
}

impl TryFrom<String> for Rule {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        Self::parse(&text)
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

/// The canonical text: parts in one order, lists ascending, nothing that is the default.
impl Display for Rule {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "FREQ={}", self.frequency.name())?;
        match self.end {
            End::Never => {}
            End::Count(count) => write!(formatter, ";COUNT={count}")?,
            End::Until(until) => write!(formatter, ";UNTIL={until}")?,
        }
        if self.interval != 1 {
            write!(formatter, ";INTERVAL={}", self.interval)?;
        }
        if self.week_start != Weekday::Mon {
            write!(formatter, ";WKST={}", weekday_name(self.week_start))?;
        }
        write_list(formatter, "BYMONTH", &self.by_month)?;
        write_list(formatter, "BYWEEKNO", &self.by_week_number)?;
        write_list(formatter, "BYYEARDAY", &self.by_year_day)?;
        write_list(formatter, "BYMONTHDAY", &self.by_month_day)?;
        write_list(formatter, "BYDAY", &self.by_day)?;
        write_list(formatter, "BYSETPOS", &self.by_position)
    }
}

impl Display for Until {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.format("%Y%m%d").fmt(formatter),
            Self::Local(wall) => wall.format("%Y%m%dT%H%M%S").fmt(formatter),
            Self::Instant(instant) => instant.format("%Y%m%dT%H%M%SZ").fmt(formatter),
        }
    }
}

impl Display for ByDay {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if let Some(ordinal) = self.ordinal {
            ordinal.fmt(formatter)?;
        }
        formatter.write_str(weekday_name(self.weekday))
    }
}

fn write_list<T: Display>(formatter: &mut Formatter<'_>, name: &str, values: &[T]) -> fmt::Result {
    for (index, value) in values.iter().enumerate() {
        match index {
            0 => write!(formatter, ";{name}={value}")?,
            _ => write!(formatter, ",{value}")?,
        }
    }
    Ok(())
}

fn weekday_name(weekday: Weekday) -> &'static str {
    WEEKDAYS[weekday.num_days_from_monday() as usize].0
}

/// The `NAME=VALUE` parts of a rule.
struct Parts<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Self, Problem> {
        let mut parts: Vec<(&str, &str)> = Vec::new();
        for part in text.split(';') {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| Problem::new("must be an RRULE of RFC 5545, such as `FREQ=WEEKLY;BYDAY=MO`"))?;
            check_name(name)?;
            if parts.iter().any(|(other, _)| *other == name) {
                return Err(Problem::new(format!("cannot be used: {name} is there twice")));
            }
            parts.push((name, value));
        }
        Ok(Self(parts))
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    fn optional<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Problem> {
        let bad = |expected| Problem::new(format!("cannot be used: {name} must be {expected}"));
        self.value(name).map(parse).transpose().map_err(bad)
    }

    fn required<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Problem> {
        self.optional(name, parse)?.ok_or_else(|| Problem::new(format!("cannot be used: {name} is missing")))
    }

    fn list<T: Ord>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Problem> {
        let values = self.optional(name, |text| text.split(',').map(&parse).collect::<Result<BTreeSet<T>, _>>())?;
        Ok(values.unwrap_or_default().into_iter().collect())
    }

    fn days(&self) -> Result<Vec<ByDay>, Problem> {
        let days =
            self.list("BYDAY", |text| by_day(text).map(|day| (day.ordinal, day.weekday.num_days_from_monday())))?;
        let weekday = |index: u32| WEEKDAYS[index as usize].1;
        Ok(days.into_iter().map(|(ordinal, index)| ByDay { ordinal, weekday: weekday(index) }).collect())
    }

    fn end(&self) -> Result<End, Problem> {
        let count = self.optional("COUNT", |value| number(value, 1..=COUNT_MAX))?;
        match (count, self.optional("UNTIL", until)?) {
            (None, None) => Ok(End::Never),
            (Some(count), None) => Ok(End::Count(count)),
            (None, Some(until)) => Ok(End::Until(until)),
            (Some(_), Some(_)) => Err(Problem::new("cannot be used: COUNT does not go with UNTIL")),
        }
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    match name {
        "FREQ" | "INTERVAL" | "COUNT" | "UNTIL" | "WKST" | "BYMONTH" | "BYWEEKNO" | "BYYEARDAY" | "BYMONTHDAY"
        | "BYDAY" | "BYSETPOS" => Ok(()),
        "BYHOUR" | "BYMINUTE" | "BYSECOND" => Err(Problem::new(format!(
            "cannot be used: {name} is not taken, since a task repeats at the time of day of its start, once a day"
        ))),
        _ => Err(Problem::new(format!("cannot be used: `{name}` is not a part that is known"))),
    }
}

fn frequency(value: &str) -> Result<Frequency, String> {
    match value {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        _ => Err("DAILY, WEEKLY, MONTHLY or YEARLY".to_owned()),
    }
}

fn weekday(value: &str) -> Result<Weekday, String> {
    let found = WEEKDAYS.iter().find(|(name, _)| *name == value);
    found.map(|(_, weekday)| *weekday).ok_or_else(|| "one of MO, TU, WE, TH, FR, SA and SU".to_owned())
}

fn by_day(value: &str) -> Result<ByDay, String> {
    let expected = || "weekdays such as `MO`, or `-1FR` for the last Friday".to_owned();
    let (ordinal, name) = value.split_at_checked(value.len().saturating_sub(2)).ok_or_else(expected)?;
    let ordinal = match ordinal {
        "" => None,
        ordinal => Some(from_either_end(ordinal, 53).map_err(|_| expected())?),
    };
    Ok(ByDay { ordinal, weekday: weekday(name).map_err(|_| expected())? })
}

fn number<T>(value: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + Display,
{
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| is_digits && range.contains(number));
    number.ok_or_else(|| format!("from {} to {}", range.start(), range.end()))
}

fn from_either_end(value: &str, max: i16) -> Result<i16, String> {
    let expected = || format!("from 1 to {max} or from -{max} to -1");
    let (sign, digits) = match value.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, value.strip_prefix('+').unwrap_or(value)),
    };
    number(digits, 1..=max).map(|number| sign * number).map_err(|_| expected())
}

fn until(value: &str) -> Result<Until, String> {
    let wall = |text| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").ok();
    let parsed = match (value.len(), value.strip_suffix('Z')) {
        (16, Some(text)) => wall(text).map(|wall| Until::Instant(wall.and_utc())),
        (15, None) => wall(value).map(Until::Local),
        (8, None) => NaiveDate::parse_from_str(value, "%Y%m%d").ok().map(Until::Date),
        _ => None,
    };
    parsed.ok_or_else(|| "a date, `20261231`, or date and time, `20261231T090000Z`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_one_canonical_text_that_reads_back() {
        let cases = [
            ("freq=daily", "FREQ=DAILY"),
            ("RRULE:INTERVAL=1;FREQ=WEEKLY;WKST=MO", "FREQ=WEEKLY"),
            ("FREQ=WEEKLY;BYDAY=FR,MO,FR;WKST=SU;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,FR"),
            ("FREQ=MONTHLY;BYDAY=1MO,-1FR;COUNT=3", "FREQ=MONTHLY;COUNT=3;BYDAY=-1FR,1MO"),
            ("FREQ=MONTHLY;BYMONTHDAY=+15,-1", "FREQ=MONTHLY;BYMONTHDAY=-1,15"),
            ("FREQ=YEARLY;BYWEEKNO=20,-1;BYDAY=MO", "FREQ=YEARLY;BYWEEKNO=-1,20;BYDAY=MO"),
            ("FREQ=YEARLY;BYYEARDAY=200,1;BYSETPOS=-1", "FREQ=YEARLY;BYYEARDAY=1,200;BYSETPOS=-1"),
            ("FREQ=DAILY;UNTIL=20261231", "FREQ=DAILY;UNTIL=20261231"),
            ("FREQ=DAILY;UNTIL=20261231T090000", "FREQ=DAILY;UNTIL=20261231T090000"),
            ("FREQ=DAILY;UNTIL=20261231T090000Z;BYMONTH=7,6", "FREQ=DAILY;UNTIL=20261231T090000Z;BYMONTH=6,7"),
        ];
        for (text, canonical) in cases {
            let rule = Rule::parse(text).unwrap();
            assert_eq!(rule.to_string(), canonical, "{text}");
            assert_eq!(Rule::parse(canonical).unwrap(), rule, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_its_part() {
        let cases = [
            ("", "such as"),
            ("every day", "such as"),
            ("FREQ=DAILY;", "such as"),
            ("INTERVAL=2", "FREQ is missing"),
            ("FREQ=SECONDLY", "FREQ must be"),
            ("FREQ=MINUTELY;INTERVAL=15;COUNT=6", "FREQ must be"),
            ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", "FREQ must be"),
            ("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40", "BYHOUR is not taken"),
            ("FREQ=DAILY;FREQ=DAILY", "FREQ is there twice"),
            ("FREQ=DAILY;X-MOON=FULL", "`X-MOON`"),
            ("FREQ=DAILY;RSCALE=CHINESE", "`RSCALE`"),
            ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be from 1 to 1000"),
            ("FREQ=DAILY;INTERVAL=1001", "INTERVAL must be from 1 to 1000"),
            ("FREQ=DAILY;INTERVAL=+1", "INTERVAL"),
            ("FREQ=DAILY;COUNT=0", "COUNT must be from 1 to 10000"),
            ("FREQ=DAILY;COUNT=99999999999", "COUNT"),
            ("FREQ=DAILY;COUNT=3;UNTIL=20261231", "COUNT does not go with UNTIL"),
            ("FREQ=DAILY;UNTIL=20260230", "UNTIL must be"),
            ("FREQ=DAILY;UNTIL=20261231T090000+01", "UNTIL must be"),
            ("FREQ=DAILY;BYMONTH=13", "BYMONTH must be from 1 to 12"),
            ("FREQ=DAILY;BYMONTH=", "BYMONTH"),
            ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY must be"),
            ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY must be"),
            ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go"),
            ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY goes with"),
            ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO goes with"),
            ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO must be"),
            ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY with a number goes with"),
            ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "BYDAY with a number does not go"),
            ("FREQ=MONTHLY;BYDAY=6MO", "that often"),
            ("FREQ=WEEKLY;BYDAY=XMO", "BYDAY must be"),
            ("FREQ=WEEKLY;BYDAY=0MO", "BYDAY must be"),
            ("FREQ=WEEKLY;BYDAY=M", "BYDAY must be"),
            ("FREQ=WEEKLY;BYDAY=MO,,FR", "BYDAY must be"),
            ("FREQ=WEEKLY;WKST=MONDAY", "WKST must be"),
            ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs"),
            ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "BYSETPOS must be"),
            ("FREQ=YEARLY;BYWEEKNO=1;BYSETPOS=1", "BYSETPOS with BYWEEKNO"),
            ("FREQ=WEEKLY;BYDAY=MÖ", "ASCII"),
        ];
        for (text, expected) in cases {
            let problem = Rule::parse(text).unwrap_err().to_string();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        assert!(Rule::parse(&format!("FREQ=DAILY;BYMONTH={}1", "1,".repeat(250))).is_err());
    }
}
