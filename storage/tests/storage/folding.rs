//! Text that is written differently and reads the same.

use focusflow_proto::v1::{Category, CreateCategoryRequest, CreateTimeLogRequest, ListTasksRequest, Task, TimeLog};
use focusflow_storage::sql::{Database, folding, query};
use rstest::rstest;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Backend, Person, Postgres, Sqlite, World, at, titled};

async fn create_category(person: &Person, name: &str) -> Result<Category, Status> {
    let category = Category { name: name.into(), ..Category::default() };
    let request = CreateCategoryRequest { category: Some(category), request_id: String::new() };
    person.categories().create_category(request).await.map(tonic::Response::into_inner)
}

async fn found(person: &Person, query: &str, filter: &str) -> Vec<String> {
    let request = ListTasksRequest { query: query.into(), filter: filter.into(), ..ListTasksRequest::default() };
    person.list_tasks(request).await.unwrap().tasks.into_iter().map(|task| task.title).collect()
}

async fn assert_is_found(person: &Person) {
    for word in ["STRASSE", "straße", "stra"] {
        assert_eq!(found(person, word, "").await, ["Die Straße"], "{word}");
    }
    assert_eq!(found(person, "", "title:STRASSE").await, ["Die Straße"]);
    assert_eq!(found(person, "CAFE\u{301}", "").await, ["Die Straße"], "the notes of its log");
    assert_eq!(found(person, "", "tags:\"cafe\u{301}\"").await, ["Die Straße"]);
    let again = create_category(person, "STRASSE").await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
}

async fn person_with_text(world: &World) -> Person {
    let person = world.person().await;
    let category = create_category(&person, "Straße").await.unwrap();
    let task = Task { category_id: category.id, tags: vec!["Café".into()], ..titled("Die Straße") };
    let task = person.create_task(task).await.unwrap();
    let time_log = TimeLog {
        task_id: task.id,
        start_time: Some(at("2026-06-15T08:00:00Z")),
        end_time: Some(at("2026-06-15T09:00:00Z")),
        notes: "Im Café".into(),
        ..TimeLog::default()
    };
    let request = CreateTimeLogRequest { time_log: Some(time_log), ..CreateTimeLogRequest::default() };
    person.time_logs().create_time_log(request).await.unwrap();
    person
}

#[rstest]
#[tokio::test]
async fn what_reads_the_same_is_found_however_it_is_written(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    assert_is_found(&person_with_text(&world).await).await;
}

#[rstest]
#[tokio::test]
async fn what_a_version_with_other_rules_has_written_is_renewed(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = person_with_text(&world).await;
    let (machine, _) = world.stop().await;
    let database = Database::open(&machine.database().config()).await.unwrap();
    let mut write = database.begin(person.id).await.unwrap();
    for statement in [
        "UPDATE search_documents SET title = 'old', body = 'old', words = 'old' WHERE user_id = $1",
        "UPDATE task_tags SET tag = 'old' WHERE user_id = $1",
        "UPDATE categories SET name_key = 'old' WHERE user_id = $1 AND name = 'Straße'",
    ] {
        query(statement).bind(person.id).execute(&mut write).await.unwrap();
    }
    write.commit().await.unwrap();

    assert_eq!(folding::people(&mut database.system().await.unwrap(), Uuid::nil(), 9).await.unwrap(), [person.id]);
    let mut write = database.begin(person.id).await.unwrap();
    folding::renew_names(&mut write, person.id).await.unwrap();
    let last = folding::renew_tasks(&mut write, person.id, Uuid::nil(), 9).await.unwrap().unwrap();
    assert_eq!(folding::renew_tasks(&mut write, person.id, last, 9).await.unwrap(), None);
    folding::renew_notes(&mut write, person.id, Uuid::nil(), 9).await.unwrap();
    write.commit().await.unwrap();
    database.close().await;

    let world = World::start_on(machine).await;
    assert_is_found(&world.somebody(person.id)).await;
}
