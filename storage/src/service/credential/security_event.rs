//! The audit log, as far as storage does not see by itself what happens; and its reader.

use focusflow_proto::internal::v1 as internal;
use focusflow_proto::v1;
use focusflow_proto::v1::security_event::Kind;
use uuid::Uuid;

use super::{Credentials, check_hash};
use crate::page::{self, Page};
use crate::service::error::Error;
use crate::service::request::{id, optional_id, page_size, timestamp};
use crate::sql::security_events::{self, SecurityEvent};

const QUERY: &str = "ListSecurityEvents";

impl Credentials {
    pub(super) async fn record_security_event(
        &self,
        request: internal::RecordSecurityEventRequest,
    ) -> Result<(), Error> {
        let kind = request.kind();
        if kind == Kind::Unspecified {
            return Err(Error::field("kind", "is required"));
        }
        let Some(user_id) = optional_id("user_id", &request.user_id)? else {
            check_hash("subject_hash", &request.subject_hash)?;
            return self.record_stray(&request.subject_hash, kind).await;
        };
        let now = self.store.time.now();
        let mut transaction = self.store.database.begin(user_id).await?;
        security_events::append(&mut transaction, user_id, kind, None, now).await?;
        Ok(transaction.commit().await?)
    }

    pub(super) async fn record_stray(&self, subject_hash: &[u8], kind: Kind) -> Result<(), Error> {
        let now = self.store.time.now();
        let mut transaction = self.store.database.begin(Uuid::nil()).await?;
        security_events::append_stray(&mut transaction, subject_hash, kind, now).await?;
        Ok(transaction.commit().await?)
    }

    pub(super) async fn list_security_events(
        &self,
        request: internal::ListSecurityEventsRequest,
    ) -> Result<v1::ListSecurityEventsResponse, Error> {
        let user_id = id("user_id", &request.user_id)?;
        let size = page_size(request.page_size)?;
        let before: Option<i64> = self.store.pages.place(user_id, QUERY, &request.page_token)?;
        let mut connection = self.store.database.read(user_id).await?;
        let before = before.unwrap_or(i64::MAX);
        let found = security_events::list(&mut connection, user_id, before, page::rows(size)).await?;
        let Page { items: security_events, end } = Page::cut(found, size, |event: &SecurityEvent| event.number);
        let next_page_token = self.store.pages.next_token(user_id, QUERY, end);
        Ok(v1::ListSecurityEventsResponse { security_events, next_page_token })
    }
}

impl From<SecurityEvent> for v1::SecurityEvent {
    fn from(event: SecurityEvent) -> Self {
        Self {
            number: event.number,
            kind: Kind::from_str_name(&event.kind).unwrap_or_default().into(),
            session_id: event.session_id.map(|id| id.to_string()).unwrap_or_default(),
            create_time: Some(timestamp(event.create_time)),
            hash: event.hash,
        }
    }
}
