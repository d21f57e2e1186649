//! Entity tags (RFC 9110, 8.8.3), made of the etags that messages carry.
//!
//! A message's etag says which version of a resource it is, for whoever wants to change it. It is no validator: an answer
//! may hold more than the version (a streak that grows by the day), and two people's resources may be behind one path.
//! So an entity tag is the message's etag, a digest of the body, and the coding of the body, if it has one:
//!
//! ```text
//! "3~9a1f0c55d2e8b764"         etag "3" (AIP-154: the quotes are the etag's)
//! "3~9a1f0c55d2e8b764~gzip"    the same, compressed
//! "~v%203~9a1f0c55d2e8b764"    etag v 3, which is none by HTTP's grammar
//! ```
//!
//! All of it is compared for `If-None-Match`; of `If-Match` only the etag goes to the service, so that the message's own
//! etag is as good there as the header of an answer.

use std::hash::{DefaultHasher, Hasher};

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::compression::Coding;

/// Stands between the parts of an entity tag, and nowhere else.
const SEPARATOR: char = '~';

/// What an etag that is no entity tag is escaped to.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Names one version of an answer, whatever its coding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validator {
    /// Without quotes and coding.
    opaque: String,
}

/// An entity tag as a client sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'h> {
    is_weak: bool,
    opaque: &'h str,
}

/// A header is no list of entity tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Validator {
    /// Of an answer that carries `etag`.
    pub(super) fn of_answer(etag: &str, body: &[u8]) -> Self {
        let mut opaque = match plain(etag) {
            Some(plain) => plain.to_owned(),
            None => format!("{SEPARATOR}{}", utf8_percent_encode(etag, ESCAPED)),
        };
        opaque.push(SEPARATOR);
        push_digest(&mut opaque, body);
        Self { opaque }
    }

    /// Of a page, which is its bytes.
    pub(super) fn of_page(body: &[u8]) -> Self {
        let mut opaque = String::new();
        push_digest(&mut opaque, body);
        Self { opaque }
    }

    /// The value of `etag` for one coding of the body.
    pub(super) fn header(&self, coding: Coding) -> HeaderValue {
        let mut value = String::with_capacity(self.opaque.len() + 8);
        value.push('"');
        value.push_str(&self.opaque);
        if let Some(token) = coding.token() {
            value.push(SEPARATOR);
            value.push_str(token);
        }
        value.push('"');
        // Both constructors admit visible ASCII only.
        HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// In which coding the client has this version, if the tag is of it. Compares weakly: proxies weaken the tags of what
    /// they compress.
    pub(super) fn coding_of(&self, tag: Tag<'_>) -> Option<Coding> {
        let rest = tag.opaque.strip_prefix(self.opaque.as_str())?;
        if rest.is_empty() {
            return Some(Coding::Identity);
        }
        Coding::OFFERED.into_iter().find(|coding| coding.token() == rest.strip_prefix(SEPARATOR))
    }
}

impl<'h> Tag<'h> {
    /// The tags of a comma-separated list.
    pub(super) fn list(text: &'h str) -> Result<Vec<Self>, Malformed> {
        let mut tags = Vec::new();
        let mut rest = text.trim_matches([' ', '\t']);
        loop {
            let (tag, after) = Self::split(rest)?;
            tags.push(tag);
            let after = after.trim_start();
            match after.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if after.is_empty() => return Ok(tags),
                None => return Err(Malformed),
            }
        }
    }

    /// The tag that the text begins with, and what follows it.
    fn split(text: &'h str) -> Result<(Self, &'h str), Malformed> {
        let quoted = text.strip_prefix("W/");
        let is_weak = quoted.is_some();
        let inner = quoted.unwrap_or(text).strip_prefix('"').ok_or(Malformed)?;
        let (opaque, after) = inner.split_once('"').ok_or(Malformed)?;
        if opaque.contains(' ') { Err(Malformed) } else { Ok((Self { is_weak, opaque }, after)) }
    }

    pub(super) fn is_weak(self) -> bool {
        self.is_weak
    }

    /// Whether the tag is the etag of a message as it stands there.
    pub(super) fn is_etag(self, etag: &str) -> bool {
        !self.is_weak && plain(etag) == Some(self.opaque)
    }

    /// The message's etag that the tag stands for. A weak one stands for itself: which messages are equal but for their
    /// bytes is the service's to know.
    pub(super) fn etag(self) -> String {
        let Self { is_weak, opaque } = self;
        if is_weak {
            return format!("W/\"{opaque}\"");
        }
        let escaped = opaque.strip_prefix(SEPARATOR).map(|rest| rest.split(SEPARATOR).next().unwrap_or_default());
        match escaped.map(|escaped| percent_decode_str(escaped).decode_utf8()) {
            Some(Ok(etag)) => etag.into_owned(),
            _ => format!("\"{}\"", opaque.split(SEPARATOR).next().unwrap_or_default()),
        }
    }
}

