//! Everything that can be wrong with a request, and the answer that says so.

use http::{Method, StatusCode};

use crate::support::client::{Answer, frame};
use crate::support::messages::{Note, Nothing};
use crate::support::{BODY_BYTES_MAX, Edge};
use tonic::Code;
use tonic_types::StatusExt;

/// A bad REST request and what its answer must say.
struct Case {
    name: &'static str,
    method: Method,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    code: i64,
    reason: &'static str,
    field: Option<&'static str>,
}

impl Case {
    fn get(name: &'static str, path: &'static str, status: u16, code: i64) -> Self {
        Self {
            name,
            method: Method::GET,
            path,
            headers: Vec::new(),
            body: Vec::new(),
            status,
            code,
            reason: "",
            field: None,
        }
    }

    /// A body that the open method cannot take, because of one field.
    fn post(name: &'static str, body: &str, field: &'static str) -> Self {
        Self {
            method: Method::POST,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.as_bytes().to_vec(),
            field: Some(field),
            ..Self::get(name, "/api/v1/open", 400, 3)
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    async fn check(&self, edge: &Edge) {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = edge.send(self.method.clone(), self.path, &headers, self.body.clone()).await;
        self.check_shape(&answer);
        if !self.reason.is_empty() {
            assert_eq!(answer.reason(), self.reason, "{}: {}", self.name, answer.text());
        }
        if let Some(field) = self.field {
            assert_eq!(answer.fields(), [field], "{}: {}", self.name, answer.text());
        }
    }

    fn check_shape(&self, answer: &Answer) {
        let name = self.name;
        assert_eq!(answer.status.as_u16(), self.status, "{name}: {}", answer.text());
        assert!(answer.header("content-type").starts_with("application/json"), "{name}");
        let json = answer.json();
        assert_eq!(json["code"], self.code, "{name}: {json}");
        assert!(!json["message"].as_str().unwrap().is_empty(), "{name}: {json}");
        assert!(!json["details"].as_array().unwrap().is_empty(), "{name}: {json}");
    }
}

#[tokio::test]
async fn every_bad_rest_request_is_answered_with_its_cause() {
    let edge = Edge::start().await;
    let expired = format!("Bearer {}", edge.token());
    edge.let_tokens_expire();
    let cases = [
        Case::post("malformed JSON", "{\"name\": ", ""),
        Case::post("not an object", "[]", ""),
        Case::post("an unknown field", r#"{"colour": "red"}"#, "colour"),
        Case::post("a wrong type", r#"{"sizeBytes": "many"}"#, "sizeBytes"),
        Case::post("a wrong type inside", r#"{"firstPart": {"lineCount": true}}"#, "firstPart.lineCount"),
        Case::post("a wrong type in a list", r#"{"tags": ["a", 7]}"#, "tags[1]"),
        Case { field: Some("colour"), ..Case::get("an unknown parameter", "/api/v1/open/a?colour=red", 400, 3) },
        Case { field: Some("sizeBytes"), ..Case::get("a wrong parameter", "/api/v1/open/a?sizeBytes=many", 400, 3) },
        Case { field: Some("code"), ..Case::get("a wrong path variable", "/api/v1/fail/many", 400, 3) },
        Case::get("no token", "/api/v1/notes/a", 401, 16).because("TOKEN_MISSING"),
        Case::get("no token of ours", "/api/v1/notes/a", 401, 16)
            .with("authorization", "Bearer abc")
            .because("TOKEN_INVALID"),
        Case::get("another scheme", "/api/v1/notes/a", 401, 16)
            .with("authorization", "Basic YTpi")
            .because("TOKEN_INVALID"),
        Case::get("an expired token", "/api/v1/notes/a", 401, 16)
            .with("authorization", expired)
            .because("TOKEN_EXPIRED"),
        Case {
            body: vec![b' '; BODY_BYTES_MAX + 1],
            status: 413,
            code: 8,
            field: None,
            ..Case::post("a large body", "", "")
        }
        .because("BODY_TOO_LARGE"),
        Case { method: Method::DELETE, ..Case::get("a wrong verb", "/api/v1/open/a", 405, 12) }.because("WRONG_METHOD"),
        Case::get("a wrong path", "/api/v1/nothing", 404, 5).because("UNKNOWN_PATH"),
        Case::get("an internal RPC", "/api/v1/internal", 404, 5).because("UNKNOWN_PATH"),
        Case {
            method: Method::POST,
            body: b"name=a".to_vec(),
            ..Case::get("a wrong media type", "/api/v1/open", 415, 3)
        }
        .with("content-type", "application/x-www-form-urlencoded")
        .because("WRONG_MEDIA_TYPE"),
        Case { status: 415, field: None, ..Case::post("a compressed body", "{}", "") }
            .with("content-encoding", "gzip")
            .because("WRONG_CONTENT_ENCODING"),
        Case { method: Method::POST, ..Case::get("compressed lines", "/api/v1/notes:collect", 415, 3) }
            .with("content-encoding", "br")
            .because("WRONG_CONTENT_ENCODING"),
        Case { method: Method::POST, body: b"{}".to_vec(), ..Case::get("another charset", "/api/v1/open", 415, 3) }
            .with("content-type", "application/json; charset=iso-8859-1")
            .because("WRONG_CHARSET"),
        Case { method: Method::POST, ..Case::get("lines in another charset", "/api/v1/notes:collect", 415, 3) }
            .with("content-type", "application/x-ndjson; charset=utf-16")
            .because("WRONG_CHARSET"),
        Case { method: Method::POST, body: b"{}".to_vec(), ..Case::get("gRPC with JSON", "/a.B/C", 415, 3) }
            .with("content-type", "application/grpc+json")
            .because("WRONG_MEDIA_TYPE"),
        Case { method: Method::POST, ..Case::get("gRPC over HTTP/1", "/a.B/C", 400, 9) }
            .with("content-type", "application/grpc")
            .because("HTTP2_REQUIRED"),
        Case::get("a malformed timeout", "/api/v1/open/a", 400, 3)
            .with("x-request-timeout", "soon")
            .because("BAD_HEADER"),
        Case::get("a service that is down", "/api/v1/down", 503, 14).because("NO_ENDPOINT"),
    ];
    for case in cases {
        case.check(&edge).await;
    }
}

#[tokio::test]
async fn a_wrong_verb_is_told_the_right_ones() {
    let edge = Edge::start().await;
    let answer = edge.send(Method::DELETE, "/api/v1/open/a", &[], "").await;
    assert!(answer.header("allow").contains("GET"), "{}", answer.header("allow"));
}

#[tokio::test]
async fn a_body_that_says_that_it_is_plain_utf8_is_read() {
    let edge = Edge::start().await;
    let headers = [("content-type", "application/json; charset=\"UTF-8\""), ("content-encoding", "identity")];
    let answer = edge.send(Method::POST, "/api/v1/open", &headers, r#"{"name": "plain"}"#).await;
    assert_eq!((answer.status, &answer.json()["name"]), (StatusCode::OK, &"plain".into()));
}

#[tokio::test]
async fn a_client_does_not_learn_where_a_service_is_and_when_to_retry_it_does() {
    let edge = Edge::start().await;
    let answer = edge.get("/api/v1/down").await;
    assert_eq!((answer.reason().as_str(), answer.header("retry-after")), ("NO_ENDPOINT", "1"));
    assert_eq!(answer.json()["message"], "the service cannot be reached");
    for internal in ["127.0.0.1", "http://", "os error", "target"] {
        assert!(!answer.text().contains(internal), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_challenge_says_whether_the_token_was_the_problem() {
    let edge = Edge::start().await;
    assert_eq!(edge.get("/api/v1/notes/a").await.header("www-authenticate"), "Bearer");
    let answer = edge.send(Method::GET, "/api/v1/notes/a", &[("authorization", "Bearer abc")], "").await;
    assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}

#[tokio::test]
async fn a_large_body_is_refused_also_when_its_length_is_not_announced() {
    use http_body_util::{BodyExt, StreamBody};
    let edge = Edge::start().await;
    let stream = tokio::net::TcpStream::connect(edge.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let chunk = || Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(bytes::Bytes::from(vec![b' '; 4096])));
    let chunks = BODY_BYTES_MAX / 4096 + 1;
    let body = StreamBody::new(futures_util::stream::iter((0..chunks).map(move |_| chunk())));
    let request = http::Request::post("/api/v1/open").header("host", "edge").body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("BODY_TOO_LARGE"));
}

#[tokio::test]
async fn every_bad_grpc_request_is_answered_with_its_cause() {
    let edge = Edge::start().await;
    let expired = format!("Bearer {}", edge.token());
    edge.let_tokens_expire();
    let large = Note { name: "a".repeat(BODY_BYTES_MAX), ..Note::default() };
    let grpc = edge.grpc().await;
    for (name, path, message, token, code, reason) in [
        ("no token", "/edge.test.v1.EchoService/Echo", Note::default(), "", Code::Unauthenticated, "TOKEN_MISSING"),
        (
            "an expired token",
            "/edge.test.v1.EchoService/Echo",
            Note::default(),
            expired.as_str(),
            Code::Unauthenticated,
            "TOKEN_EXPIRED",
        ),
        ("a large message", "/edge.test.v1.EchoService/Open", large, "", Code::ResourceExhausted, "BODY_TOO_LARGE"),
        ("an unknown RPC", "/edge.test.v1.EchoService/No", Note::default(), "", Code::Unimplemented, "UNKNOWN_METHOD"),
        (
            "an internal RPC",
            "/edge.test.v1.EchoService/Internal",
            Note::default(),
            "",
            Code::Unimplemented,
            "UNKNOWN_METHOD",
        ),
        (
            "a service that is down",
            "/edge.test.v1.DownService/Reach",
            Note::default(),
            "",
            Code::Unavailable,
            "NO_ENDPOINT",
        ),
    ] {
        let headers: Vec<_> =
            Some(("authorization", token)).filter(|(_, token)| !token.is_empty()).into_iter().collect();
        let mut request = tonic::Request::new(message.clone());
        for (header, value) in &headers {
            request.metadata_mut().insert(*header, value.parse().unwrap());
        }
        let native = grpc.unary::<Note, Nothing>(path, request).await.unwrap_err();
        let web = edge.grpc_web(path, "application/grpc-web+proto", &headers, &message).await.status;
        for (kind, status) in [("gRPC", native), ("gRPC-Web", web)] {
            assert_eq!(status.code(), code, "{name} over {kind}: {status:?}");
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.reason, reason, "{name} over {kind}");
        }
    }
}

#[tokio::test]
async fn grpc_that_is_not_post_is_refused() {
    let edge = Edge::start().await;
    let headers = [("content-type", "application/grpc-web")];
    let answer = edge.send(Method::PUT, "/edge.test.v1.EchoService/Open", &headers, frame(&Note::default())).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
}

#[tokio::test]
async fn an_rpc_that_takes_one_message_refuses_none_and_two() {
    let edge = Edge::start().await;
    let one = frame(&Note::default());
    let headers = [("content-type", "application/grpc-web")];
    for body in [Vec::new(), [&one[..], &one[..]].concat()] {
        let answer = edge.send(Method::POST, "/edge.test.v1.EchoService/Open", &headers, body).await;
        assert_eq!(answer.status, StatusCode::OK);
        let said = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        assert!(said.contains("grpc-status: 12") || said.contains("\"grpc-status\": \"12\""), "{said}");
        assert!(said.contains("exactly"), "{said}");
    }
}

#[tokio::test]
async fn an_rpc_that_is_called_as_no_rpc_says_how_it_is_called() {
    let edge = Edge::start().await;
    let path = "/edge.test.v1.EchoService/Open";
    let answer = edge.send(Method::POST, path, &[("content-type", "image/jpeg")], vec![1, 2, 3]).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(String::from_utf8_lossy(&answer.body).contains("application/grpc-web"));
    let answer = edge.send(Method::GET, path, &[], Vec::new()).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
}
