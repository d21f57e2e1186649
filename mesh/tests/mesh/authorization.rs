//! Who may call what, over real connections.

use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::context::Context;
use focusflow_mesh::server::{MeshBuilder, Transport};
use focusflow_mesh::tls::CredentialsReader;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use uuid::Uuid;

use crate::echo::{Client, assert_refused, empty};
use crate::pki::{Pki, two_days_ago};
use crate::world::{Options, Server};

const USER_ID: &str = "x-focusflow-user-id";

fn for_person(person: Uuid) -> Request<String> {
    let mut request = Request::new(String::new());
    let value: MetadataValue<_> = person.to_string().parse().unwrap();
    request.metadata_mut().insert(USER_ID, value);
    request
}

#[tokio::test]
async fn the_right_peer_is_admitted_and_the_wrong_one_refused() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    assert_eq!(server.client(&pki, "gateway").say("hello").await.unwrap(), "hello");

    let status = server.client(&pki, "stranger").say("hello").await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "POLICY_DENIED");
    assert!(status.message().contains("sa/stranger"), "{}", status.message());
}

#[tokio::test]
async fn peers_that_the_trust_domain_does_not_vouch_for_do_not_connect() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let expired = pki.credentials_as_of("gateway", two_days_ago());
    for (who, credentials) in [
        ("an expired certificate", expired),
        ("another CA's certificate", Pki::new().credentials("gateway")),
        ("another trust domain's certificate", Pki::of("other.test").credentials("gateway")),
    ] {
        let status = server.client_with(credentials).say("hello").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{who}: {status:?}");
    }
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_no_caller() {
    let pki = Pki::new();
    let server = Server::over(Transport::Plaintext, Options::default()).await;
    let target = format!("http://{}", server.addr).parse().unwrap();
    let client = Client::new(Channel::new(target, None, ChannelConfig::default()));
    assert_refused(&client.say("hello").await.unwrap_err(), Code::PermissionDenied, "POLICY_DENIED");

    // Plaintext to the mTLS port does not get as far as a policy.
    let server = Server::start(&pki).await;
    let target = format!("http://{}", server.addr).parse().unwrap();
    let client = Client::new(Channel::new(target, None, ChannelConfig::default()));
    assert_eq!(client.say("hello").await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_channel_does_not_talk_to_another_service_than_the_one_it_expects() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let credentials = CredentialsReader::fixed(pki.credentials("gateway"));
    let target = format!("https://{}#ai", server.addr).parse().unwrap();
    let channel = Channel::new(target, Some(credentials), ChannelConfig::default());
    let status = Client::new(channel).say("hello").await.unwrap_err();
    assert_refused(&status, Code::Unavailable, "NO_ENDPOINT");
}

#[tokio::test]
async fn the_person_is_believed_from_the_gateway_only() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let person = Uuid::now_v7();
    let answer = server.client(&pki, "gateway").unary("WhoAmI", for_person(person)).await.unwrap();
    assert_eq!(answer.into_inner(), person.to_string());

    let status = server.client(&pki, "ai").unary("WhoAmI", for_person(person)).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "POLICY_DENIED");
    assert!(status.message().contains("only the gateway"), "{}", status.message());
    // Also where the person does not matter: a claim that is not one's to make is refused wherever it stands.
    let status = server.client(&pki, "ai").unary("Say", for_person(person)).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "POLICY_DENIED");
}

#[tokio::test]
async fn a_call_for_a_person_without_one_is_unauthenticated() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let status = server.client(&pki, "gateway").unary("WhoAmI", empty()).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "UNAUTHENTICATED");

    let mut request = Request::new(String::new());
    request.metadata_mut().insert(USER_ID, "somebody".parse().unwrap());
    let status = server.client(&pki, "gateway").unary("WhoAmI", request).await.unwrap_err();
    assert_refused(&status, Code::InvalidArgument, "BAD_HEADER");
}

#[tokio::test]
async fn the_gateway_passes_the_person_of_its_context_on_and_others_do_not() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let person = Uuid::now_v7();
    let context = Context { user_id: Some(person), ..Context::root() };
    let with_context = || {
        let mut request = Request::new(String::new());
        request.extensions_mut().insert(context.clone());
        request
    };
    let answer = server.client(&pki, "gateway").unary("WhoAmI", with_context()).await.unwrap();
    assert_eq!(answer.into_inner(), person.to_string());
    // ai works on a person's request too, and may call what needs no person.
    server.client(&pki, "ai").unary("Say", with_context()).await.unwrap();
}

#[tokio::test]
async fn an_impersonator_does_what_the_gateway_may_except_what_is_internal() {
    let pki = Pki::new();
    let build = |mesh: MeshBuilder| mesh.impersonators(["developer"]);
    let server = Server::with(&pki, Options { build, ..Options::default() }).await;
    let developer = server.client(&pki, "developer");
    let person = Uuid::now_v7();
    assert_eq!(developer.unary("WhoAmI", for_person(person)).await.unwrap().into_inner(), person.to_string());
    let status = developer.unary("Secret", empty()).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "POLICY_DENIED");
    server.client(&pki, "gateway").unary("Secret", empty()).await.unwrap();
}

#[tokio::test]
async fn what_the_contract_does_not_say_is_denied_and_what_it_does_not_have_is_unknown() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let status = client.unary("/mesh.test.v1.Forgotten/Say", empty()).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "POLICY_DENIED");
    for path in ["/mesh.test.v1.Echo/Nothing", "/mesh.test.v1.Nothing/Say", "/"] {
        let status = client.unary(path, empty()).await.unwrap_err();
        assert_refused(&status, Code::Unimplemented, "UNKNOWN_METHOD");
    }
}
