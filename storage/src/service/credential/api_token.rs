//! API tokens: the keys that people give to programs of theirs.

use chrono::TimeDelta;
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::v1;
use focusflow_proto::v1::security_event::Kind as Event;
use sqlx::types::Json;

use super::{Credentials, check_hash, future};
use crate::domain::text::ApiTokenName;
use crate::service::error::{Error, InField as _};
use crate::service::request::{id, required, timestamp};
use crate::sql::api_tokens::{self, ApiToken};
use crate::sql::{changes, is_unique_violation, security_events};

const API_TOKENS_MAX: i64 = 50;
const SCOPES_MAX: usize = 50;
const SCOPE_LENGTH_MAX: usize = 100;
/// A use is noted this long after the one before, so that not every request writes.
const USE_INTERVAL: TimeDelta = TimeDelta::minutes(1);

impl Credentials {
    pub(super) async fn create_api_token(&self, request: internal::CreateApiTokenRequest) -> Result<ApiToken, Error> {
        let user_id = id("user_id", &request.user_id)?;
        check_hash("token_hash", &request.token_hash)?;
        let token = self.new_api_token(required("api_token", request.api_token)?)?;

        let mut transaction = self.store.database.begin(user_id).await?;
        if changes::lock_sequence(&mut transaction, user_id).await?.is_none() {
            return Err(Error::not_found("user", user_id));
        }
        if api_tokens::count(&mut transaction, user_id).await? >= API_TOKENS_MAX {
            return Err(Error::TooMany { things: "API tokens", max: API_TOKENS_MAX });
        }
        api_tokens::insert(&mut transaction, user_id, &token, &request.token_hash).await.map_err(taken)?;
        security_events::append(&mut transaction, user_id, Event::ApiTokenCreated, None, token.create_time).await?;
        transaction.commit().await?;
        Ok(token)
    }

    fn new_api_token(&self, values: v1::ApiToken) -> Result<ApiToken, Error> {
        let now = self.store.time.now();
        check_scopes(&values.scopes)?;
        let expire_time = match values.expire_time {
            None => None,
            time => Some(future("api_token.expire_time", time, now)?),
        };
        Ok(ApiToken {
            id: self.store.time.new_id(),
            name: ApiTokenName::parse(&values.name).in_field("api_token.name")?,
            scopes: Json(values.scopes),
            expire_time,
            last_use_time: None,
            create_time: now,
        })
    }

    pub(super) async fn list_api_tokens(
        &self,
        request: internal::ListApiTokensRequest,
    ) -> Result<Vec<ApiToken>, Error> {
        let user_id = id("user_id", &request.user_id)?;
        Ok(api_tokens::list(&mut self.store.database.read(user_id).await?, user_id).await?)
    }

    pub(super) async fn delete_api_token(&self, request: internal::DeleteApiTokenRequest) -> Result<(), Error> {
        let user_id = id("user_id", &request.user_id)?;
        let token_id = id("api_token_id", &request.api_token_id)?;
        let now = self.store.time.now();
        let mut transaction = self.store.database.begin(user_id).await?;
        security_events::append(&mut transaction, user_id, Event::ApiTokenDeleted, None, now).await?;
        if !api_tokens::delete(&mut transaction, user_id, token_id).await? {
            return Err(Error::not_found("API token", token_id));
        }
        Ok(transaction.commit().await?)
    }

    pub(super) async fn find_api_token(
        &self,
        request: internal::FindApiTokenRequest,
    ) -> Result<internal::FindApiTokenResponse, Error> {
        let now = self.store.time.now();
        let hash = &request.token_hash;
        check_hash("token_hash", hash)?;
        let unknown = || Error::NotFound { resource: "API token", id: "of this secret".to_owned() };
        let user_id = api_tokens::find_user(&mut self.store.database.system().await?, hash).await?;
        let user_id = user_id.ok_or_else(unknown)?;
        let token = api_tokens::find(&mut self.store.database.read(user_id).await?, user_id, hash).await?;
        let token = token.filter(|token| token.expire_time.is_none_or(|end| now < end)).ok_or_else(unknown)?;

        if token.last_use_time.is_none_or(|time| now - time >= USE_INTERVAL) {
            let mut transaction = self.store.database.begin(user_id).await?;
            api_tokens::note_use(&mut transaction, user_id, token.id, now).await?;
            transaction.commit().await?;
        }
        Ok(internal::FindApiTokenResponse { user_id: user_id.to_string(), scopes: token.scopes.0 })
    }
}

fn check_scopes(scopes: &[String]) -> Result<(), Error> {
    if scopes.len() > SCOPES_MAX {
        return Err(Error::field("api_token.scopes", format!("must be at most {SCOPES_MAX}, not {}", scopes.len())));
    }
    match scopes.iter().position(|scope| scope.is_empty() || scope.len() > SCOPE_LENGTH_MAX) {
        None => Ok(()),
        Some(index) => {
            let limit = format!("must be 1 to {SCOPE_LENGTH_MAX} characters long");
            Err(Error::field(format!("api_token.scopes[{index}]"), limit))
        }
    }
}

fn taken(error: sqlx::Error) -> Error {
    if is_unique_violation(&error) {
        return Error::AlreadyExists { resource: "API token", name: "of this secret".to_owned() };
    }
    error.into()
}

impl From<ApiToken> for v1::ApiToken {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.into(),
            scopes: token.scopes.0,
            expire_time: token.expire_time.map(timestamp),
            create_time: Some(timestamp(token.create_time)),
            last_used_time: token.last_use_time.map(timestamp),
        }
    }
}
