use focusflow_proto::v1::task::{Priority, Status as TaskStatus};
use focusflow_proto::v1::{
    BatchCreateTasksRequest, BatchDeleteTasksRequest, BatchUpdateTasksRequest, Category, CreateCategoryRequest,
    CreateTaskRequest, DeleteCategoryRequest, DeleteTaskRequest, ListTasksRequest, Task, UpdateTaskRequest,
};
use rstest::rstest;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::support::{Backend, Person, Postgres, Sqlite, World, fact, refusal, titled, update_mask, wrong_field};

async fn create(person: &Person, requests: Vec<CreateTaskRequest>) -> Result<Vec<Task>, Status> {
    let answer = person.tasks().batch_create_tasks(BatchCreateTasksRequest { requests }).await?;
    Ok(answer.into_inner().tasks)
}

async fn update(person: &Person, requests: Vec<UpdateTaskRequest>) -> Result<Vec<Task>, Status> {
    let answer = person.tasks().batch_update_tasks(BatchUpdateTasksRequest { requests }).await?;
    Ok(answer.into_inner().tasks)
}

async fn delete(person: &Person, request: BatchDeleteTasksRequest) -> Result<(), Status> {
    person.tasks().batch_delete_tasks(request).await.map(drop)
}

fn creating(task: Task) -> CreateTaskRequest {
    CreateTaskRequest { task: Some(task), request_id: String::new() }
}

fn retitling(task: &Task, title: &str) -> UpdateTaskRequest {
    UpdateTaskRequest { task: Some(Task { title: title.into(), ..task.clone() }), update_mask: update_mask(&["title"]) }
}

fn ids(tasks: &[&Task]) -> BatchDeleteTasksRequest {
    BatchDeleteTasksRequest { ids: tasks.iter().map(|task| task.id.clone()).collect(), requests: Vec::new() }
}

async fn titles(person: &Person) -> Vec<String> {
    let request = ListTasksRequest { order_by: "title".into(), page_size: 1000, ..ListTasksRequest::default() };
    person.list_tasks(request).await.unwrap().tasks.into_iter().map(|task| task.title).collect()
}

/// The paths and descriptions of all violations.
fn violations(status: &Status) -> Vec<(String, String)> {
    let bad_request = status.get_details_bad_request().unwrap();
    bad_request.field_violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

#[rstest]
#[tokio::test]
async fn five_hundred_tasks_are_created_changed_and_deleted_at_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let wanted: Vec<String> = (0..500).map(|number| format!("Task {number:03}")).collect();
    let created = create(&person, wanted.iter().map(|title| creating(titled(title))).collect()).await.unwrap();
    assert_eq!(created.iter().map(|task| task.title.clone()).collect::<Vec<_>>(), wanted, "in order");
    assert_eq!(titles(&person).await, wanted);

    let done = |task: &Task| UpdateTaskRequest {
        task: Some(Task { status: TaskStatus::Completed.into(), ..task.clone() }),
        update_mask: update_mask(&["status"]),
    };
    let updated = update(&person, created.iter().map(done).collect()).await.unwrap();
    assert!(updated.iter().all(|task| task.complete_time.is_some() && task.etag == "\"2\""));

    delete(&person, ids(&updated.iter().collect::<Vec<_>>())).await.unwrap();
    assert_eq!(titles(&person).await, [""; 0]);
    let changes = person.changes_so_far(1500).await;
    assert!(changes.windows(2).all(|pair| pair[1].number == pair[0].number + 1), "no gap");
}

#[rstest]
#[tokio::test]
async fn one_bad_item_keeps_all_from_being_created_and_every_bad_item_is_named(
    #[values(Sqlite, Postgres)] on: Backend,
) {
    let world = World::start(on).await;
    let person = world.person().await;
    let nowhere = Uuid::now_v7().to_string();
    let requests = vec![
        creating(titled("Good")),
        creating(titled("")),
        creating(Task { category_id: nowhere.clone(), ..titled("Lost") }),
        CreateTaskRequest::default(),
        creating(Task { tags: vec!["ok".into(), "@bad".into()], ..titled("Tagged") }),
    ];
    let status = create(&person, requests).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "requests[1].task.title: must not be empty (and 3 more)");
    let expected = [
        ("requests[1].task.title", "must not be empty"),
        ("requests[2].task.category_id", &format!("category {nowhere} does not exist")),
        ("requests[3].task", "is required"),
        ("requests[4].task.tags[1]", "must not contain `@`, `#` or a comma"),
    ];
    assert_eq!(violations(&status), expected.map(|(field, text)| (field.to_owned(), text.to_owned())));
    assert_eq!(titles(&person).await, [""; 0]);
}

