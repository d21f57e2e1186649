//! What the gateway keeps about accounts, sessions and API tokens. Secrets arrive here hashed.

mod api_token;
mod session;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::credential_service_server::CredentialService;
use focusflow_proto::v1;
use tonic::{Request, Response, Status, async_trait};

use super::Store;
use super::error::{Error, InField as _};
use super::request::{optional_time, required, timestamp};
use super::user::working_hours;
use crate::domain::category::{self, Category};
use crate::domain::change::{Action, Resource};
use crate::domain::text::{CategoryName, Color, Email, Icon, PersonName};
use crate::domain::user::{DayStart, Tier, TimeZone, User};
use crate::sql::users::Account;
use crate::sql::{Write, categories, users};

const TOKEN_HASH_LENGTH: usize = 32;
const PASSWORD_HASH_LENGTH_MAX: usize = 1024;

/// Implements `CredentialService`.
#[derive(Debug)]
pub(crate) struct Credentials {
    store: Arc<Store>,
}

impl Credentials {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn create_account(&self, request: internal::CreateAccountRequest) -> Result<Account, Error> {
        let values = required("user", request.user)?;
        let account = self.new_account(&values, request.password_hash)?;
        let user = &account.user;

        let mut transaction = self.store.database.begin(user.id).await?;
        if !users::insert(&mut transaction, &account).await? {
            return Err(Error::AlreadyExists { resource: "user", name: user.email.as_str().to_owned() });
        }
        let write = self.store.database.write_in(transaction, user.id, || user.create_time).await?;
        let mut write = write.ok_or_else(|| Error::not_found("user", user.id))?;
        write.record(Resource::User, user.id, Action::Created);
        self.add_initial_categories(&mut write).await?;
        write.commit().await?;
        Ok(account)
    }

    fn new_account(&self, values: &v1::User, password_hash: String) -> Result<Account, Error> {
        if !password_hash.starts_with('$') || password_hash.len() > PASSWORD_HASH_LENGTH_MAX {
            return Err(Error::field("password_hash", "must be a PHC string"));
        }
        let now = self.store.time.now();
        let user = User {
            id: self.store.time.new_id(),
            email: Email::parse(&values.email).in_field("user.email")?,
            first_name: PersonName::parse(&values.first_name).in_field("user.first_name")?,
            last_name: PersonName::parse(&values.last_name).in_field("user.last_name")?,
            time_zone: TimeZone::parse(&values.time_zone).in_field("user.time_zone")?,
            day_start: DayStart::parse(values.day_start_minutes).in_field("user.day_start_minutes")?,
            working_hours: working_hours(values.working_hours.as_ref())?,
            tier: Tier::Free,
            email_verified: false,
            create_time: now,
            update_time: now,
        };
        Ok(Account { user, password_hash, delete_time: None })
    }

    async fn add_initial_categories(&self, write: &mut Write) -> Result<(), Error> {
        for (name, color, icon) in category::INITIAL {
            let category = Category {
                id: self.store.time.new_id(),
                name: CategoryName::parse(name).in_field("name")?,
                color: Color::parse(color).in_field("color")?,
                icon: Icon::parse(icon).in_field("icon")?,
                version: 1,
                create_time: write.now(),
                update_time: write.now(),
            };
            let user_id = write.user_id();
            categories::insert(write.connection(), user_id, &category).await?;
            write.record(Resource::Category, category.id, Action::Created);
        }
        Ok(())
    }

    async fn find_account(&self, request: internal::FindAccountRequest) -> Result<Account, Error> {
        let email = Email::parse(&request.email).in_field("email")?;
        let account = match users::find_id(&mut self.store.database.system().await?, &email).await? {
            Some(id) => users::find_account(&mut self.store.database.read(id).await?, id).await?,
            None => None,
        };
        account.ok_or_else(|| Error::NotFound { resource: "user", id: email.into() })
    }
}

#[async_trait]
impl CredentialService for Credentials {
    async fn create_account(
        &self,
        request: Request<internal::CreateAccountRequest>,
    ) -> Result<Response<internal::Account>, Status> {
        Ok(Response::new(self.create_account(request.into_inner()).await?.into()))
    }

    async fn find_account(
        &self,
        request: Request<internal::FindAccountRequest>,
    ) -> Result<Response<internal::Account>, Status> {
        Ok(Response::new(self.find_account(request.into_inner()).await?.into()))
    }

    async fn create_session(&self, request: Request<internal::CreateSessionRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.create_session(request.into_inner()).await?))
    }

    async fn rotate_session(
        &self,
        request: Request<internal::RotateSessionRequest>,
    ) -> Result<Response<internal::RotateSessionResponse>, Status> {
        Ok(Response::new(self.rotate_session(request.into_inner()).await?))
    }

    async fn end_session(&self, request: Request<internal::EndSessionRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.end_session(request.into_inner()).await?))
    }

    async fn list_sessions(
        &self,
        request: Request<internal::ListSessionsRequest>,
    ) -> Result<Response<internal::ListSessionsResponse>, Status> {
        let sessions = self.list_sessions(request.into_inner()).await?.into_iter().map(Into::into).collect();
        Ok(Response::new(internal::ListSessionsResponse { sessions }))
    }

    async fn get_session(
        &self,
        request: Request<internal::GetSessionRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        Ok(Response::new(self.get_session(request.into_inner()).await?.into()))
    }

    async fn revoke_session(&self, request: Request<internal::RevokeSessionRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.revoke_session(request.into_inner()).await?))
    }

    async fn revoke_all_sessions(
        &self,
        request: Request<internal::RevokeAllSessionsRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(Response::new(self.revoke_all_sessions(request.into_inner()).await?))
    }

    async fn create_api_token(
        &self,
        request: Request<internal::CreateApiTokenRequest>,
    ) -> Result<Response<v1::ApiToken>, Status> {
        Ok(Response::new(self.create_api_token(request.into_inner()).await?.into()))
    }

    async fn list_api_tokens(
        &self,
        request: Request<internal::ListApiTokensRequest>,
    ) -> Result<Response<internal::ListApiTokensResponse>, Status> {
        let api_tokens = self.list_api_tokens(request.into_inner()).await?.into_iter().map(Into::into).collect();
        Ok(Response::new(internal::ListApiTokensResponse { api_tokens }))
    }

    async fn delete_api_token(
        &self,
        request: Request<internal::DeleteApiTokenRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(Response::new(self.delete_api_token(request.into_inner()).await?))
    }

    async fn find_api_token(
        &self,
        request: Request<internal::FindApiTokenRequest>,
    ) -> Result<Response<internal::FindApiTokenResponse>, Status> {
        Ok(Response::new(self.find_api_token(request.into_inner()).await?))
    }
}

fn check_hash(field: &str, hash: &[u8]) -> Result<(), Error> {
    if hash.len() == TOKEN_HASH_LENGTH {
        return Ok(());
    }
    Err(Error::field(field, format!("must be {TOKEN_HASH_LENGTH} bytes long, not {}", hash.len())))
}

fn future(field: &str, time: Option<prost_types::Timestamp>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let time = required(field, optional_time(field, time)?)?;
    if time > now { Ok(time) } else { Err(Error::field(field, "must be in the future")) }
}

impl From<Account> for internal::Account {
    fn from(account: Account) -> Self {
        let delete_time = account.delete_time.map(timestamp);
        Self { user: Some(account.user.into()), password_hash: account.password_hash, delete_time }
    }
}
