//! What must hold in the database at any moment, asked behind the service's back.

use std::collections::HashSet;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Decode, Executor as _, Postgres, Sqlite, Type};
use uuid::Uuid;

/// What must not be, and how many of it there are.
const RULES: [(&str, &str); 9] = [
    (
        "a number is missing in a sequence, or the person's last number is another",
        "SELECT COUNT(*) FROM users
         WHERE change_number <> (SELECT COUNT(*) FROM changes WHERE user_id = users.id)
         OR change_number <> (SELECT MAX(number) FROM changes WHERE user_id = users.id)",
    ),
    (
        "a version of a task has no change, or a change no version",
        "SELECT COUNT(*) FROM tasks LEFT JOIN (
             SELECT user_id, resource_id, COUNT(*) AS writes FROM changes WHERE resource = 'TASK'
             GROUP BY user_id, resource_id
         ) AS told ON told.user_id = tasks.user_id AND told.resource_id = tasks.id
         WHERE tasks.version <> COALESCE(told.writes, 0)",
    ),
    (
        "a task that was created is not there",
        "SELECT COUNT(*) FROM changes WHERE resource = 'TASK' AND resource_id NOT IN (SELECT id FROM tasks)",
    ),
    (
        "a time log is there without a change, or not there without one",
        "SELECT COUNT(*) FROM (SELECT id, user_id FROM time_logs) AS logs FULL JOIN (
             SELECT resource_id, user_id FROM changes WHERE resource = 'TIME_LOG'
             GROUP BY user_id, resource_id HAVING COUNT(CASE action WHEN 'DELETED' THEN 1 END) = 0
         ) AS told ON told.user_id = logs.user_id AND told.resource_id = logs.id
         WHERE told.resource_id IS NULL OR logs.id IS NULL",
    ),
    (
        "the time of a task is not the sum of its logs",
        "SELECT COUNT(*) FROM tasks LEFT JOIN (
             SELECT user_id, task_id, SUM(duration_micros) AS micros FROM time_logs GROUP BY user_id, task_id
         ) AS logged ON logged.user_id = tasks.user_id AND logged.task_id = tasks.id
         WHERE logged_micros <> COALESCE(micros, 0)",
    ),
    (
        "a tag of a task cannot be found by",
        "SELECT COUNT(*) FROM (
             SELECT tasks.id, tag.value FROM tasks, {tags} EXCEPT SELECT task_id, tag FROM task_tags
         ) AS missing",
    ),
    (
        "a task is found by a tag that it does not have",
        "SELECT COUNT(*) FROM (
             SELECT task_id, tag FROM task_tags EXCEPT SELECT tasks.id, tag.value FROM tasks, {tags}
         ) AS left_over",
    ),
    (
        "a request id is taken by what was not made",
        "SELECT COUNT(*) FROM request_ids
         WHERE resource_id NOT IN (SELECT resource_id FROM changes WHERE action = 'CREATED')",
    ),
    (
        "a request has made two things, or one without remembering it",
        "SELECT COUNT(*) FROM (
             SELECT description FROM tasks UNION ALL SELECT notes FROM time_logs
         ) AS made GROUP BY description HAVING COUNT(*) > 1
         UNION ALL SELECT COUNT(*) FROM tasks WHERE id NOT IN (SELECT resource_id FROM request_ids)
         UNION ALL SELECT COUNT(*) FROM time_logs WHERE id NOT IN (SELECT resource_id FROM request_ids)",
    ),
];

/// Asks a database as its owner does, whom PostgreSQL shows everybody's rows.
pub(super) enum Audit {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// One state of the database.
enum Snapshot {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Audit {
    pub(super) fn of(url: &str) -> Self {
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::Sqlite(SqliteConnectOptions::new().filename(path)),
            None => Self::Postgres(url.parse().unwrap()),
        }
    }

    /// Checks all rules, and that what was acknowledged as `created` is there.
    pub(super) async fn passes(&self, created: &HashSet<Uuid>, kill: u32) {
        let mut snapshot = self.snapshot().await;
        for (problem, question) in RULES {
            let found: i64 = snapshot.ask::<i64>(question).await.into_iter().sum();
            assert_eq!(found, 0, "after kill {kill}: {problem}");
        }
        let there = snapshot.ask::<Uuid>("SELECT id FROM tasks UNION ALL SELECT id FROM time_logs").await;
        let there: HashSet<Uuid> = there.into_iter().collect();
        let lost: Vec<_> = created.difference(&there).collect();
        assert!(lost.is_empty(), "after kill {kill}: of {} acknowledged, {lost:?} are not there", created.len());
    }

    /// The last number of a person's sequence.
    pub(super) async fn last_number(&self, person: Uuid) -> i64 {
        let mut snapshot = self.snapshot().await;
        let people = snapshot.ask::<Uuid>("SELECT id FROM users ORDER BY id").await;
        let numbers = snapshot.ask::<i64>("SELECT change_number FROM users ORDER BY id").await;
        let (_, number) = people.into_iter().zip(numbers).find(|(id, _)| *id == person).unwrap();
        number
    }

    async fn snapshot(&self) -> Snapshot {
        match self {
            Self::Sqlite(options) => {
                let mut connection = SqliteConnection::connect_with(options).await.unwrap();
                connection.execute("BEGIN").await.unwrap();
                Snapshot::Sqlite(connection)
            }
            Self::Postgres(options) => {
                let mut connection = PgConnection::connect_with(options).await.unwrap();
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await.unwrap();
                Snapshot::Postgres(connection)
            }
        }
    }
}

impl Snapshot {
    /// The one column of a question's answer. Each database has its own word for a list's elements as rows.
    async fn ask<T>(&mut self, question: &str) -> Vec<T>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        let rows = match self {
            Self::Sqlite(connection) => {
                let question = question.replace("{tags}", "json_each(tasks.tags) AS tag");
                sqlx::query_scalar(AssertSqlSafe(question)).fetch_all(connection).await
            }
            Self::Postgres(connection) => {
                let question = question.replace("{tags}", "jsonb_array_elements_text(tasks.tags) AS tag (value)");
                sqlx::query_scalar(AssertSqlSafe(question)).fetch_all(connection).await
            }
        };
        rows.unwrap()
    }
}
