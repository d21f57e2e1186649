//! The tables of a person's data, as the sections of a [document](crate::document) describe them.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::Json;
use sqlx::{ColumnIndex, Decode, FromRow, Type};
use uuid::Uuid;

use super::{Connection, QueryBuilder, Text, Values, query, query_as, query_scalar, search};
use crate::document::{Column, Kind, Row, Section, TASKS, Value};

/// Rows per statement. Their binds stay far below what any database takes.
const ROWS_PER_INSERT: usize = 50;
const IDS_PER_STATEMENT: usize = 200;

/// A row, every column as text.
struct Texts(Vec<Option<String>>);

/// One page of a person's rows: `limit` of those after `after`.
pub async fn page(
    connection: &mut Connection,
    user_id: Uuid,
    section: &Section,
    after: Option<&Row>,
    limit: i64,
) -> sqlx::Result<Vec<Row>> {
    let mut select = query_as::<Texts>(page_text(section, after.is_some())).bind(user_id);
    for value in after.iter().flat_map(|row| section.order.iter().map(|column| row.value(section, column))) {
        select = match value.clone() {
            Value::Null => select.bind(None::<String>),
            Value::Id(id) => select.bind(id),
            Value::Text(text) => select.bind(text),
            Value::Integer(number) => select.bind(number),
            Value::Long(number) => select.bind(number),
            Value::Flag(flag) => select.bind(flag),
            Value::Time(time) => select.bind(time),
            Value::Date(date) => select.bind(date),
            Value::Json(json) => select.bind(Json(json)),
        };
    }
    let rows = select.bind(limit).fetch_all(connection).await?;
    rows.into_iter().map(|texts| read(section, texts)).collect()
}

fn page_text(section: &Section, has_after: bool) -> Text {
    let order = section.order.join(", ");
    let places: Vec<String> = (2..section.order.len() + 2).map(|number| format!("${number}")).collect();
    let (after, limit) = if has_after {
        (format!(" AND ({order}) > ({})", places.join(", ")), section.order.len() + 2)
    } else {
        (String::new(), 2)
    };
    let tail = format!("FROM {} WHERE user_id = $1{after} ORDER BY {order} LIMIT ${limit}", section.table);
    let columns = |expression: fn(&Column) -> String| {
        let columns: Vec<String> =
            section.columns.iter().map(|column| format!("{} AS {}_text", expression(column), column.name)).collect();
        columns.join(", ")
    };
    Text::owned(format!("SELECT {} {tail}", columns(sqlite_text)), format!("SELECT {} {tail}", columns(postgres_text)))
}

fn sqlite_text(column: &Column) -> String {
    let name = column.name;
    match column.kind {
        Kind::Id | Kind::Reference(_) | Kind::Mention(_) => format!("hex({name})"),
        Kind::Integer(_) | Kind::Long | Kind::Flag => format!("CAST({name} AS TEXT)"),
        Kind::Date(first) => format!("max({name}, '{first}')"),
        Kind::Text(_) | Kind::Word(_) | Kind::Time | Kind::Json(_) => name.to_owned(),
    }
}

fn postgres_text(column: &Column) -> String {
    let name = column.name;
    match column.kind {
        Kind::Text(_) | Kind::Word(_) => name.to_owned(),
        Kind::Id | Kind::Reference(_) | Kind::Mention(_) | Kind::Integer(_) | Kind::Long | Kind::Json(_) => {
            format!("CAST({name} AS text)")
        }
        Kind::Flag => format!("CAST(CAST({name} AS integer) AS text)"),
        Kind::Time => format!(r#"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#),
        // A series may begin to be made before the first date that the document has.
        Kind::Date(first) => {
            format!("to_char(greatest({name}, CASE WHEN {name} IS NOT NULL THEN DATE '{first}' END), 'YYYY-MM-DD')")
        }
    }
}

fn read(section: &Section, Texts(texts): Texts) -> sqlx::Result<Row> {
    let values = section.columns.iter().zip(texts).map(|(column, text)| {
        column.read(text).map_err(|problem| sqlx::Error::ColumnDecode {
            index: format!("{}.{}", section.table, column.name),
            source: problem.into(),
        })
    });
    values.collect::<sqlx::Result<_>>().map(Row)
}

/// Those of `ids` that a person has in a table.
pub async fn present(
    connection: &mut Connection,
    user_id: Uuid,
    section: &Section,
    ids: &[Uuid],
) -> sqlx::Result<HashSet<Uuid>> {
    with_ids(connection, user_id, section, "user_id = ", ids).await
}

/// Those of `ids` that other people have in a table. On PostgreSQL, nobody can tell and nobody needs to: there, ids
/// are told apart by their people.
pub async fn taken(
    connection: &mut Connection,
    user_id: Uuid,
    section: &Section,
    ids: &[Uuid],
) -> sqlx::Result<HashSet<Uuid>> {
    with_ids(connection, user_id, section, "user_id <> ", ids).await
}

async fn with_ids(
    connection: &mut Connection,
    user_id: Uuid,
    section: &Section,
    whose: &str,
    ids: &[Uuid],
) -> sqlx::Result<HashSet<Uuid>> {
    let mut found = HashSet::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let mut select = QueryBuilder::new("SELECT id FROM ");
        select.push(section.table).push(" WHERE ").push(whose).push_bind(user_id).push(" AND id IN (");
        for (index, id) in chunk.iter().enumerate() {
            select.push(if index == 0 { "" } else { ", " }).push_bind(*id);
        }
        select.push(")");
        found.extend(select.build_query_scalar::<Uuid>().persistent(false).fetch_all(&mut *connection).await?);
    }
    Ok(found)
}