#[rstest]
#[tokio::test]
async fn a_stale_etag_aborts_an_update_and_tells_all_current_ones(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let [first, second, third] = [person.task("a").await, person.task("b").await, person.task("c").await];
    let newer = person.update_task(Task { title: "B".into(), ..second.clone() }, &["title"]).await.unwrap();
    let newest = person.update_task(Task { title: "C".into(), ..third.clone() }, &["title"]).await.unwrap();

    let requests = vec![retitling(&first, "x"), retitling(&second, "y"), retitling(&third, "z")];
    let status = update(&person, requests).await.unwrap_err();
    assert_eq!(refusal(Err::<(), _>(status.clone())), (Code::Aborted, "ETAG_MISMATCH".into()));
    assert_eq!(fact(&status, "current_etag"), newer.etag);
    assert_eq!(fact(&status, "requests[1].current_etag"), newer.etag);
    assert_eq!(fact(&status, "requests[2].current_etag"), newest.etag);
    let reasons = status.get_details_bad_request().unwrap().field_violations.into_iter().map(|it| it.reason);
    assert_eq!(reasons.collect::<Vec<_>>(), ["ETAG_MISMATCH"; 2], "as each alone would have been refused with");
    assert_eq!(titles(&person).await, ["a", "B", "C"]);
}

#[rstest]
#[tokio::test]
async fn updates_of_one_task_follow_each_other(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("a").await;
    let without_etag = Task { etag: String::new(), ..task.clone() };
    let urgent = UpdateTaskRequest {
        task: Some(Task { priority: Priority::Urgent.into(), ..without_etag.clone() }),
        update_mask: update_mask(&["priority"]),
    };
    let updated = update(&person, vec![retitling(&without_etag, "b"), urgent]).await.unwrap();
    assert_eq!((updated[1].title.as_str(), updated[1].priority()), ("b", Priority::Urgent));
}

#[rstest]
#[tokio::test]
async fn a_batch_sent_again_creates_nothing_new(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let request = |title: &str, id: Uuid| CreateTaskRequest { task: Some(titled(title)), request_id: id.to_string() };
    let [one, two] = [Uuid::now_v7(), Uuid::now_v7()];
    let first = create(&person, vec![request("a", one)]).await.unwrap();
    let again = create(&person, vec![request("a", one), request("b", two), request("b", two)]).await.unwrap();
    assert_eq!(again[0], first[0]);
    assert_eq!(again[1], again[2]);
    assert_eq!(titles(&person).await, ["a", "b"]);

    let other = create(&person, vec![request("c", Uuid::now_v7()), request("another", one)]).await;
    assert_eq!(wrong_field(other), "requests[1].request_id");
}

#[rstest]
#[tokio::test]
async fn a_deletion_names_what_it_does_not_find(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let (mine, theirs) = (person.task("mine").await, world.person().await.task("theirs").await);
    let status = delete(&person, ids(&[&mine, &theirs])).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(violations(&status), [("ids[1]".to_owned(), format!("task {} does not exist", theirs.id))]);
    assert_eq!(titles(&person).await, ["mine"]);

    let not_an_id = BatchDeleteTasksRequest { ids: vec!["x".into()], requests: Vec::new() };
    assert_eq!(wrong_field(delete(&person, not_an_id).await), "ids[0]");
    assert_eq!(wrong_field(delete(&person, ids(&[&mine, &mine])).await), "ids[1]");

    let request = DeleteTaskRequest { id: mine.id.clone(), etag: "\"9\"".into() };
    let stale = BatchDeleteTasksRequest { ids: Vec::new(), requests: vec![request] };
    let status = delete(&person, stale.clone()).await.unwrap_err();
    assert_eq!((status.code(), fact(&status, "requests[0].current_etag")), (Code::Aborted, mine.etag));
    let both = BatchDeleteTasksRequest { ids: vec![mine.id], ..stale };
    assert_eq!(wrong_field(delete(&person, both).await), "requests");
}

#[rstest]
#[tokio::test]
async fn a_batch_has_1_to_500_items_and_an_answer_that_can_be_sent(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    assert_eq!(wrong_field(create(&person, Vec::new()).await), "requests");
    assert_eq!(wrong_field(update(&person, vec![UpdateTaskRequest::default(); 501]).await), "requests");
    assert_eq!(wrong_field(delete(&person, ids(&[])).await), "ids");

    let long = Task { description: "x".repeat(20_000), ..titled("long") };
    let long = person.create_task(long).await.unwrap();
    let change = |number: usize| retitling(&Task { etag: String::new(), ..long.clone() }, &number.to_string());
    assert_eq!(wrong_field(update(&person, (0..200).map(change).collect()).await), "requests");
    assert_eq!(person.get_task(&long.id).await.unwrap(), long, "nothing was written");
}

#[rstest]
#[tokio::test]
async fn a_category_of_many_tasks_is_deleted_in_pieces(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let category = Category { name: "Reading".into(), ..Category::default() };
    let request = CreateCategoryRequest { category: Some(category), request_id: String::new() };
    let category = person.categories().create_category(request).await.unwrap().into_inner();
    for _ in 0..3 {
        let task = || creating(Task { category_id: category.id.clone(), ..titled("book") });
        create(&person, std::iter::repeat_with(task).take(350).collect()).await.unwrap();
    }
    let request = DeleteCategoryRequest { id: category.id, etag: category.etag };
    person.categories().delete_category(request).await.unwrap();
    let filter = "category_id = \"\"".to_owned();
    let request = ListTasksRequest { filter, page_size: 1000, ..ListTasksRequest::default() };
    let page = person.list_tasks(request).await.unwrap();
    assert_eq!((page.tasks.len(), page.next_page_token.is_empty()), (1000, false));
    assert!(page.tasks.iter().all(|task| task.etag == "\"2\""));
}
