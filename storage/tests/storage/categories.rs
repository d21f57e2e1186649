use focusflow_proto::v1::{
    Category, CreateCategoryRequest, DeleteCategoryRequest, GetCategoryRequest, Task, UpdateCategoryRequest,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Backend, Person, Postgres, Sqlite, World, fact, refusal, titled, update_mask, wrong_field};
use rstest::rstest;

fn named(name: &str) -> Category {
    Category { name: name.into(), color: "#112233".into(), icon: "star".into(), ..Category::default() }
}

async fn create(person: &Person, category: Category, request_id: &str) -> Result<Category, Status> {
    let request = CreateCategoryRequest { category: Some(category), request_id: request_id.into() };
    person.categories().create_category(request).await.map(tonic::Response::into_inner)
}

async fn update(person: &Person, category: Category, mask: &[&str]) -> Result<Category, Status> {
    let request = UpdateCategoryRequest { category: Some(category), update_mask: update_mask(mask) };
    person.categories().update_category(request).await.map(tonic::Response::into_inner)
}

#[rstest]
#[tokio::test]
async fn a_name_is_there_once_whatever_its_case(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let reading = create(&person, named("Reading"), "").await.unwrap();
    assert_eq!(refusal(create(&person, named("READING"), "").await).0, Code::AlreadyExists);
    let renamed = Category { id: reading.id.clone(), name: "work".into(), ..Category::default() };
    assert_eq!(refusal(update(&person, renamed, &[]).await).0, Code::AlreadyExists);
    create(&world.person().await, named("Reading"), "").await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_request_id_creates_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let request_id = Uuid::now_v7().to_string();
    let first = create(&person, named("Reading"), &request_id).await.unwrap();
    assert_eq!(create(&person, named("Reading"), &request_id).await.unwrap(), first);
}

#[rstest]
#[tokio::test]
async fn an_update_needs_the_current_etag_where_it_gives_one(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let first = create(&person, named("Reading"), "").await.unwrap();
    let red = Category { color: "#FF0000".into(), ..first.clone() };
    let second = update(&person, red.clone(), &["color"]).await.unwrap();
    assert_eq!((second.color.as_str(), second.name.as_str()), ("#FF0000", "Reading"));
    assert_ne!(second.etag, first.etag);

    let status = update(&person, Category { icon: "moon".into(), ..red }, &["icon"]).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
    assert_eq!(fact(&status, "current_etag"), second.etag);
}

#[rstest]
#[tokio::test]
async fn deleting_a_category_keeps_its_tasks(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let category = create(&person, named("Reading"), "").await.unwrap();
    let task = Task { category_id: category.id.clone(), ..titled("Read") };
    let task = person.create_task(task).await.unwrap();
    assert_eq!(task.category_id, category.id);

    let request = DeleteCategoryRequest { id: category.id.clone(), etag: category.etag };
    person.categories().delete_category(request).await.unwrap();
    let after = person.get_task(&task.id).await.unwrap();
    assert_eq!(after.category_id, "");
    assert_ne!(after.etag, task.etag, "the task is different");
    let gone = person.categories().get_category(GetCategoryRequest { id: category.id }).await;
    assert_eq!(refusal(gone).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn a_wrong_category_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    assert_eq!(wrong_field(create(&person, named(" "), "").await), "category.name");
    assert_eq!(
        wrong_field(create(&person, Category { color: "red".into(), ..named("a") }, "").await),
        "category.color"
    );
    assert_eq!(wrong_field(create(&person, named("a"), "once").await), "request_id");
    assert_eq!(wrong_field(update(&person, named("a"), &[]).await), "category.id");
}