/// Those of `ids` that are series of a person's or parts of such.
pub async fn templates(connection: &mut Connection, user_id: Uuid, ids: &[Uuid]) -> sqlx::Result<HashSet<Uuid>> {
    with_ids(connection, user_id, &TASKS, "is_template AND user_id = ", ids).await
}

/// Adds rows, other than those that a unique index has already. Answers how many.
pub async fn insert(connection: &mut Connection, user_id: Uuid, section: &Section, rows: &[Row]) -> sqlx::Result<u64> {
    let names: Vec<&str> = section.columns.iter().map(|column| column.name).collect();
    let mut count = 0;
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::new("INSERT INTO ");
        insert.push(section.table).push(" (user_id, ").push(names.join(", ")).push(") ");
        insert.push_values(chunk, |values, row| {
            values.push_bind(user_id);
            for (column, value) in section.columns.iter().zip(&row.0) {
                push_bind(values, column.kind, value);
            }
        });
        insert.push(" ON CONFLICT DO NOTHING");
        count += insert.build().persistent(chunk.len() == ROWS_PER_INSERT).execute(&mut *connection).await?;
    }
    Ok(count)
}

fn push_bind<'q>(values: &mut Values<'_, 'q>, kind: Kind, value: &'q Value) {
    match value {
        Value::Null => push_null(values, kind),
        Value::Id(id) => drop(values.push_bind(*id)),
        Value::Text(text) => drop(values.push_bind(text.as_str())),
        Value::Integer(number) => drop(values.push_bind(*number)),
        Value::Long(number) => drop(values.push_bind(*number)),
        Value::Flag(flag) => drop(values.push_bind(*flag)),
        Value::Time(time) => drop(values.push_bind(*time)),
        Value::Date(date) => drop(values.push_bind(*date)),
        Value::Json(json) => drop(values.push_bind(Json(json))),
    }
}

/// One of the databases wants to know what is absent.
fn push_null(values: &mut Values<'_, '_>, kind: Kind) {
    match kind {
        Kind::Id | Kind::Reference(_) | Kind::Mention(_) => drop(values.push_bind(None::<Uuid>)),
        Kind::Text(_) | Kind::Word(_) => drop(values.push_bind(None::<String>)),
        Kind::Integer(_) => drop(values.push_bind(None::<i32>)),
        Kind::Long => drop(values.push_bind(None::<i64>)),
        Kind::Flag => drop(values.push_bind(None::<bool>)),
        Kind::Time => drop(values.push_bind(None::<DateTime<Utc>>)),
        Kind::Date(_) => drop(values.push_bind(None::<NaiveDate>)),
        Kind::Json(_) => drop(values.push_bind(None::<Json<serde_json::Value>>)),
    }
}

/// Makes a row refer to one that was not there when it was added.
pub async fn refer(
    connection: &mut Connection,
    user_id: Uuid,
    section: &Section,
    column: &str,
    [id, target]: [Uuid; 2],
) -> sqlx::Result<()> {
    query(format!("UPDATE {} SET {column} = $3 WHERE user_id = $1 AND id = $2", section.table))
        .bind(user_id)
        .bind(id)
        .bind(target)
        .execute(connection)
        .await
        .map(drop)
}

