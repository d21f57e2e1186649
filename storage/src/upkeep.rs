//! What happens without a request: the database's health is watched, and what has expired is forgotten.

mod folding;
mod series;

use std::sync::Arc;
use std::time::Duration;

use focusflow_mesh::health::{Component, Health, Requirement};
use tokio::time::error::Elapsed;
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::cache::Key;
use crate::domain::task::TRASH_RETENTION;
use crate::domain::user::END_GRACE;
use crate::service::Store;
use crate::sql::users::Expired;
use crate::sql::{Database, request_ids, search, sessions, tasks, users};

pub(crate) use self::folding::renew_what_is_folded;
pub(crate) use self::series::make_occurrences;

const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A database that takes this long for `SELECT 1` does not work.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How many people a sweep finds at a time.
const PEOPLE_PER_PAGE: i64 = 500;
/// How many rows of a kind are written in one transaction.
const ROWS_PER_SWEEP: i64 = 500;
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);

/// Asks the database for a sign of life again and again, and tells the process's health.
pub(crate) async fn watch_health(database: Database, health: Health) {
    let mut primary = Watched::new(&health, "database", Requirement::Required);
    let mut replica = None;
    let mut ticks = interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (pool, connections) in database.connections_active() {
            metrics::gauge!("database_connections_active", "pool" => pool).set(connections);
        }
        primary.tell(&timeout(CHECK_TIMEOUT, database.check()).await);
        let result = match timeout(CHECK_TIMEOUT, database.check_replica()).await {
            Ok(None) => continue,
            Ok(Some(result)) => Ok(result),
            Err(elapsed) => Err(elapsed),
        };
        // Reports go to the primary meanwhile.
        let new = || Watched::new(&health, "database_replica", Requirement::Optional);
        replica.get_or_insert_with(new).tell(&result);
    }
}

/// A database whose health is told when it changes.
struct Watched {
    name: &'static str,
    component: Component,
    works: Option<bool>,
}

impl Watched {
    fn new(health: &Health, name: &'static str, requirement: Requirement) -> Self {
        Self { name, component: health.component(name, requirement), works: None }
    }

    fn tell(&mut self, result: &Result<sqlx::Result<()>, Elapsed>) {
        let works = matches!(result, Ok(Ok(())));
        if self.works.replace(works) == Some(works) {
            return;
        }
        if works {
            self.component.healthy();
        } else {
            tracing::error!(?result, "the {} does not answer", self.name);
            self.component.unhealthy();
        }
    }
}

/// Deletes what nobody can ask for any more.
pub(crate) async fn forget_what_expired(store: Arc<Store>) {
    let mut ticks = interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match sweep(&store).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "forgot what had expired"),
            Err(error) => tracing::warn!(%error, "could not forget what had expired"),
        }
        match purge(&store).await {
            Ok(0) => {}
            Ok(accounts) => tracing::info!(accounts, "deleted accounts whose people had asked for it"),
            Err(error) => tracing::warn!(%error, "could not delete the accounts whose people had asked for it"),
        }
    }
}

async fn sweep(store: &Store) -> sqlx::Result<u64> {
    let now = store.time.now();
    let expired = Expired {
        sessions_before: now,
        requests_before: now - request_ids::RETENTION,
        trash_before: now - TRASH_RETENTION,
    };
    let (mut rows, mut after) = (0, Uuid::nil());
    loop {
        let people = users::to_sweep(&mut store.database.system().await?, expired, after, PEOPLE_PER_PAGE).await?;
        let Some(last) = people.last() else { return Ok(rows) };
        after = *last;
        for user_id in people {
            rows += sweep_person(store, user_id, expired).await?;
        }
    }
}

/// One person and a bounded number of rows at a time: a long transaction would keep others waiting.
async fn sweep_person(store: &Store, user_id: Uuid, expired: Expired) -> sqlx::Result<u64> {
    let mut rows = 0;
    loop {
        let mut transaction = store.database.begin(user_id).await?;
        let requests =
            request_ids::delete_expired(&mut transaction, user_id, expired.requests_before, ROWS_PER_SWEEP).await?;
        let sessions = sessions::delete_expired(&mut transaction, user_id, expired.sessions_before).await?;
        let trashed = tasks::delete_trashed(&mut transaction, user_id, expired.trash_before, ROWS_PER_SWEEP).await?;
        transaction.commit().await?;
        rows += requests + sessions + trashed;
        if requests.max(trashed) < ROWS_PER_SWEEP.unsigned_abs() {
            return Ok(rows);
        }
    }
}

/// Makes findable by their text what a version without search has written.
pub(crate) async fn index_what_was_written_before(store: Arc<Store>) {
    match index_all(&store).await {
        Ok(0) => {}
        Ok(documents) => tracing::info!(documents, "indexed what was written before there was a search"),
        Err(error) => tracing::warn!(%error, "could not index what was written before there was a search"),
    }
}

