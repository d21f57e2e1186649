//! The backup: a SQLite database that someone else has made, so it is read with care.
//!
//! It is opened for reading only, and only tables are read: a view or a virtual table of the expected name could make
//! a query do anything.

use std::collections::HashMap;
use std::path::Path;

use chrono::{DateTime, NaiveDate};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

use super::cell::stored_mark;
use super::{Description, Found, Scale, Unusable};
use crate::import::row::RowKeys;

const HABITS: &str = "Habits";
const REPETITIONS: &str = "Repetitions";
const HABITS_MAX: usize = 1_000;
const REPETITIONS_MAX: usize = 2_000_000;
const TEXT_LENGTH_MAX: usize = 100_000;

/// Reads the backup at `path` and sends what it finds, until nobody listens.
pub async fn read(path: &Path, found: &mpsc::Sender<Found>) -> Result<(), Unusable> {
    let mut database = open(path).await.map_err(broken)?;
    for table in [HABITS, REPETITIONS] {
        check_table(&mut database, table).await?;
    }
    let habits = habits(&mut database, found).await?;
    repetitions(&mut database, &habits, found).await
}

async fn open(path: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .create_if_missing(false)
        .immutable(true)
        .foreign_keys(false)
        .pragma("query_only", "on")
        .pragma("trusted_schema", "off")
        .pragma("cell_size_check", "on")
        .pragma("mmap_size", "0");
    SqliteConnection::connect_with(&options).await
}

async fn check_table(database: &mut SqliteConnection, name: &str) -> Result<(), Unusable> {
    let sql: Option<String> =
        sqlx::query_scalar("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = $1 COLLATE NOCASE")
            .bind(name.to_owned())
            .fetch_optional(database)
            .await
            .map_err(broken)?;
    let is_plain = sql.is_some_and(|sql| {
        let sql = sql.to_ascii_uppercase();
        !sql.contains("VIRTUAL") && !sql.contains("GENERATED") && !sql.contains(" AS (")
    });
    if is_plain { Ok(()) } else { Err(Unusable::Malformed(format!("has no table {name} of Loop's"))) }
}

/// The habits by their ids in the backup.
async fn habits(database: &mut SqliteConnection, found: &mpsc::Sender<Found>) -> Result<HashMap<i64, Scale>, Unusable> {
    let columns = [
        "name",
        "question",
        "description",
        "type",
        "target_type",
        "target_value",
        "unit",
        "freq_num",
        "freq_den",
        "archived",
    ];
    let query = select(database, HABITS, "id", &columns, "position, id").await?;
    let (mut keys, mut habits) = (RowKeys::default(), HashMap::new());
    let mut rows = sqlx::query(AssertSqlSafe(query)).fetch(database);
    while let Some(row) = rows.next().await {
        let row = row.map_err(broken)?;
        let id = integer(&row, "id");
        let sent = match description(&row).habit(&mut keys, 0) {
            Ok((habit, scale)) => {
                habits.insert(id, scale);
                found.send(Found::Habit(habit)).await
            }
            Err(error) => found.send(Found::Unreadable { line: 0, message: format!("habit {id}: {error}") }).await,
        };
        if habits.len() > HABITS_MAX {
            return Err(Unusable::Malformed(format!("has more than {HABITS_MAX} habits")));
        }
        if sent.is_err() {
            break;
        }
    }
    Ok(habits)
}

