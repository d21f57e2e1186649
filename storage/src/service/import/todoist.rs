//! Writes what Todoist's file yields: tasks with their parts, and comments as more of their descriptions.
//!
//! A task that repeats becomes a series when the whole file is there, so that its parts are complete: a series copies
//! them onto its occurrences. If the import breaks off before, the next one finds it still waiting.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono_tz::Tz;
use focusflow_proto::v1;
use focusflow_proto::v1::task::RecurrenceMode;
use uuid::Uuid;

use super::Importer;
use super::outcome::Outcome;
use super::places::Places;
use super::rows::Format;
use crate::domain::change::{Action, Resource};
use crate::domain::task::{Status, Task};
use crate::domain::text::CategoryName;
use crate::import::csv::Fields;
use crate::import::row::{RowError, RowKey};
use crate::import::todoist::date::Recurrence;
use crate::import::todoist::{Content, Item, Person, PlannedTask, Reader};
use crate::service::error::Error;
use crate::service::{Store, series, task};
use crate::sql::imports::{self, ImportedRow};
use crate::sql::{Write, tasks};

/// Under which name the rows of this format are remembered.
const SOURCE: &str = "TODOIST";

pub(super) struct Todoist {
    project: Option<CategoryName>,
    person: Person,
    importer: Importer,
    reader: Option<Reader>,
    repeating: Vec<Repeating>,
}

/// A task that is to become a series.
struct Repeating {
    line: u64,
    id: Uuid,
    recurrence: Recurrence,
    /// Of this import; one of an earlier import may be what its person has made of it since.
    is_new: bool,
}

/// The rows of a batch on their way in.
struct Batch {
    /// What rows of this batch and of earlier ones became.
    ids: HashMap<RowKey, Uuid>,
    new: Vec<Task>,
    /// Those that are new parts of a series.
    parts: Vec<(u64, Task)>,
    /// How each was, and is to be.
    changed: HashMap<Uuid, (Task, Task)>,
    rows: Vec<ImportedRow>,
}

/// What a task that others are parts of is.
#[derive(Clone, Copy)]
enum Parent {
    /// A task.
    Plain,
    /// A series or a part of one.
    Template,
}

impl Todoist {
    pub(super) fn new(importer: &Importer, project: Option<CategoryName>, zone: Tz) -> Self {
        let person = Person::new(zone, &importer.user.working_hours, importer.store.time.now());
        Self { project, person, importer: importer.clone(), reader: None, repeating: Vec::new() }
    }
}

impl Format for Todoist {
    type Item = Item;

    fn header(&mut self, fields: Fields<'_>) -> Result<(), RowError> {
        let project = self.project.as_ref().map(CategoryName::as_str).unwrap_or_default();
        self.reader = Some(Reader::new(fields, project, self.person)?);
        Ok(())
    }

    fn item(&mut self, fields: Fields<'_>) -> Result<Option<Item>, RowError> {
        self.reader.as_mut().map_or(Ok(None), |reader| reader.item(fields))
    }

    async fn write(&mut self, write: &mut Write, items: Vec<(u64, Item)>, outcome: &mut Outcome) -> Result<(), Error> {
        let user_id = write.user_id();
        let known = known_rows(write, &items).await?;
        let category_id = match &self.project {
            Some(project) => Places::of(write).await?.category(write, &self.importer.store.time, project).await?,
            None => None,
        };
        let mut batch = Batch {
            ids: known.iter().filter_map(|(key, id)| Some((*key, (*id)?))).collect(),
            new: Vec::new(),
            parts: Vec::new(),
            changed: HashMap::new(),
            rows: Vec::new(),
        };
        for (line, item) in items {
            let known_id = known.get(&item.key).copied();
            if let Content::Task(planned) = &item.content
                && let Some(recurrence) = &planned.recurrence
                && let Some(id) = known_id.unwrap_or_else(|| Some(self.importer.store.time.new_id()))
            {
                self.repeating.push(Repeating { line, id, recurrence: recurrence.clone(), is_new: known_id.is_none() });
            }
            if known_id.is_some() {
                outcome.known += 1;
                continue;
            }
            let refused = match item.content {
                Content::Task(planned) => {
                    let repeating = self.repeating.last().filter(|last| last.line == line);
                    let id = repeating.map_or_else(|| self.importer.store.time.new_id(), |last| last.id);
                    for notice in batch.add(write, line, id, item.key, *planned, category_id).await? {
                        outcome.note(line, notice);
                    }
                    None
                }
                Content::Comment { task, text } => batch.comment(write, item.key, task, &text).await?.err(),
            };
            match refused {
                None => outcome.imported += 1,
                Some(error) => outcome.skip(line, error),
            }
        }
        batch.write(write).await?;
        for (line, part) in batch.parts {
            if let Some(notice) = add_part(&self.importer.store, write, part).await? {
                outcome.note(line, notice);
            }
        }
        Ok(imports::insert(write.connection(), user_id, SOURCE, &batch.rows).await?)
    }

