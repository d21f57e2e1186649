//! Changing an occurrence together with those that follow it.

use chrono::NaiveDate;
use focusflow_proto::v1;
use uuid::Uuid;

use super::make::{arrange, make_missing};
use super::values::{set_on, sets_start};
use super::{Calendar, adapt, find};
use crate::domain::change::{Action, Resource};
use crate::domain::recurrence::Recurrence;
use crate::domain::task::Task;
use crate::service::Store;
use crate::service::error::Error;
use crate::service::request::{check_etag, id, required};
use crate::service::task::{self, wire};
use crate::sql::series::Progress;
use crate::sql::{Write, series, tasks};

/// What a request wants changed.
struct Change<'a> {
    fields: &'a [&'static str],
    values: &'a v1::Task,
}

/// Ends a series before one of its occurrences, and begins a new one there with what the request changes. Answers it.
pub(in crate::service) async fn update_following(
    store: &Store,
    user_id: Uuid,
    request: v1::UpdateFollowingTasksRequest,
) -> Result<Task, Error> {
    let values = required("task", request.task)?;
    let id = id("task.id", &values.id)?;
    let fields = wire::FIELDS.resolve(request.update_mask.as_ref(), |field| wire::is_set(&values, field))?;
    let change = Change { fields: &fields, values: &values };

    let mut write = store.write(user_id).await?;
    let occurrence = task::find(write.connection(), user_id, id).await?;
    check_etag(&values.etag, occurrence.version)?;
    let (Some(series_id), Some(date)) = (occurrence.series_id, occurrence.occurrence_date) else {
        return Err(Error::NotAnOccurrence);
    };
    let Some(series) = find(&mut write, series_id).await? else { return Err(Error::NotAnOccurrence) };
    let Some(recurrence) = &series.recurrence else { return Err(Error::NotAnOccurrence) };
    let calendar = Calendar::of(&mut write).await?;
    let answer = match recurrence.split(calendar.zone, date) {
        None => change.whole(store, &mut write, &calendar, &series).await?,
        Some([ended, rest]) => {
            make_missing(store, &mut write, &calendar, &series, recurrence).await?;
            end(&mut write, &series, ended, date).await?;
            let new = change.rest(store, &write, &calendar, &series, rest)?;
            change.begin(store, &mut write, &calendar, &series, new, date).await?
        }
    };
    change.keep_on(&mut write, id).await?;
    write.commit().await?;
    Ok(answer)
}

/// Ends a series before `date`, to which all has been made.
async fn end(write: &mut Write, series: &Task, recurrence: Recurrence, date: NaiveDate) -> Result<(), Error> {
    let user_id = write.user_id();
    let made_through = date.pred_opt().unwrap_or(date);
    let after = Task { recurrence: Some(recurrence), ..series.clone() };
    task::save(write, series, after).await?;
    let progress = Progress { made_through, next_time: None };
    Ok(series::set_progress(write.connection(), user_id, series.id, progress).await?)
}

impl Change<'_> {
    /// Changes the series itself: nothing of it comes before the occurrence.
    async fn whole(&self, store: &Store, write: &mut Write, calendar: &Calendar, series: &Task) -> Result<Task, Error> {
        let mut after = series.clone();
        self.apply(&mut after, write, calendar)?;
        task::check(write, Some(series), &mut after).await?;
        let after = task::save(write, series, after).await?;
        super::follow(store, write, Some(series), &after).await?;
        Ok(after)
    }

    /// The new series.
    fn rest(
        &self,
        store: &Store,
        write: &Write,
        calendar: &Calendar,
        series: &Task,
        recurrence: Recurrence,
    ) -> Result<Task, Error> {
        let mut new = series.begun_anew(store.time.new_id(), write.now());
        new.due_time = recurrence.due_time(calendar.zone, recurrence.start.date);
        new.recurrence = Some(recurrence);
        self.apply(&mut new, write, calendar)?;
        Ok(new)
    }

    fn apply(&self, series: &mut Task, write: &Write, calendar: &Calendar) -> Result<(), Error> {
        let due_time_before = series.due_time;
        for field in self.fields {
            wire::set(series, field, self.values, write.now())?;
        }
        set_on(calendar, series, due_time_before, self.fields, self.values)
    }

    /// Begins the new series with copies of the old one's parts, and with its occurrences from `date` on.
    async fn begin(
        &self,
        store: &Store,
        write: &mut Write,
        calendar: &Calendar,
        old: &Task,
        mut new: Task,
        date: NaiveDate,
    ) -> Result<Task, Error> {
        let user_id = write.user_id();
        task::check(write, Some(old), &mut new).await?;
        task::add(write, std::slice::from_ref(&new)).await?;
        hand_over(write, old.id, new.id, date).await?;
        for part in series::parts(write.connection(), user_id, old.id).await? {
            let copy = Task { parent_id: Some(new.id), ..part.begun_anew(store.time.new_id(), write.now()) };
            task::add(write, std::slice::from_ref(&copy)).await?;
            hand_over(write, part.id, copy.id, date).await?;
        }
        if let Some(recurrence) = &new.recurrence {
            arrange(store, write, calendar, &new, recurrence, date.min(recurrence.start.date)).await?;
        }
        adapt(write, calendar, &new, date).await?;
        Ok(new)
    }

    /// Gives the occurrence itself what was asked for, where it has been edited before and so does not follow.
    async fn keep_on(&self, write: &mut Write, id: Uuid) -> Result<(), Error> {
        let user_id = write.user_id();
        let Some(before) = tasks::find(write.connection(), user_id, id).await? else { return Ok(()) };
        if !before.is_edited || !before.is_open() {
            return Ok(());
        }
        let mut after = before.clone();
        for field in self.fields.iter().filter(|field| !sets_start(&[field])) {
            wire::set(&mut after, field, self.values, write.now())?;
        }
        task::save(write, &before, after).await.map(drop)
    }
}

async fn hand_over(write: &mut Write, from: Uuid, to: Uuid, date: NaiveDate) -> Result<(), Error> {
    let (user_id, now) = (write.user_id(), write.now());
    for moved in series::hand_over(write.connection(), user_id, [from, to], date, now).await? {
        write.record(Resource::Task, moved, Action::Updated);
    }
    Ok(())
}
