//! Reports: a look back on a day, a week or a month, as it was generated.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, Utc, Weekday};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::Problem;
use super::text::{FindingText, MetricName};

/// How long the period of a report is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// One local day.
    Daily,
    /// One ISO 8601 week.
    Weekly,
    /// One calendar month.
    Monthly,
}

/// A look back on a period. A person has one of each kind and date.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Report {
    /// Its id.
    pub id: Uuid,
    /// How long the period is.
    pub kind: Kind,
    /// The period's first local day.
    pub local_date: NaiveDate,
    /// What it says.
    pub content: Json<Content>,
    /// When it was generated.
    pub create_time: DateTime<Utc>,
}

/// What a report says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The score of the period.
    pub score: Option<Score>,
    /// What stands out.
    pub insights: Vec<Finding>,
    /// What to try.
    pub recommendations: Vec<Finding>,
    /// What recurs.
    pub patterns: Vec<Finding>,
}

/// 0 to 100, and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 0 to 100.
    pub value: f64,
    /// Its parts, also those without data.
    pub components: Vec<Component>,
}

/// One part of a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// What it is of.
    pub name: MetricName,
    /// 0 to 100.
    pub value: f64,
    /// Its share in the score.
    pub weight: f64,
    /// How many tasks, logs or days it rests on.
    pub sample_count: i32,
}

/// A sentence and the number that it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// For a person to read.
    pub text: FindingText,
    /// Name of the number.
    pub metric: MetricName,
    /// The number.
    pub value: f64,
}

impl Kind {
    /// Checks that a period of this kind begins on `date`.
    pub fn check_start(self, date: NaiveDate) -> Result<(), Problem> {
        match self {
            Self::Weekly if date.weekday() != Weekday::Mon => {
                Err(Problem::new("must be a Monday: the report is weekly"))
            }
            Self::Monthly if date.day() != 1 => {
                Err(Problem::new("must be the first of a month: the report is monthly"))
            }
            _ => Ok(()),
        }
    }
}

/// Checks that a number is one, and within `range`.
pub fn number(value: f64, range: RangeInclusive<f64>) -> Result<f64, Problem> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Problem::new(format!("must be a number from {} to {}", range.start(), range.end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_begins_on_its_first_day() {
        assert!(Kind::Daily.check_start(day("2026-06-17")).is_ok());
        assert!(Kind::Weekly.check_start(day("2026-06-15")).is_ok());
        assert!(Kind::Weekly.check_start(day("2026-06-16")).is_err());
        assert!(Kind::Monthly.check_start(day("2026-06-01")).is_ok());
        assert!(Kind::Monthly.check_start(day("2026-06-02")).is_err());
    }

    #[test]
    fn a_score_is_a_number_within_its_range() {
        assert!(number(0.0, 0.0..=100.0).is_ok() && number(100.0, 0.0..=100.0).is_ok());
        for bad in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert!(number(bad, 0.0..=100.0).is_err(), "{bad}");
        }
    }
}
