//! What the gateway keeps about accounts, sessions and API tokens. Secrets arrive here hashed or encrypted; what goes out
//! by mail stays readable until it is sent.

mod api_token;
mod email;
mod second_factor;
mod security_event;
mod session;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::credential_service_server::CredentialService;
use focusflow_proto::v1;
use focusflow_proto::v1::security_event::Kind as Event;
use tonic::{Request, Response, Status, async_trait};

use self::email::NewToken;
use super::Store;
use super::error::{Error, InField as _};
use super::request::{id, optional_time, required, timestamp};
use super::user::working_hours;
use crate::domain::category::{self, Category};
use crate::domain::change::{Action, Resource};
use crate::domain::text::{CategoryName, Color, Email, Icon, PersonName};
use crate::domain::user::{DayStart, Tier, TimeZone, User};
use crate::sql::account_tokens::Purpose;
use crate::sql::totp::Totp;
use crate::sql::users::Account;
use crate::sql::{Write, categories, security_events, totp, users};

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
        let verification = match request.verification {
            None => None,
            token => Some(NewToken::parse("verification", token, user.create_time)?),
        };

        let mut transaction = self.store.database.begin(user.id).await?;
        if !users::insert(&mut transaction, &account).await? {
            return Err(Error::AlreadyExists { resource: "user", name: user.email.as_str().to_owned() });
        }
        let write = self.store.database.write_in(transaction, user.id, || user.create_time).await?;
        let mut write = write.ok_or_else(|| Error::not_found("user", user.id))?;
        write.record(Resource::User, user.id, Action::Created);
        self.add_initial_categories(&mut write).await?;
        if let Some(token) = verification {
            self.mail_token(&mut write, Purpose::VerifyEmail, user.email.clone(), token).await?;
        }
        let now = write.now();
        security_events::append(write.connection(), user.id, Event::Registered, None, now).await?;
        write.commit().await?;
        Ok(account)
    }

    fn new_account(&self, values: &v1::User, password_hash: String) -> Result<Account, Error> {
        check_password_hash(&password_hash)?;
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

    async fn find_account(&self, request: internal::FindAccountRequest) -> Result<internal::Account, Error> {
        let (user_id, name) = if request.email.is_empty() {
            (Some(id("user_id", &request.user_id)?), request.user_id)
        } else {
            let email = Email::parse(&request.email).in_field("email")?;
            (users::find_id(&mut self.store.database.system().await?, &email).await?, email.into())
        };
        let unknown = || Error::NotFound { resource: "user", id: name };
        let Some(user_id) = user_id else { return Err(unknown()) };
        let mut connection = self.store.database.read(user_id).await?;
        let Some(account) = users::find_account(&mut connection, user_id).await? else { return Err(unknown()) };
        let totp = totp::find(&mut connection, user_id).await?.map(Into::into);
        Ok(internal::Account { totp, ..account.into() })
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
        Ok(Response::new(self.find_account(request.into_inner()).await?))
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

    async fn request_email_verification(
        &self,
        request: Request<internal::RequestEmailVerificationRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(Response::new(self.request_email_verification(request.into_inner()).await?))
    }

    async fn verify_email(&self, request: Request<internal::VerifyEmailRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.verify_email(request.into_inner()).await?))
    }

    async fn request_password_reset(
        &self,
        request: Request<internal::RequestPasswordResetRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(Response::new(self.request_password_reset(request.into_inner()).await?))
    }

    async fn reset_password(&self, request: Request<internal::ResetPasswordRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.reset_password(request.into_inner()).await?))
    }

    async fn set_password(&self, request: Request<internal::SetPasswordRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.set_password(request.into_inner()).await?))
    }

    async fn enroll_totp(&self, request: Request<internal::EnrollTotpRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.enroll_totp(request.into_inner()).await?))
    }

    async fn accept_totp(&self, request: Request<internal::AcceptTotpRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.accept_totp(request.into_inner()).await?))
    }

    async fn redeem_recovery_code(
        &self,
        request: Request<internal::RedeemRecoveryCodeRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(Response::new(self.redeem_recovery_code(request.into_inner()).await?))
    }

    async fn disable_totp(&self, request: Request<internal::DisableTotpRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(self.disable_totp(request.into_inner()).await?))
    }

    async fn record_security_event(
        &self,
        request: Request<internal::RecordSecurityEventRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(Response::new(self.record_security_event(request.into_inner()).await?))
    }

    async fn list_security_events(
        &self,
        request: Request<internal::ListSecurityEventsRequest>,
    ) -> Result<Response<v1::ListSecurityEventsResponse>, Status> {
        Ok(Response::new(self.list_security_events(request.into_inner()).await?))
    }
}

fn check_password_hash(hash: &str) -> Result<(), Error> {
    if hash.starts_with('$') && hash.len() <= PASSWORD_HASH_LENGTH_MAX {
        return Ok(());
    }
    Err(Error::field("password_hash", "must be a PHC string"))
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
        Self { user: Some(account.user.into()), password_hash: account.password_hash, delete_time, totp: None }
    }
}

impl From<Totp> for internal::Totp {
    fn from(totp: Totp) -> Self {
        Self { encrypted_secret: totp.encrypted_secret, enabled: totp.confirm_time.is_some() }
    }
}
