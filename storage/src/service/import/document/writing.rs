//! Writing batches of a document's rows.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::mapping::{Late, Mapped, derived_id};
use super::{DocumentImport, Outcome};
use crate::document::{CATEGORIES, Column, Row, Section, TASKS, TIME_LOGS, Value};
use crate::domain::category;
use crate::domain::change::{Action, Resource};
use crate::domain::time_log::{Interval, OverlapPolicy, Timetable, check_not_far_ahead};
use crate::domain::words;
use crate::reminders;
use crate::service::error::Error;
use crate::sql::{Write, categories, documents, tasks, users};

/// What the creation of an account writes: the person and their first categories.
const INITIAL_CHANGES: usize = 1 + category::INITIAL.len();

/// Tables whose rows are settings of the person's.
const SETTINGS: &[&str] = &["vacations", "notification_settings"];
/// Tables on which it depends when the person is reminded of habits.
const REMINDING: &[&str] = &["habits", "notification_settings", "habit_reminders"];

/// A row that is new here.
struct NewRow {
    line: u64,
    row: Row,
    /// Its id in the document and here, if rows of its section have ids.
    ids: Option<[Uuid; 2]>,
    late: Vec<(&'static Column, Uuid)>,
}

impl DocumentImport {
    /// Writes the batch, in one transaction.
    pub(super) async fn write(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        let Some(section) = self.section.filter(|_| !batch.is_empty()) else { return Ok(()) };
        let mut write = self.importer.store.write(self.importer.user.id).await?;
        let mut outcome = Outcome::default();
        self.prepare(&mut write, &mut outcome).await?;
        let rows = self.identify(&mut write, section, batch, &mut outcome).await?;
        let rows = self.admit(&mut write, section, rows, &mut outcome).await?;
        let added = insert(&mut write, section, rows, &mut outcome).await?;
        finish(&mut write, section, &added).await?;
        for NewRow { line, ids, late, .. } in added {
            let Some([old, new]) = ids else { continue };
            self.mapping.insert(section, old, new);
            if let Some(resource) = section.resource {
                write.record(resource, new, Action::Created);
            }
            for (column, target) in late {
                self.mapping.wait(Late { section, column, line, id: new, target });
            }
        }
        self.timetable.committed(write.commit().await?);
        self.outcome.add(outcome);
        Ok(())
    }

