//! How the messages of a stream are put into an HTTP body, and which way a client wants.

use http::HeaderMap;

use crate::edge::media_type::Accept;

/// How long a browser waits before it connects again.
const RETRY_HINT: &[u8] = b"retry: 2000\n\n";

/// A comment, which every reader of events skips.
const KEEP_ALIVE: &[u8] = b":\n\n";

/// How records are put into the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON value per line; the default.
    Lines,
    /// One JSON array.
    Array,
    /// Server-sent events.
    Events,
}

impl Format {
    /// What the client accepts best. One that accepts none of these gets lines, which is what everybody can read.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        const KNOWN: [(&[&str], Format); 3] = [
            (&["application/x-ndjson", "application/ndjson"], Format::Lines),
            (&["application/json"], Format::Array),
            (&["text/event-stream"], Format::Events),
        ];
        Accept::of(headers).best(&KNOWN).unwrap_or(Self::Lines)
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Array => "application/json",
            Self::Events => "text/event-stream",
        }
    }

    /// What comes before all records.
    pub(super) const fn begin(self) -> &'static [u8] {
        match self {
            Self::Events => RETRY_HINT,
            Self::Lines | Self::Array => b"",
        }
    }

    /// What keeps proxies from closing a stream that has nothing to say; empty where a body has no room for it.
    pub(super) const fn keep_alive(self) -> &'static [u8] {
        match self {
            Self::Events => KEEP_ALIVE,
            Self::Lines | Self::Array => b"",
        }
    }

    /// One message. `place` counts the records from 0; `position` is where the message stands in its stream.
    pub(super) fn message(self, place: usize, position: Option<&str>, json: &[u8]) -> Vec<u8> {
        match (self, position) {
            (Self::Events, Some(position)) => [b"id: ", position.as_bytes(), b"\ndata: ", json, b"\n\n"].concat(),
            (Self::Events, None) => [b"data: ", json, b"\n\n"].concat(),
            (Self::Lines, _) => [json, b"\n"].concat(),
            (Self::Array, _) => [if place == 0 { b"[" } else { b"," }, json].concat(),
        }
    }

    /// What follows the last of `count` records. `status` is the `google.rpc.Status` of a stream that failed.
    ///
    /// Events say that a stream ended also where it ended well: a browser could not tell an end from a connection that
    /// was lost, and would connect again.
    pub(super) fn end(self, count: usize, status: Option<&[u8]>) -> Vec<u8> {
        let record = status.map(|status| [b"{\"error\":", status, b"}"].concat());
        match (self, record) {
            (Self::Events, record) => [b"event: status\ndata: ", record.as_deref().unwrap_or(b"{}"), b"\n\n"].concat(),
            (Self::Lines, None) => Vec::new(),
            (Self::Array, None) if count == 0 => b"[]".to_vec(),
            (Self::Array, None) => b"]".to_vec(),
            (Self::Lines, Some(record)) => self.message(count, None, &record),
            (Self::Array, Some(record)) => [&self.message(count, None, &record)[..], b"]"].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    fn body(format: Format, records: &[&str], status: Option<&[u8]>) -> String {
        let mut body = format.begin().to_vec();
        for (place, record) in records.iter().enumerate() {
            body.extend(format.message(place, None, record.as_bytes()));
        }
        body.extend(format.end(records.len(), status));
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn records_are_framed_as_the_format_wants() {
        assert_eq!(body(Format::Lines, &["1", "2"], None), "1\n2\n");
        assert_eq!(body(Format::Array, &["1", "2"], None), "[1,2]");
        assert_eq!(body(Format::Array, &[], None), "[]");
        let events = "retry: 2000\n\ndata: 1\n\nevent: status\ndata: {}\n\n";
        assert_eq!(body(Format::Events, &["1"], None), events);
        assert_eq!(Format::Events.message(0, Some("7"), b"1"), b"id: 7\ndata: 1\n\n");
    }

    #[test]
    fn a_failure_is_the_last_record() {
        assert_eq!(body(Format::Lines, &["1"], Some(b"{}")), "1\n{\"error\":{}}\n");
        assert_eq!(body(Format::Array, &["1"], Some(b"{}")), "[1,{\"error\":{}}]");
        assert_eq!(body(Format::Array, &[], Some(b"{}")), "[{\"error\":{}}]");
        assert!(body(Format::Events, &[], Some(b"{}")).ends_with("event: status\ndata: {\"error\":{}}\n\n"));
    }

    #[test]
    fn the_format_is_what_the_client_accepts_best() {
        let format = |accept: &str| Format::of(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]));
        assert_eq!(Format::of(&HeaderMap::new()), Format::Lines);
        for (accept, expected) in [
            ("*/*", Format::Lines),
            ("image/png", Format::Lines),
            ("application/json", Format::Array),
            ("application/json, application/x-ndjson", Format::Array),
            ("application/json;q=0.5, application/x-ndjson", Format::Lines),
            ("text/html, text/event-stream;q=0.9, */*;q=0.1", Format::Events),
            ("text/*", Format::Events),
            ("application/json;q=0, application/*", Format::Lines),
            ("application/x-ndjson;q=0, */*", Format::Array),
            ("Text/Event-Stream; charset=utf-8 ; Q=1.0", Format::Events),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
    }
}
