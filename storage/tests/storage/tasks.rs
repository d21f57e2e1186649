use chrono::TimeDelta;
use focusflow_proto::v1::task::{Priority, Status as TaskStatus};
use focusflow_proto::v1::{
    CompleteTaskRequest, CreateTaskRequest, DeleteTaskRequest, DeleteTimeLogRequest, ListTasksRequest,
    StartTimeLogRequest, Task, UndeleteTaskRequest, UpdateTaskRequest,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Backend, NOW, Person, Postgres, Sqlite, World, at, fact, refusal, titled, wrong_field};
use rstest::rstest;

async fn complete(person: &Person, id: &str, etag: &str) -> Result<Task, Status> {
    let request = CompleteTaskRequest { id: id.into(), etag: etag.into() };
    person.tasks().complete_task(request).await.map(tonic::Response::into_inner)
}

async fn delete(person: &Person, id: &str) -> Result<(), Status> {
    person.tasks().delete_task(DeleteTaskRequest { id: id.into(), etag: String::new() }).await.map(drop)
}

async fn undelete(person: &Person, id: &str) -> Result<Task, Status> {
    let request = UndeleteTaskRequest { id: id.into(), etag: String::new() };
    person.tasks().undelete_task(request).await.map(tonic::Response::into_inner)
}

#[rstest]
#[tokio::test]
async fn a_new_task_has_defaults_and_what_the_server_sets(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let given = Task {
        id: "mine".into(),
        actual_minutes: 99,
        postponement_count: 9,
        etag: "\"7\"".into(),
        tags: vec!["Deep".into(), "deep".into(), "home".into()],
        due_time: Some(at("2026-07-01T12:00:00.123456789Z")),
        ..titled("  Write the report ")
    };
    let task = person.create_task(given).await.unwrap();
    assert_eq!(Uuid::parse_str(&task.id).unwrap().get_version_num(), 7);
    assert_eq!(task.title, "Write the report");
    assert_eq!((task.priority(), task.status()), (Priority::Medium, TaskStatus::Pending));
    assert_eq!((task.actual_minutes, task.postponement_count), (0, 0));
    assert_eq!(task.tags, ["Deep", "home"]);
    assert_eq!(task.due_time, Some(at("2026-07-01T12:00:00.123456Z")), "to the microsecond");
    assert_eq!((task.create_time, task.update_time), (Some(at(NOW)), Some(at(NOW))));
    assert_eq!(person.get_task(&task.id).await.unwrap(), task);
}

#[rstest]
#[tokio::test]
async fn a_wrong_task_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let cases = [
        (titled(""), "task.title"),
        (titled(&"x".repeat(501)), "task.title"),
        (Task { description: "x".repeat(20_001), ..titled("t") }, "task.description"),
        (Task { category_id: "work".into(), ..titled("t") }, "task.category_id"),
        (Task { parent_id: "1".into(), ..titled("t") }, "task.parent_id"),
        (Task { estimated_minutes: -1, ..titled("t") }, "task.estimated_minutes"),
        (Task { priority: 9, ..titled("t") }, "task.priority"),
        (Task { status: -1, ..titled("t") }, "task.status"),
        (Task { tags: vec!["a".into(), "#b".into()], ..titled("t") }, "task.tags[1]"),
        (Task { tags: (0..51).map(|n| format!("t{n}")).collect(), ..titled("t") }, "task.tags[50]"),
        (Task { recurrence: "FREQ=HOURLY".into(), ..titled("t") }, "task.recurrence"),
        (
            Task { due_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), ..titled("t") },
            "task.due_time",
        ),
    ];
    for (task, field) in cases {
        assert_eq!(wrong_field(person.create_task(task).await), field);
    }
    let nothing = person.tasks().create_task(CreateTaskRequest::default()).await;
    assert_eq!(wrong_field(nothing), "task");
    assert_eq!(wrong_field(person.get_task("").await), "id");
    assert_eq!(wrong_field(person.get_task("not-a-uuid").await), "id");
    let unnamed = person.tasks().update_task(UpdateTaskRequest { task: Some(titled("t")), update_mask: None }).await;
    assert_eq!(wrong_field(unnamed), "task.id");
}

#[rstest]
#[tokio::test]
async fn a_request_id_creates_once_within_a_day(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let request_id = Uuid::now_v7().to_string();
    let request = || CreateTaskRequest { task: Some(titled("Once")), request_id: request_id.clone() };
    let first = person.tasks().create_task(request()).await.unwrap().into_inner();
    let again = person.tasks().create_task(request()).await.unwrap().into_inner();
    assert_eq!(again, first);
    assert_eq!(person.list_tasks(ListTasksRequest::default()).await.unwrap().tasks.len(), 1);

    world.clock.advance(TimeDelta::days(1));
    let later = person.tasks().create_task(request()).await.unwrap().into_inner();
    assert_ne!(later.id, first.id);

    let other = focusflow_proto::v1::StartTimeLogRequest { request_id, ..Default::default() };
    assert_eq!(wrong_field(person.time_logs().start_time_log(other).await), "request_id");
}