    /// An account in which nothing was written yet takes the document's settings, and its first categories make room.
    async fn prepare(&mut self, write: &mut Write, outcome: &mut Outcome) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_prepared, true) {
            return Ok(());
        }
        if usize::try_from(write.last_number()).ok() != Some(INITIAL_CHANGES) {
            return Ok(());
        }
        let user_id = write.user_id();
        for category in categories::list(write.connection(), user_id).await? {
            categories::delete(write.connection(), user_id, category.id).await?;
            write.record(Resource::Category, category.id, Action::Deleted);
        }
        let Some(profile) = self.profile.take() else { return Ok(()) };
        let mut user = self.importer.user.clone();
        match profile.apply(&mut user) {
            Ok(()) => {
                user.update_time = write.now();
                users::update(write.connection(), &user).await?;
                write.record(Resource::User, user.id, Action::Updated);
                self.importer.user = user;
            }
            Err(error) => outcome.skip(0, error),
        }
        Ok(())
    }

    /// Finds out which rows are there already and gives the others their ids.
    async fn identify(
        &mut self,
        write: &mut Write,
        section: &'static Section,
        batch: Vec<(u64, Row)>,
        outcome: &mut Outcome,
    ) -> Result<Vec<NewRow>, Error> {
        let Some(place) = section.id_place() else {
            return Ok(batch
                .into_iter()
                .map(|(line, row)| NewRow { line, row, ids: None, late: Vec::new() })
                .collect());
        };
        let user_id = write.user_id();
        let id_of = |row: &Row| match row.0.get(place) {
            Some(Value::Id(id)) => *id,
            _ => Uuid::nil(),
        };
        let old: Vec<Uuid> = batch.iter().map(|(_, row)| id_of(row)).collect();
        let both: Vec<Uuid> = old.iter().flat_map(|id| [*id, derived_id(user_id, *id)]).collect();
        let present = documents::present(write.connection(), user_id, section, &both).await?;
        let taken = documents::taken(write.connection(), user_id, section, &old).await?;

        let mut seen = HashSet::new();
        let mut rows = Vec::with_capacity(batch.len());
        for (line, mut row) in batch {
            let old = id_of(&row);
            let derived = derived_id(user_id, old);
            if let Some(id) = [old, derived].into_iter().find(|id| present.contains(id)) {
                self.mapping.insert(section, old, id);
                outcome.known += 1;
            } else if seen.insert(old) {
                let id = if taken.contains(&old) { derived } else { old };
                row.0[place] = Value::Id(id);
                rows.push(NewRow { line, row, ids: Some([old, id]), late: Vec::new() });
            } else {
                outcome.skip(line, format_args!("{}: id: {old} is there twice", section.name));
            }
        }
        Ok(rows)
    }

    /// Leaves out what cannot be here beside what is.
    async fn admit(
        &mut self,
        write: &mut Write,
        section: &'static Section,
        rows: Vec<NewRow>,
        outcome: &mut Outcome,
    ) -> Result<Vec<NewRow>, Error> {
        let mut admitted = Vec::with_capacity(rows.len());
        for mut row in rows {
            match self.mapping.map(section, &mut row.row) {
                Ok(Mapped { late, emptied }) => {
                    for column in emptied {
                        outcome.note(row.line, left_empty(section, &column.key()));
                    }
                    admitted.push(NewRow { late, ..row });
                }
                Err(column) => outcome.skip(
                    row.line,
                    format_args!("{}: {}: names what is not in the document", section.name, column.key()),
                ),
            }
        }
        if section.table == CATEGORIES.table {
            self.join_categories(write, &mut admitted, outcome).await?;
        } else if section.table == TIME_LOGS.table {
            self.leave_out_unfit_logs(write, &mut admitted, outcome).await?;
            take_off_series(write, &mut admitted, outcome).await?;
        }
        Ok(admitted)
    }

    /// Categories of a name that the person has are that one.
    async fn join_categories(
        &mut self,
        write: &mut Write,
        rows: &mut Vec<NewRow>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let user_id = write.user_id();
        let there = categories::list(write.connection(), user_id).await?;
        let mut by_name: HashMap<String, Uuid> = there.into_iter().map(|it| (it.name.key(), it.id)).collect();
        rows.retain(|NewRow { row, ids, .. }| {
            let (Value::Text(name), Some([old, new])) = (row.value(&CATEGORIES, "name_key"), *ids) else { return true };
            let Some(id) = by_name.get(name) else {
                by_name.insert(name.clone(), new);
                return true;
            };
            self.mapping.insert(&CATEGORIES, old, *id);
            outcome.known += 1;
            false
        });
        Ok(())
    }

    /// Leaves out logs whose time is taken or still to come.
    async fn leave_out_unfit_logs(
        &mut self,
        write: &mut Write,
        rows: &mut Vec<NewRow>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let (user_id, now) = (write.user_id(), write.now());
        let mut is_running = documents::has_running_log(write.connection(), user_id).await?;
        let timetable = self.timetable.of(write).await?;
        rows.retain(|NewRow { line, row, .. }| {
            let refusal = refuse_time(row, now, timetable, &mut is_running);
            let fits = refusal.is_none();
            if let Some(refusal) = refusal {
                outcome.skip(*line, format_args!("timeLogs: {refusal}"));
            }
            fits
        });
        Ok(())
    }

    /// Writes the references to rows that came later.
    pub(super) async fn write_late_references(&mut self) -> Result<(), Error> {
        let late = self.mapping.take_late();
        if late.is_empty() {
            return Ok(());
        }
        let mut write = self.importer.store.write(self.importer.user.id).await?;
        let user_id = write.user_id();
        let mut outcome = Outcome::default();
        for Late { section, column, line, id, target } in late {
            let name = column.key();
            let Some(target) = self.mapping.find(section.table, target) else {
                outcome.note(line, left_empty(section, &name));
                continue;
            };
            // No task is a part of itself, whatever the document says.
            if section.table == TASKS.table && tasks::has_ancestor(write.connection(), user_id, target, id).await? {
                outcome.note(
                    line,
                    format_args!("{}: {name}: names the row itself or a part of it, left empty", section.name),
                );
                continue;
            }
            documents::refer(write.connection(), user_id, section, column.name, [id, target]).await?;
            if let Some(resource) = section.resource {
                write.record(resource, id, Action::Updated);
            }
        }
        write.commit().await?;
        self.outcome.add(outcome);
        Ok(())
    }
}

fn left_empty(section: &Section, column: &str) -> String {
    format!("{}: {column}: names what is not in the document, left empty", section.name)
}

/// Why a log cannot be where its row says, if it cannot. One that can takes its time.
fn refuse_time(row: &Row, now: DateTime<Utc>, timetable: &mut Timetable, is_running: &mut bool) -> Option<String> {
    const OVERLAP: &str = "startTime: overlaps another time log";
    let start = row.time(&TIME_LOGS, "start_time")?;
    let Some(end) = row.time(&TIME_LOGS, "end_time") else {
        if start > now {
            return Some("startTime: must not be in the future while the timer runs".to_owned());
        }
        return std::mem::replace(is_running, true).then(|| OVERLAP.to_owned());
    };
    if let Err(problem) = check_not_far_ahead(end, now) {
        return Some(format!("endTime: {problem}"));
    }
    let is_free = |interval| timetable.fit(interval, OverlapPolicy::Refuse).is_some();
    (!Interval::between(start, end).is_none_or(is_free)).then(|| OVERLAP.to_owned())
}

