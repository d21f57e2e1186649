//! Addresses and passwords: proven, changed and reset, by tokens that are mailed.

use std::time::Duration;

use focusflow_mesh::refusal::{failed_precondition, invalid_arguments, unauthenticated};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::MailedToken;
use focusflow_proto::v1::security_event::Kind as Event;
use focusflow_proto::v1::{
    ChangeEmailRequest, ChangePasswordRequest, RequestPasswordResetRequest, ResendVerificationRequest,
    ResetPasswordRequest, VerifyEmailRequest,
};
use tonic::{Request, Status};

use super::sign_in::account_key;
use super::{Auth, Storage, require, signed_in, user_of};
use crate::auth::registration::{InvalidRegistration, check_password, parse_email};
use crate::auth::{InvalidField, RefreshToken};
use crate::limits::Caller;

const VERIFICATION_LIFETIME: Duration = Duration::from_hours(24);
const RESET_LIFETIME: Duration = Duration::from_hours(1);

impl<C: Storage> Auth<C> {
    /// A token that proves an address.
    pub(super) fn verification(&self) -> MailedToken {
        self.mailed_token(VERIFICATION_LIFETIME)
    }

    fn mailed_token(&self, lifetime: Duration) -> MailedToken {
        let token = RefreshToken::generate(&mut rand::rng());
        let expire_time = Some((self.clock.now() + lifetime).into());
        MailedToken { token: token.encode(), token_hash: token.hash(), expire_time }
    }

    pub(super) async fn prove_email(&self, request: Request<VerifyEmailRequest>) -> Result<(), Status> {
        let token_hash = token_hash(&request.into_inner().token)?;
        self.credentials.clone().verify_email(internal::VerifyEmailRequest { token_hash }).await?;
        Ok(())
    }

    pub(super) async fn resend(&self, request: Request<ResendVerificationRequest>) -> Result<(), Status> {
        let (user_id, _) = signed_in(&request)?;
        let verification = Some(self.verification());
        let mailing = internal::RequestEmailVerificationRequest { user_id, email: String::new(), verification };
        self.credentials.clone().request_email_verification(mailing).await?;
        Ok(())
    }

    pub(super) async fn move_email(&self, request: Request<ChangeEmailRequest>) -> Result<(), Status> {
        let (user_id, _) = signed_in(&request)?;
        let caller = Caller::of(request.extensions());
        let ChangeEmailRequest { email, current_password } = request.into_inner();
        require([("current_password", &current_password)])?;
        let email = parse_email(&email).map_err(|field| InvalidRegistration { fields: vec![field] })?;
        self.prove_password(&user_id, current_password, &caller).await?;
        let verification = Some(self.verification());
        let mailing = internal::RequestEmailVerificationRequest { user_id, email, verification };
        self.credentials.clone().request_email_verification(mailing).await?;
        Ok(())
    }

    pub(super) async fn mail_reset(&self, request: Request<RequestPasswordResetRequest>) -> Result<(), Status> {
        let email = request.into_inner().email;
        let email = parse_email(&email).map_err(|field| InvalidRegistration { fields: vec![field] })?;
        let subject_hash = self.vault.name_of(&email);
        let reset = Some(self.mailed_token(RESET_LIFETIME));
        let mailing = internal::RequestPasswordResetRequest { email, reset, subject_hash };
        self.credentials.clone().request_password_reset(mailing).await?;
        Ok(())
    }

    pub(super) async fn reset(&self, request: Request<ResetPasswordRequest>) -> Result<(), Status> {
        let ResetPasswordRequest { token, new_password } = request.into_inner();
        let token_hash = token_hash(&token)?;
        let password_hash = self.hash_new(new_password).await?;
        let reset = internal::ResetPasswordRequest { token_hash, password_hash };
        self.credentials.clone().reset_password(reset).await?;
        Ok(())
    }

    pub(super) async fn replace_password(&self, request: Request<ChangePasswordRequest>) -> Result<(), Status> {
        let (user_id, kept_session_id) = signed_in(&request)?;
        let caller = Caller::of(request.extensions());
        let ChangePasswordRequest { current_password, new_password } = request.into_inner();
        require([("current_password", &current_password)])?;
        check_new(&new_password)?;
        self.prove_password(&user_id, current_password, &caller).await?;
        let password_hash = self.hash_new(new_password).await?;
        let change = internal::SetPasswordRequest { user_id, password_hash, kept_session_id };
        self.credentials.clone().set_password(change).await?;
        Ok(())
    }

    /// Who is signed in may guess no more than who is not.
    async fn prove_password(&self, user_id: &str, password: String, caller: &Caller) -> Result<(), Status> {
        let account = self.account(user_id).await?;
        let name = self.vault.name_of(&user_of(account.user)?.email);
        let attempt = self.guard.begin(&account_key(&name), caller.address()).await?;
        let begins_wait = attempt.begins_wait;
        match self.passwords.verify(password, Some(account.password_hash)).await {
            Ok(true) => {
                attempt.succeeded().await;
                Ok(())
            }
            Ok(false) => {
                self.record_failure(user_id.to_owned(), &name, Event::SignInFailed, begins_wait).await;
                Err(unauthenticated("CREDENTIALS_INVALID", "the current password is wrong"))
            }
            Err(error) => {
                attempt.withdrawn().await;
                Err(error.into())
            }
        }
    }

    async fn hash_new(&self, password: String) -> Result<String, Status> {
        check_new(&password)?;
        Ok(self.passwords.hash(password).await?)
    }
}

fn check_new(password: &str) -> Result<(), Status> {
    check_password("new_password", password)
        .map_err(|InvalidField { field, problem }| invalid_arguments(vec![(field.to_owned(), problem)]))
}

/// Text that no token can be is answered as a token that nobody has.
fn token_hash(token: &str) -> Result<Vec<u8>, Status> {
    require([("token", &token.to_owned())])?;
    let token = RefreshToken::parse(token)
        .ok_or_else(|| failed_precondition("TOKEN_INVALID", "the token is unknown, expired or was used before", &[]))?;
    Ok(token.hash())
}
