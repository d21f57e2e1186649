//! Statements that run on either database.
//!
//! They look like sqlx's own, but are typed by what they answer instead of by the database: which one it is shows only
//! where a statement meets its [`Connection`].

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::marker::PhantomData;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, FromRow, Postgres, SqlSafeStr as _, SqlStr, Sqlite, Type};
use uuid::Uuid;

use super::connection::{Connection, Executor};

/// What a statement says to the one database and to the other.
///
/// Most texts are read by both; where they are not, [`dialects!`](super::dialects) puts the two side by side.
#[derive(Clone, Debug)]
pub struct Text {
    sqlite: Cow<'static, str>,
    postgres: Cow<'static, str>,
}

/// A statement that answers rows of `Output`.
pub struct Query<'q, Output> {
    text: Text,
    arguments: Vec<Box<dyn Argument<'q> + 'q>>,
    persistent: bool,
    output: PhantomData<fn() -> Output>,
}

/// A statement whose text is put together at run time.
#[derive(Default)]
pub struct QueryBuilder<'q> {
    sqlite: String,
    postgres: String,
    arguments: Vec<Box<dyn Argument<'q> + 'q>>,
}

/// The values of one row of a [`QueryBuilder::push_values`].
pub struct Values<'b, 'q> {
    builder: &'b mut QueryBuilder<'q>,
    is_first: bool,
}

/// What both databases can read a row into.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// What can be bound on both databases.
pub trait Argument<'q>: Send {
    /// Adds the value to those of a statement for SQLite.
    fn add_to_sqlite(self: Box<Self>, arguments: &mut SqliteArguments) -> Result<(), BoxDynError>;
    /// Adds the value to those of a statement for PostgreSQL.
    fn add_to_postgres(self: Box<Self>, arguments: &mut PgArguments) -> Result<(), BoxDynError>;
}

impl<'q, T> Argument<'q> for T
where
    T: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> + Send + 'q,
{
    fn add_to_sqlite(self: Box<Self>, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        arguments.add(*self)
    }

    fn add_to_postgres(self: Box<Self>, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(*self)
    }
}

/// A statement that answers no rows.
pub fn query<'q>(text: impl Into<Text>) -> Query<'q, ()> {
    Query::new(text.into())
}

/// A statement whose rows are read into `Output`.
pub fn query_as<'q, Output: Row>(text: impl Into<Text>) -> Query<'q, Output> {
    Query::new(text.into())
}

/// A statement whose rows have one column.
pub fn query_scalar<'q, Output>(text: impl Into<Text>) -> Scalar<'q, Output>
where
    (Output,): Row,
{
    Scalar(Query::new(text.into()))
}

/// A statement whose rows have one column.
pub struct Scalar<'q, Output>(Query<'q, (Output,)>);

impl Text {
    /// A text for each database.
    pub const fn new(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite: Cow::Borrowed(sqlite), postgres: Cow::Borrowed(postgres) }
    }

    /// The same for texts that are put together at run time.
    pub fn owned(sqlite: String, postgres: String) -> Self {
        Self { sqlite: Cow::Owned(sqlite), postgres: Cow::Owned(postgres) }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::new(text, text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { sqlite: Cow::Owned(text.clone()), postgres: Cow::Owned(text) }
    }
}

impl<'q, Output> Query<'q, Output> {
    fn new(text: Text) -> Self {
        Self { text, arguments: Vec::new(), persistent: true, output: PhantomData }
    }

    /// Gives the next `$n` its value.
    #[must_use]
    pub fn bind(mut self, value: impl Argument<'q> + 'q) -> Self {
        self.arguments.push(Box::new(value));
        self
    }

    /// Whether the statement is worth a place among the connection's prepared ones; it is, unless told otherwise.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Runs the statement. Answers how many rows it wrote.
    pub async fn execute(self, connection: &mut Connection) -> sqlx::Result<u64> {
        let answer = match connection.executor() {
            Executor::Sqlite(executor) => {
                let (text, arguments, persistent) = self.for_sqlite()?;
                let query = sqlx::query_with::<Sqlite, _>(text, arguments).persistent(persistent);
                query.execute(executor).await.map(|done| done.rows_affected())
            }
            Executor::Postgres(executor, person) => {
                let (text, arguments, persistent) = self.for_postgres(person)?;
                let query = sqlx::query_with::<Postgres, _>(text, arguments).persistent(persistent);
                query.execute(executor).await.map(|done| done.rows_affected())
            }
        };
        connection.settle(answer)
    }

