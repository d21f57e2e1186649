//! Fills databases by SQL: rows lie in the order in which they would have been written, a person's spread over the
//! whole table.

use std::path::Path;

use anyhow::Context;
use focusflow_storage::domain::words::FOLDING_VERSION;
use focusflow_storage::sql::{Database, DatabaseConfig};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::tier::{CHANGES, PEOPLE, TASKS_PER_PERSON, Tier};

/// Seconds since 1970 of the first task; the others follow by the second.
const FIRST_SECOND: u64 = 1_735_689_600;
/// In the year 2100.
const SESSIONS_END_SECOND: u64 = 4_102_444_800;

/// Without them, a service would index the tasks of a SQLite file while it is measured.
const DOCUMENTS: &str = "INSERT INTO search_documents (user_id, id, task_id, title, body, words)
                         SELECT user_id, id, id, title, description, 'chapter' FROM tasks";

/// What a database calls the pieces of the statements that fill it.
struct Dialect {
    /// The id of kind `$1` (eight hexadecimal digits) and number `$2`.
    id: fn(&str, &str) -> String,
    /// The instant that is `$1` seconds after 1970.
    instant: fn(&str) -> String,
    /// A row for each number from 0 to before `$1`.
    numbers: fn(u64) -> String,
    /// A byte.
    byte: fn(u8) -> String,
    yes: &'static str,
}

const POSTGRES: Dialect = Dialect {
    id: |kind, number| format!("('{kind}-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"),
    instant: |seconds| format!("to_timestamp({seconds})"),
    numbers: |count| format!("generate_series(0, {count} - 1::bigint) AS numbers (n)"),
    byte: |byte| format!("'\\x{byte:02x}'"),
    yes: "true",
};

const SQLITE: Dialect = Dialect {
    id: |kind, number| format!("unhex('{kind}000070008000' || printf('%012x', {number}))"),
    instant: |seconds| format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', {seconds}, 'unixepoch')"),
    numbers: |count| {
        format!(
            "(WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})
              SELECT n FROM numbers) AS numbers"
        )
    },
    byte: |byte| format!("x'{byte:02x}'"),
    yes: "1",
};

/// Makes and fills a database on a PostgreSQL server, and answers its URL.
pub(crate) async fn postgres(server: &str, tier: Tier) -> anyhow::Result<String> {
    let name = format!("tasks_{}", tier.tasks);
    let mut connection = PgConnection::connect(server).await?;
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
    let (host, _) = server.rsplit_once('/').context("the server's URL has no database")?;
    let url = format!("{host}/{name}");
    migrate(&url).await?;

    let mut connection = PgConnection::connect(&url).await?;
    // References are right by construction.
    connection.execute("SET session_replication_role = replica").await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname::text, indexdef FROM pg_indexes WHERE tablename = 'tasks'
         AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    )
    .fetch_all(&mut connection)
    .await?;
    for (name, _) in &indexes {
        connection.execute(AssertSqlSafe(format!("DROP INDEX {name}"))).await?;
    }
    for statement in POSTGRES.statements(tier) {
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    // Sorting once is quicker than finding the place of each row.
    connection.execute("SET maintenance_work_mem = '1GB'").await?;
    for (_, definition) in indexes {
        connection.execute(AssertSqlSafe(definition)).await?;
    }
    connection.execute("VACUUM (ANALYZE)").await?;
    connection.close().await?;
    Ok(url)
}

/// Makes and fills a database in a folder, and answers its URL.
pub(super) async fn sqlite(folder: &Path, tier: Tier) -> anyhow::Result<String> {
    let path = folder.join(format!("tasks_{}.db", tier.tasks));
    let url = format!("sqlite:{}", path.display());
    migrate(&url).await?;

    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-500000");
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'tasks' AND sql IS NOT NULL",
    )
    .fetch_all(&mut connection)
    .await?;
    for (name, _) in &indexes {
        connection.execute(AssertSqlSafe(format!("DROP INDEX {name}"))).await?;
    }
    for statement in SQLITE.statements(tier) {
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    connection.execute(DOCUMENTS).await?;
    for (_, definition) in indexes {
        connection.execute(AssertSqlSafe(definition)).await?;
    }
    connection.execute("ANALYZE").await?;
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    connection.close().await?;
    Ok(url)
}