    async fn finish(&mut self, outcome: &mut Outcome) -> Result<(), Error> {
        for repeating in std::mem::take(&mut self.repeating) {
            if let Err(refusal) = refusal_of(self.repeat(&repeating).await)? {
                self.describe(&repeating).await?;
                let rule = &repeating.recurrence.rule;
                outcome.note(repeating.line, format_args!("DATE: {rule}: {refusal}; kept in the description"));
            }
        }
        Ok(())
    }
}

impl Todoist {
    /// Makes a series of a task, unless its person has done something with it.
    async fn repeat(&self, repeating: &Repeating) -> Result<(), Error> {
        let store = &self.importer.store;
        let mut write = store.write(self.importer.user.id).await?;
        let Some(before) = repeating.find(&mut write).await? else { return Ok(()) };
        let mode =
            if repeating.recurrence.from_completion { RecurrenceMode::Completion } else { RecurrenceMode::Schedule };
        let values = v1::Task {
            recurrence: repeating.recurrence.rule.clone(),
            recurrence_mode: mode.into(),
            ..v1::Task::default()
        };
        let mut after = before.clone();
        let fields = ["recurrence", "recurrence_mode"];
        series::set(&mut write, &mut after, Some(&before), &fields, &values).await?;
        series::check(&mut write, Some(&before), &mut after).await?;
        let after = task::save(&mut write, &before, after).await?;
        series::follow(store, &mut write, Some(&before), &after).await?;
        write.commit().await?;
        Ok(())
    }

    /// Keeps a rule that cannot be one here as text.
    async fn describe(&self, repeating: &Repeating) -> Result<(), Error> {
        let mut write = self.importer.store.write(self.importer.user.id).await?;
        let Some(before) = repeating.find(&mut write).await? else { return Ok(()) };
        let rule = format!("Repeats: {}", repeating.recurrence.rule);
        if let Ok(description) = PlannedTask::with_comment(&before.description, &rule) {
            task::save(&mut write, &before, Task { description, ..before.clone() }).await?;
            write.commit().await?;
        }
        Ok(())
    }
}

impl Repeating {
    async fn find(&self, write: &mut Write) -> Result<Option<Task>, Error> {
        let user_id = write.user_id();
        let task = tasks::find(write.connection(), user_id, self.id).await?;
        Ok(task.filter(|task| {
            task.recurrence.is_none()
                && task.status == Status::Pending
                && task.delete_time.is_none()
                && (self.is_new || task.version == 1)
        }))
    }
}

/// Adds a part of a series, and to the occurrences of the series too; beside it, if it cannot be one. Answers why.
async fn add_part(store: &Store, write: &mut Write, mut part: Task) -> Result<Option<String>, Error> {
    let refused = refusal_of(series::check(write, None, &mut part).await)?.err();
    if refused.is_some() {
        part.parent_id = None;
    }
    task::add(write, std::slice::from_ref(&part)).await?;
    series::follow(store, write, None, &part).await?;
    Ok(refused.map(|refusal| format!("INDENT: {refusal}; stands by itself")))
}

/// Tells what a rule of the domain refuses, which is the row's problem, from what has failed.
fn refusal_of(result: Result<(), Error>) -> Result<Result<(), String>, Error> {
    match result {
        Err(error @ (Error::Field { .. } | Error::TooMany { .. })) => Ok(Err(error.to_string())),
        result => result.map(Ok),
    }
}

