//! Lists of tasks.

use focusflow_proto::v1;
use uuid::Uuid;

use super::Tasks;
use crate::domain::listing::{Condition, Order, Place};
use crate::domain::task::TRASH_RETENTION;
use crate::page::{self, Filling, Page};
use crate::service::error::{Error, InField as _};
use crate::service::request::page_size;
use crate::sql::Connection;
use crate::sql::tasks::{self, Listing};

/// Descriptions may be 80 kB long: a page of many tasks is read in pieces, until it is as long as it may be.
const ROWS_PER_READ: usize = 100;
/// The longest search, in characters.
const QUERY_LENGTH_MAX: usize = 500;

impl Tasks {
    pub(super) async fn list(
        &self,
        user_id: Uuid,
        request: v1::ListTasksRequest,
    ) -> Result<v1::ListTasksResponse, Error> {
        let size = page_size(request.page_size)?;
        let condition = Condition::parse(&request.filter).in_field("filter")?;
        let condition = searching(&request.query)?.and(condition);
        let order = Order::parse(&request.order_by).in_field("order_by")?;
        let query = query(&request);
        let trashed_after = request.show_deleted.then(|| self.store.time.now() - TRASH_RETENTION);
        let after = self.store.pages.place(user_id, &query, &request.page_token)?;
        let listing = Listing {
            user_id,
            condition: &condition,
            order: &order,
            trashed_after,
            show_series: request.show_series,
            after,
            limit: 0,
        };

        let mut connection = self.store.database.read(user_id).await?;
        let Page { items: tasks, end } = read(&mut connection, listing, size).await?;
        let next_page_token = self.store.pages.next_token(user_id, &query, end);
        Ok(v1::ListTasksResponse { tasks, next_page_token })
    }
}

async fn read(
    connection: &mut Connection,
    mut listing: Listing<'_>,
    size: usize,
) -> Result<Page<v1::Task, Place>, Error> {
    let mut filling = Filling::new(size);
    loop {
        let wanted = filling.room().min(ROWS_PER_READ);
        listing.limit = page::rows(wanted);
        let found = tasks::list(connection, &listing).await?;
        let has_more = found.len() > wanted;
        for task in found.into_iter().take(wanted) {
            let place = listing.order.place(&task);
            if !filling.push(task.into()) {
                return Ok(filling.page(listing.after));
            }
            listing.after = Some(place);
        }
        if !has_more {
            return Ok(filling.page(None));
        }
        if filling.room() == 0 {
            return Ok(filling.page(listing.after));
        }
    }
}

fn searching(words: &str) -> Result<Condition, Error> {
    if words.chars().count() > QUERY_LENGTH_MAX {
        return Err(Error::field("query", format!("must be at most {QUERY_LENGTH_MAX} characters long")));
    }
    Condition::search(words).in_field("query")
}

/// All that decides what the list shows, in a form of which each part's end is known.
fn query(request: &v1::ListTasksRequest) -> String {
    let v1::ListTasksRequest { filter, order_by, query, show_deleted, show_series, .. } = request;
    format!("ListTasks {show_deleted} {show_series} {filter:?} {order_by:?} {query:?}")
}
