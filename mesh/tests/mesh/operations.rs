//! What operators see and do: health, probes, metrics, reflection, shutdown.

use std::net::SocketAddr;
use std::time::Duration;

use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::drain;
use focusflow_mesh::drain::{DrainConfig, Outcome};
use focusflow_mesh::health::Health;
use focusflow_mesh::health::{ComponentStatus, HealthListRequest, HealthListResponse, Requirement};
use focusflow_mesh::tls::CredentialsReader;
use http::StatusCode;
use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::{v1, v1alpha};

use crate::echo::{assert_refused, empty};
use crate::pki::Pki;
use crate::world::{Options, Server, until, within};

fn check(service: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: service.to_owned() })
}

fn plaintext(addr: SocketAddr) -> Channel {
    Channel::new(format!("http://{addr}").parse().unwrap(), None, ChannelConfig::default())
}

async fn get(addr: SocketAddr, path: &str) -> (StatusCode, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test]
async fn health_is_the_same_over_the_mesh_port_and_the_admin_port() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let admin = server.admin().await;
    // Any peer of the trust domain may ask.
    let mesh = server.channel(CredentialsReader::fixed(pki.credentials("stranger")));
    let latch = server.health.latch("warming up");
    for channel in [mesh.clone(), plaintext(admin)] {
        let mut client = HealthClient::new(channel);
        for (service, status) in [("", ServingStatus::NotServing), ("mesh.test.v1.Echo", ServingStatus::NotServing)] {
            let answer = within(client.check(check(service))).await.unwrap();
            assert_eq!(answer.get_ref().status(), status, "{service}");
        }
        assert_eq!(client.check(check("nothing")).await.unwrap_err().code(), Code::NotFound);
    }
    drop(latch);
    for channel in [mesh, plaintext(admin)] {
        let answer = HealthClient::new(channel).check(check("mesh.test.v1.Echo")).await.unwrap();
        assert_eq!(answer.get_ref().status(), ServingStatus::Serving);
    }
}

