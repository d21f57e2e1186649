//! Writes what Loop's files yield: habits, and what was done of them.
//!
//! Neither form can be read as it arrives, so the file is written to the disk first. What is found in it comes through
//! a channel: reading waits for writing, and memory holds one batch.

use std::collections::HashMap;
use std::io;

use chrono::NaiveDate;
use focusflow_mesh::refusal;
use sqlx::types::Json;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::outcome::{Outcome, Reporter};
use super::rows::{BATCH_ROWS, ROWS_MAX};
use super::spool::spool;
use super::{End, Importer, Pieces};
use crate::clock::TimeAndIds;
use crate::domain::change::{Action, Resource};
use crate::domain::dates::FIRST_DATE;
use crate::domain::day::local_day;
use crate::domain::habit::{DoneCount, Habit, HabitLog, Period, TargetCount};
use crate::domain::text::{HabitDescription, HabitName, Notes};
use crate::import::loop_tracker::{self, Found, Kind, Unusable, archive, backup};
use crate::import::row::{RowError, RowKey};
use crate::reminders;
use crate::service::error::Error;
use crate::service::habit::HABITS_MAX;
use crate::sql::imports::{self, ImportedRow, KnownRows};
use crate::sql::{Write, habits};

/// Under which name habits and their entries are remembered.
const SOURCE: &str = "LOOP";

/// A batch on its way in.
struct Batch<'a> {
    write: &'a mut Write,
    time: &'a TimeAndIds,
    today: NaiveDate,
    known: KnownRows,
    /// The habits of the file, as far as the person has them.
    habits: HashMap<RowKey, Option<Uuid>>,
    /// The person's habits by name.
    by_name: HashMap<String, Uuid>,
    rows: Vec<ImportedRow>,
    has_new_habit: bool,
    outcome: &'a mut Outcome,
}

/// Reads a file of Loop's and writes what is new of it.
pub(super) async fn import(importer: Importer, mut reporter: Reporter, pieces: Pieces) -> Result<(), End> {
    let (file, bytes) = spool(pieces).await?;
    let (sender, mut found) = mpsc::channel(BATCH_ROWS);
    let reading = tokio::spawn(read(file, sender));
    let mut outcome = Outcome::default();
    let mut batch = Vec::with_capacity(BATCH_ROWS);
    while found.recv_many(&mut batch, BATCH_ROWS).await > 0 {
        write(&importer, std::mem::take(&mut batch), &mut outcome).await?;
        reporter.answer(&mut outcome, 0, ROWS_MAX, false).await?;
    }
    let read = reading.await.map_err(|error| refusal::internal("reading the file", &error))?;
    read.map_err(|error| match error {
        Unusable::Io(error) => refusal::internal("reading the file", &error),
        error => Error::field("data", error.to_string()).into(),
    })?;
    reporter.answer(&mut outcome, bytes, ROWS_MAX, true).await
}

async fn read(file: NamedTempFile, found: mpsc::Sender<Found>) -> Result<(), Unusable> {
    let opened = tokio::task::spawn_blocking(move || {
        let mut content = file.reopen()?;
        Ok((loop_tracker::kind(&mut content)?, content, file))
    });
    let (kind, content, file) = opened.await.map_err(io::Error::other)?.map_err(|error: Unusable| error)?;
    match kind {
        Kind::Backup => backup::read(file.path(), &found).await,
        Kind::Archive => {
            let read = move || archive::read(content, &mut |it| found.blocking_send(it).is_ok());
            tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
        }
    }
}

/// Writes what is new of a batch, in one transaction.
async fn write(importer: &Importer, found: Vec<Found>, outcome: &mut Outcome) -> Result<(), Error> {
    let mut write = importer.store.write(importer.user.id).await?;
    let mut written = Outcome::default();
    let mut batch = Batch::of(&mut write, importer, &found, &mut written).await?;
    for it in found {
        batch.add(it).await?;
    }
    let (rows, has_new_habit) = (batch.rows, batch.has_new_habit);
    if has_new_habit {
        reminders::habits::look(&mut write).await?;
    }
    imports::insert(write.connection(), importer.user.id, SOURCE, &rows).await?;
    write.commit().await?;
    outcome.add(written);
    Ok(())
}

impl<'a> Batch<'a> {
    async fn of(
        write: &'a mut Write,
        importer: &'a Importer,
        found: &[Found],
        outcome: &'a mut Outcome,
    ) -> Result<Self, Error> {
        let user_id = importer.user.id;
        let mut keys: Vec<RowKey> = found
            .iter()
            .flat_map(|it| match it {
                Found::Habit(habit) => [Some(habit.key), None],
                Found::Entry(entry) => [Some(entry.key), Some(entry.habit)],
                Found::Unreadable { .. } => [None, None],
            })
            .flatten()
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let known = imports::find(write.connection(), user_id, SOURCE, &keys).await?;
        let present = habits::list(write.connection(), user_id, true).await?;
        let is_there = |id: &Uuid| present.iter().any(|habit| habit.id == *id);
        let habits = known.iter().map(|(key, id)| (*key, id.filter(|id| is_there(id)))).collect();
        let by_name = present.iter().map(|habit| (habit.name.key(), habit.id)).collect();
        let today = local_day(write.now(), importer.user.day_rule());
        Ok(Self {
            write,
            time: &importer.store.time,
            today,
            known,
            habits,
            by_name,
            rows: Vec::new(),
            has_new_habit: false,
            outcome,
        })
    }