/// Adds the tags of tasks that were added as rows.
pub async fn add_tags(connection: &mut Connection, user_id: Uuid, tags: &[(Uuid, String)]) -> sqlx::Result<()> {
    for chunk in tags.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::new("INSERT INTO task_tags (user_id, task_id, tag) ");
        insert.push_values(chunk, |row, (task_id, tag)| {
            row.push_bind(user_id).push_bind(*task_id).push_bind(tag.as_str());
        });
        insert.push(" ON CONFLICT DO NOTHING");
        insert.build().persistent(chunk.len() == ROWS_PER_INSERT).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Makes tasks findable by the text of rows that were added.
pub async fn make_findable(
    connection: &mut Connection,
    user_id: Uuid,
    section: &Section,
    rows: &[&Row],
) -> sqlx::Result<()> {
    let text = |row: &&'_ Row, column: &str| match row.value(section, column) {
        Value::Text(text) => text.clone(),
        _ => String::new(),
    };
    let id = |row: &&'_ Row| row.id(section, "id").unwrap_or_default();
    if section.table == TASKS.table {
        let texts: Vec<_> = rows.iter().map(|row| (id(row), text(row, "title"), text(row, "description"))).collect();
        let texts: Vec<_> = texts.iter().map(|(id, title, text)| (*id, title.as_str(), text.as_str())).collect();
        return search::put_texts(connection, user_id, &texts, &[]).await;
    }
    let notes: Vec<_> = rows.iter().map(|row| (id(row), row.id(section, "task_id"), text(row, "notes"))).collect();
    let notes: Vec<_> = notes.iter().map(|(id, task_id, notes)| (*id, *task_id, notes.as_str())).collect();
    search::put_texts(connection, user_id, &[], &notes).await
}

/// Adds up the logs of tasks that were added as rows. This is no change of theirs.
pub async fn add_up(connection: &mut Connection, user_id: Uuid, task_ids: &[Uuid]) -> sqlx::Result<()> {
    for id in task_ids {
        query(
            "UPDATE tasks SET logged_micros = (
                 SELECT CAST(COALESCE(SUM(duration_micros), 0) AS BIGINT) FROM time_logs
                 WHERE user_id = $1 AND task_id = $2 AND NOT forgotten
             ) WHERE user_id = $1 AND id = $2",
        )
        .bind(user_id)
        .bind(*id)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Marks a place to which the transaction can go [back].
pub async fn save(connection: &mut Connection) -> sqlx::Result<()> {
    query("SAVEPOINT rows").execute(connection).await.map(drop)
}

/// Forgets the place.
pub async fn keep(connection: &mut Connection) -> sqlx::Result<()> {
    query("RELEASE SAVEPOINT rows").execute(connection).await.map(drop)
}

/// Goes back to the place, and forgets it.
pub async fn back(connection: &mut Connection) -> sqlx::Result<()> {
    query("ROLLBACK TO SAVEPOINT rows").execute(&mut *connection).await?;
    keep(connection).await
}

/// Whether a person's timer is running.
pub async fn has_running_log(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<bool> {
    query_scalar("SELECT EXISTS (SELECT 1 FROM time_logs WHERE user_id = $1 AND end_time IS NULL)")
        .bind(user_id)
        .fetch_one(connection)
        .await
}

impl<'row, R> FromRow<'row, R> for Texts
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    Option<String>: Decode<'row, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'row R) -> sqlx::Result<Self> {
        (0..row.len()).map(|index| row.try_get(index)).collect::<sqlx::Result<_>>().map(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::SECTIONS;
    use crate::sql::plan;

    /// Tables of people's that no document has, since they are credentials, or follow from others, or are about this
    /// server only.
    const TABLES_LEFT_OUT: &[&str] = &[
        "account_mails",
        "account_tokens",
        "api_tokens",
        "calendar_feeds",
        "changes",
        "habit_plans",
        "import_rows",
        "mails",
        "push_subscriptions",
        "recovery_codes",
        "refresh_tokens",
        "request_ids",
        "search_documents",
        "security_events",
        "sessions",
        "task_tags",
        "totp",
    ];
    /// Likewise of the others.
    const COLUMNS_LEFT_OUT: &[(&str, &str)] = &[("notifications", "claim_time"), ("notifications", "mail_id")];

    #[tokio::test]
    async fn no_table_and_no_column_of_peoples_is_forgotten() {
        let (_directory, mut connection) = plan::sqlite().await;
        let columns: Vec<(String, String)> = query_as(
            "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let of_people = |table: &str| columns.contains(&(table.to_owned(), "user_id".to_owned()));
        for (table, column) in columns.iter().filter(|(table, column)| of_people(table) && column != "user_id") {
            let section = SECTIONS.iter().find(|section| section.table == table);
            let is_known = section.is_some_and(|section| section.place(column).is_some());
            let is_left_out = TABLES_LEFT_OUT.contains(&table.as_str())
                || COLUMNS_LEFT_OUT.contains(&(table.as_str(), column.as_str()));
            assert!(is_known || is_left_out, "{table}.{column} is in no section");
        }
    }

    #[test]
    fn a_page_goes_on_after_the_last_row() {
        let text = format!("{:?}", page_text(&TASKS, true));
        assert!(text.contains("AND (create_time, id) > ($2, $3) ORDER BY create_time, id LIMIT $4"), "{text}");
    }
}
