//! The three headers that a gRPC status travels in, kept within what both ends can take.

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Status};

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
pub(crate) const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// A longer message would not fit the header list that peers accept, and the whole response would be lost for it.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
const DETAILS_BYTES_MAX: usize = 8 * 1024;

/// Shortens what is too long to arrive, before it leaves.
pub(crate) fn limit(headers: &mut HeaderMap) {
    if let Some(message) = headers.get(&GRPC_MESSAGE).filter(|message| message.len() > MESSAGE_BYTES_MAX) {
        let short = shorten(message.as_bytes());
        headers.insert(GRPC_MESSAGE, HeaderValue::from_bytes(short).unwrap_or_else(|_| HeaderValue::from_static("")));
    }
    if headers.get(&GRPC_DETAILS).is_some_and(|details| details.len() > DETAILS_BYTES_MAX) {
        headers.remove(GRPC_DETAILS);
    }
}

/// Removes details that are not base64: tonic panics when it reads them.
pub(crate) fn sanitise(headers: &mut HeaderMap) {
    if headers.get(&GRPC_DETAILS).is_some_and(|details| !is_base64(details.as_bytes())) {
        tracing::warn!("a peer's grpc-status-details-bin is not base64; the status goes on without its details");
        headers.remove(GRPC_DETAILS);
    }
}

/// Takes a status out of headers; `None` if there is none.
pub(crate) fn take(headers: &mut HeaderMap) -> Option<HeaderMap> {
    let code = headers.remove(GRPC_STATUS)?;
    let mut taken = HeaderMap::with_capacity(3);
    taken.insert(GRPC_STATUS, code);
    for name in [GRPC_MESSAGE, GRPC_DETAILS] {
        if let Some(value) = headers.remove(&name) {
            taken.insert(name, value);
        }
    }
    Some(taken)
}

/// A status as the trailers that end a stream.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(3);
    if status.add_header(&mut trailers).is_err() {
        // Its message cannot be a header; the code must arrive all the same.
        trailers.insert(GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    trailers
}

/// The code in response headers or trailers, if it is there.
pub(crate) fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(&GRPC_STATUS).map(|status| Code::from_bytes(status.as_bytes()))
}

/// Cuts a percent-encoded text without breaking an escape or a character.
fn shorten(message: &[u8]) -> &[u8] {
    let mut end = MESSAGE_BYTES_MAX.min(message.len());
    while end > 0 && !ends_whole(message, end) {
        end -= 1;
    }
    &message[..end]
}

/// Whether the cut at `end` is before an escape that begins a character, or before a plain byte, and not within one.
fn ends_whole(message: &[u8], end: usize) -> bool {
    let within_escape = (1..=2).any(|back| end >= back && message[end - back] == b'%');
    if within_escape {
        return false;
    }
    // UTF-8 continuation bytes are 0x80 to 0xBF: their escapes begin with %8 to %B.
    let continuation = message.get(end) == Some(&b'%')
        && matches!(message.get(end + 1), Some(b'8' | b'9' | b'A'..=b'B' | b'a'..=b'b'));
    !continuation
}

/// Standard alphabet, padded or not, as tonic decodes it: no stray length, no bits beyond the last byte.
fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = &text[..text.len() - padding];
    let (length_ok, spare_bits) = match digits.len() % 4 {
        0 => (padding == 0, 0),
        2 => (padding == 0 || padding == 2, 4),
        3 => (padding == 0 || padding == 1, 2),
        _ => (false, 0),
    };
    let last_ok =
        digits.last().is_none_or(|last| sextet(*last).is_some_and(|bits| bits & ((1 << spare_bits) - 1) == 0));
    length_ok && last_ok && digits.iter().all(|digit| sextet(*digit).is_some())
}

fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_that_would_make_tonic_panic_are_removed() {
        for details in ["!", "A", "AAAAA", "AB", "AAB", "A=AA", "AA=", "AAA==", "AAAA="] {
            let mut headers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("3"))]);
            headers.insert(GRPC_DETAILS, HeaderValue::from_str(details).unwrap());
            sanitise(&mut headers);
            assert!(!headers.contains_key(GRPC_DETAILS), "{details:?}");
            assert_eq!(Status::from_header_map(&headers).unwrap().code(), Code::InvalidArgument);
        }
    }

    #[test]
    fn details_that_tonic_reads_stay() {
        for details in ["", "AA", "AA==", "AAA", "AAA=", "AAAA", "+/9z"] {
            let mut headers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("3"))]);
            headers.insert(GRPC_DETAILS, HeaderValue::from_str(details).unwrap());
            sanitise(&mut headers);
            assert!(headers.contains_key(GRPC_DETAILS), "{details:?}");
            assert!(Status::from_header_map(&headers).is_some());
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        for filler in ["a", "é", "日", "😀", "%"] {
            let status = Status::internal(filler.repeat(5000));
            let mut headers = trailers(&status);
            limit(&mut headers);
            let message = headers.get(GRPC_MESSAGE).unwrap();
            assert!(message.len() <= MESSAGE_BYTES_MAX && message.len() > MESSAGE_BYTES_MAX - 12);
            let read = Status::from_header_map(&headers).unwrap();
            assert_eq!(read.code(), Code::Internal, "{filler}");
            assert!(status.message().starts_with(read.message()), "{filler}");
        }
    }
}
