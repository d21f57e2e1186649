//! Making occurrences.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::{Calendar, completion, unmake};
use crate::clock::FIRST_DATE;
use crate::domain::recurrence::{Mode, Recurrence};
use crate::domain::task::Task;
use crate::service::error::Error;
use crate::service::{Store, task};
use crate::sql::series::Progress;
use crate::sql::{Write, series};

/// Makes what a series has due, and notes when there will be more.
pub(super) async fn make_missing(
    store: &Store,
    write: &mut Write,
    calendar: &Calendar,
    series: &Task,
    recurrence: &Recurrence,
) -> Result<(), Error> {
    let user_id = write.user_id();
    let Some(progress) = series::progress(write.connection(), user_id, series.id).await? else { return Ok(()) };
    let last = series::last_live_date(write.connection(), user_id, series.id).await?;
    let plan = recurrence.plan(calendar.zone, calendar.today, progress.made_through, last);
    make(store, write, calendar, series, recurrence, &plan.dates).await?;
    let next_time = plan.next_day.map(|day| calendar.zone.start_of(day));
    let progress = Progress { made_through: plan.made_through, next_time };
    Ok(series::set_progress(write.connection(), user_id, series.id, progress).await?)
}

/// Brings the untouched occurrences of a series from `from` on in line with a recurrence: those that it does not have
/// are unmade, those that are missing are made.
pub(super) async fn arrange(
    store: &Store,
    write: &mut Write,
    calendar: &Calendar,
    series: &Task,
    recurrence: &Recurrence,
    from: NaiveDate,
) -> Result<(), Error> {
    let user_id = write.user_id();
    let from = if recurrence.mode == Mode::Completion { FIRST_DATE } else { from };
    let untouched = series::untouched(write.connection(), user_id, series.id, from).await?;
    let last_made = untouched.iter().filter_map(|task| task.occurrence_date).max();
    let wanted: BTreeSet<NaiveDate> = match recurrence.mode {
        Mode::Schedule => recurrence
            .dates(calendar.zone, from)
            .take_while(|date| last_made.is_some_and(|last| *date <= last))
            .collect(),
        Mode::Completion => completion::wanted(write, calendar, series, recurrence).await?.into_iter().collect(),
    };
    for task in untouched.iter().filter(|task| task.occurrence_date.is_none_or(|date| !wanted.contains(&date))) {
        unmake(write, task.id).await?;
    }
    if recurrence.mode == Mode::Completion {
        let wanted: Vec<_> = wanted.into_iter().collect();
        make(store, write, calendar, series, recurrence, &wanted).await?;
    }
    let made_through = from.pred_opt().unwrap_or(from);
    let progress = Progress { made_through, next_time: None };
    series::set_progress(write.connection(), user_id, series.id, progress).await?;
    make_missing(store, write, calendar, series, recurrence).await
}

/// Makes the occurrences of a series on those of `dates` that have none yet, each with copies of the series' parts.
pub(super) async fn make(
    store: &Store,
    write: &mut Write,
    calendar: &Calendar,
    series: &Task,
    recurrence: &Recurrence,
    dates: &[NaiveDate],
) -> Result<(), Error> {
    let Some(first) = dates.iter().min() else { return Ok(()) };
    let (user_id, now) = (write.user_id(), write.now());
    let there = series::dates(write.connection(), user_id, series.id, *first).await?;
    let there: HashSet<NaiveDate> = there.into_iter().collect();
    let parts = series::parts(write.connection(), user_id, series.id).await?;
    let mut made = Vec::new();
    for date in dates.iter().filter(|date| !there.contains(date)) {
        let mut occurrence = series.occurrence(store.time.new_id(), *date, now);
        occurrence.parent_id = series.parent_id;
        occurrence.due_time = recurrence.due_time(calendar.zone, *date);
        let copies: Vec<_> = parts.iter().map(|part| copy(store, part, &occurrence, now)).collect();
        made.push(occurrence);
        made.extend(copies);
    }
    task::add(write, &made).await
}

/// A part of a series, as a part of one of its occurrences.
pub(super) fn copy(store: &Store, part: &Task, occurrence: &Task, now: DateTime<Utc>) -> Task {
    let date = occurrence.occurrence_date.unwrap_or_default();
    let mut copy = part.occurrence(store.time.new_id(), date, now);
    copy.parent_id = Some(occurrence.id);
    copy
}
