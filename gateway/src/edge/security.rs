//! What browsers are told to keep from an answer: scripts, frames, other origins, plaintext.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::media_type::is_grpc;
use super::scheme::Scheme;

/// Data is nothing to be run, shown in a frame or submitted, whatever somebody has put into it.
const DATA_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");

const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");
/// For browsers that do not know `frame-ancestors`.
const NO_FRAMES: HeaderValue = HeaderValue::from_static("DENY");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const NO_PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), \
     payment=(), usb=()",
);
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// No other origin's page embeds it, or holds on to its window. Whom CORS lets read it is another matter.
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// What the headers of answers say.
pub(super) struct Security {
    transport: HeaderValue,
}

impl Security {
    /// `hsts`: how long browsers are to come back over TLS only. Zero makes them forget what they were told before.
    pub(super) fn new(hsts: Duration) -> Self {
        let transport = format!("max-age={}", hsts.as_secs()).parse();
        Self { transport: transport.unwrap_or(HeaderValue::from_static("max-age=0")) }
    }

    /// Adds what a browser has to know before it shows an answer. Messages of gRPC are shown by none.
    pub(super) fn protect(&self, headers: &mut HeaderMap, scheme: Scheme) {
        headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
        if scheme == Scheme::Https {
            headers.insert(STRICT_TRANSPORT_SECURITY, self.transport.clone());
        }
        if is_grpc(headers) {
            return;
        }
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(DATA_POLICY);
        headers.insert(X_FRAME_OPTIONS, NO_FRAMES);
        headers.insert(REFERRER_POLICY, NO_REFERRER);
        headers.insert(PERMISSIONS_POLICY, NO_PERMISSIONS);
        headers.insert(RESOURCE_POLICY, SAME_ORIGIN);
        headers.insert(OPENER_POLICY, SAME_ORIGIN);
    }
}

/// The policy of a page: it runs and shows files of its own origin and what it holds itself, and speaks to its own
/// origin only.
pub(super) fn page_policy(html: &str) -> HeaderValue {
    let (scripts, styles) = (digests(html, "script"), digests(html, "style"));
    let policy = format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; connect-src 'self'; img-src 'self' \
         data:; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    policy.parse().unwrap_or(DATA_POLICY)
}

/// ` 'sha256-…'` for each element that has its text in the page. Of an element with `src` a browser reads no text.
fn digests(html: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let mut digests = String::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((_, body)) = after.split_once('>') else { break };
        let Some((text, after)) = body.split_once(&close) else { break };
        if !text.is_empty() {
            digests.push_str(" 'sha256-");
            STANDARD.encode_string(Sha256::digest(text), &mut digests);
            digests.push('\'');
        }
        rest = after;
    }
    digests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_run_its_own_inline_scripts_and_no_others() {
        let html = "<html><script src=\"/a.js\"></script><script>alert(1)</script><style>b{}</style>\
                    <script type=\"module\">\n2\n</script>";
        let policy = page_policy(html);
        let policy = policy.to_str().unwrap();
        // openssl dgst -sha256 -binary | base64, of `alert(1)`, and of a line with a 2 between line feeds.
        assert!(
            policy.contains(
                "script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=' \
             'sha256-rAHRYt9DfYpZQ6hDngDBW3KU8orAXgZCHuC82Hj2EHk='; "
            ),
            "{policy}"
        );
        assert_eq!(policy.matches("sha256-").count(), 3, "{policy}");
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn an_answer_keeps_the_policy_that_it_has_and_gets_one_otherwise() {
        let security = Security::new(Duration::from_mins(1));
        let mut page = HeaderMap::from_iter([(CONTENT_SECURITY_POLICY, page_policy(""))]);
        security.protect(&mut page, Scheme::Http);
        assert_eq!(page[CONTENT_SECURITY_POLICY], page_policy(""));
        let mut data = HeaderMap::new();
        security.protect(&mut data, Scheme::Http);
        assert_eq!(data[CONTENT_SECURITY_POLICY], DATA_POLICY);
    }

    #[test]
    fn only_over_tls_a_browser_is_told_to_come_back_so() {
        let security = Security::new(Duration::from_mins(1));
        let transport = |scheme| {
            let mut headers = HeaderMap::new();
            security.protect(&mut headers, scheme);
            headers.remove(STRICT_TRANSPORT_SECURITY)
        };
        assert_eq!(transport(Scheme::Http), None);
        assert_eq!(transport(Scheme::Https).unwrap(), "max-age=60");
    }
}
