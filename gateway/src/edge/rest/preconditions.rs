//! `If-Match` and `If-None-Match` of requests (RFC 9110, 13.1).
//!
//! Whether a change may be done is the service's to decide, in the transaction that does it: `If-Match` becomes the
//! request's `etag`. A header that could not be kept is refused, since who sends it relies on it.

use focusflow_mesh::refusal::{Reason, Refusal, aborted};
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::edge::etag::{Tag, Validator};
use crate::edge::representation::is_read;
use crate::transcode::Route;

/// The reason of a refusal because of an etag, as services give it.
const ETAG_MISMATCH: &str = "ETAG_MISMATCH";

/// What `If-Match` asks for.
#[derive(Debug, PartialEq, Eq)]
enum IfMatch<'h> {
    /// `*`: that there is something, which every method asks for itself.
    Any,
    /// That the version is this one.
    One(Tag<'h>),
}

/// The etag that must be current for the request to be done; `None` if it does not matter.
pub(super) fn required_etag(parts: &Parts, route: &Route) -> Result<Option<String>, Status> {
    let headers = &parts.headers;
    let is_read = is_read(&parts.method);
    if headers.contains_key(IF_NONE_MATCH) && !is_read {
        return Err(refused(&IF_NONE_MATCH, "is a condition of GET and HEAD only"));
    }
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    match if_match(headers)? {
        IfMatch::Any => Ok(None),
        IfMatch::One(_) if is_read && !route.server_streaming => Ok(None),
        IfMatch::One(_) if is_read || !route.takes_etag() => {
            Err(refused(&IF_MATCH, "is no condition of this method, whose request has no etag"))
        }
        IfMatch::One(tag) => Ok(Some(tag.etag())),
    }
}

/// Refuses to read what is not the version that is asked for. `etag` and `validator` are those of the answer.
pub(super) fn check_read(parts: &Parts, etag: Option<&str>, validator: Option<&Validator>) -> Result<(), Status> {
    if !is_read(&parts.method) || !parts.headers.contains_key(IF_MATCH) {
        return Ok(());
    }
    let IfMatch::One(tag) = if_match(&parts.headers)? else { return Ok(()) };
    // The message's own etag names its version as well.
    let is_current = !tag.is_weak()
        && (validator.is_some_and(|validator| validator.coding_of(tag).is_some())
            || etag.is_some_and(|etag| tag.is_etag(etag)));
    if is_current {
        return Ok(());
    }
    let current: Vec<_> = etag.iter().map(|etag| ("current_etag", *etag)).collect();
    Err(aborted(ETAG_MISMATCH, "the etag is not current", &current))
}

/// Whether a service has refused a request because of its etag. A service that gives no reasons says so by ABORTED
/// alone (AIP-154).
pub(super) fn is_etag_mismatch(status: &Status) -> bool {
    status.code() == Code::Aborted && status.get_details_error_info().is_none_or(|info| info.reason == ETAG_MISMATCH)
}

fn if_match(headers: &HeaderMap) -> Result<IfMatch<'_>, Status> {
    const EXPECTED: &str = "is no entity tag; expected one in quotes, as the header etag of an answer is, or *";
    let mut values = headers.get_all(IF_MATCH).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(refused(&IF_MATCH, ONE_TAG)) };
    let text = value.to_str().map_err(|_| refused(&IF_MATCH, EXPECTED))?;
    if text.trim() == "*" {
        return Ok(IfMatch::Any);
    }
    match Tag::list(text).as_deref() {
        Ok([tag]) => Ok(IfMatch::One(*tag)),
        Ok(_) => Err(refused(&IF_MATCH, ONE_TAG)),
        Err(_) => Err(refused(&IF_MATCH, EXPECTED)),
    }
}

const ONE_TAG: &str = "has several entity tags; a request depends on one version";

fn refused(name: &HeaderName, problem: &str) -> Status {
    Refusal::new(Reason::BadHeader, format!("the header {name} {problem}")).with("header", name.as_str()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (IF_MATCH, http::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn one_tag_or_any_is_read() {
        assert_eq!(if_match(&headers(&["*"])).unwrap(), IfMatch::Any);
        let headers = headers(&["\"3~9a1f0c55d2e8b764~gzip\""]);
        let IfMatch::One(tag) = if_match(&headers).unwrap() else { panic!("it is one tag") };
        assert_eq!(tag.etag(), "\"3\"");
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_the_headers_name() {
        for values in [&["3"][..], &["\"3\", \"4\""], &["\"3\"", "\"4\""], &[""], &["*, \"3\""]] {
            let status = if_match(&headers(values)).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().starts_with("the header if-match "), "{}", status.message());
        }
    }

    #[test]
    fn only_a_refusal_because_of_the_etag_is_one() {
        assert!(is_etag_mismatch(&aborted(ETAG_MISMATCH, "", &[])));
        assert!(is_etag_mismatch(&Status::aborted("")));
        assert!(!is_etag_mismatch(&aborted("DATABASE_CONFLICT", "", &[])));
        assert!(!is_etag_mismatch(&Status::not_found("")));
    }
}
