//! Loop Habit Tracker's exports: a zip of CSV files, or a backup, which is a SQLite database.
//!
//! Loop's yes-or-no habits are counted in times, its measurable ones in their unit. Ours are counted in times a day or
//! a week, so other periods come as the nearest number a week, and fractions of a unit rounded, with the exact value
//! in the notes.

pub mod archive;
pub mod backup;
mod cell;

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::Arc;

use chrono::NaiveDate;

use self::cell::Mark;
use super::row::{RowError, RowKey, RowKeys, key, problem};

const ZIP: &[u8] = b"PK\x03\x04";
const SQLITE: &[u8] = b"SQLite format 3\0";
const DAYS_PER_WEEK: f64 = 7.0;
const COUNT_MAX: f64 = 1_000_000.0;
/// How Loop stores fractions in whole numbers.
const THOUSANDTHS: f64 = 1000.0;

/// What of Loop's a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A zip of CSV files.
    Archive,
    /// A SQLite database.
    Backup,
}

/// One thing in a file, in the order in which they must be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A habit; its entries follow.
    Habit(Habit),
    /// What was done of a habit on a day.
    Entry(Entry),
    /// Something that cannot be imported.
    Unreadable {
        /// The line in its file; 0 in a backup.
        line: u64,
        /// Why, naming the file and the column.
        message: String,
    },
}

/// A habit.
#[derive(Clone, Debug, PartialEq)]
pub struct Habit {
    /// What tells it from others, in an archive as in a backup.
    pub key: RowKey,
    /// Where the file has it; 0 in a backup.
    pub line: u64,
    /// What it is called.
    pub name: String,
    /// Its question and what else is said about it.
    pub description: String,
    /// How often it is to be done.
    pub target: Target,
    /// No longer due.
    pub archived: bool,
}

/// How often a habit is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Times, or the unit's.
    pub count: i32,
    /// Each week rather than each day.
    pub weekly: bool,
    /// How this differs from what Loop has.
    pub notice: Option<String>,
}

/// What was done of a habit on a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What tells it from others.
    pub key: RowKey,
    /// Its habit.
    pub habit: RowKey,
    /// Where the file has it; nowhere in a backup.
    pub place: Place,
    /// The day.
    pub day: NaiveDate,
    /// How often it was done.
    pub count: i32,
    /// Neither done nor missed.
    pub skipped: bool,
    /// What the person remarked, and the exact value of a fraction.
    pub notes: String,
}

/// A place in an archive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// The file in it.
    pub file: Option<Arc<str>>,
    /// The line of that file; 0 if there is none.
    pub line: u64,
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is neither.
    #[error("is neither a zip of Loop's CSV files nor a backup of Loop's")]
    Unknown,
    /// It lacks what it should have, or has too much of it.
    #[error("{0}")]
    Malformed(String),
    /// It cannot be read from the disk.
    #[error("cannot be read")]
    Io(#[from] io::Error),
}

/// A habit as Loop describes it.
#[derive(Clone, Debug, Default)]
struct Description {
    name: String,
    question: String,
    about: String,
    is_numeric: bool,
    is_at_most: bool,
    target_value: f64,
    unit: String,
    times: f64,
    days: f64,
    archived: bool,
}

/// What is needed to read a habit's entries.
#[derive(Clone, Debug)]
struct Scale {
    habit: RowKey,
    is_numeric: bool,
    unit: String,
}

/// Finds out what `file` is, and goes back to its beginning.
pub fn kind(file: &mut File) -> Result<Kind, Unusable> {
    let mut start = Vec::with_capacity(SQLITE.len());
    file.rewind()?;
    file.by_ref().take(SQLITE.len() as u64).read_to_end(&mut start)?;
    file.rewind()?;
    if start.starts_with(ZIP) {
        Ok(Kind::Archive)
    } else if start == SQLITE {
        Ok(Kind::Backup)
    } else {
        Err(Unusable::Unknown)
    }
}

impl Place {
    /// The same error, naming the file.
    pub fn name(&self, error: RowError) -> RowError {
        match &self.file {
            Some(file) => RowError::new(format!("{file}: {error}")),
            None => error,
        }
    }
}

impl Description {
    fn habit(self, keys: &mut RowKeys, line: u64) -> Result<(Habit, Scale), RowError> {
        if self.name.is_empty() {
            return Err(problem("Name", "must not be empty"));
        }
        let target = self.target()?;
        let key = keys.next([self.name.as_bytes()]);
        let unit =
            if self.is_numeric && !self.unit.is_empty() { format!("Unit: {}", self.unit) } else { String::new() };
        let parts: Vec<&str> =
            [&self.question, &self.about, &unit].into_iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        let scale = Scale { habit: key, is_numeric: self.is_numeric, unit: self.unit };
        let description = parts.join("\n\n");
        Ok((Habit { key, line, name: self.name, description, target, archived: self.archived }, scale))
    }

