//! The refresh token in a cookie.

use std::net::Ipv4Addr;

use http::HeaderMap;

use super::*;
use crate::limits::Caller;

fn browser(headers: &[(&'static str, &str)]) -> Caller {
    let mut map = HeaderMap::new();
    map.insert("x-focusflow-refresh", HeaderValue::from_static("cookie"));
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    Caller::new(Ipv4Addr::LOCALHOST.into(), None, &map)
}

fn from<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

/// The cookie that an answer to the caller sets: its value and its attributes.
fn cookie(caller: &Caller) -> (String, String) {
    let mut headers = HeaderMap::new();
    caller.write(&mut headers);
    let cookie = headers["set-cookie"].to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    (pair.strip_prefix("focusflow_refresh=").unwrap().to_owned(), attributes.to_owned())
}

fn credentials() -> LoginRequest {
    LoginRequest { email: "ada@example.org".into(), password: "correct horse".into(), totp_code: String::new() }
}

#[tokio::test]
async fn a_browser_that_asks_for_it_gets_the_refresh_token_in_a_cookie_only() {
    let world = World::new();
    world.register().await.unwrap();
    let caller = browser(&[("origin", ORIGIN)]);
    let answer = world.auth.login(from(&caller, credentials())).await.unwrap().into_inner();
    assert_eq!(answer.refresh_token, "");
    let (token, attributes) = cookie(&caller);
    assert_eq!(attributes, "Path=/api/v1/auth; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure");

    let again = browser(&[("origin", ORIGIN), ("cookie", &format!("focusflow_refresh={token}"))]);
    let answer = world.auth.refresh(from(&again, RefreshRequest::default())).await.unwrap().into_inner();
    assert!(answer.refresh_token.is_empty() && !answer.access_token.is_empty());
    let (next, _) = cookie(&again);
    assert_ne!(next, token);

    let leaving = browser(&[("origin", ORIGIN), ("cookie", &format!("focusflow_refresh={next}"))]);
    world.auth.logout(from(&leaving, LogoutRequest::default())).await.unwrap();
    assert_eq!(cookie(&leaving).0, "");
    assert!(cookie(&leaving).1.contains("Max-Age=0"));
    assert_eq!(world.storage.sessions_open(), 1, "that of the registration");
}

#[tokio::test]
async fn a_strangers_page_neither_uses_the_cookie_nor_gets_one() {
    let world = World::new();
    let token = world.register().await.unwrap().refresh_token;
    for origin in [Some("https://evil.example.com"), None] {
        let mut headers = vec![("cookie", format!("focusflow_refresh={token}"))];
        headers.extend(origin.map(|origin| ("origin", origin.to_owned())));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let caller = browser(&headers);
        let refresh = world.auth.refresh(from(&caller, RefreshRequest::default())).await.unwrap_err();
        let login = world.auth.login(from(&caller, credentials())).await.unwrap_err();
        for status in [refresh, login] {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "ORIGIN_REFUSED"));
        }
    }
    assert!(world.refresh(&token).await.is_ok());
}

#[tokio::test]
async fn on_this_machine_the_cookie_may_travel_in_plaintext() {
    let world = World::new();
    world.register().await.unwrap();
    let caller = browser(&[("origin", "http://localhost:5000"), ("host", "localhost:5000")]);
    world.auth.login(from(&caller, credentials())).await.unwrap();
    assert!(!cookie(&caller).1.contains("Secure"));
}
