//! What tasks are found by: their text and the notes of their time logs, folded, and the words in it.
//!
//! The statements that write tasks and time logs call this, so nobody else has to think of it. A document goes with its
//! task or time log.

use uuid::Uuid;

use super::{Connection, QueryBuilder, dialects, query, query_as, query_scalar};
use crate::domain::task::Task;
use crate::domain::time_log::TimeLog;
use crate::domain::words::{self, Word};

const ROWS_PER_INSERT: usize = 50;

struct Document {
    id: Uuid,
    task_id: Uuid,
    time_log_id: Option<Uuid>,
    title: String,
    body: String,
}

/// Makes tasks findable by what they say now.
pub(super) async fn put_tasks(connection: &mut Connection, user_id: Uuid, tasks: &[Task]) -> sqlx::Result<()> {
    let documents: Vec<Document> = tasks.iter().map(Document::of_task).collect();
    put(connection, user_id, &documents).await
}

/// Adds the statement that makes tasks findable, as a part of another.
pub(super) fn push_put_tasks(statement: &mut QueryBuilder<'_>, user_id: Uuid, tasks: &[Task]) {
    let documents: Vec<Document> = tasks.iter().map(Document::of_task).collect();
    push_put(statement, user_id, &documents);
}

/// Makes tasks findable by the notes of new time logs.
pub(super) async fn put_notes(connection: &mut Connection, user_id: Uuid, logs: &[TimeLog]) -> sqlx::Result<()> {
    let documents: Vec<Document> = logs.iter().filter_map(Document::of_time_log).collect();
    put(connection, user_id, &documents).await
}

/// Makes tasks findable by what has been written elsewhere: ids, titles and descriptions of tasks, and ids, tasks and notes
/// of time logs.
pub(super) async fn put_texts(
    connection: &mut Connection,
    user_id: Uuid,
    tasks: &[(Uuid, &str, &str)],
    notes: &[(Uuid, Option<Uuid>, &str)],
) -> sqlx::Result<()> {
    let tasks = tasks.iter().map(|(id, title, description)| Document::new(*id, title, description));
    let notes = notes.iter().filter_map(|(id, task_id, notes)| Document::of_notes(*id, *task_id, notes));
    let documents: Vec<Document> = tasks.chain(notes).collect();
    put(connection, user_id, &documents).await
}

/// Makes tasks findable by what a time log says now, and not by what it said before.
pub(super) async fn replace_notes(connection: &mut Connection, user_id: Uuid, log: &TimeLog) -> sqlx::Result<()> {
    if Document::of_time_log(log).is_some() {
        return put_notes(connection, user_id, std::slice::from_ref(log)).await;
    }
    query("DELETE FROM search_documents WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(log.id)
        .execute(connection)
        .await
        .map(drop)
}

/// Who has text that is not indexed. On PostgreSQL there was never a version without the index.
pub async fn people_to_index(connection: &mut Connection) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(dialects!(
        sqlite: "SELECT DISTINCT user_id FROM tasks
                 WHERE NOT EXISTS (SELECT 1 FROM search_documents WHERE search_documents.id = tasks.id)",
        postgres: "SELECT id FROM users WHERE FALSE",
    ))
    .fetch_all(connection)
    .await
}

/// Indexes at most `limit` tasks and as many time logs of a person's that are not. Answers how many.
pub async fn index_missing(connection: &mut Connection, user_id: Uuid, limit: i64) -> sqlx::Result<usize> {
    let tasks: Vec<(Uuid, String, String)> = query_as(
        "SELECT id, title, description FROM tasks WHERE user_id = $1 AND NOT EXISTS (
             SELECT 1 FROM search_documents WHERE search_documents.user_id = $1 AND search_documents.id = tasks.id
         ) LIMIT $2",
    )
    .bind(user_id)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let logs: Vec<(Uuid, Uuid, String)> = query_as(
        "SELECT id, task_id, notes FROM time_logs WHERE user_id = $1 AND notes <> '' AND task_id IS NOT NULL
         AND NOT EXISTS (
             SELECT 1 FROM search_documents WHERE search_documents.user_id = $1 AND search_documents.id = time_logs.id
         ) LIMIT $2",
    )
    .bind(user_id)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let tasks = tasks.iter().map(|(id, title, description)| Document::new(*id, title, description));
    let logs = logs.iter().filter_map(|(id, task_id, notes)| Document::of_notes(*id, Some(*task_id), notes));
    let documents: Vec<Document> = tasks.chain(logs).collect();
    put(connection, user_id, &documents).await?;
    Ok(documents.len())
}

/// Adds that `id` is a task that mentions a word. Words are letters and digits, so nothing in them needs an escape.
pub(super) fn push_mentions(statement: &mut QueryBuilder<'static>, user_id: Uuid, word: &Word) {
    let before = dialects!(
        sqlite: "id IN (SELECT task_id FROM search_documents WHERE document IN (
                     SELECT rowid FROM search_words WHERE search_words MATCH ",
        postgres: "id IN (SELECT focusflow.tasks_that_mention('''' || ",
    );
    let after = if word.is_prefix {
        dialects!(sqlite: " || '*'))", postgres: " || ''':*'))")
    } else {
        dialects!(sqlite: "))", postgres: " || ''''))")
    };
    statement.push_text(&before).push_bind(key(user_id, &word.text)).push_text(&after);
}

