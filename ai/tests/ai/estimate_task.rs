use std::time::Duration;

use focusflow_mesh::context::Context;
use focusflow_proto::v1::estimate_task_response::Basis;
use focusflow_proto::v1::{EstimateTaskRequest, EstimateTaskResponse, RankTasksRequest};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::support::{Mood, World, finished, on_behalf_of, outline};

fn described(tags: &[&str], estimated_minutes: i32) -> EstimateTaskRequest {
    EstimateTaskRequest {
        tags: tags.iter().map(ToString::to_string).collect(),
        estimated_minutes,
        ..EstimateTaskRequest::default()
    }
}

fn stored(task_id: Uuid) -> EstimateTaskRequest {
    EstimateTaskRequest { task_id: task_id.to_string(), ..EstimateTaskRequest::default() }
}

async fn estimate(world: &World, user_id: Uuid, request: EstimateTaskRequest) -> Result<EstimateTaskResponse, Status> {
    world.client("gateway").estimate_task(on_behalf_of(user_id, request)).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn the_estimate_rests_on_the_persons_tasks_of_the_same_tag() {
    let (world, user) = (World::start().await, Uuid::now_v7());
    world.storage.finish(user, (0..1_500).map(|_| finished(&["meeting"], 30, 45.0)));
    world.storage.finish(user, (0..1_500).map(|_| finished(&["writing"], 60, 60.0)));

    let answer = estimate(&world, user, described(&["Meeting"], 60)).await.unwrap();
    assert_eq!((answer.basis(), answer.sample_count), (Basis::Category, 1_500));
    assert!((1.45..=1.5).contains(&answer.ratio), "{}", answer.ratio);
    assert!((87..=90).contains(&answer.p50_minutes), "{}", answer.p50_minutes);
    assert!(answer.p10_minutes <= answer.p50_minutes && answer.p50_minutes <= answer.p90_minutes);
    assert_eq!(answer.explanation, "Your 1500 finished tasks tagged meeting took 1.5 times your estimates (median).");
}

#[tokio::test]
async fn one_persons_history_says_nothing_of_anothers_tasks() {
    let (world, user) = (World::start().await, Uuid::now_v7());
    world.storage.finish(user, (0..50).map(|_| finished(&["meeting"], 30, 90.0)));

    let stranger = estimate(&world, Uuid::now_v7(), described(&["meeting"], 30)).await.unwrap();
    assert_eq!((stranger.basis(), stranger.sample_count), (Basis::None, 0));
    assert_eq!([stranger.p10_minutes, stranger.p50_minutes, stranger.p90_minutes], [30, 30, 30]);
}

#[tokio::test]
async fn a_task_just_finished_counts_in_the_next_answer() {
    let (world, user) = (World::start().await, Uuid::now_v7());
    assert_eq!(estimate(&world, user, described(&[], 30)).await.unwrap().basis(), Basis::None);
    world.storage.finish(user, [finished(&[], 30, 60.0)]);
    let answer = estimate(&world, user, described(&[], 30)).await.unwrap();
    assert_eq!((answer.basis(), answer.sample_count), (Basis::Personal, 1));
    assert!(answer.p50_minutes > 30);
}

#[tokio::test]
async fn a_task_that_is_there_is_estimated_as_it_is_described() {
    let (world, user, task) = (World::start().await, Uuid::now_v7(), Uuid::now_v7());
    world.storage.finish(user, (0..200).map(|_| finished(&["mail"], 30, 15.0)));
    world.storage.create(user, task, outline(&["mail"], 30));
    let answer = estimate(&world, user, stored(task)).await.unwrap();
    assert_eq!(answer, estimate(&world, user, described(&["mail"], 30)).await.unwrap());
}

#[tokio::test]
async fn a_task_of_somebody_else_is_not_found() {
    let (world, task) = (World::start().await, Uuid::now_v7());
    world.storage.create(Uuid::now_v7(), task, outline(&[], 30));
    let refused = estimate(&world, Uuid::now_v7(), stored(task)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(refused.get_details_resource_info().unwrap().resource_name, task.to_string());
}

#[tokio::test]
async fn a_bad_field_is_named() {
    let (world, user) = (World::start().await, Uuid::now_v7());
    for (field, request) in [
        ("task_id", EstimateTaskRequest { task_id: "seven".into(), ..EstimateTaskRequest::default() }),
        ("category_id", EstimateTaskRequest { category_id: "work".into(), ..EstimateTaskRequest::default() }),
        ("estimated_minutes", described(&[], -1)),
    ] {
        let refused = estimate(&world, user, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
}

#[tokio::test]
async fn only_who_speaks_for_a_person_is_answered() {
    let (world, user) = (World::start().await, Uuid::now_v7());
    let ask = |account: &'static str| {
        let mut client = world.client(account);
        async move { client.estimate_task(on_behalf_of(user, described(&[], 30))).await.map(drop) }
    };
    ask("gateway").await.unwrap();
    ask("developer").await.unwrap();
    assert_eq!(ask("storage").await.unwrap_err().code(), Code::PermissionDenied);

    let nobody = world.client("gateway").estimate_task(Request::new(described(&[], 30))).await;
    assert_eq!(nobody.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn storages_own_failures_are_not_shown() {
    let (world, user) = (World::start().await, Uuid::now_v7());
    world.storage.behave(Mood::Failing);
    let refused = estimate(&world, user, described(&[], 30)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    assert!(!refused.message().contains("/dev/sda1"), "{}", refused.message());
}

#[tokio::test]
async fn a_storage_that_does_not_end_its_answer_is_not_waited_for_beyond_the_deadline() {
    let (world, user) = (World::start().await, Uuid::now_v7());
    world.storage.behave(Mood::Stalled);
    let mut request = Request::new(described(&[], 30));
    let context = Context { user_id: Some(user), ..Context::root() };
    request.extensions_mut().insert(context.with_deadline(Instant::now() + Duration::from_millis(300)));
    let refused = world.client("gateway").estimate_task(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_storage_that_is_down_is_said_to_be() {
    // Bound and dropped, so that nothing listens there.
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let world = World::start_with_storage_at(nowhere).await;
    let refused = estimate(&world, Uuid::now_v7(), described(&[], 30)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "NO_ENDPOINT");
}

#[tokio::test]
async fn what_is_declared_but_not_built_yet_says_so() {
    let world = World::start().await;
    let request = on_behalf_of(Uuid::now_v7(), RankTasksRequest::default());
    assert_eq!(world.client("gateway").rank_tasks(request).await.unwrap_err().code(), Code::Unimplemented);
}
