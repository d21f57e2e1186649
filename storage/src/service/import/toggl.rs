//! Writes what Toggl's file yields: time logs, and the completed tasks that they belong to.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;

use chrono_tz::Tz;
use uuid::Uuid;

use super::Importer;
use super::outcome::Outcome;
use super::places::{CurrentTimetable, Places};
use super::rows::Format;
use crate::clock::TimeAndIds;
use crate::domain::change::{Action, Resource};
use crate::domain::task::{Status, Tags, Task};
use crate::domain::text::{CategoryName, Tag};
use crate::domain::time_log::{Interval, OverlapPolicy, TimeLog};
use crate::import::csv::Fields;
use crate::import::row::{RowError, RowKey, RowKeys};
use crate::import::toggl::{Entry, Reader, Work};
use crate::import::wall_clock::WallClock;
use crate::service::error::Error;
use crate::service::task;
use crate::sql::imports::{self, ImportedRow};
use crate::sql::{Write, tasks, time_logs};

/// Under which names entries and their tasks are remembered.
const SOURCE: &str = "TOGGL";
const TASK_SOURCE: &str = "TOGGL_TASK";

pub(super) struct Toggl {
    overlap_policy: OverlapPolicy,
    clock: WallClock,
    time: TimeAndIds,
    reader: Option<Reader>,
    keys: RowKeys,
    timetable: CurrentTimetable,
}

/// The tasks of a batch, by the keys of their work.
#[derive(Default)]
struct Tasks {
    known: HashMap<RowKey, Task>,
    new: HashMap<RowKey, Task>,
    /// Those of `known` that got more time.
    touched: Vec<RowKey>,
}

impl Toggl {
    pub(super) fn new(importer: &Importer, overlap_policy: OverlapPolicy, zone: Tz) -> Self {
        Self {
            overlap_policy,
            clock: WallClock::new(zone),
            time: importer.store.time.clone(),
            reader: None,
            keys: RowKeys::default(),
            timetable: CurrentTimetable::default(),
        }
    }

    /// Finds each new entry its time; those without any are reported.
    async fn place(
        &mut self,
        write: &mut Write,
        batch: Vec<(u64, (RowKey, Entry))>,
        outcome: &mut Outcome,
    ) -> Result<Vec<(RowKey, Entry)>, Error> {
        let user_id = write.user_id();
        let keys: Vec<RowKey> = batch.iter().map(|(_, (key, _))| *key).collect();
        let known = imports::find(write.connection(), user_id, SOURCE, &keys).await?;
        outcome.known += known.len();
        let now = write.now();
        let timetable = self.timetable.of(write).await?;
        let mut placed = Vec::with_capacity(batch.len() - known.len());
        for (line, (key, entry)) in batch.into_iter().filter(|(_, (key, _))| !known.contains_key(key)) {
            if let Err(problem) = entry.interval.check_not_far_ahead(now) {
                outcome.skip(line, format_args!("End time: {problem}"));
                continue;
            }
            match timetable.fit(entry.interval, self.overlap_policy) {
                None => outcome.skip(line, "Start time: the entry overlaps another"),
                Some(interval) => {
                    if interval != entry.interval {
                        let (start, end) = (interval.start(), interval.end());
                        outcome.note(line, format_args!("Start time: overlaps another, shortened to {start} - {end}"));
                    }
                    placed.push((key, Entry { interval, ..entry }));
                }
            }
        }
        Ok(placed)
    }
}

impl Format for Toggl {
    type Item = (RowKey, Entry);

    fn header(&mut self, fields: Fields<'_>) -> Result<(), RowError> {
        self.reader = Some(Reader::new(fields, self.clock)?);
        Ok(())
    }

    fn item(&mut self, fields: Fields<'_>) -> Result<Option<Self::Item>, RowError> {
        let Some(reader) = &self.reader else { return Ok(None) };
        let entry = reader.entry(fields)?;
        Ok(Some((self.keys.next(fields.iter()), entry)))
    }

    async fn write(
        &mut self,
        write: &mut Write,
        batch: Vec<(u64, Self::Item)>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let (user_id, now) = (write.user_id(), write.now());
        let entries = self.place(write, batch, outcome).await?;
        outcome.imported += entries.len();
        let mut tasks = Tasks::find(write, &entries).await?;
        let mut places = Places::of(write).await?;
        let (mut logs, mut rows) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        for (key, entry) in entries {
            let task_id = match entry.work {
                Some(work) => Some(tasks.add(write, &mut places, &self.time, &work, entry.interval).await?),
                None => None,
            };
            let log = TimeLog {
                id: self.time.new_id(),
                task_id,
                start_time: entry.interval.start(),
                end_time: Some(entry.interval.end()),
                notes: entry.notes,
                manual: true,
                forgotten: false,
                create_time: now,
                update_time: now,
            };
            write.record(Resource::TimeLog, log.id, Action::Created);
            rows.push((key, log.id));
            logs.push(log);
        }
        tasks.write(write, &logs).await?;
        Ok(imports::insert(write.connection(), user_id, SOURCE, &rows).await?)
    }

