use chrono::TimeDelta;
use focusflow_proto::v1::task::{Priority, RecurrenceMode, Status as TaskStatus};
use focusflow_proto::v1::{
    Category, CompleteTaskRequest, CreateCategoryRequest, DeleteCategoryRequest, DeleteTaskRequest,
    ListTaskRevisionsRequest, ListTaskRevisionsResponse, PostponeTaskRequest, RestoreTaskRevisionRequest, Task,
    TaskRevision, UndeleteTaskRequest,
};
use rstest::rstest;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Backend, NOW, Person, Postgres, Sqlite, World, at, fact, later, refusal, titled, wrong_field};

async fn page(person: &Person, id: &str, page_size: i32, token: &str) -> Result<ListTaskRevisionsResponse, Status> {
    let request = ListTaskRevisionsRequest { id: id.into(), page_size, page_token: token.into() };
    person.tasks().list_task_revisions(request).await.map(tonic::Response::into_inner)
}

async fn revisions(person: &Person, id: &str) -> Vec<TaskRevision> {
    let page = page(person, id, 1000, "").await.unwrap();
    assert_eq!(page.next_page_token, "");
    page.revisions
}

async fn restore(person: &Person, id: &str, revision: i32, etag: &str) -> Result<Task, Status> {
    let request = RestoreTaskRevisionRequest { id: id.into(), revision, etag: etag.into() };
    person.tasks().restore_task_revision(request).await.map(tonic::Response::into_inner)
}

async fn retitle(person: &Person, task: &Task, title: &str) -> Task {
    let task = Task { title: title.into(), etag: String::new(), ..task.clone() };
    person.update_task(task, &["title"]).await.unwrap()
}

async fn category(person: &Person, name: &str) -> Category {
    let category = Category { name: name.into(), ..Category::default() };
    let request = CreateCategoryRequest { category: Some(category), request_id: String::new() };
    person.categories().create_category(request).await.unwrap().into_inner()
}

fn numbers(revisions: &[TaskRevision]) -> Vec<i32> {
    revisions.iter().map(|revision| revision.revision).collect()
}

#[rstest]
#[tokio::test]
async fn every_change_of_a_task_leaves_the_version_before(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let given = Task {
        description: "All of it".into(),
        priority: Priority::High.into(),
        estimated_minutes: 30,
        due_time: Some(later(60)),
        tags: vec!["Deep".into()],
        ..titled("Draft")
    };
    let first = person.create_task(given).await.unwrap();
    world.clock.advance(TimeDelta::minutes(5));
    let second = retitle(&person, &first, "Final").await;
    let request = CompleteTaskRequest { id: first.id.clone(), etag: String::new() };
    let third = person.tasks().complete_task(request).await.unwrap().into_inner();

    let found = revisions(&person, &first.id).await;
    assert_eq!(numbers(&found), [3, 2, 1]);
    let tasks: Vec<Task> = found.iter().map(|revision| revision.task.clone().unwrap()).collect();
    assert_eq!(tasks, [third, second, first]);
    assert_eq!(found[2].create_time, Some(at(NOW)));
    assert_eq!(found[1].create_time, Some(later(5)));
}

