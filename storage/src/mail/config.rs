//! Which server takes the mail, and whom it comes from.

use std::fmt::{self, Debug, Formatter};
use std::net::IpAddr;

use focusflow_mesh::environment::{Environment, EnvironmentError};
use http::Uri;
use lettre::message::Mailbox;
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, Tokio1Executor};

const URL: &str = "EMAIL_SMTP_URL";
const KEY: &str = "EMAIL_SERVICE_API_KEY";
const FROM: &str = "EMAIL_FROM";
const URL_FORM: &str = "must have the form `smtps://USER:PASSWORD@HOST` or `smtp://USER:PASSWORD@HOST`";
/// Whom mail services that give out keys take for a user, unless the URL names another.
const KEY_USER: &str = "apikey";

/// How mail is sent.
#[derive(Clone)]
pub struct MailConfig {
    /// The server. `EMAIL_SMTP_URL`, as `smtps://USER:PASSWORD@HOST:PORT`, which speaks TLS from the first byte, or
    /// `smtp://…`, which turns to TLS before it says anything (STARTTLS), except on this machine. Default ports 465 and
    /// 587; 25 on this machine. `EMAIL_SERVICE_API_KEY` is the password, of the user `apikey` unless the URL names one.
    pub transport: AsyncSmtpTransportBuilder,
    /// Whom mail comes from. `EMAIL_FROM`, as `FocusFlow <focusflow@example.org>`; no default.
    pub from: Mailbox,
    /// Where mail leads back to: the first of `FRONTEND_URL`, default none.
    pub link: Option<String>,
}

impl MailConfig {
    /// Reads the variables; `None` if no server is named, and then no mail is sent.
    pub fn read(environment: &Environment<'_>) -> Result<Option<Self>, EnvironmentError> {
        let Some(url) = environment.text(URL) else { return Ok(None) };
        let transport = transport(&url, environment.text(KEY))?;
        let from =
            environment.text(FROM).ok_or_else(|| EnvironmentError::new(FROM, "must say whom mail comes from"))?;
        let from = from.parse().map_err(|_| {
            EnvironmentError::new(FROM, format!("\"{from}\" must have the form `FocusFlow <focusflow@example.org>`"))
        })?;
        let link = environment.list_or::<String>("FRONTEND_URL", "")?.into_iter().next();
        Ok(Some(Self { transport, from, link: link.map(|link| link.trim_end_matches('/').to_owned()) }))
    }
}

/// The errors keep the URL, which may hold a password, to themselves.
fn transport(url: &str, key: Option<String>) -> Result<AsyncSmtpTransportBuilder, EnvironmentError> {
    let wrong = || EnvironmentError::new(URL, URL_FORM);
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    if uri.query().is_some() {
        return Err(EnvironmentError::new(URL, "must not have a query: `smtp://` always asks for STARTTLS"));
    }
    let url = match uri.scheme_str() {
        Some("smtps") => url.to_owned(),
        Some("smtp") if is_this_machine(host) => url.to_owned(),
        Some("smtp") => format!("{url}?tls=required"),
        _ => return Err(wrong()),
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url).map_err(|_| wrong())?;
    Ok(match key {
        Some(key) => builder.credentials(Credentials::new(user(&uri), key)),
        None => builder,
    })
}

fn user(uri: &Uri) -> String {
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let user = authority.rsplit_once('@').and_then(|(user, _)| user.split(':').next());
    user.filter(|user| !user.is_empty()).unwrap_or(KEY_USER).to_owned()
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl Debug for MailConfig {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MailConfig").field("from", &self.from).field("link", &self.link).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<MailConfig>, EnvironmentError> {
        let variable =
            |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        MailConfig::read(&Environment::new(&variable))
    }

    fn with_url(url: &str) -> Result<Option<MailConfig>, EnvironmentError> {
        read(&[(URL, url), (FROM, "focusflow@example.org")])
    }

    #[test]
    fn without_a_server_no_mail_is_sent() {
        assert!(read(&[(FROM, "focusflow@example.org")]).unwrap().is_none());
    }

    #[test]
    fn a_server_elsewhere_is_spoken_to_through_tls() {
        for (url, tls) in [
            ("smtps://user:secret@mail.example.org", "Wrapper"),
            ("smtp://user:secret@mail.example.org", "Required"),
            ("smtp://10.0.0.1:2525", "Required"),
            ("smtp://localhost:2525", "None"),
            ("smtp://127.0.0.1", "None"),
            ("smtp://[::1]:25", "None"),
        ] {
            let transport = format!("{:?}", with_url(url).unwrap().unwrap().transport);
            assert!(transport.contains(&format!("tls: {tls}")), "{url}: {transport}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_repeating_its_password() {
        for url in [
            "mail.example.org",
            "https://user:secret@example.org",
            "smtp://user:secret@",
            "smtp://user:secret@mail.example.org?tls=opportunistic",
        ] {
            let error = with_url(url).unwrap_err();
            assert_eq!(error.variable, URL);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_sender_is_required() {
        assert_eq!(read(&[(URL, "smtp://localhost")]).unwrap_err().variable, FROM);
        assert_eq!(read(&[(URL, "smtp://localhost"), (FROM, "nobody")]).unwrap_err().variable, FROM);
    }

    #[test]
    fn a_key_is_the_password_of_the_user_that_services_take_it_from() {
        for (url, expected) in [
            ("smtps://smtp.sendgrid.net", "apikey"),
            ("smtps://resend@smtp.resend.com", "resend"),
            ("smtps://user:old@mail.example.org", "user"),
        ] {
            assert_eq!(user(&url.parse().unwrap()), expected);
            let config = read(&[(URL, url), (FROM, "a@example.org"), (KEY, "secret")]).unwrap().unwrap();
            assert!(format!("{:?}", config.transport).contains("credentials: Some"));
            assert!(!format!("{config:?}").contains("secret"));
        }
    }
}
