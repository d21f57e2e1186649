//! Slow and oversized requests of HTTP/1.1.

use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{assert_others_are_served, connect, counted, edge, until_counted};

/// Sends byte after byte, with pauses, until the server closes; answers what it said.
async fn drip(stream: TcpStream, head: &str) -> String {
    let (reader, mut writer) = stream.into_split();
    writer.write_all(head.as_bytes()).await.unwrap();
    let dripping = tokio::spawn(async move {
        while writer.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let heard = hear(reader).await;
    dripping.abort();
    heard
}

/// All that the server says until it closes.
async fn hear(mut reader: impl AsyncRead + Unpin) -> String {
    let mut heard = Vec::new();
    let hearing = reader.read_to_end(&mut heard);
    let _closed = tokio::time::timeout(Duration::from_mins(1), hearing).await.expect("the connection is closed");
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn headers_that_come_byte_by_byte_are_not_waited_for() {
    let edge = edge(|limits| limits.headers_timeout = Duration::from_secs(3)).await;
    let before = counted("server_connections_cut_total", "timeout");
    let slow: Vec<_> = futures_util::future::join_all((0..50).map(|_| connect(&edge))).await;
    let slow = slow.into_iter().map(|stream| tokio::spawn(drip(stream, "GET / HTTP/1.1\r\nhost: edge\r\nx-slow: ")));
    let slow: Vec<_> = slow.collect();
    assert_others_are_served(&edge).await;
    for connection in slow {
        let heard = connection.await.unwrap();
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 408"), "{heard}");
    }
    until_counted("server_connections_cut_total", "timeout", before + 49).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_let_go() {
    let edge = edge(|limits| limits.handshake_timeout = Duration::from_secs(3)).await;
    let before = counted("server_connections_refused_total", "timeout");
    assert_eq!(hear(connect(&edge).await).await, "");
    until_counted("server_connections_refused_total", "timeout", before).await;
}

/// The RPC's policy gives it 5 seconds.
#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_waited_for_until_the_calls_deadline() {
    let edge = edge(|_| {}).await;
    let head =
        "POST /api/v1/open HTTP/1.1\r\nhost: edge\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";
    let slow: Vec<_> = futures_util::future::join_all((0..50).map(|_| connect(&edge))).await;
    let slow: Vec<_> = slow.into_iter().map(|stream| tokio::spawn(drip(stream, head))).collect();
    assert_others_are_served(&edge).await;
    for connection in slow {
        let heard = connection.await.unwrap();
        assert!(heard.starts_with("HTTP/1.1 504") && heard.contains("DEADLINE_EXCEEDED"), "{heard}");
    }
}

#[tokio::test]
async fn headers_that_are_too_large_or_too_many_are_refused() {
    let edge = edge(|_| {}).await;
    let large = format!("x-large: {}\r\n", "a".repeat(17 * 1024));
    let many = "x-many: a\r\n".repeat(200);
    let path = "a".repeat(70_000);
    for (path, headers) in [("a", large.as_str()), ("a", many.as_str()), (&path, "")] {
        let before = counted("server_connections_cut_total", "malformed");
        let mut stream = connect(&edge).await;
        let request = format!("GET /api/v1/open/{path} HTTP/1.1\r\nhost: edge\r\n{headers}\r\n");
        // The answer may come before all of it was sent.
        let _cut = stream.write_all(request.as_bytes()).await;
        let heard = hear(stream).await;
        let status = heard.split(' ').nth(1).unwrap_or_default();
        let expected = [StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, StatusCode::URI_TOO_LONG];
        assert!(heard.is_empty() || expected.iter().any(|expected| expected.as_str() == status), "{heard}");
        until_counted("server_connections_cut_total", "malformed", before).await;
    }
    assert_others_are_served(&edge).await;
}
