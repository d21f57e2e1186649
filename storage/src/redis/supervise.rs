//! Keeps the connection, greets the server, and tells the process's health.

use std::sync::Arc;
use std::time::Duration;

use focusflow_mesh::health::{Component, ComponentStatus};
use fred::clients::{Client, WithOptions};
use fred::interfaces::{ClientLike as _, LuaInterface as _};
use fred::types::InfoKind;
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::script::{Hashes, Script};
use super::{Redis, Server, Unavailable, in_time};

/// How often a server that works is asked whether it is still the same.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How often one that does not is tried. A try costs microseconds while there is no connection.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
const PROBE_KEY: &str = "focusflow:probe";

/// Connects, and greets the server whenever it may be another, for as long as the process lives.
pub(crate) async fn supervise(redis: Redis, component: Component) {
    let _connection = redis.shared.client.connect();
    let mut works = None;
    loop {
        let works_now = check(&redis).await;
        if works != Some(works_now) {
            report(&redis, &component, works_now);
            works = Some(works_now);
        }
        let pause = if works_now { CHECK_INTERVAL } else { RETRY_INTERVAL };
        tokio::select! {
            () = redis.shared.doubt.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// Says that there is no Redis, and that nothing is missing.
pub(crate) fn report_in_process(component: &Component) {
    component.set_with(ComponentStatus::Healthy, mode("in-process"));
}

/// Makes sure that the server in use is the one that answers. Answers whether one does.
async fn check(redis: &Redis) -> bool {
    let known = redis.shared.server.borrow().clone();
    let client = redis.shared.client.with_options(&redis.shared.options);
    if let Some(known) = known {
        if run_id(&client).await.is_ok_and(|run_id| run_id == known.run_id) {
            return true;
        }
        redis.shared.server.send_replace(None);
    }
    match Box::pin(greet(&client)).await {
        Ok(server) => {
            redis.shared.server.send_replace(Some(Arc::new(server)));
            true
        }
        Err(error) => {
            tracing::debug!(%error, "redis was not greeted");
            false
        }
    }
}

/// Gives the server its scripts, and tries them.
async fn greet(client: &WithOptions<Client>) -> Result<Server, Unavailable> {
    let run_id_before = run_id(client).await?;
    let mut hashes = Vec::with_capacity(Script::ALL.len());
    for script in Script::ALL {
        hashes.push(in_time(client.script_load(script.text(&run_id_before))).await?);
    }
    let hashes = Hashes::new(hashes);
    // A server that is out of memory or a replica loads scripts but cannot write.
    let _: i64 = in_time(client.evalsha(hashes.of(Script::Hold), PROBE_KEY, vec!["H", "1000"])).await?;
    let _: i64 = in_time(client.evalsha(hashes.of(Script::Release), PROBE_KEY, vec!["H"])).await?;
    // A restart in between would have left this run's scripts with the next.
    if run_id(client).await? != run_id_before {
        return Err(Unavailable::Restarted);
    }
    Ok(Server { run_id: run_id_before, hashes })
}

async fn run_id(client: &WithOptions<Client>) -> Result<String, Unavailable> {
    let text: String = in_time(client.info(Some(InfoKind::Server))).await?;
    let run_id = text.lines().find_map(|line| line.strip_prefix("run_id:"));
    run_id.map(|run_id| run_id.trim().to_owned()).ok_or(Unavailable::Away)
}

fn report(redis: &Redis, component: &Component, works: bool) {
    if works {
        tracing::info!(redis.url = %redis.url(), "redis works");
        component.set_with(ComponentStatus::Healthy, mode("redis"));
    } else {
        tracing::warn!(redis.url = %redis.url(), "redis does not answer; the database does its work");
        component.set_with(ComponentStatus::Unhealthy, mode("redis"));
    }
}

fn mode(mode: &str) -> Map<String, Value> {
    Map::from_iter([("mode".to_owned(), mode.into())])
}
