//! The REST interface's reference: the OpenAPI document, and a page for people that renders it.
//!
//! Everything is made at start and comes from here: the page asks no other origin for anything, and its policy forbids
//! it to. A contract's own route of one of these paths is not reachable.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};
use tonic::body::Body;

use super::Inner;
use super::answer::Failure;
use super::metrics::RouteLabel;

const DOCUMENT_PATH: &str = "/openapi.json";
const PAGE_PATH: &str = "/docs";

/// Half of a SHA-256 is more than enough to tell versions apart.
const ETAG_BYTES: usize = 16;

/// The page runs its own script and speaks to its own origin only.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// The page's files.
#[derive(RustEmbed)]
#[folder = "assets/docs"]
struct Files;

/// The document and the files of the page.
pub(crate) struct Reference {
    pages: Vec<Page>,
}

/// Something that is the same for everybody until the next start.
pub(super) struct Page {
    path: String,
    content_type: HeaderValue,
    etag: HeaderValue,
    body: Bytes,
}

impl Reference {
    /// `document`: as [`crate::openapi::document`] makes it.
    pub(crate) fn new(document: &serde_json::Value) -> Self {
        let mut pages = vec![Page::new(DOCUMENT_PATH.to_owned(), "application/json", document.to_string().into())];
        for name in Files::iter() {
            let Some(file) = Files::get(&name) else { continue };
            let path = if name == "index.html" { PAGE_PATH.to_owned() } else { format!("{PAGE_PATH}/{name}") };
            pages.push(Page::new(path, content_type(&name), file.data.into_owned().into()));
        }
        Self { pages }
    }

    /// What is at a path.
    pub(super) fn page(&self, path: &str) -> Option<&Page> {
        let path = path.strip_suffix('/').unwrap_or(path);
        self.pages.iter().find(|page| page.path == path)
    }
}

impl Page {
    fn new(path: String, content_type: &'static str, body: Bytes) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        Self { path, content_type, etag: etag(&body), body }
    }

    fn response(&self, request: &HeaderMap, is_head: bool) -> Response<Body> {
        let is_known = is_known(request, &self.etag);
        let body = if is_known || is_head { Bytes::new() } else { self.body.clone() };
        let mut response = Response::new(Body::new(Full::new(body)));
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        // To be kept, and asked about before each use: an upgrade of the server changes what the path answers.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        headers.insert(CONTENT_LENGTH, self.body.len().into());
        response
    }
}

/// Answers with a page, or says that it can only be read.
pub(super) fn serve(inner: &Inner, page: &Page, request: &Request<Body>) -> Response<Body> {
    let mut response = match *request.method() {
        Method::GET => page.response(request.headers(), false),
        Method::HEAD => page.response(request.headers(), true),
        ref other => {
            let allowed = ["GET", "HEAD"].map(str::to_owned);
            Failure::wrong_verb(other.as_str(), &allowed).render(inner.contract.transcoder(), false)
        }
    };
    response.extensions_mut().insert(RouteLabel(page.path.as_str().into()));
    response
}

/// Whether the client has this version (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = given.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes())
}

fn etag(body: &[u8]) -> HeaderValue {
    use std::fmt::Write as _;
    let digest = Sha256::digest(body);
    let mut tag = String::from("\"");
    for byte in &digest[..ETAG_BYTES] {
        // Writing to a string does not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "application/octet-stream",
    }
}