    /// The question how the database would go about it instead, whose answer is for the [plan](super::plan).
    #[cfg(test)]
    pub(super) fn explain<Step>(self) -> Query<'q, Step> {
        let Self { text: Text { sqlite, postgres }, arguments, persistent, .. } = self;
        let text = Text {
            sqlite: format!("EXPLAIN QUERY PLAN {sqlite}").into(),
            postgres: format!("EXPLAIN {postgres}").into(),
        };
        Query { text, arguments, persistent, output: PhantomData }
    }

    fn for_sqlite(self) -> sqlx::Result<(SqlStr, SqliteArguments, bool)> {
        let mut arguments = SqliteArguments::default();
        for argument in self.arguments {
            argument.add_to_sqlite(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        Ok((sql_str(self.text.sqlite), arguments, self.persistent))
    }

    /// With a `person`, the statement also says on whose behalf it reads, for row-level security to see.
    fn for_postgres(self, person: Option<Uuid>) -> sqlx::Result<(SqlStr, PgArguments, bool)> {
        let mut arguments = PgArguments::default();
        for argument in self.arguments {
            argument.add_to_postgres(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        let Some(person) = person else { return Ok((sql_str(self.text.postgres), arguments, self.persistent)) };
        arguments.add(person).map_err(sqlx::Error::Encode)?;
        let text = on_behalf(&self.text.postgres, arguments.len());
        Ok((AssertSqlSafe(text).into_sql_str(), arguments, self.persistent))
    }
}

impl<Output: Row> Query<'_, Output> {
    /// All rows.
    pub async fn fetch_all(self, connection: &mut Connection) -> sqlx::Result<Vec<Output>> {
        let answer = match connection.executor() {
            Executor::Sqlite(executor) => self.on_sqlite()?.fetch_all(executor).await,
            Executor::Postgres(executor, person) => self.on_postgres(person)?.fetch_all(executor).await,
        };
        connection.settle(answer)
    }

    /// The first row, if there is one.
    pub async fn fetch_optional(self, connection: &mut Connection) -> sqlx::Result<Option<Output>> {
        let answer = match connection.executor() {
            Executor::Sqlite(executor) => self.on_sqlite()?.fetch_optional(executor).await,
            Executor::Postgres(executor, person) => self.on_postgres(person)?.fetch_optional(executor).await,
        };
        connection.settle(answer)
    }

    /// The first row, of which there must be one.
    pub async fn fetch_one(self, connection: &mut Connection) -> sqlx::Result<Output> {
        self.fetch_optional(connection).await?.ok_or(sqlx::Error::RowNotFound)
    }

    fn on_sqlite<'s>(self) -> sqlx::Result<QueryAs<'s, Sqlite, Output, SqliteArguments>> {
        let (text, arguments, persistent) = self.for_sqlite()?;
        Ok(sqlx::query_as_with(text, arguments).persistent(persistent))
    }

    fn on_postgres<'s>(self, person: Option<Uuid>) -> sqlx::Result<QueryAs<'s, Postgres, Output, PgArguments>> {
        let (text, arguments, persistent) = self.for_postgres(person)?;
        Ok(sqlx::query_as_with(text, arguments).persistent(persistent))
    }
}

impl<'q, Output> Scalar<'q, Output>
where
    (Output,): Row,
{
    /// Gives the next `$n` its value.
    #[must_use]
    pub fn bind(self, value: impl Argument<'q> + 'q) -> Self {
        Self(self.0.bind(value))
    }

    /// Whether the statement is worth a place among the connection's prepared ones; it is, unless told otherwise.
    #[must_use]
    pub fn persistent(self, persistent: bool) -> Self {
        Self(self.0.persistent(persistent))
    }

    /// The values of all rows.
    pub async fn fetch_all(self, connection: &mut Connection) -> sqlx::Result<Vec<Output>> {
        Ok(self.0.fetch_all(connection).await?.into_iter().map(|(value,)| value).collect())
    }

    /// The value of the first row, if there is one.
    pub async fn fetch_optional(self, connection: &mut Connection) -> sqlx::Result<Option<Output>> {
        Ok(self.0.fetch_optional(connection).await?.map(|(value,)| value))
    }

    /// The value of the first row, of which there must be one.
    pub async fn fetch_one(self, connection: &mut Connection) -> sqlx::Result<Output> {
        Ok(self.0.fetch_one(connection).await?.0)
    }
}

impl<'q> QueryBuilder<'q> {
    /// A text that begins so.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { sqlite: text.clone(), postgres: text, arguments: Vec::new() }
    }

    /// Adds to the text. What people wrote belongs into [`push_bind`](Self::push_bind).
    pub fn push(&mut self, text: impl Display) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = write!(self.sqlite, "{text}");
        let _ = write!(self.postgres, "{text}");
        self
    }

    /// Adds what each database reads, where the two differ.
    pub fn push_text(&mut self, text: &Text) -> &mut Self {
        self.sqlite.push_str(&text.sqlite);
        self.postgres.push_str(&text.postgres);
        self
    }

    /// Adds a placeholder and its value.
    pub fn push_bind(&mut self, value: impl Argument<'q> + 'q) -> &mut Self {
        self.arguments.push(Box::new(value));
        let number = self.arguments.len();
        self.push(format_args!("${number}"))
    }

    /// Adds `VALUES` and a row for each of `rows`.
    pub fn push_values<T>(&mut self, rows: impl IntoIterator<Item = T>, mut row: impl FnMut(&mut Values<'_, 'q>, T)) {
        self.push("VALUES ");
        for (index, item) in rows.into_iter().enumerate() {
            self.push(if index == 0 { "(" } else { ", (" });
            row(&mut Values { builder: self, is_first: true }, item);
            self.push(")");
        }
    }

    /// The statement, which answers no rows.
    pub fn build(self) -> Query<'q, ()> {
        self.finish()
    }

    /// The statement, whose rows are read into `Output`.
    pub fn build_query_as<Output: Row>(self) -> Query<'q, Output> {
        self.finish()
    }

    /// The statement, whose rows have one column.
    pub fn build_query_scalar<Output>(self) -> Scalar<'q, Output>
    where
        (Output,): Row,
    {
        Scalar(self.finish())
    }

    fn finish<Output>(self) -> Query<'q, Output> {
        let text = Text { sqlite: self.sqlite.into(), postgres: self.postgres.into() };
        Query { arguments: self.arguments, ..Query::new(text) }
    }
}