#[rstest]
#[tokio::test]
async fn requests_with_one_request_id_at_the_same_time_create_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let request_id = Uuid::now_v7().to_string();
    let requests: Vec<_> = (0..8)
        .map(|_| {
            let (person, request_id) = (person.clone(), request_id.clone());
            tokio::spawn(async move {
                let request = CreateTaskRequest { task: Some(titled("Once")), request_id };
                person.tasks().create_task(request).await.unwrap().into_inner().id
            })
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for request in requests {
        ids.insert(request.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
}

#[rstest]
#[tokio::test]
async fn an_update_takes_what_its_mask_names(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = Task { description: "Long".into(), tags: vec!["a".into()], estimated_minutes: 30, ..titled("Old") };
    let task = person.create_task(task).await.unwrap();

    let values = Task { id: task.id.clone(), title: "New".into(), description: "Other".into(), ..Task::default() };
    let updated = person.update_task(values.clone(), &["title", "tags", "actual_minutes"]).await.unwrap();
    assert_eq!(updated.title, "New");
    assert_eq!((updated.description.as_str(), updated.estimated_minutes), ("Long", 30));
    assert!(updated.tags.is_empty(), "named and not given is cleared");

    let updated = person.update_task(values.clone(), &[]).await.unwrap();
    assert_eq!((updated.description.as_str(), updated.estimated_minutes), ("Other", 30), "without a mask, what is set");

    let status = person.update_task(values, &["title", "colour"]).await.unwrap_err();
    assert!(status.message().contains("`colour`"), "{}", status.message());
    assert_eq!(wrong_field::<()>(Err(status)), "update_mask");
}

#[rstest]
#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Same").await;
    world.clock.advance(TimeDelta::minutes(1));
    let values = Task { id: task.id.clone(), ..titled("Same") };
    assert_eq!(person.update_task(values, &["title"]).await.unwrap(), task);
}

#[rstest]
#[tokio::test]
async fn a_write_with_a_stale_etag_is_aborted_and_told_the_current_one(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let first = person.task("One").await;
    let second = person.update_task(Task { title: "Two".into(), ..first.clone() }, &["title"]).await.unwrap();
    assert!(second.etag.starts_with('"') && second.etag.ends_with('"'));

    let stale = Task { title: "Three".into(), ..first.clone() };
    let status = person.update_task(stale, &["title"]).await.unwrap_err();
    assert_eq!(fact(&status, "current_etag"), second.etag);
    assert_eq!(refusal::<()>(Err(status)), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    assert_eq!(refusal(complete(&person, &first.id, &first.etag).await).0, Code::Aborted);
    let request = DeleteTaskRequest { id: first.id.clone(), etag: first.etag };
    assert_eq!(refusal(person.tasks().delete_task(request).await).0, Code::Aborted);
    assert_eq!(person.get_task(&first.id).await.unwrap(), second);
}

#[rstest]
#[tokio::test]
async fn completing_a_completed_task_changes_nothing(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Do").await;
    let done = complete(&person, &task.id, &task.etag).await.unwrap();
    assert_eq!((done.status(), done.complete_time), (TaskStatus::Completed, Some(at(NOW))));
    world.clock.advance(TimeDelta::minutes(1));
    assert_eq!(complete(&person, &task.id, "").await.unwrap(), done);

    let reopened = Task { id: task.id, status: TaskStatus::Pending.into(), ..Task::default() };
    let reopened = person.update_task(reopened, &["status"]).await.unwrap();
    assert_eq!((reopened.status(), reopened.complete_time), (TaskStatus::Pending, None));
}

#[rstest]
#[tokio::test]
async fn completing_a_task_stops_its_timer_and_no_other(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let (task, other) = (person.task("Timed").await, person.task("Other").await);
    let log = person.start_timer(&task.id).await.unwrap();
    complete(&person, &other.id, "").await.unwrap();
    world.clock.advance(TimeDelta::minutes(25));

    let done = complete(&person, &task.id, "").await.unwrap();
    assert_eq!(done.actual_minutes, 25);
    assert_eq!(person.get_task(&task.id).await.unwrap(), done);
    assert_eq!(refusal(person.stop_timer().await).1, "TIMER_NOT_RUNNING");
    let request = focusflow_proto::v1::GetTimeLogRequest { id: log.id };
    assert!(person.time_logs().get_time_log(request).await.unwrap().into_inner().end_time.is_some());
}

#[rstest]
#[tokio::test]
async fn a_timer_that_was_started_after_completion_runs_on_when_the_task_is_edited(
    #[values(Sqlite, Postgres)] on: Backend,
) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Done").await;
    complete(&person, &task.id, "").await.unwrap();
    person.start_timer(&task.id).await.unwrap();
    let renamed = Task { title: "Done, almost".into(), ..task };
    person.update_task(Task { etag: String::new(), ..renamed }, &["title"]).await.unwrap();
    person.stop_timer().await.expect("still running");
}

#[rstest]
#[tokio::test]
async fn a_deleted_task_is_gone_until_it_is_taken_back(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Gone").await;
    delete(&person, &task.id).await.unwrap();
    assert_eq!(refusal(person.get_task(&task.id).await).0, Code::NotFound);
    assert_eq!(refusal(delete(&person, &task.id).await).0, Code::NotFound);
    assert!(person.list_tasks(ListTasksRequest::default()).await.unwrap().tasks.is_empty());
    let all = ListTasksRequest { show_deleted: true, ..ListTasksRequest::default() };
    assert_eq!(person.list_tasks(all).await.unwrap().tasks.len(), 1);

    world.clock.advance(TimeDelta::days(29));
    assert_eq!(undelete(&person, &task.id).await.unwrap().title, "Gone");
    person.get_task(&task.id).await.unwrap();
    delete(&person, &task.id).await.unwrap();
    world.clock.advance(TimeDelta::days(30));
    assert_eq!(refusal(undelete(&person, &task.id).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn deleting_a_task_stops_its_timer_and_keeps_the_time(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Timed").await;
    person.start_timer(&task.id).await.unwrap();
    world.clock.advance(TimeDelta::minutes(10));
    delete(&person, &task.id).await.unwrap();
    assert_eq!(refusal(person.stop_timer().await).1, "TIMER_NOT_RUNNING");
    assert_eq!(undelete(&person, &task.id).await.unwrap().actual_minutes, 10);
}

#[rstest]
#[tokio::test]
async fn a_task_is_not_a_part_of_itself(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let whole = person.task("Whole").await;
    let part = person.create_task(Task { parent_id: whole.id.clone(), ..titled("Part") }).await.unwrap();
    let crumb = person.create_task(Task { parent_id: part.id.clone(), ..titled("Crumb") }).await.unwrap();
    for parent_id in [&whole.id, &part.id, &crumb.id] {
        let values = Task { id: whole.id.clone(), parent_id: parent_id.clone(), ..Task::default() };
        assert_eq!(wrong_field(person.update_task(values, &["parent_id"]).await), "task.parent_id");
    }
}

#[rstest]
#[tokio::test]
async fn pages_show_every_task_once_newest_first(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for number in 0..25 {
        person.task(&number.to_string()).await;
        // Several tasks of one instant, so that the id has to order them.
        if number % 4 == 0 {
            world.clock.advance(TimeDelta::seconds(1));
        }
    }
    let mut titles = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTasksRequest { page_size: 10, page_token, ..ListTasksRequest::default() };
        let page = person.list_tasks(request).await.unwrap();
        assert!(page.tasks.len() <= 10);
        titles.extend(page.tasks.into_iter().map(|task| task.title));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = (0..25).rev().map(|number| number.to_string()).collect();
    assert_eq!(titles, expected);
}

#[rstest]
#[tokio::test]
async fn a_page_token_that_is_forged_or_of_another_query_or_person_is_refused(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    for person in [&person, &other] {
        person.task("One").await;
        person.task("Two").await;
    }
    let first = ListTasksRequest { page_size: 1, ..ListTasksRequest::default() };
    let token = person.list_tasks(first.clone()).await.unwrap().next_page_token;
    let mut forged = token.clone().into_bytes();
    forged[3] = if forged[3] == b'A' { b'B' } else { b'A' };
    let with = |page_token: String| ListTasksRequest { page_token, ..first.clone() };

    person.list_tasks(with(token.clone())).await.unwrap();
    let another_query = ListTasksRequest { show_deleted: true, ..with(token.clone()) };
    assert_eq!(wrong_field(person.list_tasks(another_query).await), "page_token");
    assert_eq!(wrong_field(person.list_tasks(with(String::from_utf8(forged).unwrap())).await), "page_token");
    assert_eq!(wrong_field(person.list_tasks(with("!".into())).await), "page_token");
    assert_eq!(wrong_field(other.list_tasks(with(token)).await), "page_token");
}

#[rstest]
#[tokio::test]
async fn a_request_id_is_good_for_one_request(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let request_id = Uuid::now_v7().to_string();
    let request = |title: &str| CreateTaskRequest { task: Some(titled(title)), request_id: request_id.clone() };
    let made = person.tasks().create_task(request("Once")).await.unwrap().into_inner();
    assert_eq!(wrong_field(person.tasks().create_task(request("Twice")).await), "request_id");

    delete(&person, &made.id).await.unwrap();
    let again = person.tasks().create_task(request("Once")).await.unwrap().into_inner();
    assert_eq!((again.id, again.delete_time.is_some()), (made.id, true), "it is in the trash");
}

#[rstest]
#[tokio::test]
async fn what_a_request_made_is_not_made_again_after_it_was_deleted(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let start = StartTimeLogRequest { request_id: Uuid::now_v7().to_string(), ..StartTimeLogRequest::default() };
    let log = person.time_logs().start_time_log(start.clone()).await.unwrap().into_inner();
    person.time_logs().delete_time_log(DeleteTimeLogRequest { id: log.id.clone() }).await.unwrap();
    let status = person.time_logs().start_time_log(start).await.unwrap_err();
    assert_eq!(refusal(Err::<(), _>(status.clone())), (Code::FailedPrecondition, "RESULT_DELETED".into()));
    assert_eq!(fact(&status, "id"), log.id);
}
