//! The REST interface's reference: the OpenAPI document, and a page for people that renders it.
//!
//! Everything is made at start and comes from here: the page asks no other origin for anything, and its policy forbids
//! it to. A contract's own route of one of these paths is not reachable.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, HeaderValue, Method, Response};
use rust_embed::RustEmbed;
use tonic::Status;
use tonic::body::Body;

use super::answer::Failure;
use super::compression::Coding;
use super::etag::Validator;
use super::methods::read_only;
use super::metrics::RouteLabel;
use super::representation::{Representation, Selection, coded, is_worth_coding};
use super::security::page_policy;
use super::{Inner, caching};

const DOCUMENT_PATH: &str = "/openapi.json";
const PAGE_PATH: &str = "/docs";
const HTML: &str = "text/html; charset=utf-8";

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
    /// `None` where it is no page that a browser would show.
    policy: Option<HeaderValue>,
    validator: Validator,
    body: Bytes,
    /// The body in each coding that was asked for, by its place among those that are offered.
    coded: [OnceLock<Bytes>; Coding::OFFERED.len()],
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
        let policy = (content_type == HTML).then(|| page_policy(&String::from_utf8_lossy(&body)));
        let content_type = HeaderValue::from_static(content_type);
        Self { path, content_type, policy, validator: Validator::of_page(&body), body, coded: Default::default() }
    }

    async fn answer(&self, inner: &Inner, method: &Method, headers: &HeaderMap) -> Result<Response<Body>, Status> {
        let bytes_min = inner.limits.compression_bytes_min;
        let representation = Representation {
            content_type: self.content_type.clone(),
            cache_control: caching::of_file(&self.path),
            validator: Some(self.validator.clone()),
            is_coded: is_worth_coding(&self.content_type, self.body.len(), bytes_min),
        };
        let mut response = match representation.select(method, headers) {
            Selection::Known(coding) => representation.known(coding),
            Selection::Whole(coding) => representation.whole(coding, self.body_in(coding).await?),
        };
        if let Some(policy) = &self.policy {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
        }
        Ok(response)
    }

    async fn body_in(&self, coding: Coding) -> Result<Bytes, Status> {
        let Some(place) = Coding::OFFERED.iter().position(|offered| *offered == coding) else {
            return Ok(self.body.clone());
        };
        if let Some(body) = self.coded[place].get() {
            return Ok(body.clone());
        }
        let body = coded(coding, self.body.clone()).await?;
        Ok(self.coded[place].get_or_init(|| body).clone())
    }
}

/// Answers with a page, or says that it can only be read.
pub(super) async fn serve(inner: &Inner, page: &Page, method: &Method, headers: &HeaderMap) -> Response<Body> {
    let answer = async {
        let answer = page.answer(inner, method, headers).await;
        answer.unwrap_or_else(|status| Failure::from(status).render(inner.contract.transcoder(), false))
    };
    let mut response = read_only(inner, method, answer).await;
    response.extensions_mut().insert(RouteLabel(page.path.as_str().into()));
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => HTML,
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "application/octet-stream",
    }
}
