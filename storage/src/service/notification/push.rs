//! Browsers that accept web push.

use focusflow_proto::v1;
use uuid::Uuid;

use super::Notifications;
use crate::domain::notification::push::{AuthSecret, Endpoint, PublicKey, PushSubscription};
use crate::service::error::{Error, InField as _};
use crate::service::request::{id, required, timestamp};
use crate::sql::push_subscriptions;

/// More browsers than a person uses.
const SUBSCRIPTIONS_MAX: i64 = 20;

impl Notifications {
    pub(super) async fn subscribe(
        &self,
        user_id: Uuid,
        request: v1::CreatePushSubscriptionRequest,
    ) -> Result<v1::PushSubscription, Error> {
        let values = required("push_subscription", request.push_subscription)?;
        let endpoint = Endpoint::parse(&values.endpoint).in_field("push_subscription.endpoint")?;
        let p256dh = PublicKey::parse(&values.p256dh).in_field("push_subscription.p256dh")?;
        let auth = AuthSecret::parse(&values.auth).in_field("push_subscription.auth")?;

        let mut write = self.store.write(user_id).await?;
        let url = endpoint.as_str().to_owned();
        if push_subscriptions::count_others(write.connection(), user_id, url).await? >= SUBSCRIPTIONS_MAX {
            return Err(Error::TooMany { things: "browsers", max: SUBSCRIPTIONS_MAX });
        }
        let (id, create_time) = (self.store.time.new_id(), write.now());
        let subscription = PushSubscription { id, endpoint, p256dh, auth, create_time };
        let subscription = push_subscriptions::put(write.connection(), user_id, &subscription).await?;
        write.commit().await?;
        Ok(subscription.into())
    }

    pub(super) async fn unsubscribe(
        &self,
        user_id: Uuid,
        request: v1::DeletePushSubscriptionRequest,
    ) -> Result<(), Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        if !push_subscriptions::delete(write.connection(), user_id, id).await? {
            return Err(Error::not_found("push subscription", id));
        }
        write.commit().await?;
        Ok(())
    }
}

impl From<PushSubscription> for v1::PushSubscription {
    fn from(subscription: PushSubscription) -> Self {
        Self {
            id: subscription.id.to_string(),
            endpoint: subscription.endpoint.as_str().to_owned(),
            p256dh: subscription.p256dh.as_str().to_owned(),
            auth: subscription.auth.as_str().to_owned(),
            create_time: Some(timestamp(subscription.create_time)),
        }
    }
}