impl<'q> Values<'_, 'q> {
    /// Adds a placeholder and its value.
    pub fn push_bind(&mut self, value: impl Argument<'q> + 'q) -> &mut Self {
        if !std::mem::replace(&mut self.is_first, false) {
            self.builder.push(", ");
        }
        self.builder.push_bind(value);
        self
    }
}

fn sql_str(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => text.into_sql_str(),
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}

/// A read and the person that it is for, in one statement and so in one round trip.
///
/// The person must be known before the first row is looked at. A volatile materialized CTE is evaluated once, the
/// lateral reference makes it the outer side of a nested loop, and `OFFSET` keeps the planner from flattening the
/// inner query. The setting ends with the statement.
fn on_behalf(text: &str, person: usize) -> String {
    format!(
        "WITH person AS MATERIALIZED (SELECT set_config('app.user_id', (${person}::uuid)::text, true) AS id) \
         SELECT answer.* FROM person CROSS JOIN LATERAL ({text} OFFSET length(person.id) * 0) AS answer"
    )
}

impl<Output> std::fmt::Debug for Query<'_, Output> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Query").field("text", &self.text).finish_non_exhaustive()
    }
}

impl<Output> std::fmt::Debug for Scalar<'_, Output> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::fmt::Debug for QueryBuilder<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("QueryBuilder").field("sqlite", &self.sqlite).finish_non_exhaustive()
    }
}
