//! Series that repeat from completion: one occurrence is open at a time, and its end makes the next.

use chrono::NaiveDate;
use uuid::Uuid;

use super::make::make;
use super::{Calendar, find, unmake};
use crate::clock::FIRST_DATE;
use crate::domain::day::local_day;
use crate::domain::recurrence::{Mode, Recurrence};
use crate::domain::task::Task;
use crate::service::Store;
use crate::service::error::Error;
use crate::sql::{Write, series};

/// Makes the next occurrence when one is done, cancelled or deleted; unmakes it when that is taken back.
pub(super) async fn follow(store: &Store, write: &mut Write, series_id: Uuid, occurrence: &Task) -> Result<(), Error> {
    let Some(series) = find(write, series_id).await? else { return Ok(()) };
    let Some(recurrence) = series.recurrence.as_ref().filter(|recurrence| recurrence.mode == Mode::Completion) else {
        return Ok(());
    };
    if occurrence.is_open() {
        return unmake_others(write, occurrence).await;
    }
    let user_id = write.user_id();
    if series::has_open(write.connection(), user_id, series_id).await? {
        return Ok(());
    }
    let calendar = Calendar::of(write).await?;
    let taken = series::dates(write.connection(), user_id, series_id, calendar.today).await?;
    let next = recurrence.next_after(calendar.zone, calendar.today, &taken.into_iter().collect());
    make(store, write, &calendar, &series, recurrence, next.as_slice()).await
}

async fn unmake_others(write: &mut Write, occurrence: &Task) -> Result<(), Error> {
    let user_id = write.user_id();
    let Some(series_id) = occurrence.series_id else { return Ok(()) };
    // What was made when this one was done has an earlier date if that was early.
    let open = series::untouched(write.connection(), user_id, series_id, FIRST_DATE).await?;
    for next in open.iter().filter(|next| next.id != occurrence.id) {
        unmake(write, next.id).await?;
    }
    Ok(())
}

/// The date on which the one occurrence should be that nobody has touched; `None` if another one is open, or if the
/// series has ended.
pub(super) async fn wanted(
    write: &mut Write,
    calendar: &Calendar,
    series: &Task,
    recurrence: &Recurrence,
) -> Result<Option<NaiveDate>, Error> {
    let user_id = write.user_id();
    if series::has_touched_open(write.connection(), user_id, series.id).await? {
        return Ok(None);
    }
    if !series::has_touched(write.connection(), user_id, series.id).await? {
        return Ok(recurrence.first_from(calendar.zone, recurrence.start.date));
    }
    let done = series::last_complete_time(write.connection(), user_id, series.id).await?;
    let done = done.map_or(calendar.today, |time| local_day(time, calendar.zone));
    let taken = series::touched_dates(write.connection(), user_id, series.id, done).await?;
    Ok(recurrence.next_after(calendar.zone, done, &taken.into_iter().collect()))
}
