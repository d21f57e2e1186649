use focusflow_mesh::drain::Outcome;
use focusflow_proto::v1::EstimateTaskRequest;
use tonic::Code;
use uuid::Uuid;

use crate::support::{World, on_behalf_of};

#[tokio::test]
async fn it_is_ready_as_soon_as_it_runs() {
    let world = World::start().await;
    assert_eq!(world.probe("/readyz").await, "HTTP/1.1 200 OK");
    assert_eq!(world.probe("/metrics").await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn after_a_shutdown_nothing_is_left_to_answer() {
    let world = World::start().await;
    let mut client = world.client("gateway");
    let request = || on_behalf_of(Uuid::now_v7(), EstimateTaskRequest::default());
    client.estimate_task(request()).await.unwrap();

    assert_eq!(world.shut_down().await, Outcome::Clean);
    assert_eq!(client.estimate_task(request()).await.unwrap_err().code(), Code::Unavailable);
}
