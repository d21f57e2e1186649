//! Redis as an operator sees it: there, away, or not needed.

use rstest::rstest;
use serde_json::{Value, json};

use crate::operations::health;
use crate::support::{Backend, Postgres, RedisServer, Sqlite, World};

/// Waits until `/health` says this of Redis, and answers all that it says.
async fn health_once(world: &World, redis: &Value) -> (String, Value) {
    loop {
        let (status, health) = health(world).await;
        if health["services"]["redis"] == *redis && health["services"]["database"]["status"] == "healthy" {
            return (status, health);
        }
        tokio::task::yield_now().await;
    }
}

#[rstest]
#[tokio::test]
async fn without_redis_nothing_is_missing(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (_, health) = health_once(&world, &json!({"status": "healthy", "mode": "in-process"})).await;
    assert_eq!(health["status"], "healthy");
}

#[tokio::test]
async fn redis_that_is_away_degrades_the_service_and_no_more() {
    let mut redis = RedisServer::start().await;
    let world = World::start_with(Postgres, &redis).await;
    let works = json!({"status": "healthy", "mode": "redis"});
    assert_eq!(health_once(&world, &works).await.1["status"], "healthy");

    redis.kill();
    let (status, health) = health_once(&world, &json!({"status": "unhealthy", "mode": "redis"})).await;
    assert!(status.contains("200"), "{status}");
    assert_eq!(health["status"], "degraded");
    world.person().await.task("All the same").await;

    redis.restart().await;
    assert_eq!(health_once(&world, &works).await.1["status"], "healthy");
}

#[tokio::test]
async fn a_service_starts_without_its_redis_and_finds_it_later() {
    let mut redis = RedisServer::start().await;
    redis.kill();
    let world = World::start_with(Postgres, &redis).await;
    world.person().await.task("All the same").await;
    redis.restart().await;
    health_once(&world, &json!({"status": "healthy", "mode": "redis"})).await;
}