/// What earlier imports and batches know of these rows and of those that they refer to.
async fn known_rows(write: &mut Write, items: &[(u64, Item)]) -> Result<imports::KnownRows, Error> {
    let referred = |item: &Item| match &item.content {
        Content::Task(planned) => planned.parent,
        Content::Comment { task, .. } => Some(*task),
    };
    let mut keys: Vec<RowKey> = items.iter().flat_map(|(_, item)| [Some(item.key), referred(item)]).flatten().collect();
    keys.sort_unstable();
    keys.dedup();
    let user_id = write.user_id();
    Ok(imports::find(write.connection(), user_id, SOURCE, &keys).await?)
}

impl Batch {
    /// Adds a task. Answers what is different from what its row says.
    async fn add(
        &mut self,
        write: &mut Write,
        line: u64,
        id: Uuid,
        key: RowKey,
        planned: PlannedTask,
        category_id: Option<Uuid>,
    ) -> Result<Vec<String>, Error> {
        let mut task = Task::new(id, planned.title, write.now());
        let mut notices = Vec::from_iter(planned.notice);
        let parent_id = planned.parent.and_then(|parent| self.ids.get(&parent).copied());
        let parent = match parent_id {
            Some(parent_id) => self.parent(write, parent_id).await?,
            None => None,
        };
        if parent_id.is_some() && parent.is_none() {
            notices
                .push("INDENT: what the task is a part of is not there or has no parts; stands by itself".to_owned());
        }
        task.parent_id = parent_id.filter(|_| parent.is_some());
        task.category_id = category_id;
        task.description = planned.description;
        task.priority = planned.priority;
        task.estimated_minutes = planned.estimated_minutes;
        task.tags = planned.tags;
        task.due_time = planned.due_time;
        self.ids.insert(key, id);
        self.rows.push((key, id));
        match parent {
            Some(Parent::Template) => self.parts.push((line, task)),
            _ => self.new.push(task),
        }
        Ok(notices)
    }

    /// What a task that others are parts of is; `None` if it is not there, or a part of a series itself.
    async fn parent(&mut self, write: &mut Write, id: Uuid) -> Result<Option<Parent>, Error> {
        if self.new.iter().rev().any(|task| task.id == id) {
            return Ok(Some(Parent::Plain));
        }
        let user_id = write.user_id();
        let parent = tasks::find(write.connection(), user_id, id).await?;
        Ok(parent.map(|parent| if parent.is_template { Parent::Template } else { Parent::Plain }))
    }

    /// Adds a comment to its task. The inner error is the row's own.
    async fn comment(
        &mut self,
        write: &mut Write,
        key: RowKey,
        task: RowKey,
        text: &str,
    ) -> Result<Result<(), RowError>, Error> {
        let Some(id) = self.ids.get(&task).copied() else { return Ok(Err(task_is_gone())) };
        let task = match self.new.iter_mut().rev().find(|task| task.id == id) {
            Some(task) => task,
            None => match self.load(write, id).await? {
                Some(task) => task,
                None => return Ok(Err(task_is_gone())),
            },
        };
        match PlannedTask::with_comment(&task.description, text) {
            Ok(description) => task.description = description,
            Err(error) => return Ok(Err(error)),
        }
        self.rows.push((key, id));
        Ok(Ok(()))
    }

    /// A task of an earlier batch or import, to be changed.
    async fn load(&mut self, write: &mut Write, id: Uuid) -> Result<Option<&mut Task>, Error> {
        match self.changed.entry(id) {
            Entry::Occupied(change) => Ok(Some(&mut change.into_mut().1)),
            Entry::Vacant(place) => {
                let (user_id, now) = (write.user_id(), write.now());
                let Some(before) = tasks::find(write.connection(), user_id, id).await? else { return Ok(None) };
                let task = Task { version: before.version + 1, update_time: now, ..before.clone() };
                Ok(Some(&mut place.insert((before, task)).1))
            }
        }
    }

    async fn write(&self, write: &mut Write) -> Result<(), Error> {
        let user_id = write.user_id();
        task::add(write, &self.new).await?;
        for (before, task) in self.changed.values() {
            tasks::update(write.connection(), user_id, before, task).await?;
            write.record(Resource::Task, task.id, Action::Updated);
        }
        Ok(())
    }
}

fn task_is_gone() -> RowError {
    RowError::new("TYPE: the note's task is no longer there")
}
