//! Who is asking: accounts, passwords, second factors, access tokens and refresh tokens.
//!
//! An access token is a JWT that the edge verifies by itself; whether its [session](sessions) was ended is asked every few
//! seconds only. A refresh token
//! is a random secret of which storage keeps only the hash, good for one exchange. Passwords are argon2id hashes that
//! never leave storage except to be compared here. An API token is a random secret too, which programs send instead of
//! an access token.

mod api_token;
mod clock;
mod keys;
mod password;
mod registration;
mod service;
mod sessions;
mod token;
mod vault;

pub(crate) use api_token::ApiTokens;
pub use api_token::{ApiToken, ApiTokenGrant};
pub use clock::{Clock, SystemClock};
pub use keys::{KeyFileError, KeyRing, SETTLING, SecretTooShort};
pub use password::{PasswordError, PasswordHasher, PasswordLimits};
pub use registration::{InvalidField, InvalidRegistration, Registration};
pub use service::{Auth, SessionId};
pub(crate) use sessions::Sessions;
pub use token::{AccessClaims, AccessTokens, RefreshToken, TokenError, bearer_token};

use std::time::Duration;

/// How long an access token is good for.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_mins(15);

/// How long a session lasts after it was last refreshed.
pub const REFRESH_TOKEN_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// How many sessions a person has at most, unless the configuration says otherwise.
pub const SESSIONS_MAX: u16 = 5;
