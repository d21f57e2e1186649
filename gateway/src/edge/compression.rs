//! Bodies made smaller for clients that ask for it (RFC 9110, 8.4 and 12.5.3).
//!
//! Only whole bodies are: a stream's messages have to flow as they come, and what signs people in is never compressed,
//! because the length of a body that holds a secret beside what somebody else has chosen betrays the secret (BREACH).

use std::io::{self, Write};

use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::media_type::parse_weight;

/// Longer bodies are compressed where nobody else waits for the thread.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Levels that cost about as much as a body of JSON costs to make, and leave a fifth of it.
const GZIP_LEVEL: u32 = 4;
const BROTLI_QUALITY: i32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    /// What clients may choose from; of what they like equally the first, which takes least time.
    pub(super) const OFFERED: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// The name in headers; `None` for none.
    pub(super) const fn token(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Zstd => Some("zstd"),
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
        }
    }

    /// The value of `content-encoding`; `None` for none.
    pub(super) fn header(self) -> Option<HeaderValue> {
        self.token().map(HeaderValue::from_static)
    }

    /// What the client accepts best. A client that accepts nothing that there is, not even a body as it is, gets that.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(ACCEPT_ENCODING) {
            return Self::Identity;
        }
        let weight = |coding: Self| match coding {
            Self::Gzip => weight(headers, "gzip").or_else(|| weight(headers, "x-gzip")),
            coding => weight(headers, coding.token().unwrap_or("identity")),
        };
        let any = self::weight(headers, "*").unwrap_or(0);
        // Who names codings prefers them to none, unless it says what none is worth.
        let mut best = (Self::Identity, weight(Self::Identity).unwrap_or(0));
        for coding in Self::OFFERED {
            let weight = weight(coding).unwrap_or(any);
            if weight > best.1 {
                best = (coding, weight);
            }
        }
        best.0
    }

    /// The body in this coding.
    pub(super) async fn encode(self, body: Bytes) -> io::Result<Bytes> {
        match self {
            Self::Identity => Ok(body),
            _ if body.len() <= INLINE_BYTES_MAX => self.compress(&body),
            _ => tokio::task::spawn_blocking(move || self.compress(&body)).await?,
        }
    }

    fn compress(self, body: &[u8]) -> io::Result<Bytes> {
        let mut out = Vec::with_capacity(body.len() / 4);
        match self {
            Self::Identity => out.extend_from_slice(body),
            Self::Zstd => return zstd::bulk::compress(body, ZSTD_LEVEL).map(Bytes::from),
            Self::Brotli => {
                let params =
                    BrotliEncoderParams { quality: BROTLI_QUALITY, size_hint: body.len(), ..Default::default() };
                brotli::BrotliCompress(&mut &*body, &mut out, &params)?;
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::new(GZIP_LEVEL));
                encoder.write_all(body)?;
                out = encoder.finish()?;
            }
        }
        Ok(out.into())
    }
}

/// Whether bodies of a media type become smaller: text, and formats that are written as text.
pub(super) fn is_compressible(content_type: &HeaderValue) -> bool {
    const TEXT: [&str; 6] = ["json", "xml", "javascript", "wasm", "x-ndjson", "manifest+json"];
    let Ok(text) = content_type.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    let suffix = subtype.rsplit('+').next().unwrap_or_default();
    match kind {
        // Its messages must flow.
        "text" => subtype != "event-stream",
        "application" => TEXT.contains(&subtype) || matches!(suffix, "json" | "xml"),
        "image" => suffix == "xml",
        _ => false,
    }
}

/// The weight of a coding in thousandths; `None` if the client does not name it.
fn weight(headers: &HeaderMap, name: &str) -> Option<u16> {
    const WEIGHT_MAX: u16 = 1_000;
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|entry| {
        let (coding, parameter) = entry.split_once(';').unwrap_or((entry, ""));
        coding.trim().eq_ignore_ascii_case(name).then(|| match parameter.split_once('=') {
            Some((key, value)) if key.trim().eq_ignore_ascii_case("q") => parse_weight(value.trim()),
            _ => WEIGHT_MAX,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn chosen(accept_encoding: &str) -> Coding {
        Coding::of(&HeaderMap::from_iter([(ACCEPT_ENCODING, accept_encoding.parse().unwrap())]))
    }

    #[test]
    fn the_coding_is_what_the_client_accepts_best() {
        assert_eq!(Coding::of(&HeaderMap::new()), Coding::Identity);
        for (accept_encoding, expected) in [
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("gzip, deflate, br", Coding::Brotli),
            ("gzip;q=1.0, br;q=0.5", Coding::Gzip),
            ("GZIP", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("*", Coding::Zstd),
            ("*;q=0.5, zstd;q=0", Coding::Brotli),
            ("deflate", Coding::Identity),
            ("", Coding::Identity),
            ("gzip;q=0", Coding::Identity),
            ("identity;q=0", Coding::Identity),
            ("identity, gzip;q=0.5", Coding::Identity),
            ("identity;q=0.5, gzip", Coding::Gzip),
        ] {
            assert_eq!(chosen(accept_encoding), expected, "{accept_encoding}");
        }
    }

    #[tokio::test]
    async fn a_body_is_what_it_was_whether_it_is_short_or_long() {
        for bytes in [0, 5_000, 3 * INLINE_BYTES_MAX] {
            let body = Bytes::from(b"what comes back ".repeat(bytes / 16));
            for coding in Coding::OFFERED {
                let coded = coding.encode(body.clone()).await.unwrap();
                let mut decoded = Vec::new();
                match coding {
                    Coding::Identity => unreachable!(),
                    Coding::Zstd => decoded = zstd::bulk::decompress(&coded, body.len()).unwrap(),
                    Coding::Brotli => brotli::BrotliDecompress(&mut &*coded, &mut decoded).unwrap(),
                    Coding::Gzip => {
                        flate2::read::GzDecoder::new(&*coded).read_to_end(&mut decoded).unwrap();
                    }
                }
                assert_eq!(decoded, body, "{coding:?}");
                assert!(bytes == 0 || coded.len() < body.len() / 10, "{coding:?}: {}", coded.len());
            }
        }
    }

    #[test]
    fn only_text_becomes_smaller() {
        let is_compressible = |text: &'static str| is_compressible(&HeaderValue::from_static(text));
        for text in [
            "application/json",
            "application/json; charset=utf-8",
            "text/csv",
            "image/svg+xml",
            "application/problem+json",
        ] {
            assert!(is_compressible(text), "{text}");
        }
        for other in ["image/png", "application/zip", "text/event-stream", "application/grpc", "font/woff2", "none"] {
            assert!(!is_compressible(other), "{other}");
        }
    }
}
