//! No request crosses people, and no peer does what its account may not.

mod contract;

use focusflow_proto::internal::v1::FindAccountRequest;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::internal::v1::history_service_client::HistoryServiceClient;
use focusflow_proto::v1::{
    Category, CompleteTaskRequest, DeleteCategoryRequest, DeleteTaskRequest, DeleteTimeLogRequest, GetCategoryRequest,
    GetMeRequest, GetRunningTimeLogRequest, GetTimeLogRequest, ListCategoriesRequest, ListTasksRequest,
    ListTimeLogsRequest, StopTimeLogRequest, SummarizeTimeLogsRequest, Task, TimeLog, UndeleteTaskRequest,
    UpdateCategoryRequest, UpdateTimeLogRequest,
};
use tonic::{Code, Request, Status};

use crate::support::{Backend, Postgres, Sqlite, World, titled};
use rstest::rstest;

#[track_caller]
fn assert_not_found<T: std::fmt::Debug>(result: Result<T, Status>) {
    assert_eq!(result.unwrap_err().code(), Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn what_is_another_persons_is_not_found_by_any_rpc(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, thief) = (world.person().await, world.person().await);
    let categories = person.categories().list_categories(ListCategoriesRequest {}).await.unwrap().into_inner();
    let category = categories.categories[0].id.clone();
    let task = person.task("Mine").await.id;
    let log = person.log(&task, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap().id;
    let running = person.start_timer(&task).await.unwrap().id;

    assert_not_found(thief.categories().get_category(GetCategoryRequest { id: category.clone() }).await);
    let renamed = Category { id: category.clone(), name: "Stolen".into(), ..Category::default() };
    let request = UpdateCategoryRequest { category: Some(renamed), update_mask: None };
    assert_not_found(thief.categories().update_category(request).await);
    let request = DeleteCategoryRequest { id: category.clone(), etag: String::new() };
    assert_not_found(thief.categories().delete_category(request).await);

    assert_not_found(thief.get_task(&task).await);
    assert_not_found(thief.update_task(Task { id: task.clone(), ..titled("Stolen") }, &[]).await);
    let etag = String::new();
    assert_not_found(thief.tasks().complete_task(CompleteTaskRequest { id: task.clone(), etag: etag.clone() }).await);
    assert_not_found(thief.tasks().delete_task(DeleteTaskRequest { id: task.clone(), etag }).await);
    assert_not_found(thief.tasks().undelete_task(UndeleteTaskRequest { id: task.clone(), etag: String::new() }).await);
    assert_not_found(thief.create_task(Task { category_id: category, ..titled("Mine") }).await);
    assert_not_found(thief.create_task(Task { parent_id: task.clone(), ..titled("Mine") }).await);

    let logs = || thief.time_logs();
    for id in [&log, &running] {
        assert_not_found(logs().get_time_log(GetTimeLogRequest { id: id.clone() }).await);
        assert_not_found(logs().delete_time_log(DeleteTimeLogRequest { id: id.clone() }).await);
        assert_not_found(logs().stop_time_log(StopTimeLogRequest { id: id.clone(), end_time: None }).await);
        let time_log = Some(TimeLog { id: id.clone(), notes: "Stolen".into(), ..TimeLog::default() });
        assert_not_found(logs().update_time_log(UpdateTimeLogRequest { time_log, ..Default::default() }).await);
    }
    assert_not_found(logs().get_running_time_log(GetRunningTimeLogRequest {}).await);
    assert_not_found(thief.start_timer(&task).await);
    assert_not_found(thief.log(&task, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await);
    let of_task = ListTimeLogsRequest { task_id: task.clone(), ..ListTimeLogsRequest::default() };
    assert_not_found(logs().list_time_logs(of_task).await);

    assert!(thief.list_tasks(ListTasksRequest::default()).await.unwrap().tasks.is_empty());
    let all = logs().list_time_logs(ListTimeLogsRequest::default()).await.unwrap().into_inner();
    assert!(all.time_logs.is_empty());
    let totals = logs().summarize_time_logs(SummarizeTimeLogsRequest::default()).await.unwrap().into_inner();
    assert!(totals.totals.is_empty());
    assert_eq!(person.get_task(&task).await.unwrap().title, "Mine");
}

#[rstest]
#[tokio::test]
async fn only_the_gateway_and_impersonators_speak_for_a_person(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let id = world.person().await.id;
    for account in ["gateway", "developer"] {
        let me = world.through(account, id).user().get_me(GetMeRequest {}).await.unwrap().into_inner();
        assert_eq!(me.id, id.to_string(), "{account}");
    }
    for account in ["ai", "storage"] {
        let status = world.through(account, id).user().get_me(GetMeRequest {}).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{account}");
    }
}

#[rstest]
#[tokio::test]
async fn internal_rpcs_are_for_the_service_that_they_were_made_for(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let find = || FindAccountRequest { email: "ada@example.org".into(), ..Default::default() };
    for (account, code) in
        [("gateway", Code::NotFound), ("developer", Code::PermissionDenied), ("ai", Code::PermissionDenied)]
    {
        let status = CredentialServiceClient::new(world.channel(account)).find_account(find()).await.unwrap_err();
        assert_eq!(status.code(), code, "{account}");
    }
    for account in ["gateway", "developer"] {
        let request = Request::new(focusflow_proto::internal::v1::ListFinishedTasksRequest::default());
        let status = HistoryServiceClient::new(world.channel(account)).list_finished_tasks(request).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{account}");
    }
}
