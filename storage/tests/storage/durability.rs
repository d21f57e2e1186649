use std::collections::BTreeSet;

use focusflow_proto::v1::ListTasksRequest;

use crate::support::{Backend, Postgres, Sqlite, World};
use rstest::rstest;

#[rstest]
#[tokio::test]
async fn everything_is_there_after_a_restart(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Kept").await;
    let running = person.start_timer(&task.id).await.unwrap();
    person.task("Second").await;
    let request = ListTasksRequest { page_size: 1, ..ListTasksRequest::default() };
    let page_token = person.list_tasks(request.clone()).await.unwrap().next_page_token;
    let id = person.id;
    drop(person);
    let (machine, _) = world.stop().await;

    let world = World::start_on(machine).await;
    let person = world.somebody(id);
    assert_eq!(person.get_task(&task.id).await.unwrap(), task);
    assert_eq!(person.stop_timer().await.unwrap().id, running.id);
    let next = person.list_tasks(ListTasksRequest { page_token, ..request }).await.unwrap();
    assert_eq!(next.tasks[0].title, "Kept", "page tokens outlive the process");
}

#[rstest]
#[tokio::test]
async fn a_cancelled_request_happens_as_a_whole_or_not_at_all(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for polls in 0..60 {
        let request = {
            let person = person.clone();
            tokio::spawn(async move { person.create_task(crate::support::titled("Perhaps")).await })
        };
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        request.abort();
        let _ = request.await;
    }
    let certain = person.task("Certain").await;
    let id = person.id;
    drop(person);
    // What is still under way comes to its end.
    let (machine, _) = world.stop().await;

    let world = World::start_on(machine).await;
    let person = world.somebody(id);
    let request = ListTasksRequest { page_size: 1000, ..ListTasksRequest::default() };
    let tasks = person.list_tasks(request).await.unwrap().tasks;
    // An account begins with five changes.
    let changes = person.changes_so_far(5 + tasks.len()).await;
    let created: BTreeSet<_> = changes[5..].iter().map(|change| change.resource_id.as_str()).collect();
    let listed: BTreeSet<_> = tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(created, listed);
    assert!(listed.contains(certain.id.as_str()));
}

#[rstest]
#[tokio::test]
async fn two_processes_share_a_database(#[values(Sqlite, Postgres)] on: Backend) {
    let one = World::start(on).await;
    let other = one.replica().await;
    let person = one.person().await;
    let elsewhere = other.somebody(person.id);
    let task = person.task("Shared").await;
    assert_eq!(elsewhere.get_task(&task.id).await.unwrap(), task);

    let (here, there) = tokio::join!(person.start_timer(&task.id), elsewhere.start_timer(&task.id));
    assert_ne!(here.is_ok(), there.is_ok(), "one of two that start at once runs: {here:?}, {there:?}");
}
