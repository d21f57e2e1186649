//! What the service is told at start-up.

use std::path::Path;

use focusflow_mesh::environment::{Environment, EnvironmentError, ListenConfig, MeshConfig};

use crate::mail::MailConfig;
use crate::redis::{RedisUrl, RedisUrlError};
use crate::sql::{DatabaseConfig, DatabaseUrl, DatabaseUrlError};

/// Everything that [`build`](crate::build) needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the service listens. `STORAGE_PORT`, default 7000.
    pub listen: ListenConfig,
    /// Who the service is in the mesh.
    pub mesh: MeshConfig,
    /// Where the data is. `DATABASE_URL`, as `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`; default the
    /// file `focusflow.db` in the directory that `FOCUSFLOW_DATA_DIR` names, which is `.focusflow` by default. For
    /// PostgreSQL also `DATABASE_MIGRATION_URL`, as whom migrations run, by default as whom `DATABASE_URL` says; and
    /// `DATABASE_REPLICA_URL`, a streaming replica that summaries, reports and exports are read from.
    pub database: DatabaseConfig,
    /// How mail is sent; without, people are told in the application only.
    pub mail: Option<MailConfig>,
    /// Where replicas of the service share what is read often, and tell each other what changed. `REDIS_URL`, as
    /// `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://…` over TLS; without it, changes are found in the
    /// database, within a second. With SQLite there is one process, which needs none.
    pub redis: Option<RedisUrl>,
}

/// The variable that names the mesh's port.
pub(crate) const PORT: &str = "STORAGE_PORT";

const DEFAULT_PORT: u16 = 7000;
const DEFAULT_DATA_DIR: &str = ".focusflow";
const DATABASE_FILE: &str = "focusflow.db";

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads variables by name; one that is empty counts as absent.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let environment = Environment::new(&variable);
        Ok(Self {
            listen: environment.listen(PORT, DEFAULT_PORT)?,
            mesh: environment.mesh()?,
            database: database(&environment)?,
            mail: MailConfig::read(&environment)?,
            redis: redis(&environment)?,
        })
    }
}

fn database(environment: &Environment<'_>) -> Result<DatabaseConfig, EnvironmentError> {
    let Some(url) = url(environment, "DATABASE_URL")? else {
        let data_dir = environment.text("FOCUSFLOW_DATA_DIR").unwrap_or_else(|| DEFAULT_DATA_DIR.to_owned());
        return Ok(DatabaseConfig::new(DatabaseUrl::sqlite(Path::new(&data_dir).join(DATABASE_FILE))));
    };
    Ok(DatabaseConfig {
        url,
        migration_url: postgres_url(environment, "DATABASE_MIGRATION_URL")?,
        replica_url: postgres_url(environment, "DATABASE_REPLICA_URL")?,
    })
}

fn redis(environment: &Environment<'_>) -> Result<Option<RedisUrl>, EnvironmentError> {
    const VARIABLE: &str = "REDIS_URL";
    let Some(url) = environment.text(VARIABLE) else { return Ok(None) };
    url.parse().map(Some).map_err(|error: RedisUrlError| EnvironmentError::new(VARIABLE, error))
}

fn postgres_url(
    environment: &Environment<'_>,
    variable: &'static str,
) -> Result<Option<DatabaseUrl>, EnvironmentError> {
    match url(environment, variable)? {
        Some(DatabaseUrl::Sqlite(_)) => {
            Err(EnvironmentError::new(variable, "must have the form `postgres://USER:PASSWORD@HOST/DATABASE`"))
        }
        url => Ok(url),
    }
}

/// The error keeps the URL, which may hold a password, to itself.
fn url(environment: &Environment<'_>, variable: &'static str) -> Result<Option<DatabaseUrl>, EnvironmentError> {
    let Some(url) = environment.text(variable) else { return Ok(None) };
    url.parse().map(Some).map_err(|error: DatabaseUrlError| EnvironmentError::new(variable, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, EnvironmentError> {
        Config::from_variables(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn path(config: &Config) -> &Path {
        match &config.database.url {
            DatabaseUrl::Sqlite(path) => path,
            url @ DatabaseUrl::Postgres(_) => panic!("{url:?}"),
        }
    }

    #[test]
    fn only_the_certificates_have_no_default() {
        let config = read(&[("MESH_CERT_DIR", "certs")]).unwrap();
        assert_eq!(config.listen.mesh.port(), 7000);
        assert_eq!(config.listen.admin.unwrap().port(), 9090);
        assert_eq!(path(&config), Path::new(".focusflow/focusflow.db"));
        assert!(config.mesh.impersonators.is_empty());
        assert_eq!(read(&[]).unwrap_err().variable, "MESH_CERT_DIR");
    }

    #[test]
    fn the_database_is_in_the_data_directory_unless_its_url_says_otherwise() {
        let directory = [("MESH_CERT_DIR", "certs"), ("FOCUSFLOW_DATA_DIR", "/data")];
        assert_eq!(path(&read(&directory).unwrap()), Path::new("/data/focusflow.db"));
        let url = [directory[0], directory[1], ("DATABASE_URL", "sqlite:/other.db")];
        assert_eq!(path(&read(&url).unwrap()), Path::new("/other.db"));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_variable() {
        for (variable, value) in [
            ("STORAGE_PORT", "70000"),
            ("ADMIN_PORT", "none"),
            ("MESH_TRUST_DOMAIN", "Not A Domain"),
            ("DATABASE_URL", "postgres://user:secret@host/db?sslmode=disable"),
            ("DATABASE_URL", "mysql://user:secret@host/db"),
            ("REDIS_URL", "https://user:secret@host"),
            ("REDIS_URL", "redis://user:secret@host:port"),
        ] {
            let error = read(&[("MESH_CERT_DIR", "certs"), (variable, value)]).unwrap_err();
            assert_eq!(error.variable, variable);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
