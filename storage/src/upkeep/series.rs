//! Makes the occurrences of series while nobody is there to ask for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::service::Store;
use crate::service::series::make_due;
use crate::sql::series;

/// Occurrences are made a month ahead: what is a few minutes late is still early.
const INTERVAL: Duration = Duration::from_mins(5);
/// How many people are found at a time.
const PEOPLE_PER_PAGE: i64 = 500;

/// Makes what is due at once and then again and again. Any number of replicas may do so.
pub(crate) async fn make_occurrences(store: Arc<Store>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match make_all(&store).await {
            Ok(0) => {}
            Ok(series) => tracing::info!(series, "made the occurrences that were due"),
            Err(error) => tracing::warn!(%error, "could not find whose occurrences are due"),
        }
    }
}

async fn make_all(store: &Store) -> sqlx::Result<usize> {
    let now = store.time.now();
    let (mut made, mut after) = (0, Uuid::nil());
    loop {
        let people = series::people(&mut store.database.system().await?, now, after, PEOPLE_PER_PAGE).await?;
        let Some(last) = people.last() else { return Ok(made) };
        after = *last;
        for user_id in people {
            // One person's trouble is not the next one's.
            match make_due(store, user_id).await {
                Ok(series) => made += series,
                Err(error) => tracing::warn!(%user_id, %error, "could not make the occurrences of a person"),
            }
        }
    }
}