async fn put(connection: &mut Connection, user_id: Uuid, documents: &[Document]) -> sqlx::Result<()> {
    for chunk in documents.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::default();
        push_put(&mut insert, user_id, chunk);
        let is_common = chunk.len() == ROWS_PER_INSERT || chunk.len() == 1;
        insert.build().persistent(is_common).execute(&mut *connection).await?;
    }
    Ok(())
}

fn push_put(statement: &mut QueryBuilder<'_>, user_id: Uuid, documents: &[Document]) {
    statement.push("INSERT INTO search_documents (user_id, id, task_id, time_log_id, title, body, words) ");
    statement.push_values(documents, |row, document| {
        row.push_bind(user_id)
            .push_bind(document.id)
            .push_bind(document.task_id)
            .push_bind(document.time_log_id)
            .push_bind(document.title.clone())
            .push_bind(document.body.clone())
            .push_bind(document.words(user_id));
    });
    statement.push(
        " ON CONFLICT (user_id, id) DO UPDATE
          SET task_id = excluded.task_id, title = excluded.title, body = excluded.body, words = excluded.words
          WHERE search_documents.task_id <> excluded.task_id OR search_documents.title <> excluded.title
          OR search_documents.body <> excluded.body OR search_documents.words <> excluded.words",
    );
}

impl Document {
    /// A task's own text.
    fn new(id: Uuid, title: &str, description: &str) -> Self {
        Self { id, task_id: id, time_log_id: None, title: words::fold(title), body: words::fold(description) }
    }

    fn of_task(task: &Task) -> Self {
        Self::new(task.id, task.title.as_str(), task.description.as_str())
    }

    fn of_time_log(log: &TimeLog) -> Option<Self> {
        Self::of_notes(log.id, log.task_id, log.notes.as_str())
    }

    /// `None` without a task that could be found or notes to find it by.
    fn of_notes(id: Uuid, task_id: Option<Uuid>, notes: &str) -> Option<Self> {
        let task_id = task_id.filter(|_| !notes.is_empty())?;
        Some(Self { id, task_id, time_log_id: Some(id), title: String::new(), body: words::fold(notes) })
    }

    /// What the index has of it.
    fn words(&self, user_id: Uuid) -> String {
        let mut words = words::of(&self.title);
        words.append(&mut words::of(&self.body));
        words.iter().map(|word| key(user_id, word)).collect::<Vec<_>>().join(" ")
    }
}

/// A person's word. Of the id, its last digits: they tell people apart well enough for an index, and what is found is
/// looked for among the person's tasks only.
fn key(user_id: Uuid, word: &str) -> String {
    format!("{:012x}{word}", user_id.as_u128() & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::plan;

    #[tokio::test]
    async fn what_a_version_without_search_has_written_is_indexed_once() {
        let (_directory, database) = plan::sqlite_database().await;
        let user_id = Uuid::from_u128(1);
        let mut transaction = database.begin(user_id).await.unwrap();
        for statement in [
            "INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, time_zone,
             day_start_minutes, work_start_minutes, work_end_minutes, work_weekdays, tier, email_verified,
             change_number, create_time, update_time)
             VALUES ($1, '', '', '', '', '', 'UTC', 0, 540, 1020, '[]', 'FREE', 0, 0, '', '')",
            "INSERT INTO tasks (id, user_id, title, description, priority, status, estimated_minutes, logged_micros,
             tags, version, create_time, update_time)
             VALUES ($1, $1, 'Größe', 'of it', 'LOW', 'PENDING', 0, 0, '[]', 1, '', '')",
            "INSERT INTO time_logs (id, user_id, task_id, start_time, notes, manual, create_time, update_time)
             VALUES (randomblob(16), $1, $1, '', 'Measured', 0, '', '')",
        ] {
            query(statement).bind(user_id).execute(&mut transaction).await.unwrap();
        }
        assert_eq!(people_to_index(&mut transaction).await.unwrap(), [user_id]);
        assert_eq!(index_missing(&mut transaction, user_id, 10).await.unwrap(), 2);
        assert!(people_to_index(&mut transaction).await.unwrap().is_empty());
        assert_eq!(index_missing(&mut transaction, user_id, 10).await.unwrap(), 0);

        let mut found = QueryBuilder::new("SELECT id FROM tasks WHERE ");
        push_mentions(&mut found, user_id, &Word { text: words::fold("größ"), is_prefix: true });
        found.push(" AND ");
        push_mentions(&mut found, user_id, &Word { text: "measured".to_owned(), is_prefix: false });
        let found = found.build_query_scalar::<Uuid>().fetch_all(&mut transaction).await.unwrap();
        assert_eq!(found, [user_id]);
    }
}
