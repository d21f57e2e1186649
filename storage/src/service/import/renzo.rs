//! Writes what Renzo's log yields: a task per row, and the time that it took.

use super::Importer;
use super::outcome::Outcome;
use super::places::CurrentTimetable;
use super::rows::Format;
use crate::clock::TimeAndIds;
use crate::domain::change::{Action, Resource};
use crate::domain::user::User;
use crate::import::csv::Fields;
use crate::import::renzo::{self, Calendar, PlannedTask};
use crate::import::row::{RowError, RowKey, RowKeys};
use crate::service::error::Error;
use crate::service::task;
use crate::sql::{Write, imports, time_logs};

/// Under which name the rows of this format are remembered.
const SOURCE: &str = "RENZO";

pub(super) struct Renzo {
    user: User,
    time: TimeAndIds,
    keys: RowKeys,
    timetable: CurrentTimetable,
}

impl Renzo {
    pub(super) fn new(importer: &Importer) -> Self {
        Self {
            user: importer.user.clone(),
            time: importer.store.time.clone(),
            keys: RowKeys::default(),
            timetable: CurrentTimetable::default(),
        }
    }
}

impl Format for Renzo {
    type Item = (RowKey, PlannedTask);

    fn header(&mut self, fields: Fields<'_>) -> Result<(), RowError> {
        renzo::check_header(fields)
    }

    fn item(&mut self, fields: Fields<'_>) -> Result<Option<Self::Item>, RowError> {
        let planned = renzo::parse(fields)?;
        Ok(Some((self.keys.next(fields.iter()), planned)))
    }

    async fn write(
        &mut self,
        write: &mut Write,
        batch: Vec<(u64, Self::Item)>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let (user_id, now) = (write.user_id(), write.now());
        let keys: Vec<RowKey> = batch.iter().map(|(_, (key, _))| *key).collect();
        let known = imports::find(write.connection(), user_id, SOURCE, &keys).await?;
        outcome.known += known.len();

        let timetable = self.timetable.of(write).await?;
        let calendar = Calendar { days: self.user.day_rule(), working_hours: &self.user.working_hours };
        let (mut new_tasks, mut new_logs, mut new_rows) = (Vec::new(), Vec::new(), Vec::new());
        for (line, (key, planned)) in batch.into_iter().filter(|(_, (key, _))| !known.contains_key(key)) {
            let (task, log) = match calendar.enter(planned, timetable, &self.time, now) {
                Ok(entered) => entered,
                Err(error) => {
                    outcome.skip(line, error);
                    continue;
                }
            };
            new_rows.push((key, task.id));
            new_tasks.push(task);
            if let Some(log) = log {
                write.record(Resource::TimeLog, log.id, Action::Created);
                new_logs.push(log);
            }
        }
        outcome.imported += new_rows.len();
        task::add(write, &new_tasks).await?;
        time_logs::insert(write.connection(), user_id, &new_logs).await?;
        Ok(imports::insert(write.connection(), user_id, SOURCE, &new_rows).await?)
    }

    fn committed(&mut self, last_number: i64) {
        self.timetable.committed(last_number);
    }
}
