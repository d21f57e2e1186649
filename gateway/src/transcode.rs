//! REST/JSON to protobuf and back, driven by the contract's descriptors alone.
//!
//! At start-up [`Transcoder::new`] turns every `google.api.http` annotation into a [`Route`] and every message into
//! flat tables. A request then goes path, query and JSON text to wire bytes, and a response wire bytes to JSON text,
//! each in one pass and without a message object in between. The edge calls, in this order:
//! [`Transcoder::find`], [`Transcoder::request`], the RPC itself, [`Transcoder::response`].

mod decode;
mod encode;
mod etag;
mod field_mask;
mod field_path;
mod field_set;
mod percent;
mod plan;
mod query;
mod request;
mod response;
mod resumption;
mod router;
pub(crate) mod rule;
mod scalar;
pub(crate) mod template;
mod time;
mod update_mask;
pub(crate) mod wire;

use bytes::Bytes;
use prost_reflect::{DescriptorError, DescriptorPool, ExtensionDescriptor, MethodDescriptor};

pub use encode::EncodeError;
pub use field_path::PathError;
pub use plan::{MessageIndex, Plan};
pub use request::BindingError;
pub use resumption::ResumptionError;
pub use template::TemplateError;

pub(crate) use response::with_error_types;

use etag::EtagFields;
use request::Binding;
use response::Rendering;
use resumption::Resumption;
use router::{Found, Router};
use rule::{Pattern, Rule};
use template::Template;

/// Everything that the edge needs to serve one contract over REST.
#[derive(Debug)]
pub struct Transcoder {
    plan: Plan,
    router: Router,
    routes: Vec<Route>,
    status: Option<MessageIndex>,
    resumption: Option<ExtensionDescriptor>,
}

/// One way to reach a method: a verb and a path template.
#[derive(Debug)]
pub struct Route {
    /// The gRPC path, `/package.Service/Method`.
    pub method: String,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server answers with a stream.
    pub server_streaming: bool,
    /// The HTTP verb in capitals, `*` for any.
    pub verb: String,
    /// The path template as declared. There are only so many, so it is fit to be a metric's label.
    pub template: String,
    /// `:verb` at the template's end, empty without one.
    suffix: String,
    binding: Binding,
    rendering: Rendering,
    resumption: Option<Resumption>,
    etags: EtagFields,
}

/// What a verb and a path lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A method.
    Found(Match),
    /// The path exists, the verb does not; these do.
    WrongMethod(Vec<String>),
    /// No template matches the path.
    NotFound,
}

/// A route, and the path that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Index into [`Transcoder::routes`].
    pub route: usize,
    /// Still percent-encoded, without the template's verb.
    path: String,
}

/// The parts of an HTTP request beside verb and path.
#[derive(Debug, Default, Clone, Copy)]
pub struct Incoming<'a> {
    /// The raw query string, without the question mark.
    pub query: Option<&'a str>,
    /// The media type as sent; used only where the contract takes a `google.api.HttpBody`.
    pub content_type: Option<&'a str>,
    /// The whole body.
    pub body: &'a [u8],
}

