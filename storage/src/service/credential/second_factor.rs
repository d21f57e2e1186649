//! Second factors: what the gateway encrypted, which codes were used, and recovery codes.

use focusflow_proto::internal::v1 as internal;
use focusflow_proto::v1::security_event::Kind as Event;

use super::{Credentials, check_hash};
use crate::service::error::Error;
use crate::service::request::id;
use crate::sql::{security_events, totp};

const ENCRYPTED_SECRET_LENGTH_MAX: usize = 256;
const RECOVERY_CODES_MAX: usize = 20;

impl Credentials {
    pub(super) async fn enroll_totp(&self, request: internal::EnrollTotpRequest) -> Result<(), Error> {
        let user_id = id("user_id", &request.user_id)?;
        let secret = &request.encrypted_secret;
        check_encrypted(secret)?;
        if secret.is_empty() {
            return Err(Error::field("encrypted_secret", "must not be empty"));
        }
        let mut write = self.store.write(user_id).await?;
        if !totp::enroll(write.connection(), user_id, secret).await? {
            return Err(Error::TotpEnabled);
        }
        write.commit().await?;
        Ok(())
    }

    pub(super) async fn accept_totp(&self, request: internal::AcceptTotpRequest) -> Result<(), Error> {
        let user_id = id("user_id", &request.user_id)?;
        let codes = &request.recovery_code_hashes;
        if codes.len() > RECOVERY_CODES_MAX {
            return Err(Error::field("recovery_code_hashes", format!("must be at most {RECOVERY_CODES_MAX}")));
        }
        for code in codes {
            check_hash("recovery_code_hashes", code)?;
        }
        check_encrypted(&request.encrypted_secret)?;
        let mut write = self.store.write(user_id).await?;
        let now = write.now();
        if !totp::accept(write.connection(), user_id, request.step).await? {
            return Err(Error::TotpInvalid);
        }
        if !request.encrypted_secret.is_empty() {
            totp::renew(write.connection(), user_id, &request.encrypted_secret).await?;
        }
        if !codes.is_empty() {
            if !totp::confirm(write.connection(), user_id, now).await? {
                return Err(Error::TotpEnabled);
            }
            for code in codes {
                totp::insert_recovery_code(write.connection(), user_id, code).await?;
            }
            security_events::append(write.connection(), user_id, Event::TotpEnabled, None, now).await?;
        }
        write.commit().await?;
        Ok(())
    }

    pub(super) async fn redeem_recovery_code(&self, request: internal::RedeemRecoveryCodeRequest) -> Result<(), Error> {
        let user_id = id("user_id", &request.user_id)?;
        check_hash("code_hash", &request.code_hash)?;
        let mut write = self.store.write(user_id).await?;
        let now = write.now();
        if !totp::redeem(write.connection(), user_id, &request.code_hash).await? {
            return Err(Error::TotpInvalid);
        }
        security_events::append(write.connection(), user_id, Event::RecoveryCodeUsed, None, now).await?;
        write.commit().await?;
        Ok(())
    }

    pub(super) async fn disable_totp(&self, request: internal::DisableTotpRequest) -> Result<(), Error> {
        let user_id = id("user_id", &request.user_id)?;
        let mut write = self.store.write(user_id).await?;
        let now = write.now();
        if totp::delete(write.connection(), user_id).await? {
            security_events::append(write.connection(), user_id, Event::TotpDisabled, None, now).await?;
        }
        write.commit().await?;
        Ok(())
    }
}

fn check_encrypted(secret: &[u8]) -> Result<(), Error> {
    if secret.len() > ENCRYPTED_SECRET_LENGTH_MAX {
        let limit = format!("must be at most {ENCRYPTED_SECRET_LENGTH_MAX} bytes long");
        return Err(Error::field("encrypted_secret", limit));
    }
    Ok(())
}
