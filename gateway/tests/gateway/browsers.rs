//! What browsers are told: which pages may read answers, and what to keep from them.

use std::time::Duration;

use focusflow_gateway::config::{Rate, RateConfig, RateLimits, TrustedProxies};
use http::{Method, StatusCode};

use crate::support::client::Answer;
use crate::support::messages::Note;
use crate::support::{Edge, ORIGIN, address_where_nobody_listens, contract, upstream};

async fn preflight(edge: &Edge, origin: &str, method: &str, headers: &str) -> Answer {
    let headers =
        [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", headers)];
    edge.send(Method::OPTIONS, "/api/v1/notes/a", &headers, "").await
}

fn varies_by_origin(answer: &Answer) -> bool {
    answer.headers.get_all("vary").iter().any(|value| value == "origin")
}

#[tokio::test]
async fn a_preflight_from_the_frontend_allows_what_the_clients_send() {
    let edge = Edge::start().await;
    let answer = preflight(&edge, ORIGIN, "PATCH", "authorization,content-type").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::NO_CONTENT, ORIGIN));
    assert_eq!(
        (answer.header("access-control-allow-credentials"), answer.header("access-control-max-age")),
        ("true", "7200")
    );
    let allowed_methods = answer.header("access-control-allow-methods");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(allowed_methods.contains(method), "{allowed_methods}");
    }
    let allowed_headers = answer.header("access-control-allow-headers").to_lowercase();
    for header in [
        "authorization",
        "content-type",
        "if-match",
        "if-none-match",
        "x-grpc-web",
        "x-user-agent",
        "grpc-timeout",
        "traceparent",
    ] {
        assert!(allowed_headers.contains(header), "{allowed_headers}");
    }
}

#[tokio::test]
async fn no_other_origin_is_allowed() {
    let edge = Edge::start().await;
    for origin in ["https://evil.example.org", "http://app.example.org", "null", "https://app.example.org.evil.org"] {
        let answer = preflight(&edge, origin, "GET", "authorization").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(answer.header("access-control-allow-methods"), "", "{origin}");
        assert!(varies_by_origin(&answer), "{origin}");
        let answer = edge.send(Method::GET, "/health", &[("origin", origin)], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert!(varies_by_origin(&answer), "{origin}");
    }
}

#[tokio::test]
async fn a_page_may_read_the_status_of_a_failed_rpc() {
    let edge = Edge::start().await;
    let headers = [("content-type", "application/grpc-web"), ("origin", ORIGIN)];
    let answer = edge.send(Method::POST, "/edge.test.v1.EchoService/Echo", &headers, &b"\0\0\0\0\0"[..]).await;
    assert_eq!((answer.header("grpc-status"), answer.header("access-control-allow-origin")), ("16", ORIGIN));
    let exposed = answer.header("access-control-expose-headers").to_lowercase();
    for header in [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "x-request-id",
        "retry-after",
        "etag",
        "ratelimit-remaining",
    ] {
        assert!(exposed.contains(header), "{exposed}");
    }
}

#[tokio::test]
async fn an_answer_to_no_page_says_nothing_of_cors_but_that_it_depends_on_the_page() {
    let edge = Edge::start().await;
    let answer = edge.get("/.well-known/jwks.json").await;
    assert!(varies_by_origin(&answer));
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_costs_nothing() {
    let (person, address) = (Rate::new(1, 1), Rate::new(1, 1));
    let limits = Some(RateLimits { person, address });
    let edge = Edge::limiting(RateConfig { limits, ..RateConfig::default() }).await;
    for _ in 0..5 {
        let answer = preflight(&edge, ORIGIN, "GET", "authorization").await;
        assert_eq!((answer.status, answer.header("ratelimit-limit")), (StatusCode::NO_CONTENT, ""));
    }
    assert_eq!(edge.get("/api/v1/open/a").await.status, StatusCode::OK);
    let headers = [("origin", ORIGIN)];
    let refused = edge.send(Method::GET, "/api/v1/open/a", &headers, "").await;
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (StatusCode::TOO_MANY_REQUESTS, ORIGIN)
    );
}

#[tokio::test]
async fn every_answer_that_a_browser_may_show_can_do_nothing_there() {
    let edge = Edge::start().await;
    for path in
        ["/api/v1/open/a", "/nowhere", "/health", "/openapi.json", "/docs", "/docs/reference.js", "/api/v1/count/2"]
    {
        let answer = edge.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("strict-transport-security", ""),
        ] {
            assert_eq!(answer.header(header), value, "{path} {header}");
        }
        assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
    }
    let rpc = edge.grpc_web("/edge.test.v1.EchoService/Open", "application/grpc-web", &[], &Note::default()).await;
    assert_eq!(
        (rpc.http.header("x-content-type-options"), rpc.http.header("content-security-policy")),
        ("nosniff", "")
    );
}

#[tokio::test]
async fn behind_a_proxy_that_speaks_tls_browsers_are_told_to_keep_to_it() {
    let trusted = TrustedProxies { networks: vec!["127.0.0.0/8".parse().unwrap()], ..TrustedProxies::default() };
    for (proxies, expected) in [(trusted, "max-age=31536000"), (TrustedProxies::default(), "")] {
        let edge = Edge::limiting(RateConfig { proxies, ..RateConfig::default() }).await;
        let answer = edge.send(Method::GET, "/health", &[("x-forwarded-proto", "https")], "").await;
        assert_eq!(answer.header("strict-transport-security"), expected);
        assert_eq!(edge.get("/health").await.header("strict-transport-security"), "");
    }
}

#[tokio::test]
async fn how_long_browsers_keep_to_tls_is_configured() {
    let mut config = Edge::config(contract(), upstream::start().await).await;
    config.rates.proxies.networks = vec!["127.0.0.1/32".parse().unwrap()];
    config.browsers.hsts = Duration::ZERO;
    let edge = Edge::run(config).await;
    let answer = edge.send(Method::GET, "/health", &[("x-forwarded-proto", "https")], "").await;
    assert_eq!(answer.header("strict-transport-security"), "max-age=0");
}

#[tokio::test]
async fn a_strangers_page_cannot_use_the_cookie_of_the_refresh_token() {
    let set = focusflow_proto::FILE_DESCRIPTOR_SET.to_vec();
    let edge = Edge::serving(set, address_where_nobody_listens().await).await;
    let (cookie, asks) = (("cookie", "focusflow_refresh=stolen"), ("x-focusflow-refresh", "cookie"));
    let json = ("content-type", "application/json");
    for path in ["refresh", "logout", "login", "register"].map(|name| format!("/api/v1/auth/{name}")) {
        for page in [("origin", "https://evil.example.org"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            let answer = edge.send(Method::POST, &path, &[json, cookie, asks, page], "{}").await;
            assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::FORBIDDEN, "ORIGIN_REFUSED"), "{path}");
            assert_eq!(answer.header("set-cookie"), "");
        }
    }
    // Without the header, which a stranger's page may not send, the cookie is not read.
    let page = ("origin", "https://evil.example.org");
    let unread = edge.send(Method::POST, "/api/v1/auth/refresh", &[json, cookie, page], "{}").await;
    assert_eq!((unread.status, unread.fields()), (StatusCode::BAD_REQUEST, vec!["refreshToken".to_owned()]));
}
