//! Reading the body of a request that is refused by its head alone: a client that is still sending may lose an answer
//! that overtakes it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tonic::body::Body;

/// A slower sender loses the answer instead of holding the edge.
const HEARD_OUT_MAX: Duration = Duration::from_secs(1);

/// Reads and drops up to `bytes_max`, for at most a second.
pub(super) async fn hear_out(body: Body, bytes_max: usize) {
    // Whether the body has ended or the time, the answer is next.
    let _ended = tokio::time::timeout(HEARD_OUT_MAX, discard(body, bytes_max)).await;
}

/// Reads what is still sent of a body that is refused, and drops it, up to a limit.
pub(super) async fn discard(mut body: Body, mut bytes_left: usize) {
    while let Some(Ok(frame)) = body.frame().await {
        match bytes_left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(left) => bytes_left = left,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::Status;

    #[tokio::test]
    async fn an_endless_body_is_not_heard_for_ever() {
        let endless = stream::repeat_with(|| Ok::<_, Status>(Frame::data(Bytes::from_static(&[0; 100]))));
        hear_out(Body::new(StreamBody::new(endless)), 1000).await;
    }
}
