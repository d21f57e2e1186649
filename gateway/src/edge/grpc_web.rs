//! gRPC-Web's framing. A browser can send neither HTTP trailers nor, in the text form, bytes: so trailers travel as a
//! last frame of the body, and the text form is base64. Messages pass through unread.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;

use super::media_type::WebEncoding;

/// The bit of a frame's first byte that marks trailers.
const TRAILERS_FLAG: u8 = 0x80;

/// Base64 groups four characters.
const GROUP_CHARACTERS: usize = 4;

/// A gRPC-Web request body as the gRPC body that it stands for.
pub(super) fn request_body(body: Body, encoding: WebEncoding) -> Body {
    match encoding {
        WebEncoding::Binary => body,
        WebEncoding::Text => Body::new(TextRequest { inner: body, pending: BytesMut::new() }),
    }
}

/// A gRPC response body as gRPC-Web puts it.
pub(super) fn response_body(body: Body, encoding: WebEncoding) -> Body {
    Body::new(WebResponse { inner: body, encoding, finished: false })
}

/// Decodes base64 as it arrives.
struct TextRequest {
    inner: Body,
    /// Characters of a group that is not complete yet.
    pending: BytesMut,
}

impl HttpBody for TextRequest {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
            let data = match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => data,
                // Trailers cannot come from a browser and mean nothing to a server.
                Some(Err(_)) => continue,
                None if self.pending.is_empty() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(not_base64()))),
            };
            self.pending.extend_from_slice(&data);
            let complete = self.pending.len() / GROUP_CHARACTERS * GROUP_CHARACTERS;
            if complete > 0 {
                let groups = self.pending.split_to(complete);
                return Poll::Ready(Some(decode_groups(&groups).map(Frame::data)));
            }
        }
    }
}

/// Each frame may have been encoded by itself, so padding can stand in the middle: decode up to each padded group.
fn decode_groups(groups: &[u8]) -> Result<Bytes, Status> {
    let mut decoded = Vec::with_capacity(groups.len() / GROUP_CHARACTERS * 3);
    let padded = |group: &[u8]| group.ends_with(b"=");
    let mut groups = groups.chunks_exact(GROUP_CHARACTERS).peekable();
    let mut run = Vec::new();
    while let Some(group) = groups.next() {
        run.extend_from_slice(group);
        if padded(group) || groups.peek().is_none() {
            STANDARD.decode_vec(&run, &mut decoded).map_err(|_| not_base64())?;
            run.clear();
        }
    }
    Ok(decoded.into())
}

fn not_base64() -> Status {
    Status::invalid_argument("the body is not base64, as application/grpc-web-text has to be")
}

/// Appends trailers as a frame and encodes base64 where the client asks for it.
struct WebResponse {
    inner: Body,
    encoding: WebEncoding,
    finished: bool,
}

impl HttpBody for WebResponse {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let data = match frame.transpose()?.map(Frame::into_data) {
            Some(Ok(data)) => data,
            Some(Err(frame)) => {
                self.finished = true;
                trailers_frame(&frame.into_trailers().unwrap_or_default())
            }
            None => {
                self.finished = true;
                return Poll::Ready(None);
            }
        };
        Poll::Ready(Some(Ok(Frame::data(encode(data, self.encoding)))))
    }
}

fn encode(data: Bytes, encoding: WebEncoding) -> Bytes {
    match encoding {
        WebEncoding::Binary => data,
        WebEncoding::Text => STANDARD.encode(data).into(),
    }
}

fn trailers_frame(trailers: &HeaderMap) -> Bytes {
    let mut block = Vec::new();
    for (name, value) in trailers {
        block.extend_from_slice(name.as_str().as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value.as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    let mut frame = BytesMut::with_capacity(5 + block.len());
    frame.put_u8(TRAILERS_FLAG);
    frame.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
    frame.put_slice(&block);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    fn chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Body {
        let frames: Vec<_> =
            chunks.into_iter().map(|chunk| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
        Body::new(StreamBody::new(stream::iter(frames)))
    }

    async fn decoded(body: Body) -> Result<Bytes, Status> {
        request_body(body, WebEncoding::Text).collect().await.map(http_body_util::Collected::to_bytes)
    }

    #[tokio::test]
    async fn text_is_decoded_however_it_is_cut() {
        let text = STANDARD.encode(b"\0\0\0\0\x05hello");
        for size in 1..=text.len() {
            assert_eq!(decoded(chunks(text.as_bytes().chunks(size))).await.unwrap(), b"\0\0\0\0\x05hello".as_slice());
        }
    }

    #[tokio::test]
    async fn frames_that_were_encoded_one_by_one_are_decoded() {
        let text = [STANDARD.encode(b"a"), STANDARD.encode(b"bc"), STANDARD.encode(b"def")].concat();
        assert_eq!(decoded(chunks([text.as_bytes()])).await.unwrap(), b"abcdef".as_slice());
    }

    #[tokio::test]
    async fn what_is_not_base64_is_refused() {
        for text in ["!!!!", "AAA", "A=AA"] {
            assert_eq!(decoded(chunks([text.as_bytes()])).await.unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }

    #[tokio::test]
    async fn trailers_become_the_last_frame() {
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), "0".parse().unwrap())]);
        let body = || {
            let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(trailers.clone())];
            Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Status>))))
        };
        let expected = b"data\x80\0\0\0\x10grpc-status: 0\r\n".as_slice();
        let binary = response_body(body(), WebEncoding::Binary).collect().await.unwrap().to_bytes();
        assert_eq!(binary, expected);
        let text = response_body(body(), WebEncoding::Text).collect().await.unwrap().to_bytes();
        assert_eq!(decoded(chunks([&text[..]])).await.unwrap(), expected);
    }
}
