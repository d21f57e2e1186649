//! Which protocol a request speaks, by its `content-type`.

use std::cmp::Reverse;

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// How a request wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Native gRPC.
    Grpc,
    /// gRPC-Web.
    GrpcWeb(WebEncoding),
    /// gRPC of either kind, with messages that are not protobuf.
    UnsupportedGrpc,
    /// Anything else.
    Rest,
}

/// How gRPC-Web puts bytes into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WebEncoding {
    /// As they are.
    Binary,
    /// As base64, for clients that cannot read a binary stream.
    Text,
}

const GRPC: &str = "application/grpc";
const GRPC_WEB: &str = "application/grpc-web";
const GRPC_WEB_TEXT: &str = "application/grpc-web-text";

impl Protocol {
    /// Parameters such as `charset` are ignored: some load balancers add them.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(media_type) = headers.get(CONTENT_TYPE).and_then(|value| essence(value.as_bytes())) else {
            return Self::Rest;
        };
        if let Some(format) = media_type.strip_prefix(GRPC_WEB_TEXT) {
            return Self::grpc(format, Self::GrpcWeb(WebEncoding::Text));
        }
        if let Some(format) = media_type.strip_prefix(GRPC_WEB) {
            return Self::grpc(format, Self::GrpcWeb(WebEncoding::Binary));
        }
        match media_type.strip_prefix(GRPC) {
            Some(format) => Self::grpc(format, Self::Grpc),
            None => Self::Rest,
        }
    }

    fn grpc(format: &str, protocol: Self) -> Self {
        match format {
            "" | "+proto" => protocol,
            _ if format.starts_with('+') => Self::UnsupportedGrpc,
            _ => Self::Rest,
        }
    }
}

impl WebEncoding {
    /// What the client wants to read: what it accepts, else what it sent.
    pub(super) fn of_answer(self, headers: &HeaderMap) -> Self {
        let Some(accepted) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else { return self };
        if accepted.contains(GRPC_WEB_TEXT) {
            Self::Text
        } else if accepted.contains(GRPC_WEB) {
            Self::Binary
        } else {
            self
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Binary => "application/grpc-web+proto",
            Self::Text => "application/grpc-web-text+proto",
        }
    }
}

/// What a client accepts, as `accept` says.
pub(super) struct Accept<'h> {
    ranges: Vec<MediaRange<'h>>,
}

/// One entry of `accept`.
struct MediaRange<'h> {
    /// As sent, with a `*` for any.
    kind: &'h str,
    subtype: &'h str,
    /// In thousandths.
    weight: u16,
}

impl<'h> Accept<'h> {
    /// Entries that cannot be read are left out.
    pub(super) fn of(headers: &'h HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        Self { ranges: values.flat_map(|value| value.split(',')).filter_map(MediaRange::parse).collect() }
    }

    /// The one of `offers`, each under all names of its media type, that has most weight; `None` if the client accepts
    /// none of them. Where weights are equal, a type that the client names goes before one that it does not exclude,
    /// then what it names first, then the first offer.
    pub(super) fn best<T: Copy>(&self, offers: &[(&[&str], T)]) -> Option<T> {
        let ranked = offers.iter().enumerate().filter_map(|(order, (names, offer))| {
            let closest = names.iter().filter_map(|name| self.closest(name));
            let (specificity, place, weight) =
                closest.max_by_key(|(specificity, place, _)| (*specificity, Reverse(*place)))?;
            (weight > 0).then_some(((weight, specificity, Reverse(place), Reverse(order)), *offer))
        });
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, offer)| offer)
    }

    /// How precisely the entry names a media type that names it most precisely, its place, and its weight.
    fn closest(&self, media_type: &str) -> Option<(u8, usize, u16)> {
        let (kind, subtype) = media_type.split_once('/')?;
        let fitting = self
            .ranges
            .iter()
            .enumerate()
            .filter_map(|(place, range)| Some((range.specificity_for(kind, subtype)?, place, range.weight)));
        fitting.max_by_key(|(specificity, place, _)| (*specificity, Reverse(*place)))
    }
}

