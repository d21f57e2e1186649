//! Where the database is.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// A database, as a URL names it. It prints without its password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Box<PgConnectOptions>),
}

/// Why a URL names no database. What it says holds no password.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Not a URL of any known database.
    #[error("must have the form `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`{}", but_not(.0))]
    Scheme(String),
    /// A PostgreSQL URL that cannot be read.
    #[error("is not a PostgreSQL URL of the form `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=MODE`")]
    Postgres,
    /// A connection over a network without TLS.
    #[error(
        "must not connect to `{host}` with sslmode={mode}: outside this machine the database is reached over TLS only. \
         Use sslmode=verify-full, with sslrootcert=FILE for a private authority, or at least sslmode=require"
    )]
    Plaintext {
        /// The server.
        host: String,
        /// The mode that the URL asks for.
        mode: &'static str,
    },
}

fn but_not(scheme: &str) -> String {
    if scheme.is_empty() { String::new() } else { format!(", not `{scheme}:`") }
}

impl DatabaseUrl {
    /// A SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(path.into())
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(url: &str) -> Result<Self, DatabaseUrlError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.trim_start_matches('/').is_empty() => {
                // `sqlite://data/focusflow.db` is as common as `sqlite:data/focusflow.db`.
                Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path).into()))
            }
            Some(("postgres" | "postgresql", _)) => postgres(url).map(Box::new).map(Self::Postgres),
            // What follows the scheme may hold a password.
            other => Err(DatabaseUrlError::Scheme(other.map_or("", |(scheme, _)| scheme).to_owned())),
        }
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(options) => write!(
                formatter,
                "postgres://{}:{}/{}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            ),
        }
    }
}

/// Reads the URL of a server, and sees to it that what leaves this machine is encrypted.
fn postgres(url: &str) -> Result<PgConnectOptions, DatabaseUrlError> {
    let options: PgConnectOptions = url.parse().map_err(|_| DatabaseUrlError::Postgres)?;
    let is_local = options.get_socket().is_some() || is_loopback(options.get_host());
    if is_local {
        return Ok(options);
    }
    let says_mode = url.split_once('?').is_some_and(|(_, query)| {
        query.split('&').any(|pair| pair.starts_with("sslmode=") || pair.starts_with("ssl-mode="))
    });
    if !says_mode {
        // Encryption alone would tell anyone in between everything.
        return Ok(options.ssl_mode(PgSslMode::VerifyFull));
    }
    let mode = match options.get_ssl_mode() {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => return Ok(options),
    };
    Err(DatabaseUrlError::Plaintext { host: options.get_host().to_owned(), mode })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.starts_with('/')
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn mode(url: &str) -> PgSslMode {
        let DatabaseUrl::Postgres(options) = url.parse().unwrap() else { panic!("{url}") };
        options.get_ssl_mode()
    }

    #[test]
    fn sqlite_urls_name_a_file() {
        for (url, path) in [("sqlite:a/b.db", "a/b.db"), ("sqlite://a/b.db", "a/b.db"), ("sqlite:///a/b.db", "/a/b.db")]
        {
            let DatabaseUrl::Sqlite(parsed) = url.parse().unwrap() else { panic!("{url}") };
            assert_eq!(parsed, Path::new(path), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_without_repeating_their_secrets() {
        for url in ["mysql://user:secret@host/db", "sqlite:", "sqlite://", "", "postgres://user:secret@host:port/db"] {
            let error = url.parse::<DatabaseUrl>().unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let url = "postgres://user:secret@localhost/db".parse::<DatabaseUrl>().unwrap();
        assert!(!format!("{url:?}").contains("secret"), "{url:?}");
    }

    #[test]
    fn a_server_elsewhere_is_reached_over_verified_tls_unless_the_url_says_otherwise() {
        assert!(matches!(mode("postgres://u:p@db.example.org/d"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://u:p@db.example.org/d?sslmode=require"), PgSslMode::Require));
        assert!(matches!(mode("postgres://u:p@10.0.0.7/d"), PgSslMode::VerifyFull));
    }

    #[test]
    fn plaintext_is_for_this_machine_only() {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert!(matches!(mode(&format!("postgres://u:p@{host}/d?sslmode=disable")), PgSslMode::Disable), "{host}");
        }
        for mode in ["disable", "allow", "prefer"] {
            let error = format!("postgres://u:p@10.0.0.7/d?sslmode={mode}").parse::<DatabaseUrl>().unwrap_err();
            assert!(error.to_string().contains("over TLS only"), "{error}");
        }
    }
}
