//! What a request says about when a task comes again.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use focusflow_proto::v1;
use focusflow_proto::v1::task::RecurrenceMode;

use super::Calendar;
use crate::domain::recurrence::{Mode, Recurrence, Rule, Start, parse_date};
use crate::domain::task::Task;
use crate::service::error::{Error, InField as _};
use crate::sql::Write;

/// Whether any of `fields` moves the start of a series.
pub(in crate::service) fn sets_start(fields: &[&str]) -> bool {
    fields.iter().any(|field| matches!(*field, "due_time" | "recurrence_start"))
}

/// Takes the fields that say when a task comes again. The others have been taken already; `before` is as it was.
pub(in crate::service) async fn set(
    write: &mut Write,
    task: &mut Task,
    before: Option<&Task>,
    fields: &[&str],
    values: &v1::Task,
) -> Result<(), Error> {
    let becomes_series = fields.contains(&"recurrence") && !values.recurrence.is_empty();
    if task.recurrence.is_none() && !becomes_series {
        return refuse_rest(fields, values);
    }
    let calendar = Calendar::of(write).await?;
    set_on(&calendar, task, before.and_then(|before| before.due_time), fields, values)
}

/// As [`set`], for what is a series or becomes one.
pub(super) fn set_on(
    calendar: &Calendar,
    task: &mut Task,
    due_time_before: Option<DateTime<Utc>>,
    fields: &[&str],
    values: &v1::Task,
) -> Result<(), Error> {
    let before = task.recurrence.take();
    let rule = match &before {
        Some(before) if !fields.contains(&"recurrence") => before.rule.clone(),
        Some(_) if values.recurrence.is_empty() => {
            let refusal = "must not be emptied: end the series with UNTIL, or delete it";
            return Err(Error::field("task.recurrence", refusal));
        }
        _ => Rule::parse(&values.recurrence).in_field("task.recurrence")?,
    };
    let recurrence = Recurrence {
        rule,
        mode: match &before {
            Some(before) if !fields.contains(&"recurrence_mode") => before.mode,
            _ => mode(values.recurrence_mode)?,
        },
        start: start(before.as_ref(), task, due_time_before, fields, values, calendar)?,
        exceptions: match before {
            Some(before) if !fields.contains(&"exception_dates") => before.exceptions,
            _ => exceptions(&values.exception_dates)?,
        },
    };
    recurrence.check(calendar.zone)?;
    task.due_time = recurrence.due_time(calendar.zone, recurrence.start.date);
    task.recurrence = Some(recurrence);
    Ok(())
}

/// Refuses what has no meaning on a task that happens once.
fn refuse_rest(fields: &[&str], values: &v1::Task) -> Result<(), Error> {
    let given = [
        ("recurrence_mode", values.recurrence_mode != 0),
        ("recurrence_start", !values.recurrence_start.is_empty()),
        ("exception_dates", !values.exception_dates.is_empty()),
    ];
    match given.into_iter().find(|(field, is_set)| *is_set && fields.contains(field)) {
        Some((field, _)) => Err(Error::field(format!("task.{field}"), "goes with `recurrence` only")),
        None => Ok(()),
    }
}

/// Of the two fields that say the start, the one counts that is new: clients send back what they were answered.
fn start(
    before: Option<&Recurrence>,
    task: &Task,
    due_time_before: Option<DateTime<Utc>>,
    fields: &[&str],
    values: &v1::Task,
    calendar: &Calendar,
) -> Result<Start, Error> {
    let current = before.map(|before| before.start);
    if fields.contains(&"recurrence_start") && !values.recurrence_start.is_empty() {
        let given = Start::parse(&values.recurrence_start).in_field("task.recurrence_start")?;
        if current != Some(given) {
            return Ok(given);
        }
    }
    match (task.due_time, current) {
        (due_time, Some(current)) if due_time == due_time_before => Ok(current),
        (Some(due_time), _) => Ok(Start::at(due_time, calendar.zone)),
        (None, Some(current)) => Ok(Start { time: None, ..current }),
        (None, None) => Ok(Start { date: calendar.today, time: None }),
    }
}

fn mode(value: i32) -> Result<Mode, Error> {
    match RecurrenceMode::try_from(value) {
        Ok(RecurrenceMode::Unspecified | RecurrenceMode::Schedule) => Ok(Mode::Schedule),
        Ok(RecurrenceMode::Completion) => Ok(Mode::Completion),
        Err(_) => Err(Error::field("task.recurrence_mode", format!("has no value {value}"))),
    }
}

fn exceptions(dates: &[String]) -> Result<BTreeSet<NaiveDate>, Error> {
    let date = |(index, text): (usize, &String)| {
        let field = || format!("task.exception_dates[{index}]");
        parse_date(text).ok_or_else(|| Error::field(field(), "must be a date, `YYYY-MM-DD`"))
    };
    dates.iter().enumerate().map(date).collect()
}