/// A response body, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// `application/json`, or what a `google.api.HttpBody` says.
    pub content_type: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// Why a contract cannot be served over REST.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An annotation without a verb and a path.
    #[error("{method}: google.api.http names no path")]
    NoPath {
        /// The gRPC path.
        method: String,
    },
    /// A method whose messages the descriptors lack.
    #[error("{method}: its messages are not in the contract")]
    UnknownMessage {
        /// The gRPC path.
        method: String,
    },
    /// A path that is no template.
    #[error("{method}: the path {template:?} {source}")]
    Template {
        /// The gRPC path.
        method: String,
        /// As declared.
        template: String,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// A rule that does not fit the request.
    #[error("{method}: {template:?}: {source}")]
    Binding {
        /// The gRPC path.
        method: String,
        /// As declared.
        template: String,
        /// What does not fit.
        source: BindingError,
    },
    /// `response_body` names no field.
    #[error("{method}: the response's field {field:?} is unknown")]
    UnknownResponseBody {
        /// The gRPC path.
        method: String,
        /// As declared.
        field: String,
    },
    /// The option on how to resume a stream names no fit field.
    #[error("{method}: {source}")]
    Resumption {
        /// The gRPC path.
        method: String,
        /// What does not fit.
        source: ResumptionError,
    },
    /// The contract's descriptors do not fit those of `google.rpc`.
    #[error("the contract cannot be joined with google.rpc")]
    Descriptors(#[from] DescriptorError),
}

/// Why a request cannot become the method's message; fit for a `BadRequest.FieldViolation`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {description}")]
pub struct RequestError {
    /// The field's path from the request message, in the contract's names (`task.tags[2]`), or the query parameter;
    /// empty for the body as such.
    pub field: String,
    /// What is wrong with it, in plain words.
    pub description: String,
}

impl Transcoder {
    /// Reads all routes and messages of `pool`. A contract without `google.api.http` has no routes.
    pub fn new(pool: &DescriptorPool) -> Result<Self, Error> {
        let pool = response::with_error_types(pool)?;
        let plan = Plan::new(&pool);
        let status = plan.message_index("google.rpc.Status");
        let resumption = resumption::extension(&pool);
        let mut transcoder = Self { plan, router: Router::new(), routes: Vec::new(), status, resumption };
        for (method, rules) in rule::annotated_methods(&pool) {
            for rule in rules {
                transcoder.add(&method, &rule)?;
            }
        }
        Ok(transcoder)
    }

    /// All routes, in the order of the contract.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route of a match.
    pub fn route(&self, matched: &Match) -> &Route {
        &self.routes[matched.route]
    }

    /// The message tables, for JSON that is not bound to a route.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Finds the route for an HTTP verb and a raw (still percent-encoded) path without query.
    pub fn find(&self, verb: &str, path: &str) -> Lookup {
        match self.router.find(verb, path) {
            Found::Nothing => Lookup::NotFound,
            Found::WrongMethod(allowed) => Lookup::WrongMethod(allowed),
            Found::Route(route) => {
                let path = path.strip_suffix(&self.routes[route].suffix).unwrap_or(path).to_owned();
                Lookup::Found(Match { route, path })
            }
        }
    }

    /// Builds the request message's wire bytes. For a client stream this is one message: call it once per JSON value.
    pub fn request(&self, matched: &Match, incoming: Incoming<'_>) -> Result<Bytes, RequestError> {
        let message = self.route(matched).binding.message(&self.plan, &matched.path, incoming)?;
        Ok(message.into())
    }

    /// Where a response stands in its stream, for a client that comes back; `None` if the contract does not say.
    pub fn position(&self, route: &Route, message: &[u8]) -> Option<String> {
        route.resumption.as_ref()?.position_of(&self.plan, message)
    }

    /// Puts the last position that a client has seen into its request, where the contract has a field for it.
    pub fn resume_after(&self, route: &Route, message: Bytes, position: &str) -> Result<Bytes, RequestError> {
        let Some(resumption) = &route.resumption else { return Ok(message) };
        let mut message = Vec::from(message);
        resumption.put_after(&self.plan, &mut message, position)?;
        Ok(message.into())
    }

    /// The etag that a response has as the HTTP body's own; `None` if it has none.
    pub fn etag<'w>(&self, route: &Route, message: &'w [u8]) -> Option<&'w str> {
        route.etags.of_answer(&self.plan, message)
    }

    /// Makes a request depend on the resource's etag, where [it has a field for it](Route::takes_etag).
    pub fn require_etag(&self, route: &Route, message: Bytes, etag: &str) -> Result<Bytes, RequestError> {
        let mut message = Vec::from(message);
        route.etags.put(&self.plan, &mut message, etag)?;
        Ok(message.into())
    }

    /// Turns one response message's wire bytes into the HTTP body.
    pub fn response(&self, route: &Route, message: &[u8]) -> Result<Outgoing, EncodeError> {
        route.rendering.render(&self.plan, message)
    }

    /// Renders an encoded `google.rpc.Status` with its details. Never fails: a detail of a type that nobody knows is
    /// shown as its type and its bytes, and a status that cannot be read as an internal error.
    pub fn status_json(&self, status: &[u8]) -> Vec<u8> {
        response::status_json(&self.plan, self.status, status)
    }

    fn add(&mut self, descriptor: &MethodDescriptor, rule: &Rule) -> Result<(), Error> {
        let method = format!("/{}/{}", descriptor.parent_service().full_name(), descriptor.name());
        let Some(Pattern { verb, template }) = rule.pattern.clone() else { return Err(Error::NoPath { method }) };
        let parsed: Template = match template.parse() {
            Ok(parsed) => parsed,
            Err(source) => return Err(Error::Template { method, template, source }),
        };
        let (Some(input), Some(output)) = (
            self.plan.message_index(descriptor.input().full_name()),
            self.plan.message_index(descriptor.output().full_name()),
        ) else {
            return Err(Error::UnknownMessage { method });
        };
        let binding = match Binding::new(&self.plan, input, &verb, &parsed, rule) {
            Ok(binding) => binding,
            Err(source) => return Err(Error::Binding { method, template, source }),
        };
        let Some(rendering) = Rendering::new(&mut self.plan, output, &rule.response_body) else {
            return Err(Error::UnknownResponseBody { method, field: rule.response_body.clone() });
        };
        let resumption = Resumption::new(&self.plan, self.resumption.as_ref(), descriptor, (input, output));
        let resumption = match resumption {
            Ok(resumption) => resumption,
            Err(source) => return Err(Error::Resumption { method, source }),
        };
        let etags = if descriptor.is_client_streaming() || descriptor.is_server_streaming() {
            EtagFields::none()
        } else {
            EtagFields::new(&self.plan, (input, output), &binding, (&verb, rule))
        };
        let route = Route {
            method,
            client_streaming: descriptor.is_client_streaming(),
            server_streaming: descriptor.is_server_streaming(),
            suffix: parsed.verb.as_ref().map(|verb| format!(":{verb}")).unwrap_or_default(),
            verb,
            template,
            binding,
            rendering,
            resumption,
            etags,
        };
        if let Some(shadowed) = self.router.insert(&route.verb, &parsed, self.routes.len()) {
            let shadowed = &self.routes[shadowed].method;
            tracing::warn!(method = route.method, shadowed, template = route.template, "two methods share one path");
        }
        self.routes.push(route);
        Ok(())
    }
}

impl Route {
    /// Whether the body is taken as it is, whatever its media type: as a `google.api.HttpBody`.
    pub fn takes_raw_body(&self) -> bool {
        self.binding.takes_raw_body
    }

    /// Whether the answer is a `google.api.HttpBody`, whose bytes are sent as they are.
    pub fn answers_raw_body(&self) -> bool {
        matches!(self.rendering, Rendering::Raw | Rendering::RawField(_))
    }

    /// Whether answers have an etag.
    pub fn answers_etag(&self) -> bool {
        self.etags.is_answered()
    }

    /// Whether a request can say which etag must be current.
    pub fn takes_etag(&self) -> bool {
        self.etags.is_taken()
    }
}

impl RequestError {
    fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}
