//! The second factor: codes by time (RFC 6238: SHA-1, 6 digits, 30 seconds), and recovery codes.

use std::time::UNIX_EPOCH;

use focusflow_mesh::refusal::{self, failed_precondition, unauthenticated};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::{Account, FindAccountRequest, Totp};
use focusflow_proto::v1::security_event::Kind as Event;
use focusflow_proto::v1::{
    ConfirmTotpRequest, ConfirmTotpResponse, DisableTotpRequest, EnrollTotpRequest, EnrollTotpResponse,
};
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Status};
use totp_rs::{Builder, Secret};

use super::{Auth, Storage, parse_id, reason_of, require, signed_in};

const ISSUER: &str = "FocusFlow";
const SECRET_BYTES: usize = 20;
const RECOVERY_CODES: usize = 10;
/// 80 random bits, so that a fast hash is enough; 16 characters in base 32.
const RECOVERY_CODE_BYTES: usize = 10;
const RECOVERY_CODE_CHARACTERS: usize = 16;
const TOTP_DIGITS: usize = 6;
const TOTP_INVALID: &str = "TOTP_INVALID";

impl<C: Storage> Auth<C> {
    pub(super) async fn enroll(&self, request: Request<EnrollTotpRequest>) -> Result<EnrollTotpResponse, Status> {
        let (user_id, _) = signed_in(&request)?;
        let account = self.account(&user_id).await?;
        let mut secret = vec![0; SECRET_BYTES];
        rand::rng().fill_bytes(&mut secret);
        let sealed = self.vault.seal(parse_id(&user_id)?, &secret);
        let encrypted_secret = sealed.map_err(|error| refusal::internal("encrypting a second factor", &error))?;
        let enrollment = internal::EnrollTotpRequest { user_id, encrypted_secret };
        self.credentials.clone().enroll_totp(enrollment).await?;
        let totp = authenticator(secret, account.user.map(|user| user.email).unwrap_or_default())?;
        let uri = totp.to_url().map_err(|error| refusal::internal("writing the URI of a second factor", &error))?;
        Ok(EnrollTotpResponse { secret: totp.secret().to_base32(), uri })
    }

    pub(super) async fn confirm(&self, request: Request<ConfirmTotpRequest>) -> Result<ConfirmTotpResponse, Status> {
        let (user_id, _) = signed_in(&request)?;
        let code = request.into_inner().code;
        require([("code", &code)])?;
        let totp = self.account(&user_id).await?.totp.ok_or_else(not_enrolled)?;
        if totp.enabled {
            let message = "a second factor is on: switch it off first";
            return Err(failed_precondition("TOTP_ENABLED", message, &[]));
        }
        let attempt = self.guard.begin_code(&user_id).await?;
        let step = self.step_of(&user_id, &totp, &code)?.ok_or_else(wrong_code)?;
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
        let hashes = codes.iter().map(|code| recovery_hash(&user_id, code)).collect();
        let acceptance =
            internal::AcceptTotpRequest { user_id, step, recovery_code_hashes: hashes, ..Default::default() };
        self.credentials.clone().accept_totp(acceptance).await?;
        attempt.succeeded().await;
        Ok(ConfirmTotpResponse { recovery_codes: codes })
    }

    pub(super) async fn disable(&self, request: Request<DisableTotpRequest>) -> Result<(), Status> {
        let (user_id, _) = signed_in(&request)?;
        let code = request.into_inner().code;
        require([("code", &code)])?;
        let totp = self.account(&user_id).await?.totp.ok_or_else(not_enrolled)?;
        if totp.enabled {
            self.check_code(&user_id, &totp, &code).await?;
        }
        self.credentials.clone().disable_totp(internal::DisableTotpRequest { user_id }).await?;
        Ok(())
    }

