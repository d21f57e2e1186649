//! Databases of tests' own: a file, or one on the PostgreSQL that `scripts/with-databases` starts.

use std::path::Path;

use focusflow_storage::sql::{Database, DatabaseConfig};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// What a test runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// An empty database, which nobody else uses.
#[derive(Clone, Debug)]
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    pub(crate) migration_url: Option<String>,
    pub(crate) replica_url: Option<String>,
}

impl TestDatabase {
    pub(crate) async fn create(on: Backend, directory: &Path) -> Self {
        let url = match on {
            Backend::Sqlite => format!("sqlite:{}", directory.join("data").join("focusflow.db").display()),
            Backend::Postgres => copy_of(template().await).await,
        };
        Self::at(url)
    }

    /// A database that is there already.
    pub(crate) fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), migration_url: None, replica_url: None }
    }

    pub(crate) fn config(&self) -> DatabaseConfig {
        let parse = |url: &String| url.parse().unwrap();
        DatabaseConfig {
            url: parse(&self.url),
            migration_url: self.migration_url.as_ref().map(parse),
            replica_url: self.replica_url.as_ref().map(parse),
        }
    }

    /// A connection past the service, as its owner or whom `user` names.
    pub(crate) async fn connect_as(&self, user: Option<&str>) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let options = match user {
            Some(user) => options.username(user),
            None => options,
        };
        PgConnection::connect_with(&options).await.unwrap()
    }
}

/// A database with its migrations done: copying it is quicker than doing them again.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let make = || async {
        let name = format!("template_{}", Uuid::now_v7().simple());
        server().await.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let config = DatabaseConfig::new(url_of(&name).parse().unwrap());
        Database::open(&config).await.unwrap().close().await;
        name
    };
    TEMPLATE.get_or_init(make).await
}

async fn copy_of(template: &str) -> String {
    let name = format!("test_{}", Uuid::now_v7().simple());
    let copy = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
    server().await.execute(AssertSqlSafe(copy)).await.unwrap();
    url_of(&name)
}

async fn server() -> PgConnection {
    PgConnection::connect(&server_url()).await.unwrap()
}

fn url_of(database: &str) -> String {
    let server = server_url();
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

fn server_url() -> String {
    std::env::var("TEST_POSTGRES_URL")
        .expect("the tests need databases: run them by `make test` or scripts/with-databases")
}
