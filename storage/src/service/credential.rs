//! What the gateway keeps about accounts and sessions. Secrets arrive here hashed.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::credential_service_server::CredentialService;
use focusflow_proto::v1;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::Store;
use super::error::{Error, InField as _};
use super::request::{id, optional_time, required};
use super::user::working_hours;
use crate::domain::category::{self, Category};
use crate::domain::change::{Action, Resource};
use crate::domain::text::{CategoryName, Color, Email, Icon, PersonName};
use crate::domain::user::{DayStart, Tier, TimeZone, User};
use crate::sql::sessions::Session;
use crate::sql::users::Account;
use crate::sql::{Write, categories, sessions, users};

const TOKEN_HASH_LENGTH: usize = 32;
const PASSWORD_HASH_LENGTH_MAX: usize = 1024;
const USER_AGENT_LENGTH_MAX: usize = 500;

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
        Ok(Account { user, password_hash })
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

    async fn create_session(&self, request: internal::CreateSessionRequest) -> Result<(), Error> {
        let now = self.store.time.now();
        let session = Session {
            id: id("session_id", &request.session_id)?,
            user_id: id("user_id", &request.user_id)?,
            user_agent: request.user_agent.chars().take(USER_AGENT_LENGTH_MAX).collect(),
            expire_time: future("expire_time", request.expire_time, now)?,
        };
        check_hash("token_hash", &request.token_hash)?;

        let mut transaction = self.store.database.begin(session.user_id).await?;
        if users::find(&mut transaction, session.user_id).await?.is_none() {
            return Err(Error::not_found("user", session.user_id));
        }
        sessions::insert(&mut transaction, &session, now).await.map_err(|error| session_taken(error, session.id))?;
        sessions::insert_token(&mut transaction, session.user_id, session.id, &request.token_hash, now).await?;
        Ok(transaction.commit().await?)
    }

    async fn rotate_session(
        &self,
        request: internal::RotateSessionRequest,
    ) -> Result<internal::RotateSessionResponse, Error> {
        let now = self.store.time.now();
        check_hash("token_hash", &request.token_hash)?;
        check_hash("next_token_hash", &request.next_token_hash)?;
        let expire_time = future("expire_time", request.expire_time, now)?;

        let user_id = self.user_of_token(&request.token_hash).await?.ok_or(UNKNOWN_TOKEN)?;
        let mut transaction = self.store.database.begin(user_id).await?;
        let token = sessions::lock_token(&mut transaction, user_id, &request.token_hash).await?.ok_or(UNKNOWN_TOKEN)?;
        if token.replaced || token.expire_time <= now {
            // Whoever presents a replaced token has a copy of it, and so may someone else of its successor.
            sessions::delete(&mut transaction, user_id, token.session_id).await?;
            transaction.commit().await?;
            return Err(if token.replaced { REUSED_TOKEN } else { EXPIRED_TOKEN });
        }
        let user = users::find(&mut transaction, user_id).await?.ok_or(UNKNOWN_TOKEN)?;
        sessions::replace_token(&mut transaction, user_id, &request.token_hash).await?;
        sessions::insert_token(&mut transaction, user_id, token.session_id, &request.next_token_hash, now).await?;
        sessions::extend(&mut transaction, user_id, token.session_id, expire_time, now).await?;
        transaction.commit().await?;
        let session_id = token.session_id.to_string();
        Ok(internal::RotateSessionResponse { user: Some(user.into()), session_id })
    }

    async fn end_session(&self, request: internal::EndSessionRequest) -> Result<(), Error> {
        check_hash("token_hash", &request.token_hash)?;
        let Some(user_id) = self.user_of_token(&request.token_hash).await? else { return Ok(()) };
        let mut transaction = self.store.database.begin(user_id).await?;
        if let Some(token) = sessions::lock_token(&mut transaction, user_id, &request.token_hash).await? {
            sessions::delete(&mut transaction, user_id, token.session_id).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn user_of_token(&self, token_hash: &[u8]) -> Result<Option<Uuid>, Error> {
        Ok(sessions::find_user(&mut self.store.database.system().await?, token_hash).await?)
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
}

const UNKNOWN_TOKEN: Error = Error::RefreshToken { reason: "REFRESH_TOKEN_UNKNOWN", problem: "is not known" };
const EXPIRED_TOKEN: Error = Error::RefreshToken { reason: "REFRESH_TOKEN_EXPIRED", problem: "has expired" };
const REUSED_TOKEN: Error =
    Error::RefreshToken { reason: "REFRESH_TOKEN_REUSED", problem: "was replaced before: the session has ended" };

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

fn session_taken(error: sqlx::Error, id: Uuid) -> Error {
    if crate::sql::is_unique_violation(&error) {
        return Error::AlreadyExists { resource: "session", name: id.to_string() };
    }
    error.into()
}

impl From<Account> for internal::Account {
    fn from(account: Account) -> Self {
        Self { user: Some(account.user.into()), password_hash: account.password_hash }
    }
}