    async fn add(&mut self, found: Found) -> Result<(), Error> {
        let (line, refused) = match found {
            Found::Habit(habit) => (habit.line, self.add_habit(habit).await?.err()),
            Found::Entry(entry) => {
                let refused = self.add_entry(&entry).await?.err();
                (entry.place.line, refused.map(|error| entry.place.name(error)))
            }
            Found::Unreadable { line, message } => (line, Some(RowError::new(message))),
        };
        if let Some(error) = refused {
            self.outcome.skip(line, error);
        }
        Ok(())
    }

    /// Adds a habit, unless the person has one of that name. The inner error is the row's own.
    async fn add_habit(&mut self, habit: loop_tracker::Habit) -> Result<Result<(), RowError>, Error> {
        if self.known.contains_key(&habit.key) {
            self.outcome.known += 1;
            return Ok(Ok(()));
        }
        let new = match self.new_habit(&habit) {
            Ok(new) => new,
            Err(error) => {
                self.habits.insert(habit.key, None);
                return Ok(Err(error));
            }
        };
        let id = if let Some(id) = self.by_name.get(&new.name.key()) {
            self.outcome.known += 1;
            *id
        } else {
            if i64::try_from(self.by_name.len()).is_ok_and(|count| count >= HABITS_MAX) {
                self.habits.insert(habit.key, None);
                return Ok(Err(RowError::new(format!("Name: there are {HABITS_MAX} habits already"))));
            }
            let user_id = self.write.user_id();
            habits::insert(self.write.connection(), user_id, &new).await?;
            self.write.record(Resource::Habit, new.id, Action::Created);
            self.by_name.insert(new.name.key(), new.id);
            self.has_new_habit = true;
            self.outcome.imported += 1;
            if let Some(notice) = habit.target.notice {
                self.outcome.note(habit.line, format_args!("{}: {notice}", habit.name));
            }
            new.id
        };
        self.habits.insert(habit.key, Some(id));
        self.rows.push((habit.key, id));
        Ok(Ok(()))
    }

    fn new_habit(&self, habit: &loop_tracker::Habit) -> Result<Habit, RowError> {
        let named = |column: &'static str| move |problem| RowError::new(format!("Habits.csv: {column}: {problem}"));
        let now = self.write.now();
        let mut new = Habit {
            id: self.time.new_id(),
            name: HabitName::parse(&habit.name).map_err(named("Name"))?,
            description: HabitDescription::parse(&habit.description).map_err(named("Description"))?,
            category_id: None,
            target_count: TargetCount::parse(habit.target.count).map_err(named("Target Value"))?,
            period: if habit.target.weekly { Period::Week } else { Period::Day },
            archive_date: None,
            pauses: Json(Vec::new()),
            version: 1,
            create_time: now,
            update_time: now,
        };
        new.set_archived(habit.archived, self.today);
        Ok(new)
    }

    /// Adds what was done on a day, unless the day has a log. The inner error is the row's own.
    async fn add_entry(&mut self, entry: &loop_tracker::Entry) -> Result<Result<(), RowError>, Error> {
        if self.known.contains_key(&entry.key) {
            self.outcome.known += 1;
            return Ok(Ok(()));
        }
        let day = entry.day;
        // The habit itself has been reported, or its person has deleted it.
        let Some(habit_id) = self.habits.get(&entry.habit).copied().flatten() else {
            return Ok(Err(RowError::new(format!("Date: the habit of {day} is not there"))));
        };
        if !(FIRST_DATE..=self.today).contains(&day) {
            return Ok(Err(RowError::new(format!("Date: {day} is not from {FIRST_DATE} to {}", self.today))));
        }
        let log = match self.new_log(habit_id, entry) {
            Ok(log) => log,
            Err(error) => return Ok(Err(error)),
        };
        let user_id = self.write.user_id();
        if let Some(there) = habits::find_log(self.write.connection(), user_id, habit_id, day).await? {
            self.outcome.known += 1;
            self.rows.push((entry.key, there.id));
            return Ok(Ok(()));
        }
        habits::put_log(self.write.connection(), user_id, &log).await?;
        self.write.record(Resource::HabitLog, log.id, Action::Created);
        self.outcome.imported += 1;
        self.rows.push((entry.key, log.id));
        Ok(Ok(()))
    }

    fn new_log(&self, habit_id: Uuid, entry: &loop_tracker::Entry) -> Result<HabitLog, RowError> {
        let day = entry.day;
        let now = self.write.now();
        Ok(HabitLog {
            id: self.time.new_id(),
            habit_id,
            local_date: day,
            done_count: DoneCount::parse(entry.count)
                .map_err(|error| RowError::new(format!("Value: of {day} {error}")))?,
            skipped: entry.skipped,
            notes: Notes::parse(&entry.notes).map_err(|error| RowError::new(format!("Notes: of {day} {error}")))?,
            create_time: now,
            update_time: now,
        })
    }
}
