//! Browsers that accept web push.

use uuid::Uuid;

use super::{Connection, query, query_as, query_scalar};
use crate::domain::notification::push::PushSubscription;

/// How many browsers a person has registered beside the one at this endpoint.
pub async fn count_others(connection: &mut Connection, user_id: Uuid, endpoint: String) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM push_subscriptions WHERE user_id = $1 AND endpoint <> $2")
        .bind(user_id)
        .bind(endpoint)
        .fetch_one(connection)
        .await
}

/// Registers a browser, or gives the one that is registered at its endpoint new keys. Answers what there is then.
pub async fn put(
    connection: &mut Connection,
    user_id: Uuid,
    subscription: &PushSubscription,
) -> sqlx::Result<PushSubscription> {
    query_as(
        "INSERT INTO push_subscriptions (user_id, id, endpoint, p256dh, auth, create_time)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, endpoint) DO UPDATE SET p256dh = excluded.p256dh, auth = excluded.auth
         RETURNING id, endpoint, p256dh, auth, create_time",
    )
    .bind(user_id)
    .bind(subscription.id)
    .bind(subscription.endpoint.clone())
    .bind(subscription.p256dh.clone())
    .bind(subscription.auth.clone())
    .bind(subscription.create_time)
    .fetch_one(connection)
    .await
}

/// Deletes a subscription. Answers whether it was there.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    query("DELETE FROM push_subscriptions WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(|rows| rows == 1)
}
