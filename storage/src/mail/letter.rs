//! Mail about an account.

use std::fmt::{self, Debug, Formatter};

use super::message::escaped;
use crate::sql::account_mails::Kind;

/// What a mail about an account says. The log does not show its token.
#[derive(Clone)]
pub(crate) struct Letter {
    /// What it tells.
    pub(crate) kind: Kind,
    /// What its link carries, if it has one.
    pub(crate) token: Option<String>,
}

impl Letter {
    /// One line.
    pub(crate) fn subject(&self) -> &'static str {
        match self.kind {
            Kind::VerifyEmail => "Confirm your e-mail address",
            Kind::ResetPassword => "Reset your password",
            Kind::PasswordChanged => "Your password was changed",
            Kind::EmailChanged => "Your e-mail address was changed",
        }
    }

    /// Where to go on; without a web client, the path and its token alone. The token is in the fragment, which browsers
    /// keep to themselves: no server's log and no referrer shows it.
    pub(crate) fn link(&self, base: Option<&str>) -> Option<String> {
        let token = self.token.as_deref()?;
        let page = match self.kind {
            Kind::VerifyEmail => "verify-email",
            Kind::ResetPassword => "reset-password",
            Kind::PasswordChanged | Kind::EmailChanged => return None,
        };
        Some(format!("{}/{page}#token={token}", base.unwrap_or_default()))
    }

    fn text(&self) -> &'static str {
        match self.kind {
            Kind::VerifyEmail => "Open this link to confirm that the address is yours. It works for 24 hours.",
            Kind::ResetPassword => {
                "Open this link to set a new password. It works once, for an hour. If you did not ask for it, ignore \
                 this mail: nothing has changed."
            }
            Kind::PasswordChanged => {
                "The password of your account was changed, and other sessions were ended. If that was not you, reset \
                 it now."
            }
            Kind::EmailChanged => {
                "Your account has another e-mail address now, and this one no longer signs in. If that was not you, \
                 answer to whoever runs this service."
            }
        }
    }

    pub(super) fn plain(&self, base: Option<&str>) -> String {
        let link = self.link(base).map(|link| format!("\n\n{link}")).unwrap_or_default();
        format!("{}{link}\n\n-- \nFocusFlow", self.text())
    }

    pub(super) fn html(&self, base: Option<&str>) -> String {
        let link = self.link(base).map(|link| escaped(&link)).unwrap_or_default();
        let anchor = if link.is_empty() { link } else { format!("<p><a href=\"{link}\">{link}</a></p>") };
        format!("<!DOCTYPE html><html><body><p>{}</p>{anchor}<hr><p>FocusFlow</p></body></html>", self.text())
    }
}

impl Debug for Letter {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Letter").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_carries_its_token_where_no_server_sees_it() {
        let letter = Letter { kind: Kind::ResetPassword, token: Some("abc".to_owned()) };
        let link = "https://app.example.org/reset-password#token=abc";
        assert_eq!(letter.link(Some("https://app.example.org")).as_deref(), Some(link));
        assert!(letter.plain(Some("https://app.example.org")).contains(link));
        assert!(!format!("{letter:?}").contains("abc"));
    }

    #[test]
    fn a_notice_has_no_link() {
        let letter = Letter { kind: Kind::PasswordChanged, token: None };
        assert_eq!(letter.link(Some("https://app.example.org")), None);
    }
}
