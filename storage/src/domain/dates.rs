//! Local dates as requests write them, and ranges of them.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Problem;

/// Nothing before it can be logged. It bounds how many days a habit can have.
pub const FIRST_DATE: NaiveDate = match NaiveDate::from_ymd_opt(1970, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};
/// The last date that has the form of the contract.
pub const LAST_DATE: NaiveDate = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(date) => date,
    None => NaiveDate::MAX,
};

/// Days from the first to the last, both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct DateRange {
    /// Included.
    #[sqlx(rename = "start_date")]
    pub first: NaiveDate,
    /// Included.
    #[sqlx(rename = "end_date")]
    pub last: NaiveDate,
}

/// Reads `YYYY-MM-DD`, from 1970 on.
pub fn parse(text: &str) -> Result<NaiveDate, Problem> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    // chrono also reads `2026-6-1` and `+2026-06-01`; a date has one form.
    let date = date.filter(|date| date.to_string() == text);
    let date = date.ok_or_else(|| Problem::new("must be a date of the form `YYYY-MM-DD`"))?;
    if !(FIRST_DATE..=LAST_DATE).contains(&date) {
        return Err(Problem::new(format!("must be from {FIRST_DATE} to {LAST_DATE}")));
    }
    Ok(date)
}

impl DateRange {
    /// The days from `first` to `last`; `None` if there are none.
    pub fn between(first: NaiveDate, last: NaiveDate) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    fn reaches(self, date: NaiveDate) -> bool {
        self.last.succ_opt().is_none_or(|next| date <= next)
    }
}

/// Sorts ranges, and makes one of those that overlap or follow each other without a day between.
pub fn merge(ranges: impl IntoIterator<Item = DateRange>) -> Vec<DateRange> {
    let mut ranges: Vec<DateRange> = ranges.into_iter().collect();
    ranges.sort_unstable_by_key(|range| range.first);
    let mut merged: Vec<DateRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(before) if before.reaches(range.first) => before.last = before.last.max(range.last),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> DateRange {
        DateRange::between(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_date_has_one_form() {
        assert_eq!(parse("2024-02-29").unwrap(), NaiveDate::from_ymd_opt(2024, 2, 29).unwrap());
        for bad in ["", "today", "2026-6-1", "2026-02-29", "+2026-06-01", "2026-06-01 ", "20260601", "02026-06-01"] {
            assert_eq!(parse(bad).unwrap_err().to_string(), "must be a date of the form `YYYY-MM-DD`", "{bad:?}");
        }
        for far in ["1969-12-31", "0001-01-01"] {
            assert!(parse(far).unwrap_err().to_string().contains("1970-01-01"), "{far}");
        }
    }

    #[test]
    fn ranges_that_overlap_or_touch_become_one() {
        let ranges = [
            range("2026-07-10", "2026-07-12"),
            range("2026-07-01", "2026-07-05"),
            range("2026-07-02", "2026-07-03"),
            range("2026-07-06", "2026-07-07"),
        ];
        assert_eq!(merge(ranges), [range("2026-07-01", "2026-07-07"), range("2026-07-10", "2026-07-12")]);
    }

    #[test]
    fn a_range_without_end_takes_in_all_that_follows() {
        let open = DateRange::between("2026-07-01".parse().unwrap(), NaiveDate::MAX).unwrap();
        assert_eq!(merge([range("2026-08-01", "2026-08-02"), open]), [open]);
    }
}