async fn repetitions(
    database: &mut SqliteConnection,
    habits: &HashMap<i64, Scale>,
    found: &mpsc::Sender<Found>,
) -> Result<(), Unusable> {
    let query = select(database, REPETITIONS, "habit", &["timestamp", "value", "notes"], "id").await?;
    let mut rows = sqlx::query(AssertSqlSafe(query)).fetch(database);
    let mut count = 0_usize;
    while let Some(row) = rows.next().await {
        let row = row.map_err(broken)?;
        count += 1;
        if count > REPETITIONS_MAX {
            return Err(Unusable::Malformed(format!("has more than {REPETITIONS_MAX} entries")));
        }
        // Those of a habit that could not be read have been reported with it.
        let Some(scale) = habits.get(&integer(&row, "habit")) else { continue };
        let timestamp = integer(&row, "timestamp");
        let item = match day(timestamp) {
            Some(day) => {
                let mark = stored_mark(integer(&row, "value"), scale.is_numeric);
                scale.entry(day, mark, &text(&row, "notes")).map(Found::Entry)
            }
            None => Some(Found::Unreadable { line: 0, message: format!("timestamp: is no day: {timestamp}") }),
        };
        if let Some(item) = item
            && found.send(item).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

/// A query of the columns that this version of Loop has; the others are NULL.
async fn select(
    database: &mut SqliteConnection,
    table: &str,
    id: &str,
    columns: &[&str],
    order: &str,
) -> Result<String, Unusable> {
    let present: Vec<String> = sqlx::query_scalar("SELECT lower(name) FROM pragma_table_info($1)")
        .bind(table.to_owned())
        .fetch_all(&mut *database)
        .await
        .map_err(broken)?;
    let column = |name: &&str| {
        if present.iter().any(|it| it == name) { (*name).to_owned() } else { format!("NULL AS {name}") }
    };
    let columns: Vec<String> = columns.iter().map(column).collect();
    let order = if order.split(", ").all(|name| present.iter().any(|it| it == name)) { order } else { id };
    Ok(format!("SELECT {id}, {} FROM {table} ORDER BY {order}", columns.join(", ")))
}

fn description(row: &SqliteRow) -> Description {
    Description {
        name: text(row, "name"),
        question: text(row, "question"),
        about: text(row, "description"),
        is_numeric: integer(row, "type") == 1,
        is_at_most: integer(row, "target_type") == 1,
        target_value: number(row, "target_value"),
        unit: text(row, "unit"),
        times: number(row, "freq_num"),
        days: number(row, "freq_den"),
        archived: integer(row, "archived") != 0,
    }
}

/// A column may have any type in any row, and what is not of the right one counts as absent.
fn text(row: &SqliteRow, column: &str) -> String {
    let text: String = row.try_get_unchecked(column).unwrap_or_default();
    text.chars().take(TEXT_LENGTH_MAX).collect::<String>().trim().to_owned()
}

fn integer(row: &SqliteRow, column: &str) -> i64 {
    row.try_get_unchecked(column).unwrap_or_default()
}

fn number(row: &SqliteRow, column: &str) -> f64 {
    row.try_get_unchecked(column).unwrap_or_default()
}

/// Loop's days are their midnights in UTC, in milliseconds.
fn day(timestamp: i64) -> Option<NaiveDate> {
    let day = DateTime::from_timestamp_millis(timestamp)?.date_naive();
    crate::import::text::day(&day.to_string())
}

fn broken(error: sqlx::Error) -> Unusable {
    match error {
        sqlx::Error::Io(error) => Unusable::Io(error),
        error => Unusable::Malformed(format!("is no database that can be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::loop_tracker::Found::{Entry, Habit, Unreadable};

    async fn backup(statements: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = SqliteConnectOptions::new().filename(file.path());
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        file
    }

    async fn found(file: &tempfile::NamedTempFile) -> Result<Vec<Found>, Unusable> {
        let (sender, mut receiver) = mpsc::channel(100);
        read(file.path(), &sender).await?;
        drop(sender);
        let mut found = Vec::new();
        while let Some(it) = receiver.recv().await {
            found.push(it);
        }
        Ok(found)
    }

    #[tokio::test]
    async fn habits_and_entries_are_read_whatever_the_version() {
        let file = backup(
            "CREATE TABLE Habits (id INTEGER PRIMARY KEY, archived INTEGER, color INTEGER, description TEXT, freq_den \
             INTEGER, freq_num INTEGER, name TEXT, position INTEGER);
             CREATE TABLE Repetitions (id INTEGER PRIMARY KEY, habit INTEGER, timestamp INTEGER, value INTEGER);
             INSERT INTO Habits VALUES (7, 0, 1, 'About', 7, 3, 'Run', 1), (8, 1, 1, NULL, 1, 1, 'Read', 0);
             INSERT INTO Repetitions VALUES (1, 7, 1704067200000, 2), (2, 8, 1704067200000, 3), (3, 9, 0, 2), \
             (4, 8, 1704153600000, 0), (5, 8, 9223372036854775807, 2);",
        )
        .await;
        let found = found(&file).await.unwrap();
        let [Habit(read), Habit(run), Entry(ran), Entry(skipped), Unreadable { .. }] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!((read.name.as_str(), read.archived), ("Read", true));
        assert_eq!((run.name.as_str(), run.target.count, run.target.weekly), ("Run", 3, true));
        assert_eq!((ran.habit, ran.day.to_string().as_str(), ran.count), (run.key, "2024-01-01", 1));
        assert!(skipped.skipped && skipped.habit == read.key);
    }

    #[tokio::test]
    async fn a_measured_habit_has_its_amounts() {
        let file = backup(
            "CREATE TABLE Habits (id INTEGER PRIMARY KEY, name TEXT, type INTEGER, target_type INTEGER, \
             target_value REAL, unit TEXT, freq_num INTEGER, freq_den INTEGER, position INTEGER, archived INTEGER, question TEXT);
             CREATE TABLE Repetitions (id INTEGER PRIMARY KEY, habit INTEGER, timestamp INTEGER, value INTEGER, \
             notes TEXT);
             INSERT INTO Habits VALUES (1, 'Run', 1, 0, 5.0, 'km', 1, 1, 0, 0, 'How far?');
             INSERT INTO Repetitions VALUES (1, 1, 1704067200000, 5500, 'wet');",
        )
        .await;
        let found = found(&file).await.unwrap();
        let [Habit(habit), Entry(entry)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((habit.target.count, habit.description.as_str()), (5, "How far?\n\nUnit: km"));
        assert_eq!((entry.count, entry.notes.as_str()), (6, "5.5 km\nwet"));
    }

    #[tokio::test]
    async fn views_under_the_names_of_tables_are_not_read() {
        let file = backup(
            "CREATE VIEW Habits AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) \
             SELECT n AS id FROM r;
             CREATE TABLE Repetitions (id INTEGER PRIMARY KEY);",
        )
        .await;
        assert!(found(&file).await.unwrap_err().to_string().contains("no table Habits"));
    }

    #[tokio::test]
    async fn what_is_no_database_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"SQLite format 3\0 and nothing else").unwrap();
        assert!(found(&file).await.is_err());
    }
}
