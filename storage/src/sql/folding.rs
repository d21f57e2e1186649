//! Bringing up to date what is stored folded, after the rules of folding have changed.
//!
//! Text of ASCII alone is folded alike by all rules that there have been, so most rows are only read.

use sqlx::types::Json;
use uuid::Uuid;

use super::{Connection, categories, dialects, habits, query_as, query_scalar, search, tasks};
use crate::domain::task::Tags;
use crate::domain::text::Tag;

/// At most `limit` people after `after`, by id.
pub async fn people(connection: &mut Connection, after: Uuid, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(dialects!(
        sqlite: "SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2",
        postgres: "SELECT focusflow.users_after($1, $2)",
    ))
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Renews what at most `limit` of a person's tasks after `after`, by id, are found by. Answers the last of them; `None`
/// if there are no more.
pub async fn renew_tasks(
    connection: &mut Connection,
    user_id: Uuid,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Option<Uuid>> {
    let rows: Vec<(Uuid, String, String, Json<Vec<Tag>>)> =
        query_as("SELECT id, title, description, tags FROM tasks WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(user_id)
            .bind(after)
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
    let last = rows.last().map(|(id, ..)| *id);
    let texts = rows.iter().filter(|(_, title, text, _)| !(title.is_ascii() && text.is_ascii()));
    let texts: Vec<_> = texts.map(|(id, title, text, _)| (*id, title.as_str(), text.as_str())).collect();
    search::put_texts(connection, user_id, &texts, &[]).await?;
    for (id, .., tags) in rows.into_iter().filter(|(.., tags)| tags.0.iter().any(|tag| !tag.as_str().is_ascii())) {
        tasks::replace_tags(connection, user_id, id, &Tags::from(tags)).await?;
    }
    Ok(last)
}

/// As [`renew_tasks`], of time logs with notes.
pub async fn renew_notes(
    connection: &mut Connection,
    user_id: Uuid,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Option<Uuid>> {
    let rows: Vec<(Uuid, Option<Uuid>, String)> = query_as(
        "SELECT id, task_id, notes FROM time_logs WHERE user_id = $1 AND id > $2 AND notes <> '' ORDER BY id LIMIT $3",
    )
    .bind(user_id)
    .bind(after)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let notes = rows.iter().filter(|(.., notes)| !notes.is_ascii());
    let notes: Vec<_> = notes.map(|(id, task_id, notes)| (*id, *task_id, notes.as_str())).collect();
    search::put_texts(connection, user_id, &[], &notes).await?;
    Ok(rows.last().map(|(id, ..)| *id))
}

/// Renews the keys of a person's categories and habits. One of two categories whose names are the same now keeps its
/// old key.
pub async fn renew_names(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<()> {
    for category in categories::list(connection, user_id).await?.iter().filter(|it| !it.name.as_str().is_ascii()) {
        categories::renew_key(connection, user_id, category).await?;
    }
    for habit in habits::list(connection, user_id, true).await?.iter().filter(|it| !it.name.as_str().is_ascii()) {
        habits::update(connection, user_id, habit).await?;
    }
    Ok(())
}