    fn committed(&mut self, last_number: i64) {
        self.timetable.committed(last_number);
    }
}

impl Tasks {
    /// Those that earlier batches and imports have made, as far as they are still there.
    async fn find(write: &mut Write, entries: &[(RowKey, Entry)]) -> Result<Self, Error> {
        let user_id = write.user_id();
        let mut keys: Vec<RowKey> = entries.iter().filter_map(|(_, entry)| Some(entry.work.as_ref()?.key())).collect();
        keys.sort_unstable();
        keys.dedup();
        let rows = imports::find(write.connection(), user_id, TASK_SOURCE, &keys).await?;
        let mut known = HashMap::with_capacity(rows.len());
        for (key, id) in rows {
            let Some(id) = id else { continue };
            let task = tasks::find(write.connection(), user_id, id).await?;
            // Time is spent on occurrences, not on what has become a series since.
            if let Some(task) = task.filter(|task| !task.is_template) {
                known.insert(key, task);
            }
        }
        Ok(Self { known, ..Self::default() })
    }

    /// Adds time to the task of some work, which is made if it is missing.
    async fn add(
        &mut self,
        write: &mut Write,
        places: &mut Places,
        time: &TimeAndIds,
        work: &Work,
        interval: Interval,
    ) -> Result<Uuid, Error> {
        let key = work.key();
        if let Some(task) = self.known.get_mut(&key) {
            extend(task, interval);
            self.touched.push(key);
            return Ok(task.id);
        }
        let task = match self.new.entry(key) {
            MapEntry::Occupied(task) => task.into_mut(),
            MapEntry::Vacant(place) => place.insert(new_task(write, places, time, work).await?),
        };
        extend(task, interval);
        task.create_time = task.create_time.min(interval.start());
        task.logged_micros += crate::domain::time_log::micros_between(interval.start(), interval.end());
        Ok(task.id)
    }

    async fn write(mut self, write: &mut Write, logs: &[TimeLog]) -> Result<(), Error> {
        let (user_id, now) = (write.user_id(), write.now());
        let rows: Vec<ImportedRow> = self.new.iter().map(|(key, task)| (*key, task.id)).collect();
        let mut new: Vec<Task> = self.new.into_values().collect();
        new.sort_unstable_by_key(|task| task.id);
        task::add(write, &new).await?;
        imports::insert(write.connection(), user_id, TASK_SOURCE, &rows).await?;
        time_logs::insert(write.connection(), user_id, logs).await?;

        self.touched.sort_unstable();
        self.touched.dedup();
        for mut task in self.touched.iter().filter_map(|key| self.known.remove(key)) {
            let before = task.clone();
            task.version += 1;
            task.update_time = now;
            tasks::update(write.connection(), user_id, &before, &task).await?;
            tasks::sum_logs(write.connection(), user_id, task.id, now).await?;
            write.record(Resource::Task, task.id, Action::Updated);
        }
        Ok(())
    }
}

async fn new_task(write: &mut Write, places: &mut Places, time: &TimeAndIds, work: &Work) -> Result<Task, Error> {
    let mut task = Task::new(time.new_id(), work.title.clone(), write.now());
    task.tags = work.tags.clone();
    if let Some(project) = &work.project {
        task.category_id = places.category(write, time, project).await?;
        if task.category_id.is_none() {
            task.tags = with_tag(&work.tags, project);
        }
    }
    Ok(task)
}

/// The tags and the project as one more, as far as that can be one.
fn with_tag(tags: &Tags, project: &CategoryName) -> Tags {
    let project = project.as_str().replace(['@', '#', ','], " ");
    let all: Vec<&str> = tags.as_slice().iter().map(Tag::as_str).chain([project.as_str()]).collect();
    Tags::parse(&all).unwrap_or_else(|_| tags.clone())
}

/// A task whose time is known was done when it ended, unless its person has said otherwise since.
fn extend(task: &mut Task, interval: Interval) {
    if task.version == 1 && task.status == Status::Pending {
        task.set_status(Status::Completed, interval.end());
    }
    if task.status == Status::Completed {
        task.complete_time = task.complete_time.max(Some(interval.end()));
    }
}
