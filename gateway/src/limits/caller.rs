//! What the edge knows of a caller before it knows who it is, and what it tells every answer about them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use tonic::Code;

use super::Quota;

/// Asks for the refresh token in a cookie (`x-focusflow-refresh: cookie`). A page of a stranger's cannot send it without
/// being allowed to by CORS.
const REFRESH_HEADER: HeaderName = HeaderName::from_static("x-focusflow-refresh");
const IN_COOKIE: &str = "cookie";

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// draft-ietf-httpapi-ratelimit-headers-06, the last with one header per value, which most clients read.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Who sent a request, as far as the connection and the headers show. Clones are the same caller.
#[derive(Clone)]
pub(crate) struct Caller(Arc<Inner>);

struct Inner {
    address: IpAddr,
    /// `None` if the caller did not ask for cookies.
    browser: Option<Browser>,
    quota: OnceLock<Quota>,
    cookie: OnceLock<HeaderValue>,
    code: OnceLock<Code>,
}

/// What a browser says about the page that sends a request.
pub(crate) struct Browser {
    cookies: HeaderMap,
    origin: Option<HeaderValue>,
    host: Option<HeaderValue>,
    fetch_site: Option<HeaderValue>,
}

impl Caller {
    /// The caller at `address`. `authority` is what HTTP/2 says in place of the header `host`.
    pub(crate) fn new(address: IpAddr, authority: Option<&str>, headers: &HeaderMap) -> Self {
        let asks_for_cookie = headers
            .get(REFRESH_HEADER)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(IN_COOKIE.as_bytes()));
        let browser = asks_for_cookie.then(|| Browser::new(authority, headers));
        Self(Arc::new(Inner {
            address,
            browser,
            quota: OnceLock::new(),
            cookie: OnceLock::new(),
            code: OnceLock::new(),
        }))
    }

    /// The same caller where there is no answer whose headers could be written, as on a WebSocket.
    pub(crate) fn without_page(&self) -> Self {
        Self::new(self.address(), None, &HeaderMap::new())
    }

    /// The caller that the edge has put into a request's extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self::new(Ipv4Addr::UNSPECIFIED.into(), None, &HeaderMap::new()))
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.0.address
    }

    /// The page that asks for cookies, if one does.
    pub(crate) fn browser(&self) -> Option<&Browser> {
        self.0.browser.as_ref()
    }

    /// Notes what the caller has left.
    pub(crate) fn set_quota(&self, quota: Quota) {
        // The first call of a connection that carries many is as good as any.
        let _ = self.0.quota.set(quota);
    }

    /// Lets the answer set a cookie.
    pub(crate) fn set_cookie(&self, cookie: HeaderValue) {
        let _ = self.0.cookie.set(cookie);
    }

    /// Notes how the call has ended, for the log.
    pub(crate) fn set_code(&self, code: Code) {
        let _ = self.0.code.set(code);
    }

    /// How the call has ended, as far as it is known.
    pub(crate) fn code(&self) -> Option<Code> {
        self.0.code.get().copied()
    }

    /// Tells the answer what was noted.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(quota) = self.0.quota.get() {
            headers.insert(LIMIT, quota.limit.into());
            headers.insert(REMAINING, quota.remaining.into());
            headers.insert(RESET, seconds_up(quota.reset_after).into());
        }
        if let Some(cookie) = self.0.cookie.get() {
            headers.append(SET_COOKIE, cookie.clone());
        }
    }
}

impl Browser {
    fn new(authority: Option<&str>, headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(COOKIE).iter().map(|value| (COOKIE, value.clone())).collect();
        let header = |name| headers.get(name).cloned();
        let host = header(HOST).or_else(|| authority.and_then(|authority| authority.parse().ok()));
        Self { cookies, origin: header(ORIGIN), host, fetch_site: header(FETCH_SITE) }
    }

    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let values = self.cookies.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(';')).find_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found == name).then_some(value)
        })
    }

    /// Whether the page is ours: of an allowed origin, of the edge's own, or of its site by the browser's word. A request
    /// that says nothing about its page is not believed.
    pub(crate) fn is_ours(&self, allowed: &[HeaderValue]) -> bool {
        match (&self.origin, &self.fetch_site) {
            (Some(origin), _) => allowed.contains(origin) || self.is_own(origin),
            (None, Some(site)) => site == "same-origin",
            (None, None) => false,
        }
    }

    /// Whether the page came in plaintext from this machine, where browsers may not keep cookies that are `Secure`.
    pub(crate) fn is_local(&self) -> bool {
        let origin = self.origin.as_ref().and_then(|origin| origin.to_str().ok()).unwrap_or_default();
        let host = origin.strip_prefix("http://").map(|rest| rest.split(':').next().unwrap_or_default());
        matches!(host, Some("localhost" | "127.0.0.1"))
    }

    fn is_own(&self, origin: &HeaderValue) -> bool {
        let (Ok(origin), Some(Ok(host))) = (origin.to_str(), self.host.as_ref().map(HeaderValue::to_str)) else {
            return false;
        };
        origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    }
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(headers: &[(&'static str, &'static str)]) -> Caller {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Caller::new(Ipv4Addr::LOCALHOST.into(), None, &headers.collect())
    }

    #[test]
    fn cookies_are_read_only_of_who_asks_for_them_by_the_header() {
        let cookie = ("cookie", "a=1; focusflow_refresh=secret");
        assert!(caller(&[cookie]).browser().is_none());
        let asking = caller(&[cookie, ("x-focusflow-refresh", "cookie")]);
        assert_eq!(asking.browser().unwrap().cookie("focusflow_refresh"), Some("secret"));
        assert_eq!(asking.browser().unwrap().cookie("refresh"), None);
    }

    #[test]
    fn a_page_is_ours_by_its_origin_or_by_the_browsers_word() {
        let allowed = [HeaderValue::from_static("https://app.example.org")];
        let asks = ("x-focusflow-refresh", "cookie");
        let is_ours = |more: &[(&'static str, &'static str)]| {
            let headers: Vec<_> = more.iter().copied().chain([asks]).collect();
            caller(&headers).browser().unwrap().is_ours(&allowed)
        };
        assert!(is_ours(&[("origin", "https://app.example.org")]));
        assert!(is_ours(&[("origin", "https://api.example.org"), ("host", "api.example.org")]));
        assert!(is_ours(&[("sec-fetch-site", "same-origin")]));
        assert!(!is_ours(&[("origin", "https://evil.example.com"), ("sec-fetch-site", "same-origin")]));
        assert!(!is_ours(&[("sec-fetch-site", "cross-site")]));
        assert!(!is_ours(&[]));
    }
}
