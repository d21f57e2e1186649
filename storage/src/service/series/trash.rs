//! What goes to the trash with a series or an occurrence, and comes back with it.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use super::make::{arrange, make_missing};
use super::{Calendar, adapted, find, follow, restarted};
use crate::clock::FIRST_DATE;
use crate::domain::recurrence::Mode;
use crate::domain::task::Task;
use crate::service::error::Error;
use crate::service::{Store, task};
use crate::sql::series::Progress;
use crate::sql::{Write, series, tasks};

/// Moves to the trash what goes there with a task that has just been moved there.
pub(in crate::service) async fn trash_with(store: &Store, write: &mut Write, task: &Task) -> Result<(), Error> {
    if !task.is_template && task.series_id.is_none() {
        return Ok(());
    }
    let user_id = write.user_id();
    let calendar = Calendar::of(write).await?;
    let from = calendar.current_from(task);
    for before in series::to_trash(write.connection(), user_id, task.id, from).await? {
        task::trash(write, before).await?;
    }
    if let Some(progress) = series::progress(write.connection(), user_id, task.id).await? {
        let progress = Progress { next_time: None, ..progress };
        series::set_progress(write.connection(), user_id, task.id, progress).await?;
    }
    if let Some(series) = set_exception(write, task, true).await?
        && let Some(recurrence) = &series.recurrence
    {
        // If this was the next one, another is now.
        make_missing(store, write, &calendar, &series, recurrence).await?;
    }
    follow(store, write, Some(&Task { delete_time: None, ..task.clone() }), task).await
}

/// Takes back from the trash what went there with a task, which has just been taken back; `before` is how it was there.
/// What nobody has touched follows what has become of its series, and of the person's zone, in the meantime. Answers the
/// task.
pub(in crate::service) async fn untrash_with(
    store: &Store,
    write: &mut Write,
    before: &Task,
    task: Task,
) -> Result<Task, Error> {
    let Some(delete_time) = before.delete_time.filter(|_| task.is_template || task.series_id.is_some()) else {
        return Ok(task);
    };
    let user_id = write.user_id();
    let mut restored = vec![task.clone()];
    for before in series::trashed_with(write.connection(), user_id, task.id, delete_time).await? {
        restored.push(task::untrash(write, before).await?);
    }
    set_exception(write, &task, false).await?;
    let calendar = Calendar::of(write).await?;
    if let Some(recurrence) = &task.recurrence {
        let series = task::save(write, &task, restarted(&calendar, &task)).await?;
        arrange(store, write, &calendar, &series, recurrence, calendar.today).await?;
    } else {
        follow(store, write, Some(before), &task).await?;
    }
    catch_up(write, &calendar, &restored).await?;
    tasks::find(write.connection(), user_id, task.id).await?.ok_or_else(|| Error::not_found("task", task.id))
}

/// Gives those of `restored` that nobody has touched what their templates have now.
async fn catch_up(write: &mut Write, calendar: &Calendar, restored: &[Task]) -> Result<(), Error> {
    let user_id = write.user_id();
    let ids: HashSet<Uuid> = restored.iter().map(|task| task.id).collect();
    let templates: BTreeSet<Uuid> = restored.iter().filter_map(|task| task.series_id).collect();
    for id in templates {
        let template = tasks::find(write.connection(), user_id, id).await?;
        let Some(template) = template.filter(|template| template.delete_time.is_none()) else { continue };
        let untouched = series::untouched(write.connection(), user_id, id, FIRST_DATE).await?;
        for before in untouched.iter().filter(|task| ids.contains(&task.id)) {
            let occurrence = adapted(calendar, &template, before);
            task::save(write, before, occurrence).await?;
        }
    }
    Ok(())
}

/// Adds the date of an occurrence to those that its series leaves out, or takes it off them. From completion, dates are
/// not what a series repeats by. Answers the series.
async fn set_exception(write: &mut Write, occurrence: &Task, left_out: bool) -> Result<Option<Task>, Error> {
    let (Some(series_id), Some(date)) = (occurrence.series_id, occurrence.occurrence_date) else { return Ok(None) };
    let Some(before) = find(write, series_id).await? else { return Ok(None) };
    let mut after = before.clone();
    if let Some(recurrence) = after.recurrence.as_mut().filter(|recurrence| recurrence.mode == Mode::Schedule) {
        recurrence.set_exception(date, left_out);
    }
    task::save(write, &before, after).await.map(Some)
}