impl<'h> MediaRange<'h> {
    const WEIGHT_MAX: u16 = 1_000;

    fn parse(text: &'h str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let weight = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find_map(|(name, value)| name.trim().eq_ignore_ascii_case("q").then(|| parse_weight(value.trim())));
        Some(Self { kind, subtype, weight: weight.unwrap_or(Self::WEIGHT_MAX) })
    }

    /// 2 where it names the media type, 1 where it names its kind, 0 where it takes any.
    fn specificity_for(&self, kind: &str, subtype: &str) -> Option<u8> {
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (this, "*") if this.eq_ignore_ascii_case(kind) => Some(1),
            (this, that) if this.eq_ignore_ascii_case(kind) && that.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// A weight from 0 to 1 with up to three decimals, in thousandths; what is none counts as 1.
pub(super) fn parse_weight(text: &str) -> u16 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let thousandths = format!("{decimals:0<3}").parse().ok().filter(|_| decimals.len() <= 3);
    match (whole, thousandths) {
        ("0", Some(thousandths)) => thousandths,
        _ => MediaRange::WEIGHT_MAX,
    }
}

/// The media type in lower case, without parameters; `None` if it is not text.
pub(super) fn essence(content_type: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content_type).ok()?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    Some(essence.to_ascii_lowercase())
}

/// The value of `charset` in lower case; `None` if the media type has no such parameter, or is not text.
pub(super) fn charset(content_type: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content_type).ok()?;
    let mut parameters = text.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches('"').to_ascii_lowercase())
}

/// Whether an answer's body is messages of gRPC or gRPC-Web, which no browser shows.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(GRPC.as_bytes()))
}

/// Whether the media type is JSON: `application/json` or one of its kin.
pub(super) fn is_json(essence: &str) -> bool {
    essence == "application/json" || essence.ends_with("+json") || essence == "text/json"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(content_type: &str) -> Protocol {
        Protocol::of(&HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]))
    }

    #[test]
    fn parameters_and_case_do_not_matter() {
        use WebEncoding::{Binary, Text};
        for (content_type, expected) in [
            ("application/grpc", Protocol::Grpc),
            ("application/grpc+proto", Protocol::Grpc),
            ("Application/gRPC; charset=utf-8", Protocol::Grpc),
            ("application/grpc+json", Protocol::UnsupportedGrpc),
            ("application/grpc-web", Protocol::GrpcWeb(Binary)),
            ("application/grpc-web+proto; charset=utf-8", Protocol::GrpcWeb(Binary)),
            ("application/grpc-web-text", Protocol::GrpcWeb(Text)),
            ("application/grpc-web-text+proto", Protocol::GrpcWeb(Text)),
            ("application/grpc-web+json", Protocol::UnsupportedGrpc),
            ("application/grpcx", Protocol::Rest),
            ("application/json", Protocol::Rest),
        ] {
            assert_eq!(protocol(content_type), expected, "{content_type}");
        }
        assert_eq!(Protocol::of(&HeaderMap::new()), Protocol::Rest);
    }

    #[test]
    fn a_charset_is_read_however_it_is_written() {
        let charset = |content_type: &str| charset(content_type.as_bytes());
        assert_eq!(charset("application/json"), None);
        assert_eq!(charset("application/json; profile=a"), None);
        for content_type in
            ["text/json;charset=utf-8", "text/json; a=b; Charset=\"UTF-8\"", "text/json ; charset = utf-8"]
        {
            assert_eq!(charset(content_type).as_deref(), Some("utf-8"), "{content_type}");
        }
    }

    #[test]
    fn a_client_is_answered_in_what_it_accepts_or_else_sent() {
        let accept = |value: &str| HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())]);
        assert_eq!(WebEncoding::Binary.of_answer(&HeaderMap::new()), WebEncoding::Binary);
        assert_eq!(WebEncoding::Text.of_answer(&accept("*/*")), WebEncoding::Text);
        assert_eq!(WebEncoding::Text.of_answer(&accept("application/grpc-web")), WebEncoding::Binary);
        assert_eq!(WebEncoding::Binary.of_answer(&accept("application/grpc-web-text")), WebEncoding::Text);
    }
}
