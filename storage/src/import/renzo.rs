//! Derek Jones' publication of Renzo Borgatti's Pomodoro log: one planned task per row.
//!
//! `X.words,word_cnt,description,DONE,date,estimate,actual`; `NA` is absent; one pomodoro is 25 minutes. The log knows
//! the day of a task and not its hour, so a day's work is laid back to back from the start of the person's hours.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

use super::csv::Fields;
use super::row::{RowError, problem, quote};
use crate::clock::TimeAndIds;
use crate::domain::day::DayRule;
use crate::domain::task::{EstimatedMinutes, Status, Tags, Task};
use crate::domain::text::{Notes, TaskTitle};
use crate::domain::time_log::{Interval, TimeLog, Timetable};
use crate::domain::user::WorkingHours;

const COLUMNS: [&str; 7] = ["X.words", "word_cnt", "description", "DONE", "date", "estimate", "actual"];
const ABSENT: &str = "NA";
const MINUTES_PER_POMODORO: f64 = 25.0;
const MICROS_PER_MINUTE: f64 = 60_000_000.0;

/// A planned task.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedTask {
    /// What the task will be called.
    pub title: TaskTitle,
    /// Its tags.
    pub tags: Tags,
    /// Whether it was done.
    pub is_done: bool,
    /// The day for which it was planned.
    pub day: NaiveDate,
    /// What it was expected to take.
    pub estimated_minutes: EstimatedMinutes,
    /// What it took; zero if nothing was noted.
    pub actual: TimeDelta,
}

/// Where a person's imported days go.
#[derive(Clone, Copy, Debug)]
pub struct Calendar<'a> {
    /// How the person's days are counted.
    pub days: DayRule,
    /// The hours in which the day's work is laid.
    pub working_hours: &'a WorkingHours,
}

/// Checks that the file's first row names the columns of this format.
pub fn check_header(fields: Fields<'_>) -> Result<(), RowError> {
    if fields.iter().eq(COLUMNS.iter().map(|column| column.as_bytes())) {
        return Ok(());
    }
    Err(RowError::new(format!("the file must begin with the columns {}", COLUMNS.join(","))))
}

/// Reads a row.
pub fn parse(fields: Fields<'_>) -> Result<PlannedTask, RowError> {
    if fields.count() != COLUMNS.len() {
        return Err(RowError::new(format!("the row must have {} columns, not {}", COLUMNS.len(), fields.count())));
    }
    let mut texts = [""; COLUMNS.len()];
    for ((text, field), column) in texts.iter_mut().zip(fields.iter()).zip(COLUMNS) {
        *text = std::str::from_utf8(field).map_err(|_| problem(column, "must be UTF-8"))?.trim();
    }
    let [words, _, description, done, date, estimate, actual] = texts;
    Ok(PlannedTask {
        title: title(description)?,
        tags: tags(words)?,
        is_done: done_flag(done)?,
        day: day(date)?,
        estimated_minutes: estimated_minutes(estimate)?,
        actual: actual_time(actual)?,
    })
}

fn title(description: &str) -> Result<TaskTitle, RowError> {
    if description.is_empty() {
        return Err(problem("description", "must not be empty"));
    }
    TaskTitle::parse(&format!("Task {description}")).map_err(|error| problem("description", error))
}

fn tags(words: &str) -> Result<Tags, RowError> {
    if words == ABSENT {
        return Ok(Tags::default());
    }
    // A tag such as `@bad/@good` has the marker within as well, which our tags cannot have.
    let tags = words.split(',').map(|tag| tag.replace(['@', '#'], ""));
    let tags: Vec<String> = tags.filter(|tag| !tag.trim().is_empty()).collect();
    Tags::parse(&tags).map_err(|(index, error)| problem("X.words", format_args!("tag {} {error}", index + 1)))
}

fn done_flag(done: &str) -> Result<bool, RowError> {
    match done {
        "1" => Ok(true),
        "0" => Ok(false),
        other => Err(problem("DONE", format_args!("must be 0 or 1, not `{}`", quote(other)))),
    }
}