/// Takes logs off series and their parts, on which no time is spent.
async fn take_off_series(write: &mut Write, rows: &mut [NewRow], outcome: &mut Outcome) -> Result<(), Error> {
    let Some(place) = TIME_LOGS.place("task_id") else { return Ok(()) };
    let user_id = write.user_id();
    let ids: HashSet<Uuid> = rows.iter().filter_map(|row| row.row.id(&TIME_LOGS, "task_id")).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let templates = documents::templates(write.connection(), user_id, &ids).await?;
    for NewRow { line, row, .. } in rows {
        if row.id(&TIME_LOGS, "task_id").is_some_and(|id| templates.contains(&id)) {
            row.0[place] = Value::Null;
            outcome.note(*line, "timeLogs: taskId: names a series or a part of one, left empty");
        }
    }
    Ok(())
}

/// Adds rows. Answers those that were added; what the database refuses is reported, and the rest is added without it.
async fn insert(
    write: &mut Write,
    section: &'static Section,
    rows: Vec<NewRow>,
    outcome: &mut Outcome,
) -> Result<Vec<NewRow>, Error> {
    if rows.is_empty() {
        return Ok(rows);
    }
    match try_insert(write, section, &rows).await? {
        Ok(count) => {
            let count = usize::try_from(count).unwrap_or(rows.len());
            outcome.imported += count;
            outcome.known += rows.len().saturating_sub(count);
            return remaining(write, section, rows, count).await;
        }
        Err(error) => tracing::debug!(%error, table = section.table, "rows of a document are added one by one"),
    }
    let mut added = Vec::with_capacity(rows.len());
    for row in rows {
        match try_insert(write, section, std::slice::from_ref(&row)).await? {
            Ok(0) => outcome.known += 1,
            Ok(_) => {
                outcome.imported += 1;
                added.push(row);
            }
            Err(_) => outcome.skip(row.line, format_args!("{}: its values contradict each other", section.name)),
        }
    }
    Ok(added)
}

/// Those of `rows` that were added, when some were not because a unique index has what they say.
async fn remaining(
    write: &mut Write,
    section: &'static Section,
    rows: Vec<NewRow>,
    count: usize,
) -> Result<Vec<NewRow>, Error> {
    if count == rows.len() {
        return Ok(rows);
    }
    let ids: Vec<Uuid> = rows.iter().filter_map(|row| row.ids.map(|[_, new]| new)).collect();
    let user_id = write.user_id();
    let added = if ids.is_empty() {
        HashSet::new()
    } else {
        documents::present(write.connection(), user_id, section, &ids).await?
    };
    Ok(rows.into_iter().filter(|row| row.ids.is_some_and(|[_, new]| added.contains(&new))).collect())
}

/// Adds rows together or not at all. The inner error is what a constraint refuses.
async fn try_insert(write: &mut Write, section: &Section, rows: &[NewRow]) -> Result<sqlx::Result<u64>, sqlx::Error> {
    let user_id = write.user_id();
    let values: Vec<Row> = rows.iter().map(|row| row.row.clone()).collect();
    documents::save(write.connection()).await?;
    match documents::insert(write.connection(), user_id, section, &values).await {
        Ok(count) => {
            documents::keep(write.connection()).await?;
            Ok(Ok(count))
        }
        Err(error @ sqlx::Error::Database(_)) => {
            documents::back(write.connection()).await?;
            Ok(Err(error))
        }
        Err(error) => Err(error),
    }
}

/// Brings what follows from rows up to date.
async fn finish(write: &mut Write, section: &Section, added: &[NewRow]) -> Result<(), Error> {
    let user_id = write.user_id();
    if section.table == TASKS.table || section.table == TIME_LOGS.table {
        let rows: Vec<&Row> = added.iter().map(|added| &added.row).collect();
        documents::make_findable(write.connection(), user_id, section, &rows).await?;
    }
    if section.table == TASKS.table {
        let tags: Vec<(Uuid, String)> = added.iter().flat_map(tags).collect();
        documents::add_tags(write.connection(), user_id, &tags).await?;
    } else if section.table == TIME_LOGS.table {
        let mut tasks: Vec<Uuid> = added.iter().filter_map(|row| row.row.id(&TIME_LOGS, "task_id")).collect();
        tasks.sort_unstable();
        tasks.dedup();
        documents::add_up(write.connection(), user_id, &tasks).await?;
    } else if SETTINGS.contains(&section.table) {
        write.record(Resource::User, user_id, Action::Updated);
    }
    if REMINDING.contains(&section.table) {
        reminders::habits::plan(write).await?;
    }
    Ok(())
}

fn tags(row: &NewRow) -> Vec<(Uuid, String)> {
    let (Some([_, id]), Value::Json(tags)) = (row.ids, row.row.value(&TASKS, "tags")) else { return Vec::new() };
    let tags = tags.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    tags.map(|tag| (id, words::fold(tag))).collect()
}