#[tokio::test]
async fn watch_tells_changes_and_waits_for_names_that_are_not_known_yet() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let mut client = HealthClient::new(server.channel(CredentialsReader::fixed(pki.credentials("gateway"))));
    let mut process = client.watch(check("")).await.unwrap().into_inner();
    let mut database = client.watch(check("database")).await.unwrap().into_inner();
    assert_eq!(process.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(database.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);

    let component = server.health.component("database", Requirement::Required);
    assert_eq!(within(database.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(within(process.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    component.healthy();
    assert_eq!(within(database.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(within(process.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn list_names_everything_that_is_known() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    server.health.component("redis", Requirement::Optional).set(ComponentStatus::Unhealthy);
    let mut grpc = tonic::client::Grpc::new(server.channel(CredentialsReader::fixed(pki.credentials("gateway"))));
    let path = "/grpc.health.v1.Health/List".parse().unwrap();
    let codec = ProstCodec::<HealthListRequest, HealthListResponse>::default();
    let answer = grpc.unary(Request::new(HealthListRequest {}), path, codec).await.unwrap().into_inner();
    let status = |name: &str| answer.statuses[name].status();
    assert_eq!(status(""), ServingStatus::Serving);
    assert_eq!(status("mesh.test.v1.Echo"), ServingStatus::Serving);
    assert_eq!(status("redis"), ServingStatus::NotServing);
}

#[tokio::test]
async fn probes_tell_living_from_ready_and_say_what_readiness_waits_for() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let admin = server.admin().await;
    let latch = server.health.latch("migrations");
    let database = server.health.component("database", Requirement::Required);
    assert_eq!(get(admin, "/livez").await.0, StatusCode::OK);
    assert_eq!(get(admin, "/startupz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let (status, body) = get(admin, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "waiting on migrations\nwaiting on database\n");

    drop(latch);
    database.healthy();
    for path in ["/livez", "/readyz", "/startupz"] {
        assert_eq!(get(admin, path).await.0, StatusCode::OK, "{path}");
    }
    database.unhealthy();
    assert_eq!(get(admin, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(admin, "/livez").await.0, StatusCode::OK, "an outage elsewhere is no reason to restart");
    assert_eq!(get(admin, "/startupz").await.0, StatusCode::OK, "what has started has started");
    assert_eq!(get(admin, "/nothing").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_health_report_names_every_component() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let admin = server.admin().await;
    let database = server.health.component("database", Requirement::Required);
    let redis = server.health.component("redis", Requirement::Optional);
    let mode = serde_json::Map::from_iter([("mode".to_owned(), "in-process".into())]);
    redis.set_with(ComponentStatus::Healthy, mode);
    let (status, body) = get(admin, "/health").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(report["status"], "unhealthy");
    assert_eq!(report["services"]["database"]["status"], "unhealthy");

    database.healthy();
    redis.set(ComponentStatus::Degraded);
    let (status, body) = get(admin, "/health").await;
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &report["status"]), (StatusCode::OK, &"degraded".into()));
    assert_eq!(report["services"]["redis"], serde_json::json!({"status": "degraded", "mode": "in-process"}));
    assert!(report["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn metrics_count_calls_by_method_and_code_on_both_sides() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let admin = server.admin().await;
    let client = server.client(&pki, "gateway");
    let length = || Request::new("3".to_owned());
    within(client.unary("Fail", length())).await.unwrap_err();
    let (_, metrics) = get(admin, "/metrics").await;
    let labels = r#"{grpc_service="mesh.test.v1.Echo",grpc_method="Fail""#;
    for line in [
        format!("grpc_server_started_total{labels}}}"),
        format!("grpc_server_handled_total{labels},grpc_code=\"Internal\"}}"),
        format!("grpc_server_handling_seconds_bucket{labels},le=\"+Inf\"}}"),
        format!("grpc_client_handled_total{labels},grpc_code=\"Internal\"}}"),
    ] {
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn reflection_lists_what_is_served_and_keeps_custom_options() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let channel = || server.channel(CredentialsReader::fixed(pki.credentials("gateway")));

    let ask = |question| {
        let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        Request::new(tokio_stream::once(request))
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel());
    let question = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let answer = client.server_reflection_info(ask(question)).await.unwrap().into_inner().message().await.unwrap();
    let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        answer.unwrap().message_response
    else {
        panic!("no list");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "mesh.test.v1.Echo",
            "mesh.test.v1.Feed",
            "mesh.test.v1.Forgotten",
        ]
    );

    let question = v1::server_reflection_request::MessageRequest::FileContainingSymbol("mesh.test.v1.Echo".to_owned());
    let answer = client.server_reflection_info(ask(question)).await.unwrap().into_inner().message().await.unwrap();
    let Some(v1::server_reflection_response::MessageResponse::FileDescriptorResponse(files)) =
        answer.unwrap().message_response
    else {
        panic!("no file");
    };
    let contract = DescriptorPool::decode(crate::echo::descriptor_set().as_slice()).unwrap();
    let extension = contract.get_extension_by_name("google.api.http").unwrap();
    let mut pool = DescriptorPool::new();
    for file in contract.files().filter(|file| file.name() != "echo.proto") {
        pool.add_file_descriptor_proto(file.file_descriptor_proto().clone()).unwrap();
    }
    let file = files.file_descriptor_proto.first().unwrap();
    pool.decode_file_descriptor_proto(file.as_slice()).unwrap();
    let service = pool.get_service_by_name("mesh.test.v1.Echo").unwrap();
    let say = service.methods().find(|method| method.name() == "Say").unwrap();
    let extension = pool.get_extension_by_name(extension.full_name()).unwrap();
    assert!(say.options().has_extension(&extension), "the route is lost");
}

#[tokio::test]
async fn reflection_answers_older_clients_too() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let channel = server.channel(CredentialsReader::fixed(pki.credentials("gateway")));
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let question = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
        "grpc.health.v1.HealthListResponse".to_owned(),
    );
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let request = Request::new(tokio_stream::once(request));
    let answer = client.server_reflection_info(request).await.unwrap().into_inner().message().await.unwrap();
    let Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files)) =
        answer.unwrap().message_response
    else {
        panic!("List is not known");
    };
    let file = files.file_descriptor_proto.first().unwrap();
    let file = prost_reflect::prost_types::FileDescriptorProto::decode(file.as_slice()).unwrap();
    assert_eq!(file.package(), "grpc.health.v1");
}

#[tokio::test]
async fn a_shutdown_lets_calls_finish_and_takes_no_new_ones() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let admin = server.admin().await;
    let client = server.client(&pki, "gateway");
    let hanging = tokio::spawn(async move { client.unary("Hang", empty()).await });
    within(server.echo.entered()).await;

    let draining = tokio::spawn(server.drain.drain());
    // The listener is closed when connecting fails.
    until(async || TcpStream::connect(server.addr).await.is_err()).await;
    assert_eq!(get(admin, "/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, "waiting on shutdown\n".to_owned()));
    assert!(!draining.is_finished());

    server.echo.release();
    assert_eq!(within(hanging).await.unwrap().unwrap().into_inner(), "released");
    assert_eq!(within(draining).await.unwrap(), Outcome::Clean);
    within(server.serving).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_tells_endless_streams_to_begin_again_elsewhere() {
    let pki = Pki::new();
    let drain = DrainConfig { stream_grace: Duration::ZERO, ..DrainConfig::default() };
    let server = Server::with(&pki, Options { drain, ..Options::default() }).await;
    let client = server.client(&pki, "gateway");
    let mut stream = client.stream("/mesh.test.v1.Feed/Watch", empty()).await.unwrap();
    stream.message().await.unwrap();
    assert_eq!(within(server.drain.drain()).await, Outcome::Clean);
    assert_refused(&within(stream.message()).await.unwrap_err(), Code::Unavailable, "DRAINING");
    within(server.echo.dropped()).await;
}

#[tokio::test]
async fn a_shutdown_is_forced_at_its_deadline() {
    let pki = Pki::new();
    let drain = DrainConfig { deadline: Duration::from_millis(100), ..DrainConfig::default() };
    let server = Server::with(&pki, Options { drain, ..Options::default() }).await;
    let client = server.client(&pki, "gateway");
    let hanging = tokio::spawn(async move { client.unary("Hang", empty()).await });
    within(server.echo.entered()).await;
    assert!(matches!(within(server.drain.drain()).await, Outcome::Forced { .. }));
    assert_refused(&within(hanging).await.unwrap().unwrap_err(), Code::Unavailable, "CONNECTION_LOST");
    within(server.echo.dropped()).await;
    within(server.serving).await.unwrap();
}

#[tokio::test]
async fn a_signal_begins_the_shutdown() {
    let (handle, drain) = drain::channel(DrainConfig::default(), Health::new());
    let running = tokio::spawn(handle.run_on_signals());
    // Signal handlers are installed when the task first runs.
    tokio::task::yield_now().await;
    let own_id = std::process::id().to_string();
    let sent = std::process::Command::new("kill").args(["-TERM", &own_id]).status().unwrap();
    assert!(sent.success());
    assert_eq!(within(running).await.unwrap().unwrap(), Outcome::Clean);
    assert!(drain.is_draining());
}
