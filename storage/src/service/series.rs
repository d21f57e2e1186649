//! Series: their occurrences are made ahead of time, and follow them until somebody touches one.
//!
//! Everything here happens within a write of the person's, so two replicas that have the same occurrences to make do so
//! one after the other, and the second finds them made. A template is what occurrences are made of: a series, or a part
//! of one, whose copies become parts of the occurrences.

mod completion;
mod following;
mod make;
mod rules;
mod trash;
mod values;

use chrono::NaiveDate;
use uuid::Uuid;

pub(super) use self::following::update_following;
use self::make::{arrange, make_missing};
pub(super) use self::rules::check;
pub(super) use self::trash::{trash_with, untrash_with};
pub(super) use self::values::set;
use super::error::Error;
use super::{Store, task};
use crate::clock::FIRST_DATE;
use crate::domain::change::{Action, Resource};
use crate::domain::day::{DayRule, local_day};
use crate::domain::recurrence::{Mode, Recurrence};
use crate::domain::task::Task;
use crate::sql::{Write, series, tasks, users};

/// Where and when a write happens to its person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    zone: DayRule,
    today: NaiveDate,
}

impl Calendar {
    /// By the person's settings.
    pub(super) async fn of(write: &mut Write) -> Result<Self, Error> {
        let user_id = write.user_id();
        let user = users::find(write.connection(), user_id).await?;
        let zone = user.ok_or_else(|| Error::not_found("user", user_id))?.day_rule();
        Ok(Self { zone, today: local_day(write.now(), zone) })
    }

    /// The date from which on occurrences that are to be done are current: from completion, the one that is open is,
    /// however late.
    fn current_from(&self, template: &Task) -> NaiveDate {
        match &template.recurrence {
            Some(recurrence) if recurrence.mode == Mode::Completion => FIRST_DATE,
            _ => self.today,
        }
    }
}

/// Does what a task that is new or has been written entails: for a template, that its occurrences follow; for an
/// occurrence of a series that repeats from completion, that the next one is there when this one is done.
pub(super) async fn follow(store: &Store, write: &mut Write, before: Option<&Task>, after: &Task) -> Result<(), Error> {
    if after.is_template {
        // What is in the trash has no occurrences that could follow.
        return match after.delete_time {
            Some(_) => Ok(()),
            None => follow_template(store, write, before, after).await,
        };
    }
    match after.series_id {
        Some(series_id) if before.is_some_and(Task::is_open) != after.is_open() => {
            completion::follow(store, write, series_id, after).await
        }
        _ => Ok(()),
    }
}

async fn follow_template(store: &Store, write: &mut Write, before: Option<&Task>, after: &Task) -> Result<(), Error> {
    let calendar = Calendar::of(write).await?;
    match (before.and_then(|before| before.recurrence.as_ref()), &after.recurrence) {
        (None, Some(recurrence)) => begin(store, write, &calendar, after, recurrence).await,
        (Some(old), Some(new)) => {
            // What the old rule still owes is made before the new one takes over.
            make_missing(store, write, &calendar, after, old).await?;
            if old != new {
                arrange(store, write, &calendar, after, new, calendar.today).await?;
            }
            adapt(write, &calendar, after, calendar.today).await
        }
        (_, None) => follow_part(store, write, &calendar, before, after).await,
    }
}

async fn begin(
    store: &Store,
    write: &mut Write,
    calendar: &Calendar,
    series: &Task,
    recurrence: &Recurrence,
) -> Result<(), Error> {
    let user_id = write.user_id();
    series::make_parts_templates(write.connection(), user_id, series.id).await?;
    arrange(store, write, calendar, series, recurrence, recurrence.start.date).await
}

async fn follow_part(
    store: &Store,
    write: &mut Write,
    calendar: &Calendar,
    before: Option<&Task>,
    part: &Task,
) -> Result<(), Error> {
    if before.is_some_and(|before| before.is_template) {
        return adapt(write, calendar, part, calendar.today).await;
    }
    let Some(series_id) = part.parent_id else { return Ok(()) };
    let user_id = write.user_id();
    let owners = series::untouched(write.connection(), user_id, series_id, calendar.today).await?;
    let copies: Vec<_> = owners.iter().map(|owner| make::copy(store, part, owner, write.now())).collect();
    task::add(write, &copies).await
}

/// Gives the untouched occurrences of a template from `from` on what it has now.
async fn adapt(write: &mut Write, calendar: &Calendar, template: &Task, from: NaiveDate) -> Result<(), Error> {
    let user_id = write.user_id();
    let from = from.min(calendar.current_from(template));
    for before in series::untouched(write.connection(), user_id, template.id, from).await? {
        let occurrence = adapted(calendar, template, &before);
        task::save(write, &before, occurrence).await?;
    }
    Ok(())
}

/// An occurrence with what its template has now.
fn adapted(calendar: &Calendar, template: &Task, before: &Task) -> Task {
    let mut occurrence = before.clone();
    occurrence.follow(template);
    if let (Some(recurrence), Some(date)) = (&template.recurrence, before.occurrence_date) {
        occurrence.due_time = recurrence.due_time(calendar.zone, date);
        occurrence.parent_id = template.parent_id;
    }
    occurrence
}

/// Moves untouched occurrences, and the starts of series, to where the clocks of the person's new zone show the same.
pub(super) async fn follow_zone(write: &mut Write) -> Result<(), Error> {
    let (user_id, now) = (write.user_id(), write.now());
    let calendar = Calendar::of(write).await?;
    for before in series::list(write.connection(), user_id).await? {
        let after = task::save(write, &before, restarted(&calendar, &before)).await?;
        adapt(write, &calendar, &after, calendar.today).await?;
    }
    // The next local day begins at another instant.
    Ok(series::hurry(write.connection(), user_id, now).await?)
}

/// A series that is due when the person's clocks show its start.
fn restarted(calendar: &Calendar, series: &Task) -> Task {
    let mut after = series.clone();
    if let Some(recurrence) = &series.recurrence {
        after.due_time = recurrence.due_time(calendar.zone, recurrence.start.date);
    }
    after
}

/// Makes the occurrences that a person's series have due, each series in a write of its own. Answers how many series.
pub(crate) async fn make_due(store: &Store, user_id: Uuid) -> Result<usize, Error> {
    let now = store.time.now();
    let due = series::due(&mut store.database.read(user_id).await?, user_id, now).await?;
    for series_id in &due {
        let mut write = store.write(user_id).await?;
        let Some(series) = find(&mut write, *series_id).await? else { continue };
        let Some(recurrence) = &series.recurrence else { continue };
        let calendar = Calendar::of(&mut write).await?;
        make_missing(store, &mut write, &calendar, &series, recurrence).await?;
        write.commit().await?;
    }
    Ok(due.len())
}

/// A series that is not in the trash.
async fn find(write: &mut Write, series_id: Uuid) -> Result<Option<Task>, Error> {
    let user_id = write.user_id();
    let series = tasks::find(write.connection(), user_id, series_id).await?;
    Ok(series.filter(|series| series.recurrence.is_some() && series.delete_time.is_none()))
}

async fn unmake(write: &mut Write, id: Uuid) -> Result<(), Error> {
    let user_id = write.user_id();
    for gone in series::unmake(write.connection(), user_id, id).await? {
        write.record(Resource::Task, gone, Action::Deleted);
    }
    Ok(())
}
