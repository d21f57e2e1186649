//! Calendar feeds: URLs with a secret in them, of which only the hash is kept.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use focusflow_proto::google::api::HttpBody;
use focusflow_proto::v1;
use focusflow_proto::v1::calendar_feed::Style as WireStyle;
use focusflow_proto::v1::calendar_service_server::CalendarService;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::error::{Error, InField as _};
use super::request::{id, required, timestamp};
use super::{Store, authenticated};
use crate::calendar::{self, Feed, Style};
use crate::sql::calendar_feeds;

const FEEDS_MAX: i64 = 20;
const SECRET_BYTES: usize = 32;
/// Longer than any secret.
const SECRET_LENGTH_MAX: usize = 100;
const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";
/// What a calendar shows.
const PAST: TimeDelta = TimeDelta::days(90);
const FUTURE: TimeDelta = TimeDelta::days(365);
const ENTRIES_MAX: i64 = 2_000;

/// Implements `CalendarService`.
#[derive(Debug)]
pub(crate) struct Calendars {
    store: Arc<Store>,
}

impl Calendars {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn create(&self, user_id: Uuid, request: v1::CreateCalendarFeedRequest) -> Result<v1::CalendarFeed, Error> {
        let values = required("calendar_feed", request.calendar_feed)?;
        let name = calendar::feed_name(&values.name).in_field("calendar_feed.name")?;
        let style = style(values.style)?;
        let mut write = self.store.write(user_id).await?;
        if calendar_feeds::count(write.connection(), user_id).await? >= FEEDS_MAX {
            return Err(Error::TooMany { things: "calendar feeds", max: FEEDS_MAX });
        }
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>());
        let feed = Feed { id: self.store.time.new_id(), name, style, create_time: write.now() };
        calendar_feeds::insert(write.connection(), user_id, &feed, &hash(&secret)).await?;
        write.commit().await?;
        let path = format!("/api/v1/calendars/{secret}/tasks.ics");
        Ok(v1::CalendarFeed { secret, path, ..feed.into() })
    }

    async fn list(&self, user_id: Uuid) -> Result<v1::ListCalendarFeedsResponse, Error> {
        let feeds = calendar_feeds::list(&mut self.store.database.read(user_id).await?, user_id).await?;
        Ok(v1::ListCalendarFeedsResponse { calendar_feeds: feeds.into_iter().map(Into::into).collect() })
    }

    async fn delete(&self, user_id: Uuid, request: v1::DeleteCalendarFeedRequest) -> Result<(), Error> {
        let feed_id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        if !calendar_feeds::delete(write.connection(), user_id, feed_id).await? {
            return Err(Error::not_found("calendar feed", feed_id));
        }
        write.commit().await?;
        Ok(())
    }

    async fn calendar(&self, request: v1::GetCalendarRequest) -> Result<HttpBody, Error> {
        if request.secret.len() > SECRET_LENGTH_MAX {
            return Err(unknown_secret());
        }
        let secret_hash = hash(&request.secret);
        let user_id = calendar_feeds::find_user(&mut self.store.database.system().await?, &secret_hash).await?;
        let user_id = user_id.ok_or_else(unknown_secret)?;
        let mut connection = self.store.database.read(user_id).await?;
        let feed = calendar_feeds::find(&mut connection, user_id, &secret_hash).await?.ok_or_else(unknown_secret)?;
        let now = self.store.time.now();
        let entries = calendar_feeds::entries(&mut connection, user_id, now - PAST, now + FUTURE, ENTRIES_MAX).await?;
        let data = calendar::render(&feed, &entries).into_bytes();
        Ok(HttpBody { content_type: CONTENT_TYPE.to_owned(), data, extensions: Vec::new() })
    }
}

#[async_trait]
impl CalendarService for Calendars {
    async fn create_calendar_feed(
        &self,
        request: Request<v1::CreateCalendarFeedRequest>,
    ) -> Result<Response<v1::CalendarFeed>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.create(user_id, request).await?))
    }

    async fn list_calendar_feeds(
        &self,
        request: Request<v1::ListCalendarFeedsRequest>,
    ) -> Result<Response<v1::ListCalendarFeedsResponse>, Status> {
        let (user_id, _) = authenticated(request)?;
        Ok(Response::new(self.list(user_id).await?))
    }

    async fn delete_calendar_feed(
        &self,
        request: Request<v1::DeleteCalendarFeedRequest>,
    ) -> Result<Response<()>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.delete(user_id, request).await?))
    }

    async fn get_calendar(&self, request: Request<v1::GetCalendarRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(Response::new(self.calendar(request.into_inner()).await?))
    }
}

fn style(value: i32) -> Result<Style, Error> {
    match WireStyle::try_from(value) {
        Ok(WireStyle::Unspecified | WireStyle::Events) => Ok(Style::Events),
        Ok(WireStyle::Todos) => Ok(Style::Todos),
        Err(_) => Err(Error::field("calendar_feed.style", format!("has no value {value}"))),
    }
}

/// The secret has as many random bits as the hash has, so no salt and no slow hash are needed.
fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Says nothing of the secret, which may be the right one with a letter missing.
fn unknown_secret() -> Error {
    Error::NotFound { resource: "calendar", id: "with this secret".to_owned() }
}

impl From<Feed> for v1::CalendarFeed {
    fn from(feed: Feed) -> Self {
        let style = match feed.style {
            Style::Events => WireStyle::Events,
            Style::Todos => WireStyle::Todos,
        };
        Self {
            id: feed.id.to_string(),
            name: feed.name,
            style: style.into(),
            secret: String::new(),
            path: String::new(),
            create_time: Some(timestamp(feed.create_time)),
        }
    }
}
