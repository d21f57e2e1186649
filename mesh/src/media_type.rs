//! gRPC's media type, `application/grpc` with or without the name of what messages are.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

const GRPC: &[u8] = b"application/grpc";

/// What a request or a response says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// gRPC with messages in protobuf.
    Grpc,
    /// gRPC with messages that are something else.
    OtherCodec,
    /// No gRPC.
    Other,
}

impl MediaType {
    /// The media type of a message's headers; parameters do not matter.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(content_type) = headers.get(CONTENT_TYPE) else { return Self::Other };
        let Some((media_type, rest)) = content_type.as_bytes().split_at_checked(GRPC.len()) else { return Self::Other };
        let codec = rest.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        match codec {
            _ if !media_type.eq_ignore_ascii_case(GRPC) => Self::Other,
            b"" | b"+proto" => Self::Grpc,
            [b'+', ..] => Self::OtherCodec,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_known_however_it_is_written_and_told_from_its_kin() {
        for (content_type, expected) in [
            ("application/grpc", MediaType::Grpc),
            ("application/grpc+proto", MediaType::Grpc),
            ("Application/gRPC", MediaType::Grpc),
            ("application/grpc ; charset=utf-8", MediaType::Grpc),
            ("application/grpc+json", MediaType::OtherCodec),
            ("application/grpc-web", MediaType::Other),
            ("application/grpcx", MediaType::Other),
            ("application/json", MediaType::Other),
            ("", MediaType::Other),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            assert_eq!(MediaType::of(&headers), expected, "{content_type}");
        }
        assert_eq!(MediaType::of(&HeaderMap::new()), MediaType::Other);
    }
}
