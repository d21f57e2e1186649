//! Requests that two parsers may take for different ones: none becomes two, and none leaves its connection in use.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{assert_others_are_served, connect, edge};

const SMUGGLED: &str = "GET /api/v1/open/smuggled HTTP/1.1\r\nhost: edge\r\n\r\n";

#[tokio::test]
async fn a_request_whose_length_is_ambiguous_is_refused_or_is_the_last_of_its_connection() {
    let edge = edge(|_| {}).await;
    let shapes = [
        ("two lengths", "content-length: 2\r\ncontent-length: 40\r\n", "{}", Some("400")),
        ("a list of lengths", "content-length: 2, 40\r\n", "{}", Some("400")),
        ("a signed length", "content-length: +2\r\n", "{}", Some("400")),
        ("length and coding", "content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", None),
        ("coding and length", "transfer-encoding: chunked\r\ncontent-length: 4\r\n", "0\r\n\r\n", None),
        ("a coding that is not chunked", "transfer-encoding: identity\r\n", "0\r\n\r\n", Some("400")),
        ("chunked, and then another", "transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n", Some("400")),
        ("a space before the colon", "transfer-encoding : chunked\r\n", "0\r\n\r\n", Some("400")),
        ("a folded header", "x-fold: a\r\n content-length: 40\r\n", "", Some("400")),
        ("a folded coding", "transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n", Some("400")),
        ("a return within", "x-return: a\rtransfer-encoding: chunked\r\n", "", Some("400")),
        ("a size that is no number", "transfer-encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n", Some("400")),
        ("a size beyond numbers", "transfer-encoding: chunked\r\n", "fffffffffffffffff\r\n{}", Some("400")),
    ];
    for (shape, headers, body, status) in shapes {
        let head = "POST /api/v1/open HTTP/1.1\r\nhost: edge\r\ncontent-type: application/json\r\n";
        let mut stream = connect(&edge).await;
        stream.write_all(format!("{head}{headers}\r\n{body}{SMUGGLED}").as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let _reset = stream.read_to_end(&mut heard).await;
        let heard = String::from_utf8(heard).unwrap();
        assert!(!heard.contains("smuggled"), "{shape}: {heard}");
        assert!(heard.matches("HTTP/1.1 ").count() <= 1, "{shape}: {heard}");
        let answered = heard.split(' ').nth(1);
        assert!(status.is_none() || answered == status || heard.is_empty(), "{shape}: {heard}");
    }
    assert_others_are_served(&edge).await;
}

#[tokio::test]
async fn a_length_over_http_2_that_does_not_fit_is_refused() {
    let edge = edge(|_| {}).await;
    let (mut sender, connection) = h2::client::handshake(connect(&edge).await).await.unwrap();
    tokio::spawn(connection);
    let post = http::Request::post("http://edge/api/v1/open").header("content-type", "application/json");
    sender = sender.ready().await.unwrap();
    let (answer, mut body) = sender.send_request(post.header("content-length", "1").body(()).unwrap(), false).unwrap();
    body.send_data(format!("{{}}{SMUGGLED}").into(), true).unwrap();
    let answered = answer.await;
    assert!(answered.is_err() || answered.unwrap().status().is_client_error());
}
