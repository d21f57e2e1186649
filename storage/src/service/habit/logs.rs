//! What was done of a habit on which day.

use chrono::NaiveDate;
use focusflow_proto::v1;
use uuid::Uuid;

use super::{Habits, find};
use crate::domain::change::{Action, Resource};
use crate::domain::dates::{self, FIRST_DATE, LAST_DATE};
use crate::domain::habit::{DoneCount, HabitLog};
use crate::domain::text::Notes;
use crate::page::{self, Page, Position};
use crate::service::error::{Error, InField as _};
use crate::service::request::{id, page_size, required};
use crate::sql::{Write, habits};

/// The page of who asks for none: longer than a year, so that who shows a year needs no second one.
const PAGE_SIZE_DEFAULT: i32 = 1000;

/// What is said of a day.
struct Entry {
    done_count: DoneCount,
    skipped: bool,
    notes: Notes,
}

impl Habits {
    pub(super) async fn set_log(&self, user_id: Uuid, request: v1::SetHabitLogRequest) -> Result<HabitLog, Error> {
        let values = required("habit_log", request.habit_log)?;
        let habit_id = id("habit_log.habit_id", &values.habit_id)?;
        let date = dates::parse(&values.local_date).in_field("habit_log.local_date")?;
        let entry = Entry::parse(&values)?;

        let mut write = self.store.write(user_id).await?;
        find(write.connection(), user_id, habit_id).await?;
        let before = habits::find_log(write.connection(), user_id, habit_id, date).await?;
        let (action, mut log) = match &before {
            Some(before) => (Action::Updated, before.clone()),
            None => (Action::Created, new_log(&write, habit_id, date)),
        };
        (log.done_count, log.skipped, log.notes) = (entry.done_count, entry.skipped, entry.notes);
        if before.as_ref() == Some(&log) {
            return Ok(log);
        }
        // Who flew west over the date line may have a log of tomorrow, and correct it.
        let today = self.today(write.connection(), user_id).await?;
        if date > today && before.is_none() {
            return Err(Error::field("habit_log.local_date", format!("must not be later than today, {today}")));
        }
        log.update_time = write.now();
        habits::put_log(write.connection(), user_id, &log).await?;
        write.record(Resource::HabitLog, log.id, action);
        write.record(Resource::Habit, habit_id, Action::Updated);
        write.commit().await?;
        Ok(log)
    }

    pub(super) async fn delete_log(&self, user_id: Uuid, request: v1::DeleteHabitLogRequest) -> Result<(), Error> {
        let habit_id = id("habit_id", &request.habit_id)?;
        let date = dates::parse(&request.local_date).in_field("local_date")?;
        let mut write = self.store.write(user_id).await?;
        find(write.connection(), user_id, habit_id).await?;
        let log = habits::find_log(write.connection(), user_id, habit_id, date).await?;
        let log = log.ok_or_else(|| Error::NotFound { resource: "habit log", id: date.to_string() })?;
        habits::delete_log(write.connection(), user_id, log.id).await?;
        write.record(Resource::HabitLog, log.id, Action::Deleted);
        write.record(Resource::Habit, habit_id, Action::Updated);
        write.commit().await?;
        Ok(())
    }

    pub(super) async fn list_logs(
        &self,
        user_id: Uuid,
        request: v1::ListHabitLogsRequest,
    ) -> Result<v1::ListHabitLogsResponse, Error> {
        let habit_id = id("habit_id", &request.habit_id)?;
        let start = optional_date("start_date", &request.start_date)?.unwrap_or(FIRST_DATE);
        let end = optional_date("end_date", &request.end_date)?.unwrap_or(LAST_DATE);
        if end < start {
            return Err(Error::field("end_date", "must not be earlier than the start date"));
        }
        let size = page_size(if request.page_size == 0 { PAGE_SIZE_DEFAULT } else { request.page_size })?;
        let query = format!("ListHabitLogs {habit_id} {start} {end}");
        let after = self.store.pages.position(user_id, &query, &request.page_token)?;
        let start = after.and_then(|after| after.time.date_naive().succ_opt()).unwrap_or(start);

        let mut connection = self.store.database.read(user_id).await?;
        find(&mut connection, user_id, habit_id).await?;
        let found = habits::list_logs(&mut connection, user_id, habit_id, start, end, page::rows(size)).await?;
        let Page { items: habit_logs, end } = Page::cut(found, size, position);
        Ok(v1::ListHabitLogsResponse { habit_logs, next_page_token: self.store.pages.next_token(user_id, &query, end) })
    }
}

impl Entry {
    fn parse(values: &v1::HabitLog) -> Result<Self, Error> {
        let done_count = DoneCount::parse(values.count).in_field("habit_log.count")?;
        if values.skipped && done_count.get() > 0 {
            return Err(Error::field(
                "habit_log.count",
                "must be 0 on a skipped day, which is neither done nor missed",
            ));
        }
        let notes = Notes::parse(&values.notes).in_field("habit_log.notes")?;
        Ok(Self { done_count, skipped: values.skipped, notes })
    }
}

fn new_log(write: &Write, habit_id: Uuid, local_date: NaiveDate) -> HabitLog {
    let now = write.now();
    HabitLog {
        id: write.new_id(),
        habit_id,
        local_date,
        done_count: DoneCount::default(),
        skipped: false,
        notes: Notes::default(),
        create_time: now,
        update_time: now,
    }
}

fn optional_date(field: &str, text: &str) -> Result<Option<NaiveDate>, Error> {
    if text.is_empty() { Ok(None) } else { dates::parse(text).in_field(field).map(Some) }
}

/// A day has one log, so the day alone is its place.
fn position(log: &HabitLog) -> Position {
    Position { time: log.local_date.and_time(chrono::NaiveTime::MIN).and_utc(), id: Uuid::nil() }
}