fn day(date: &str) -> Result<NaiveDate, RowError> {
    NaiveDate::parse_from_str(date, "%Y-%m-%d")
        .ok()
        .filter(|day| (1900..=2200).contains(&day.year()))
        .ok_or_else(|| problem("date", format_args!("must be a day such as 2009-04-09, not `{}`", quote(date))))
}

fn estimated_minutes(estimate: &str) -> Result<EstimatedMinutes, RowError> {
    let minutes = (pomodoros("estimate", estimate)? * MINUTES_PER_POMODORO).round();
    if minutes > f64::from(i32::MAX) {
        return Err(problem("estimate", "is more minutes than a task can have"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    EstimatedMinutes::parse(minutes as i32).map_err(|error| problem("estimate", error))
}

fn actual_time(actual: &str) -> Result<TimeDelta, RowError> {
    let micros = (pomodoros("actual", actual)? * MINUTES_PER_POMODORO * MICROS_PER_MINUTE).round();
    #[expect(clippy::cast_possible_truncation, reason = "what is too large saturates and is refused as too long")]
    let length = TimeDelta::microseconds(micros as i64);
    if length > Interval::LENGTH_MAX {
        let days = Interval::LENGTH_MAX.num_days();
        return Err(problem("actual", format_args!("is more than the {days} days that a time log can have")));
    }
    Ok(length)
}

/// Pomodoros, none if absent.
fn pomodoros(column: &str, text: &str) -> Result<f64, RowError> {
    if text == ABSENT {
        return Ok(0.0);
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let number =
        number.ok_or_else(|| problem(column, format_args!("must be a number or {ABSENT}, not `{}`", quote(text))))?;
    if number < 0.0 {
        return Err(problem(column, format_args!("must not be negative, as `{}` is", quote(text))));
    }
    Ok(number)
}

impl Calendar<'_> {
    /// When the day's work starts.
    pub fn start_of_work(&self, day: NaiveDate) -> DateTime<Utc> {
        self.days.at(day, self.working_hours.start_minutes())
    }

    /// The task of a row, and the log of the time it took, for which `timetable` has a free slot. Fails if that is far
    /// ahead.
    pub fn enter(
        &self,
        planned: PlannedTask,
        timetable: &mut Timetable,
        time: &TimeAndIds,
        now: DateTime<Utc>,
    ) -> Result<(Task, Option<TimeLog>), RowError> {
        let start_of_work = self.start_of_work(planned.day);
        let due_time = self.days.at(planned.day, self.working_hours.end_minutes());
        let mut task = Task::new(time.new_id(), planned.title, now);
        task.tags = planned.tags;
        task.estimated_minutes = planned.estimated_minutes;
        task.create_time = start_of_work;
        task.due_time = Some(due_time);

        let slot = Some(planned.actual).filter(|actual| !actual.is_zero());
        let slot = slot.and_then(|actual| timetable.place(start_of_work, actual));
        let not_far_ahead = slot.map_or(Ok(()), |slot| slot.check_not_far_ahead(now));
        not_far_ahead.map_err(|error| problem("date", format_args!("of work that was done {error}")))?;
        let log = slot.map(|slot| new_log(&task, slot, time, now));
        task.logged_micros = log.as_ref().and_then(TimeLog::duration_micros).unwrap_or_default();
        if planned.is_done {
            task.set_status(Status::Completed, slot.map_or(due_time, Interval::end));
        }
        Ok((task, log))
    }
}

fn new_log(task: &Task, slot: Interval, time: &TimeAndIds, now: DateTime<Utc>) -> TimeLog {
    TimeLog {
        id: time.new_id(),
        task_id: Some(task.id),
        start_time: slot.start(),
        end_time: Some(slot.end()),
        notes: Notes::default(),
        manual: true,
        forgotten: false,
        create_time: now,
        update_time: now,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::import::csv::with_fields;

    fn row(text: &str) -> Result<PlannedTask, RowError> {
        with_fields(text, parse)
    }

    #[test]
    fn a_row_is_a_planned_task() {
        let task = row(r#""@deep,@work","1,1",42,1,2009-04-09,0.5,11.3"#).unwrap();
        assert_eq!(task.title.as_str(), "Task 42");
        assert_eq!(task.tags, Tags::parse(&["deep", "work"]).unwrap());
        assert!(task.is_done);
        assert_eq!(task.estimated_minutes.minutes(), 13, "12.5 minutes, rounded");
        assert_eq!(task.actual, TimeDelta::milliseconds(16_950_000));
    }

    #[test]
    fn markers_within_a_tag_are_left_out() {
        assert_eq!(row(r#""@bad/@good,@",1,1,1,2009-04-09,1,1"#).unwrap().tags, Tags::parse(&["bad/good"]).unwrap());
    }

    #[test]
    fn absent_values_are_none() {
        let task = row("NA,NA,7,0,2009-04-09,NA,NA").unwrap();
        assert_eq!((task.tags.as_slice().len(), task.estimated_minutes.minutes()), (0, 0));
        assert!(task.actual.is_zero() && !task.is_done);
    }

    #[test]
    fn thousands_of_pomodoros_are_legal() {
        assert_eq!(row("@a,1,7,0,2009-04-09,5085,5085").unwrap().estimated_minutes.minutes(), 127_125);
    }

    #[test]
    fn a_broken_row_names_its_column() {
        let long_tag = format!("@{},1,7,1,2009-04-09,1,1", "x".repeat(101));
        let cases = [
            ("@a,1,7,1,2009-04-09,1", "the row must have 7 columns, not 6"),
            ("@a,1,7,1,2009-04-09,1,1,1", "the row must have 7 columns, not 8"),
            ("@a,1,,1,2009-04-09,1,1", "description: must not be empty"),
            ("@a,1,7,yes,2009-04-09,1,1", "DONE: must be 0 or 1, not `yes`"),
            ("@a,1,7,1,2009-02-30,1,1", "date: must be a day such as 2009-04-09, not `2009-02-30`"),
            ("@a,1,7,1,0009-02-20,1,1", "date: must be a day such as 2009-04-09, not `0009-02-20`"),
            ("@a,1,7,1,2009-04-09,many,1", "estimate: must be a number or NA, not `many`"),
            ("@a,1,7,1,2009-04-09,1,-2", "actual: must not be negative, as `-2` is"),
            ("@a,1,7,1,2009-04-09,1,inf", "actual: must be a number or NA, not `inf`"),
            ("@a,1,7,1,2009-04-09,1e300,1", "estimate: is more minutes than a task can have"),
            ("@a,1,7,1,2009-04-09,1,1e300", "actual: is more than the 366 days that a time log can have"),
            (&long_tag, "X.words: tag 1 must be at most 100 characters long, not 101"),
        ];
        for (text, expected) in cases {
            assert_eq!(row(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn the_header_names_the_columns() {
        assert!(with_fields(&COLUMNS.join(","), check_header).is_ok());
        assert!(with_fields("a,b,c", check_header).is_err());
    }

    #[test]
    fn a_days_work_is_laid_back_to_back_within_its_hours() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let time = TimeAndIds::new(Arc::new(ManualClock::new(now)));
        let hours = WorkingHours::default();
        let calendar = Calendar { days: DayRule::new(chrono_tz::Europe::Berlin, 0), working_hours: &hours };
        let mut timetable = Timetable::default();

        let first = row("@a,1,1,1,2009-04-09,1,1").unwrap();
        let (task, log) = calendar.enter(first, &mut timetable, &time, now).unwrap();
        let log = log.unwrap();
        assert_eq!(log.start_time, "2009-04-09T07:00:00Z".parse::<DateTime<Utc>>().unwrap());
        assert_eq!(task.create_time, log.start_time);
        assert_eq!(task.complete_time, log.end_time);
        assert_eq!(task.due_time, Some("2009-04-09T15:00:00Z".parse().unwrap()));

        let (_, next) = calendar.enter(row("@a,1,2,0,2009-04-09,1,2").unwrap(), &mut timetable, &time, now).unwrap();
        assert_eq!(Some(next.unwrap().start_time), log.end_time);

        let third = row("@a,1,3,1,2009-04-09,1,NA").unwrap();
        let (unlogged, none) = calendar.enter(third, &mut timetable, &time, now).unwrap();
        assert_eq!((none, unlogged.complete_time), (None, unlogged.due_time));
    }
}