async fn index_all(store: &Store) -> sqlx::Result<usize> {
    let mut count = 0;
    for user_id in search::people_to_index(&mut store.database.system().await?).await? {
        loop {
            let mut transaction = store.database.begin(user_id).await?;
            let indexed = search::index_missing(&mut transaction, user_id, ROWS_PER_SWEEP).await?;
            transaction.commit().await?;
            count += indexed;
            if indexed == 0 {
                break;
            }
        }
    }
    Ok(count)
}

/// Deletes the accounts whose people have asked for it and let the grace period pass.
async fn purge(store: &Store) -> sqlx::Result<u64> {
    let before = store.time.now() - END_GRACE;
    let mut accounts = 0;
    loop {
        let people = users::to_purge(&mut store.database.system().await?, before, PEOPLE_PER_PAGE).await?;
        if people.is_empty() {
            return Ok(accounts);
        }
        for user_id in people {
            let mut transaction = store.database.begin(user_id).await?;
            // Who has signed in since the page was read stays.
            accounts += u64::from(users::purge(&mut transaction, user_id, before).await?);
            store.database.cache().commit(transaction, Key::all_of(user_id)).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::clock::{ManualClock, TimeAndIds};
    use crate::domain::task::Task;
    use crate::domain::text::{Email, Notes, PersonName, TaskTitle};
    use crate::domain::time_log::TimeLog;
    use crate::domain::user::{DayStart, Tier, TimeZone, User, WorkingHours};
    use crate::page::PageSigner;
    use crate::sql::request_ids::Made;
    use crate::sql::sessions::Session;
    use crate::sql::users::Account;
    use crate::sql::{DatabaseConfig, DatabaseUrl, time_logs};

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn account() -> Account {
        let user = User {
            id: Uuid::from_u128(1),
            email: Email::parse("ada@example.org").unwrap(),
            first_name: PersonName::default(),
            last_name: PersonName::default(),
            time_zone: TimeZone::parse("UTC").unwrap(),
            day_start: DayStart::default(),
            working_hours: WorkingHours::default(),
            tier: Tier::Free,
            email_verified: false,
            create_time: NOW,
            update_time: NOW,
        };
        Account { user, password_hash: "$".to_owned(), delete_time: None }
    }

    fn trashed(number: u128, parent: Option<u128>, delete_time: DateTime<Utc>) -> Task {
        let mut task = Task::new(Uuid::from_u128(number), TaskTitle::parse("Gone").unwrap(), NOW);
        task.parent_id = parent.map(Uuid::from_u128);
        task.delete_time = Some(delete_time);
        task
    }

    fn log_of(task: u128) -> TimeLog {
        TimeLog {
            id: Uuid::from_u128(7),
            task_id: Some(Uuid::from_u128(task)),
            start_time: NOW,
            end_time: Some(NOW),
            notes: Notes::default(),
            manual: true,
            forgotten: false,
            create_time: NOW,
            update_time: NOW,
        }
    }

    #[tokio::test]
    async fn what_has_expired_is_forgotten_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let database = DatabaseUrl::sqlite(directory.path().join("test.db"));
        let database = Database::open(&DatabaseConfig::new(database)).await.unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let pages = PageSigner::new(b"key").unwrap();
        let store = Store { database, time: TimeAndIds::new(Arc::clone(&clock) as _), pages };

        let user_id = account().user.id;
        let mut transaction = store.database.begin(user_id).await.unwrap();
        assert!(users::insert(&mut transaction, &account()).await.unwrap());
        for (request, age) in [(1, 0), (2, -24)] {
            let made = Made { method: "CreateTask".to_owned(), resource_id: user_id, request_hash: None };
            let (id, time) = (Uuid::from_u128(request), NOW + TimeDelta::hours(age));
            request_ids::insert(&mut transaction, user_id, id, &made, time).await.unwrap();
        }
        for (session, expire_time) in [(1, NOW), (2, NOW + TimeDelta::seconds(1))] {
            let session = Session { id: Uuid::from_u128(session), user_id, user_agent: String::new(), expire_time };
            sessions::insert(&mut transaction, &session, NOW).await.unwrap();
        }
        let old = NOW - TRASH_RETENTION;
        let recent = old + TimeDelta::seconds(1);
        let gone = [trashed(1, None, old), trashed(2, None, recent), trashed(3, None, old), trashed(4, None, old)];
        tasks::insert(&mut transaction, user_id, &gone).await.unwrap();
        tasks::insert(&mut transaction, user_id, &[trashed(5, Some(4), recent)]).await.unwrap();
        time_logs::insert(&mut transaction, user_id, &[log_of(3)]).await.unwrap();
        transaction.commit().await.unwrap();

        assert_eq!(sweep(&store).await.unwrap(), 3, "one request id, one session, one task");
        let mut connection = store.database.read(user_id).await.unwrap();
        assert!(tasks::find(&mut connection, user_id, Uuid::from_u128(1)).await.unwrap().is_none());
        for kept in 2..=5 {
            let task = tasks::find(&mut connection, user_id, Uuid::from_u128(kept)).await.unwrap();
            assert!(task.is_some(), "task {kept}");
        }
        drop(connection);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(sweep(&store).await.unwrap(), 3, "the other session and the tasks 2 and 5");
    }
}
