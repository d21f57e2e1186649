use focusflow_proto::internal::v1::{FinishedTask, GetTaskOutlineRequest, ListFinishedTasksRequest};
use focusflow_proto::v1::{CompleteTaskRequest, Task};
use tonic::Code;
use uuid::Uuid;

use crate::support::{Backend, Postgres, Sqlite, World, refusal, titled, wrong_field};
use rstest::rstest;

async fn finished(world: &World, user_id: Uuid) -> Vec<FinishedTask> {
    let request = ListFinishedTasksRequest { user_id: user_id.to_string() };
    let mut stream = world.history().list_finished_tasks(request).await.unwrap().into_inner();
    let mut tasks = Vec::new();
    while let Some(batch) = stream.message().await.unwrap() {
        assert!((1..=1000).contains(&batch.tasks.len()));
        tasks.extend(batch.tasks);
    }
    tasks
}

#[rstest]
#[tokio::test]
async fn finished_are_tasks_with_an_estimate_and_logged_time(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for (number, (estimate, logged, done)) in
        [(30, true, true), (0, true, true), (30, false, true), (30, true, false)].into_iter().enumerate()
    {
        let task = Task { estimated_minutes: estimate, tags: vec!["Deep".into()], ..titled(&number.to_string()) };
        let task = person.create_task(task).await.unwrap();
        if logged {
            let (start, end) = (format!("2026-06-1{number}T08:00:00Z"), format!("2026-06-1{number}T08:00:30Z"));
            person.log(&task.id, &start, &end).await.unwrap();
        }
        if done {
            let request = CompleteTaskRequest { id: task.id, etag: String::new() };
            person.tasks().complete_task(request).await.unwrap();
        }
    }
    let tasks = finished(&world, person.id).await;
    assert_eq!(tasks.len(), 1);
    let outline = tasks[0].outline.clone().unwrap();
    assert_eq!(
        (outline.title.as_str(), outline.tags.as_slice(), outline.estimated_minutes),
        ("0", ["Deep".to_owned()].as_slice(), 30)
    );
    assert!((tasks[0].actual_minutes - 0.5).abs() < f64::EPSILON, "not rounded");
    assert!(finished(&world, world.person().await.id).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn an_outline_is_of_the_persons_own_task(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    let task = person.create_task(Task { estimated_minutes: 25, ..titled("Mine") }).await.unwrap();
    let ask = async |user_id: String, task_id: String| {
        world.history().get_task_outline(GetTaskOutlineRequest { user_id, task_id }).await
    };
    let outline = ask(person.id.to_string(), task.id.clone()).await.unwrap().into_inner();
    assert_eq!((outline.title.as_str(), outline.estimated_minutes), ("Mine", 25));
    assert_eq!(refusal(ask(other.id.to_string(), task.id.clone()).await).0, Code::NotFound);
    assert_eq!(wrong_field(ask("me".into(), task.id).await), "user_id");
    assert_eq!(wrong_field(ask(person.id.to_string(), "it".into()).await), "task_id");
    let unknown = ListFinishedTasksRequest { user_id: Uuid::now_v7().to_string() };
    assert_eq!(refusal(world.history().list_finished_tasks(unknown).await).0, Code::NotFound);
}