async fn migrate(url: &str) -> anyhow::Result<()> {
    Database::open(&DatabaseConfig::new(url.parse()?)).await?.close().await;
    Ok(())
}

impl Dialect {
    fn statements(&self, tier: Tier) -> Vec<String> {
        let mut statements = vec![self.people(), self.sessions(), self.changes(), self.last_number(), self.folded()];
        statements.extend((0..TASKS_PER_PERSON).map(|turn| self.tasks(tier, turn)));
        statements
    }

    fn people(&self) -> String {
        let Self { yes, .. } = self;
        let (id, time) = (self.person("n"), (self.instant)(&FIRST_SECOND.to_string()));
        let numbers = (self.numbers)(PEOPLE + 1);
        format!(
            "INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, time_zone,
             day_start_minutes, work_start_minutes, work_end_minutes, work_weekdays, tier, email_verified,
             change_number, create_time, update_time)
             SELECT {id}, n || '@example.org', n || '@example.org', '', 'Ada', 'Lovelace', 'Europe/Berlin',
             0, 540, 1020, '[1, 2, 3, 4, 5]', 'FREE', {yes}, 0, {time}, {time} FROM {numbers}"
        )
    }

    /// One of each person's, with the person's id, for tokens that are issued without a sign-in.
    fn sessions(&self) -> String {
        let (id, time, numbers) =
            (self.person("n"), (self.instant)(&FIRST_SECOND.to_string()), (self.numbers)(PEOPLE + 1));
        let end = (self.instant)(&SESSIONS_END_SECOND.to_string());
        format!(
            "INSERT INTO sessions (id, user_id, user_agent, expire_time, create_time)
             SELECT {id}, {id}, '', {end}, {time} FROM {numbers}"
        )
    }

    /// One task of everybody who has any.
    fn tasks(&self, tier: Tier, turn: u64) -> String {
        let owners = tier.owners();
        let (person, numbers) = (self.person("n"), (self.numbers)(owners));
        let id = (self.id)("0198c0df", &format!("n * {TASKS_PER_PERSON} + {turn}"));
        let time = (self.instant)(&format!("{FIRST_SECOND} + {turn} * {owners} + n"));
        let (status, complete_time) =
            if turn.is_multiple_of(2) { ("COMPLETED", time.as_str()) } else { ("PENDING", "NULL") };
        format!(
            "INSERT INTO tasks (id, user_id, title, description, priority, status, estimated_minutes, logged_micros,
             tags, version, complete_time, create_time, update_time)
             SELECT {id}, {person}, 'Write the chapter about deadlines, part ' || n,
             'Outline first. Then the part about budgets, with the figures of last week.', 'MEDIUM', '{status}', 60,
             3600000000, '[\"writing\", \"deep-work\"]', 1, {complete_time}, {time}, {time} FROM {numbers}"
        )
    }

    /// Those of the one person whose changes are streamed.
    fn changes(&self) -> String {
        let (person, id, numbers) = (self.person(&PEOPLE.to_string()), self.person("n"), (self.numbers)(CHANGES));
        let time = (self.instant)(&format!("{FIRST_SECOND} + n"));
        format!(
            "INSERT INTO changes (user_id, number, resource, resource_id, action, create_time)
             SELECT {person}, n + 1, 'TASK', {id}, 'UPDATED', {time} FROM {numbers}"
        )
    }

    fn last_number(&self) -> String {
        format!("UPDATE users SET change_number = {CHANGES} WHERE id = {}", self.person(&PEOPLE.to_string()))
    }

    /// Says that there are no keys of an older version, which the service would else look for while it is measured.
    fn folded(&self) -> String {
        let version = (self.byte)(FOLDING_VERSION);
        format!("INSERT INTO settings (name, value) VALUES ('folding_version', {version})")
    }

    fn person(&self, number: &str) -> String {
        (self.id)("0198c0de", number)
    }
}
