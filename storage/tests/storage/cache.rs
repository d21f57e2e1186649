//! What is kept near is never older than what was acknowledged, wherever it is read and whatever happens to Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use focusflow_proto::v1;
use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use tokio::sync::mpsc;

use crate::support::{Backend, Person, Postgres, RedisServer, Sqlite, World, update_mask};

/// Kills of Redis in one test, and acknowledged writes between two of them.
const KILLS: usize = 4;
const WRITES_BETWEEN: usize = 40;

async fn first_name(person: &Person) -> String {
    person.user().get_me(v1::GetMeRequest {}).await.unwrap().into_inner().first_name
}

async fn rename(person: &Person, first_name: &str) {
    let user = v1::User { first_name: first_name.into(), ..v1::User::default() };
    let request = v1::UpdateMeRequest { user: Some(user), update_mask: update_mask(&["first_name"]) };
    person.user().update_me(request).await.unwrap();
}

/// Renames everybody without telling the service, so that what it says next shows where it has it from.
async fn rename_behind_its_back(world: &World, first_name: &str) {
    let sql = AssertSqlSafe(format!("UPDATE users SET first_name = '{first_name}'"));
    let url = world.machine.database_url();
    if url.starts_with("sqlite") {
        SqliteConnection::connect(url).await.unwrap().execute(sql).await.unwrap();
    } else {
        PgConnection::connect(url).await.unwrap().execute(sql).await.unwrap();
    }
}

/// Waits until the person is read from the cache.
async fn is_cached(world: &World, person: &Person) {
    loop {
        rename_behind_its_back(world, "Kept").await;
        rename(person, "Written").await;
        let before = first_name(person).await;
        rename_behind_its_back(world, "Not kept").await;
        if first_name(person).await == before {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[rstest]
#[tokio::test]
async fn a_value_is_kept_until_it_is_written(#[values(Sqlite, Postgres)] on: Backend) {
    let redis = RedisServer::start().await;
    let world = World::start_with(on, &redis).await;
    let person = world.person().await;
    is_cached(&world, &person).await;
    rename(&person, "Grace").await;
    assert_eq!(first_name(&person).await, "Grace");
}

#[tokio::test]
async fn replicas_that_cannot_agree_keep_nothing() {
    let world = World::start(Postgres).await;
    let person = world.person().await;
    first_name(&person).await;
    rename_behind_its_back(&world, "Grace").await;
    assert_eq!(first_name(&person).await, "Grace");
}

#[rstest]
#[tokio::test]
async fn a_category_shows_in_the_list_as_soon_as_it_is_written(#[values(Sqlite, Postgres)] on: Backend) {
    let redis = RedisServer::start().await;
    let world = World::start_with(on, &redis).await;
    let person = world.person().await;
    for number in 0..20 {
        let category = v1::Category { name: format!("Number {number}"), ..v1::Category::default() };
        let request = v1::CreateCategoryRequest { category: Some(category), ..v1::CreateCategoryRequest::default() };
        person.categories().create_category(request).await.unwrap();
        let list = person.categories().list_categories(v1::ListCategoriesRequest::default()).await.unwrap();
        assert_eq!(list.into_inner().categories.len(), 4 + number + 1);
    }
}

#[tokio::test]
async fn what_redis_saved_before_a_restart_is_never_served() {
    let mut redis = RedisServer::start().await;
    let world = World::start_with(Postgres, &redis).await;
    let person = world.person().await;
    is_cached(&world, &person).await;
    assert_eq!(redis.command("SAVE").await.as_deref(), Some("+OK"));
    rename(&person, "Grace").await;
    redis.kill();
    redis.restart().await;
    assert_ne!(redis.command("DBSIZE").await.as_deref(), Some(":0"), "the value is there again");
    assert_eq!(first_name(&person).await, "Grace");
    // Another's visits show that the cache is in use again. They rename everybody, but this one never to what was saved.
    is_cached(&world, &world.person().await).await;
    assert_ne!(first_name(&person).await, "Written");
}

/// Renames the person again and again through either process, and reads through both after each answer.
async fn write_and_check(through: [Person; 2], written: Arc<AtomicU64>, done: Arc<AtomicBool>, tell: mpsc::Sender<()>) {
    for number in 1.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        rename(&through[usize::from(rand::random::<bool>())], &number.to_string()).await;
        written.store(number, Ordering::SeqCst);
        for person in &through {
            assert_eq!(first_name(person).await, number.to_string());
        }
        let _ = tell.send(()).await;
    }
}

/// Reads the person all the time: never something older than what was acknowledged when the read began.
async fn read_and_check(person: Person, written: Arc<AtomicU64>, done: Arc<AtomicBool>) {
    while !done.load(Ordering::Relaxed) {
        let acknowledged = written.load(Ordering::SeqCst);
        // The first name of all is not a number.
        let read = first_name(&person).await.parse::<u64>().unwrap_or_default();
        assert!(read >= acknowledged, "{read} was read after {acknowledged} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_is_older_than_an_acknowledged_write_while_redis_is_killed() {
    let mut redis = RedisServer::start().await;
    let one = World::start_with(Postgres, &redis).await;
    let other = one.replica_with(&redis).await;
    let done = Arc::new(AtomicBool::new(false));
    let (tell, mut writes) = mpsc::channel(1);
    let mut work = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let written = Arc::new(AtomicU64::new(0));
        let id = one.person().await.id;
        let through = [one.somebody(id), other.somebody(id)];
        for person in through.clone() {
            work.spawn(read_and_check(person, Arc::clone(&written), Arc::clone(&done)));
        }
        work.spawn(write_and_check(through, written, Arc::clone(&done), tell.clone()));
    }
    drop(tell);
    for kill in 0..2 * KILLS {
        for _ in 0..WRITES_BETWEEN {
            writes.recv().await.expect("a check failed");
        }
        if kill % 2 == 0 { redis.kill() } else { redis.restart().await }
    }
    done.store(true, Ordering::Relaxed);
    drop(writes);
    while let Some(result) = work.join_next().await {
        result.unwrap();
    }
    let person = one.person().await;
    is_cached(&one, &person).await;
}