    /// Takes a code of the authenticator, or a recovery code; each once.
    pub(super) async fn check_code(&self, user_id: &str, totp: &Totp, code: &str) -> Result<(), Status> {
        if code.is_empty() {
            return Err(unauthenticated(
                "TOTP_REQUIRED",
                "a code of the second factor is needed: send it as totp_code",
            ));
        }
        let attempt = self.guard.begin_code(user_id).await?;
        let begins_wait = attempt.begins_wait;
        match self.use_code(user_id, totp, code).await {
            Ok(()) => {
                attempt.succeeded().await;
                Ok(())
            }
            Err(status) if reason_of(&status) == TOTP_INVALID => {
                self.record_failure(user_id.to_owned(), &[], Event::TotpFailed, begins_wait).await;
                Err(wrong_code())
            }
            Err(status) => {
                attempt.withdrawn().await;
                Err(status)
            }
        }
    }

    async fn use_code(&self, user_id: &str, totp: &Totp, code: &str) -> Result<(), Status> {
        let user_id = user_id.to_owned();
        let code: String = code.chars().filter(|character| !matches!(character, ' ' | '-')).collect();
        if code.len() == RECOVERY_CODE_CHARACTERS {
            let code_hash = recovery_hash(&user_id, &code);
            let redemption = internal::RedeemRecoveryCodeRequest { user_id, code_hash };
            return self.credentials.clone().redeem_recovery_code(redemption).await.map(drop);
        }
        let step = self.step_of(&user_id, totp, &code)?.ok_or_else(wrong_code)?;
        // With their codes, people bring their secrets under the key that has replaced another.
        let renewed = self.vault.renew(parse_id(&user_id)?, &totp.encrypted_secret);
        let renewed = renewed.map_err(|error| refusal::internal("encrypting a second factor anew", &error))?;
        let encrypted_secret = renewed.unwrap_or_default();
        let acceptance = internal::AcceptTotpRequest { user_id, step, encrypted_secret, ..Default::default() };
        self.credentials.clone().accept_totp(acceptance).await.map(drop)
    }

    /// The time step that a code is of: this one, or the one before or after it.
    fn step_of(&self, user_id: &str, totp: &Totp, code: &str) -> Result<Option<i64>, Status> {
        let opened = self.vault.open(parse_id(user_id)?, &totp.encrypted_secret);
        let secret = opened.map_err(|error| refusal::internal("decrypting a second factor", &error))?;
        if code.len() != TOTP_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let seconds = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let step = authenticator(secret, String::new())?.check(code, seconds);
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    /// The signed-in person's account. If it is gone, so is their session.
    pub(super) async fn account(&self, user_id: &str) -> Result<Account, Status> {
        let request = FindAccountRequest { user_id: user_id.to_owned(), ..Default::default() };
        self.find_account(request).await?.ok_or_else(|| crate::auth::TokenError::Revoked.into())
    }
}

fn authenticator(secret: Vec<u8>, account_name: String) -> Result<totp_rs::Totp, Status> {
    Builder::new()
        .with_secret(Secret::new(secret.into()))
        .with_issuer(Some(ISSUER))
        .with_account_name(account_name)
        .build()
        .map_err(|error| refusal::internal("making an authenticator", &error))
}

/// `XXXX-XXXX-XXXX-XXXX`.
fn recovery_code() -> String {
    let mut bytes = vec![0; RECOVERY_CODE_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    let code = Secret::new(bytes.into()).to_base32();
    code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}

/// A code counts without its dashes and in any case.
fn recovery_hash(user_id: &str, code: &str) -> Vec<u8> {
    let code: String = code.chars().filter(|character| *character != '-').collect();
    Sha256::new().chain_update(user_id).chain_update(code.to_ascii_uppercase()).finalize().to_vec()
}

fn wrong_code() -> Status {
    unauthenticated(TOTP_INVALID, "the code is wrong, or was used before")
}

fn not_enrolled() -> Status {
    failed_precondition("TOTP_NOT_ENROLLED", "there is no second factor: begin with EnrollTotp", &[])
}
