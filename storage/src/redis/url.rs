//! `REDIS_URL`.

use std::fmt;
use std::str::FromStr;

use fred::types::config::Config;

/// Where Redis is: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://…` over TLS with the system's roots.
#[derive(Clone)]
pub struct RedisUrl(Config);

/// A `REDIS_URL` that cannot be used. Says nothing of what it holds, which may be a password.
#[derive(Debug, thiserror::Error)]
pub enum RedisUrlError {
    /// Another scheme.
    #[error("must begin with `redis://` or `rediss://`")]
    Scheme,
    /// No host, or a port or a database that is no number.
    #[error("must have the form `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`")]
    Form,
    /// The roots that TLS needs.
    #[error("the system's certificates cannot be read")]
    Roots,
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(url: &str) -> Result<Self, RedisUrlError> {
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return Err(RedisUrlError::Scheme);
        }
        let config = Config::from_url_centralized(url).map_err(|error| match error.kind() {
            fred::error::ErrorKind::Tls => RedisUrlError::Roots,
            _ => RedisUrlError::Form,
        })?;
        Ok(Self(config))
    }
}

impl RedisUrl {
    pub(super) fn config(&self) -> Config {
        // Redis that is away when the process starts is like Redis that goes away later.
        Config { fail_fast: false, ..self.0.clone() }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.0.tls.is_some() { "rediss" } else { "redis" };
        write!(formatter, "{scheme}://")?;
        let servers = self.0.server.hosts();
        let server = servers.first().map(ToString::to_string).unwrap_or_default();
        write!(formatter, "{server}/{}", self.0.database.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_all_but_its_credentials() {
        let url: RedisUrl = "redis://user:secret@cache.internal:6380/2".parse().unwrap();
        assert_eq!(url.to_string(), "redis://cache.internal:6380/2");
        assert_eq!(format!("{url:?}"), url.to_string());
        let config = url.config();
        assert_eq!((config.username.as_deref(), config.password.as_deref()), (Some("user"), Some("secret")));
    }

    #[test]
    fn tls_is_in_the_scheme_and_the_port_has_a_default() {
        let url: RedisUrl = "rediss://cache.internal".parse().unwrap();
        assert_eq!(url.to_string(), "rediss://cache.internal:6379/0");
    }

    #[test]
    fn other_urls_are_refused_without_repeating_their_secrets() {
        for url in ["", "http://user:secret@host", "redis-cluster://:secret@host", "redis://:secret@host/x", "redis://"]
        {
            let error = url.parse::<RedisUrl>().unwrap_err();
            assert!(!error.to_string().contains("secret"), "{url}: {error}");
        }
    }
}