    fn target(&self) -> Result<Target, RowError> {
        if self.is_numeric && self.is_at_most {
            return Err(problem("Target Type", "is a limit, which habits do not have here"));
        }
        let days = if self.days > 0.0 { self.days } else { 1.0 };
        let times = if self.is_numeric { self.target_value } else { self.times };
        if !(times.is_finite() && days.is_finite() && times <= COUNT_MAX) {
            return Err(problem("Target Value", "is not a number that habits have here"));
        }
        let per_week = times * DAYS_PER_WEEK / days;
        let is_daily = same(days, 1.0) || (!self.is_numeric && per_week >= DAYS_PER_WEEK);
        let exact = match (is_daily, self.is_numeric) {
            (true, false) if times <= days => 1.0,
            (true, _) => times / days,
            (false, _) => per_week,
        };
        let count = whole(exact);
        let is_exact = same(f64::from(count), exact) && (is_daily || same(days, DAYS_PER_WEEK));
        let notice = (!is_exact).then(|| {
            let period = if is_daily { "day" } else { "week" };
            format!("{times} in {days} days became {count} a {period}")
        });
        Ok(Target { count, weekly: !is_daily, notice })
    }
}

impl Scale {
    /// What a mark says of a day; `None` if nothing.
    fn entry(&self, day: NaiveDate, mark: Mark, remark: &str) -> Option<Entry> {
        let (count, skipped, exact) = match mark {
            Mark::None => (0, false, None),
            Mark::Done => (1, false, None),
            Mark::Skipped => (0, true, None),
            Mark::Amount(amount) => {
                let count = whole(amount);
                let is_exact = same(f64::from(count), amount);
                (count, false, (!is_exact).then(|| format!("{amount} {}", self.unit)))
            }
        };
        let exact = exact.unwrap_or_default();
        let notes = [exact.trim(), remark].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
        if count == 0 && !skipped && notes.is_empty() {
            return None;
        }
        let key = key([self.habit.as_slice(), day.to_string().as_bytes()]);
        Some(Entry { key, habit: self.habit, place: Place::default(), day, count, skipped, notes })
    }
}

/// The nearest whole number, at least 1: a little is not nothing.
fn whole(number: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "far below the largest")]
    let rounded = number.clamp(1.0, COUNT_MAX).round() as i32;
    rounded
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yes_or_no(times: f64, days: f64) -> Description {
        Description { name: "Run".to_owned(), times, days, ..Description::default() }
    }

    fn measured(target_value: f64, days: f64) -> Description {
        let unit = "km".to_owned();
        Description {
            name: "Run".to_owned(),
            is_numeric: true,
            target_value,
            unit,
            times: 1.0,
            days,
            ..Description::default()
        }
    }

    fn target(description: &Description) -> (i32, bool, bool) {
        let Target { count, weekly, notice } = description.target().unwrap();
        (count, weekly, notice.is_none())
    }

    #[test]
    fn periods_of_a_day_or_a_week_stay_and_others_become_weeks() {
        for (habit, expected) in [
            (yes_or_no(1.0, 1.0), (1, false, true)),
            (yes_or_no(3.0, 7.0), (3, true, true)),
            (yes_or_no(7.0, 7.0), (1, false, true)),
            (yes_or_no(1.0, 2.0), (4, true, false)),
            (yes_or_no(10.0, 30.0), (2, true, false)),
            (yes_or_no(1.0, 30.0), (1, true, false)),
            (measured(5.0, 1.0), (5, false, true)),
            (measured(5.5, 1.0), (6, false, false)),
            (measured(20.0, 7.0), (20, true, true)),
        ] {
            assert_eq!(target(&habit), expected, "{habit:?}");
        }
    }

    #[test]
    fn a_limit_is_no_habit() {
        let habit = Description { is_at_most: true, ..measured(5.0, 1.0) };
        assert!(habit.target().unwrap_err().to_string().starts_with("Target Type: "));
    }

    #[test]
    fn a_fraction_is_rounded_and_kept_in_the_notes() {
        let (_, scale) = measured(5.0, 1.0).habit(&mut RowKeys::default(), 2).unwrap();
        let day = "2024-01-01".parse().unwrap();
        let entry = scale.entry(day, Mark::Amount(4.4), "wet").unwrap();
        assert_eq!((entry.count, entry.notes.as_str()), (4, "4.4 km\nwet"));
        assert_eq!(scale.entry(day, Mark::Amount(0.2), "").unwrap().count, 1);
        assert_eq!(scale.entry(day, Mark::Amount(5.0), "").unwrap().notes, "");
        assert_eq!(scale.entry(day, Mark::None, ""), None);
        assert!(scale.entry(day, Mark::Skipped, "").unwrap().skipped);
    }
}
