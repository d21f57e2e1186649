//! What caches may do with answers (RFC 9111).

use http::HeaderValue;

/// Data that has a validator: kept by its person's browser alone, which asks before each use.
pub(super) const REVALIDATED: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What nobody keeps: data without a validator, failures, everything that signs people in.
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Pages and documents: to be kept by anybody, and asked about before each use, since an upgrade of the server changes
/// what their path answers.
const PAGE: HeaderValue = HeaderValue::from_static("no-cache");

/// Files whose name says which bytes they have: another build has other names.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Builds put a digest of at least this many characters into names.
const DIGEST_CHARACTERS_MIN: usize = 8;

/// The value of `cache-control` for a file by its path.
pub(super) fn of_file(path: &str) -> HeaderValue {
    let name = path.rsplit('/').next().unwrap_or_default();
    // Its first part is a name and its last one the kind of file, whatever they look like.
    let mut parts: Vec<&str> = name.split(['.', '-']).collect();
    let has_kind = name.contains('.');
    parts.truncate(parts.len() - usize::from(has_kind));
    if parts.into_iter().skip(1).any(is_digest) { IMMUTABLE } else { PAGE }
}

/// Hexadecimal, with a digit: words are not.
fn is_digest(part: &str) -> bool {
    part.len() >= DIGEST_CHARACTERS_MIN
        && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        && part.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_whose_name_has_a_digest_is_kept_for_good_and_a_page_is_not() {
        for hashed in ["/_next/static/chunks/main-0f3c9a77be21d4c8.js", "/assets/index.4fd19c02.css"] {
            assert_eq!(of_file(hashed), IMMUTABLE, "{hashed}");
        }
        for page in ["/docs", "/docs/reference.js", "/openapi.json", "/20261123", "/a-defaced.js", "/20261123.html"] {
            assert_eq!(of_file(page), PAGE, "{page}");
        }
    }
}