/// The inside of an etag that is a strong entity tag and has none of our separators.
fn plain(etag: &str) -> Option<&str> {
    let inner = etag.strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != SEPARATOR as u8;
    inner.bytes().all(is_plain).then_some(inner)
}

/// The same in every replica of one build; another build at worst sends an answer once more. Nobody gains by a collision
/// among the answers to themselves.
fn push_digest(out: &mut String, body: &[u8]) {
    use std::fmt::Write as _;
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    // Writing to a string does not fail.
    let _ = write!(out, "{:016x}", hasher.finish());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Tag<'_> {
        let [tag] = Tag::list(text).unwrap()[..] else { panic!("{text} is one tag") };
        tag
    }

    #[test]
    fn an_etag_comes_back_from_the_entity_tag_of_any_coding() {
        for etag in ["\"3\"", "3", "W/\"3\"", "", "\"a~b\"", "v 3, \"é\"", "\"~3\"", "\"3~gzip\"", "~", "\"", "%22"] {
            for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli, Coding::Zstd] {
                let header = Validator::of_answer(etag, b"{}").header(coding);
                assert_eq!(only(header.to_str().unwrap()).etag(), etag, "{header:?}");
            }
        }
    }

    #[test]
    fn the_etag_of_a_message_stands_for_itself() {
        for etag in ["\"3\"", "W/\"3\"", "\"\"", "\"a,b\""] {
            assert_eq!(only(etag).etag(), etag);
        }
    }

    #[test]
    fn answers_that_differ_have_different_tags_though_their_etag_is_the_same() {
        let (one, other) = (Validator::of_answer("\"3\"", b"1"), Validator::of_answer("\"3\"", b"2"));
        assert_ne!(one, other);
        let tag = other.header(Coding::Identity);
        assert_eq!(one.coding_of(only(tag.to_str().unwrap())), None);
    }

    #[test]
    fn a_version_is_known_in_any_coding_and_when_a_proxy_has_weakened_its_tag() {
        let validator = Validator::of_answer("\"3\"", b"{}");
        for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let tag = validator.header(coding).to_str().unwrap().to_owned();
            assert_eq!(validator.coding_of(only(&tag)), Some(coding));
            assert_eq!(validator.coding_of(only(&format!("W/{tag}"))), Some(coding));
        }
        assert_eq!(validator.coding_of(only("\"3\"")), None);
    }

    #[test]
    fn a_list_is_read_whatever_its_tags_hold_and_nothing_else_is() {
        let opaque = |text| Tag::list(text).map(|tags| tags.iter().map(|tag| tag.opaque).collect::<Vec<_>>());
        assert_eq!(opaque("\"a\" ,  W/\"b,c\",\"\""), Ok(vec!["a", "b,c", ""]));
        for malformed in ["", "3", "\"3", "\"a\" \"b\"", "\"a\",", "w/\"a\"", "*", "\"a b\""] {
            assert_eq!(opaque(malformed), Err(Malformed), "{malformed:?}");
        }
    }
}