#[rstest]
#[tokio::test]
async fn logged_time_alone_makes_no_version(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Read").await;
    person.log(&task.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    person.log(&task.id, "2026-06-15T09:00:00Z", "2026-06-15T09:30:00Z").await.unwrap();
    retitle(&person, &task, "Reread").await;
    let found = revisions(&person, &task.id).await;
    assert_eq!(numbers(&found), [4, 3]);
    assert_eq!(found[1].task.as_ref().unwrap().actual_minutes, 90, "as it was then");
}

#[rstest]
#[tokio::test]
async fn versions_come_in_pages_and_the_newest_two_hundred_stay(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("0").await;
    for number in 1..=205 {
        retitle(&person, &task, &number.to_string()).await;
    }
    let mut walked = Vec::new();
    let mut token = String::new();
    loop {
        let page = page(&person, &task.id, 50, &token).await.unwrap();
        walked.extend(numbers(&page.revisions));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(walked, (6..=206).rev().collect::<Vec<_>>());
    assert_eq!(refusal(restore(&person, &task.id, 5, "").await).0, Code::NotFound);
    assert_eq!(restore(&person, &task.id, 6, "").await.unwrap().title, "5");
}

#[rstest]
#[tokio::test]
async fn putting_a_task_back_is_a_new_version(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let (work, parent) = (category(&person, "Reading").await, person.task("Whole").await);
    let given = Task {
        description: "All of it".into(),
        category_id: work.id,
        parent_id: parent.id,
        priority: Priority::Urgent.into(),
        status: TaskStatus::Completed.into(),
        estimated_minutes: 30,
        due_time: Some(later(60)),
        tags: vec!["Deep".into(), "home".into()],
        ..titled("Draft")
    };
    let first = person.create_task(given).await.unwrap();
    let all = ["title", "description", "category_id", "parent_id", "priority", "status", "estimated_minutes"];
    world.clock.advance(TimeDelta::minutes(5));
    let changed = Task { title: "Gone".into(), id: first.id.clone(), ..Task::default() };
    person.update_task(changed, &[&all[..], &["due_time", "tags"]].concat()).await.unwrap();
    person.log(&first.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();

    world.clock.advance(TimeDelta::minutes(5));
    let restored = restore(&person, &first.id, 1, "\"3\"").await.unwrap();
    let expected = Task { actual_minutes: 60, update_time: Some(later(10)), etag: "\"4\"".into(), ..first.clone() };
    assert_eq!(restored, expected, "also when it was completed");
    assert_eq!(person.get_task(&first.id).await.unwrap(), expected);
    assert_eq!(numbers(&revisions(&person, &first.id).await), [4, 3, 1]);
    let tagged = person.list_tasks(focusflow_proto::v1::ListTasksRequest {
        filter: "tags:deep AND title:draft".into(),
        ..Default::default()
    });
    assert_eq!(tagged.await.unwrap().tasks, std::slice::from_ref(&expected), "found by what it says again");

    let stale = restore(&person, &first.id, 1, "\"3\"").await.unwrap_err();
    assert_eq!((stale.code(), fact(&stale, "current_etag")), (Code::Aborted, expected.etag.clone()));
    assert_eq!(restore(&person, &first.id, 4, "").await.unwrap(), expected, "nothing to be done");
}

#[rstest]
#[tokio::test]
async fn what_a_version_referred_to_may_be_gone(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let (category, parent) = (category(&person, "Reading").await, person.task("Whole").await);
    let given = Task { category_id: category.id.clone(), parent_id: parent.id.clone(), ..titled("Part") };
    let first = person.create_task(given).await.unwrap();
    let freed = Task { id: first.id.clone(), title: "Free".into(), ..Task::default() };
    person.update_task(freed, &["title", "category_id", "parent_id"]).await.unwrap();

    // The former parent becomes a part of it, and the category goes.
    let turned = Task { id: parent.id.clone(), parent_id: first.id.clone(), ..Task::default() };
    person.update_task(turned, &["parent_id"]).await.unwrap();
    let request = DeleteCategoryRequest { id: category.id, etag: String::new() };
    person.categories().delete_category(request).await.unwrap();

    let restored = restore(&person, &first.id, 1, "").await.unwrap();
    assert_eq!((restored.title.as_str(), restored.category_id.as_str(), restored.parent_id.as_str()), ("Part", "", ""));
}

#[rstest]
#[tokio::test]
async fn a_series_put_back_takes_its_occurrences_along_and_keeps_its_rule(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = Task { recurrence: "FREQ=DAILY;COUNT=2".into(), due_time: Some(later(60)), ..titled("Walk") };
    let series = person.create_task(daily).await.unwrap();
    retitle(&person, &series, "Run").await;
    let twice = Task { id: series.id.clone(), recurrence: "FREQ=DAILY;COUNT=3".into(), ..Task::default() };
    let changed = person.update_task(twice, &["recurrence"]).await.unwrap();

    let restored = restore(&person, &series.id, 1, "").await.unwrap();
    assert_eq!((restored.title, restored.recurrence), ("Walk".to_owned(), changed.recurrence));
    assert_eq!(restored.due_time, changed.due_time);
    let occurrences = person.list_tasks(focusflow_proto::v1::ListTasksRequest::default()).await.unwrap().tasks;
    assert_eq!(occurrences.iter().map(|task| task.title.as_str()).collect::<Vec<_>>(), ["Walk"; 3]);
}

#[rstest]
#[tokio::test]
async fn versions_show_when_a_task_came_again_and_how_often_it_was_put_off(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let once = person.create_task(Task { due_time: Some(later(60)), ..titled("Walk") }).await.unwrap();
    let request = PostponeTaskRequest { id: once.id.clone(), due_time: Some(later(120)), etag: String::new() };
    let later_once = person.tasks().postpone_task(request).await.unwrap().into_inner();
    let daily = Task { id: once.id.clone(), recurrence: "FREQ=DAILY;COUNT=2".into(), ..Task::default() };
    let daily = person.update_task(daily, &["recurrence"]).await.unwrap();
    let from_completion = Task {
        id: once.id.clone(),
        recurrence: "FREQ=WEEKLY".into(),
        recurrence_mode: RecurrenceMode::Completion.into(),
        ..Task::default()
    };
    let weekly = person.update_task(from_completion, &["recurrence", "recurrence_mode"]).await.unwrap();

    let found = revisions(&person, &once.id).await;
    let tasks: Vec<Task> = found.into_iter().map(|revision| revision.task.unwrap()).collect();
    assert_eq!(tasks, [weekly, daily, later_once, once.clone()], "each as it was");
    assert_eq!(restore(&person, &once.id, 1, "").await.unwrap().recurrence, "FREQ=WEEKLY", "a series stays one");
}

#[rstest]
#[tokio::test]
async fn a_task_in_the_trash_has_no_versions_until_it_is_taken_back(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Read").await;
    retitle(&person, &task, "Reread").await;
    let request = DeleteTaskRequest { id: task.id.clone(), etag: String::new() };
    person.tasks().delete_task(request).await.unwrap();
    assert_eq!(refusal(page(&person, &task.id, 0, "").await).0, Code::NotFound);
    assert_eq!(refusal(restore(&person, &task.id, 1, "").await).0, Code::NotFound);

    let undelete = |etag: &str| UndeleteTaskRequest { id: task.id.clone(), etag: etag.into() };
    let stale = person.tasks().undelete_task(undelete("\"2\"")).await.unwrap_err();
    assert_eq!((stale.code(), fact(&stale, "current_etag")), (Code::Aborted, "\"3\"".to_owned()));
    person.tasks().undelete_task(undelete("\"3\"")).await.unwrap();
    let found = revisions(&person, &task.id).await;
    assert_eq!(numbers(&found), [4, 3, 2, 1]);
    assert!(found[1].task.as_ref().unwrap().delete_time.is_some(), "it was in the trash then");
}

#[rstest]
#[tokio::test]
async fn versions_of_others_do_not_exist(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    let task = person.task("Read").await;
    retitle(&person, &task, "Reread").await;
    assert_eq!(refusal(page(&other, &task.id, 0, "").await).0, Code::NotFound);
    assert_eq!(refusal(restore(&other, &task.id, 1, "").await).0, Code::NotFound);
    let unknown = Uuid::now_v7().to_string();
    assert_eq!(refusal(restore(&person, &unknown, 1, "").await).0, Code::NotFound);
    assert_eq!(wrong_field(restore(&person, "x", 1, "").await), "id");
    assert_eq!(wrong_field(page(&person, &task.id, -1, "").await), "page_size");
    assert_eq!(wrong_field(page(&person, &task.id, 0, "AAAA").await), "page_token");
}
