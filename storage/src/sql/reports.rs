//! Reports.

use chrono::NaiveDate;
use uuid::Uuid;

use super::{Connection, QueryBuilder, query, query_as};
use crate::domain::report::{Kind, Report};

const COLUMNS: &str = "id, kind, local_date, content, create_time";

/// What a page of reports shows.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Whose.
    pub user_id: Uuid,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Reports that come after this one in the order; `None` is the first page.
    pub after: Option<(NaiveDate, Uuid)>,
    /// At most this many.
    pub limit: i64,
}

/// A page of reports, latest period first.
pub async fn list(connection: &mut Connection, listing: &Listing) -> sqlx::Result<Vec<Report>> {
    listing_query(listing).build_query_as().fetch_all(connection).await
}

fn listing_query(listing: &Listing) -> QueryBuilder<'static> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM reports WHERE user_id = ").push_bind(listing.user_id);
    if let Some(kind) = listing.kind {
        query.push(" AND kind = ").push_bind(kind);
    }
    if let Some((date, id)) = listing.after {
        query.push(" AND (local_date, id) < (").push_bind(date).push(", ").push_bind(id).push(")");
    }
    query.push(" ORDER BY local_date DESC, id DESC LIMIT ").push_bind(listing.limit);
    query
}

/// One of a person's reports.
pub async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Option<Report>> {
    query_as("SELECT id, kind, local_date, content, create_time FROM reports WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .fetch_optional(connection)
        .await
}

/// A person's report of a period.
pub async fn find_of(
    connection: &mut Connection,
    user_id: Uuid,
    kind: Kind,
    date: NaiveDate,
) -> sqlx::Result<Option<Report>> {
    query_as(
        "SELECT id, kind, local_date, content, create_time FROM reports
         WHERE user_id = $1 AND kind = $2 AND local_date = $3",
    )
    .bind(user_id)
    .bind(kind)
    .bind(date)
    .fetch_optional(connection)
    .await
}

/// Writes a report, in the place of the one that the period may have, whose id it must have then.
pub async fn put(connection: &mut Connection, user_id: Uuid, report: &Report) -> sqlx::Result<()> {
    query(
        "INSERT INTO reports (id, user_id, kind, local_date, content, create_time) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, kind, local_date)
         DO UPDATE SET content = excluded.content, create_time = excluded.create_time",
    )
    .bind(report.id)
    .bind(user_id)
    .bind(report.kind)
    .bind(report.local_date)
    .bind(report.content.clone())
    .bind(report.create_time)
    .execute(connection)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::plan;

    #[tokio::test]
    async fn pages_are_read_in_order_from_an_index() {
        let (_directory, mut connection) = plan::sqlite().await;
        let (user_id, after) = (Uuid::nil(), Some((NaiveDate::MIN, Uuid::nil())));
        // The unique index on kind and date serves the lists of one kind.
        for (kind, index) in [(None, "idx_reports_user_date"), (Some(Kind::Weekly), "user_id=? AND kind=?")] {
            let listing = Listing { user_id, kind, after, limit: 50 };
            let plan = plan::of(listing_query(&listing).build(), &mut connection).await;
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{listing:?}: {plan}");
        }
    }
}
