//! What this process has to do with others on the same database, if there can be any.

use std::time::Duration;

use focusflow_mesh::health::{Component, Health, Requirement};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::cache::{Answer, Cache, Epoch, Epochs, Shared, keep_closed};
use crate::redis::{self, Redis, RedisUrl};
use crate::relay::{self, Announcement, LastNumbers, Relay};
use crate::sql::{Database, replicas};

/// The work that goes on beside the requests: changes are announced and heard, the connection to Redis is kept.
pub(crate) struct Replicas {
    database: Database,
    redis: Option<Connected>,
    component: Component,
}

struct Connected {
    redis: Redis,
    announcements: mpsc::Receiver<Announcement>,
    shared: Shared,
}

/// The database, asked about everybody.
struct Everybody(Database);

impl Replicas {
    /// Lets `database` share its changes and its cache with other processes. Redis has nothing to do where there are
    /// none, as with SQLite.
    pub(crate) fn join(database: Database, redis: Option<RedisUrl>, health: &Health) -> (Database, Self) {
        let component = health.component("redis", Requirement::Optional);
        let Some(url) = redis.filter(|_| database.has_replicas()) else {
            redis::report_in_process(&component);
            return (database.clone(), Self { database, redis: None, component });
        };
        let redis = Redis::new(url);
        let (relay, announcements) = Relay::to_others();
        let shared = Shared::new(redis.clone(), Everybody(database.clone()));
        let database = database.sharing(relay, Cache::Shared(shared.clone()));
        let connected = Connected { redis, announcements, shared };
        (database.clone(), Self { database, redis: Some(connected), component })
    }

    /// Works until it is dropped.
    pub(crate) async fn run(self) {
        let Self { database, redis, component } = self;
        let mut work = JoinSet::new();
        if database.has_replicas() {
            work.spawn(relay::poll(database.relay().clone(), Everybody(database.clone())));
        }
        if let Some(Connected { redis, announcements, shared }) = redis {
            work.spawn(redis::supervise(redis.clone(), component));
            work.spawn(relay::listen(redis.clone(), database.relay().clone()));
            work.spawn(relay::send(redis, announcements));
            work.spawn(keep_closed(shared));
        }
        work.join_all().await;
    }
}

impl LastNumbers for Everybody {
    async fn last_numbers(&self, user_ids: &[Uuid]) -> sqlx::Result<Vec<(Uuid, i64)>> {
        replicas::last_change_numbers(&mut self.0.system().await?, user_ids).await
    }
}

impl Epochs for Everybody {
    fn read(&self) -> Answer<'_, Epoch> {
        Box::pin(async { replicas::cache_epoch(&mut self.0.system().await?).await })
    }

    fn close(&self, time: Duration) -> Answer<'_, bool> {
        Box::pin(async move { replicas::close_cache(&mut self.0.system().await?, time).await })
    }
}
