//! The REST interface as an OpenAPI 3.1 document, made from the descriptor set that the edge serves.
//!
//! Paths come from `google.api.http`, schemas from the messages' canonical JSON, descriptions from the contract's
//! comments, limits from its field constraints, and who must be signed in from its policies. [`document`] knows no
//! service by name, so the document of a stranger's contract is as complete as that of ours.
//!
//! Two rules keep the document true without doubling its schemas. A message that only requests hold is closed, because
//! the edge refuses unknown fields; one that answers hold is open, because answers may gain fields. And the values of a
//! message that both hold are described as answers print them; requests may use every spelling of the JSON mapping.

mod comments;
mod constraints;
mod errors;
mod etags;
mod example;
mod operation;
mod parameters;
mod path;
mod schema;
mod well_known;

use std::collections::{BTreeMap, HashMap, HashSet};

use focusflow_mesh::policy::{MethodPolicy, Policies};
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};
use serde_json::{Map, Value, json};

use crate::contract::{ContractError, is_exposed, scopes};
use crate::transcode::rule::{Rule, annotated_methods};
use crate::transcode::template::Template;
use crate::transcode::{self, Transcoder, with_error_types};
use crate::validation::Rules;

use self::comments::Comments;
use self::etags::Etags;
use self::operation::Binding;
use self::path::{OpenPath, PathNames};
use self::schema::Schemas;

/// The version of the specification that documents follow.
const OPENAPI_VERSION: &str = "3.1.1";

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// The verbs that OpenAPI 3.1 has a place for.
const VERBS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Those that a binding of any verb (`*`) is shown with.
const VERBS_OF_ANY: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Where operations of other verbs stand, as they do in OpenAPI 3.2 without the prefix.
const OTHER_VERBS: &str = "x-additionalOperations";

/// The document of all RPCs that clients may call over REST.
pub fn document(policies: &Policies) -> Result<Value, ContractError> {
    let pool = with_error_types(policies.pool()).map_err(transcode::Error::from)?;
    let rules = Rules::new(&pool)?;
    let transcoder = Transcoder::new(policies.pool())?;
    let scopes = scopes(policies, &transcoder);
    let methods = exposed_methods(policies, &pool);
    let comments = Comments::new(&pool);
    let answers = methods.iter().map(|method| method.descriptor.output());
    let answers = answers.chain(pool.get_message_by_name(errors::STATUS));
    let schemas = Schemas::new(&pool, &comments, &rules, answers);
    let mut document = Document {
        schemas,
        comments: &comments,
        scopes,
        transcoder: &transcoder,
        names: PathNames::default(),
        ids: HashSet::new(),
    };
    let paths = document.paths(&methods);
    let tags = document.tags(&methods);
    let has_security = methods.iter().any(Method::needs_person);
    Ok(json!({
        "openapi": OPENAPI_VERSION,
        "info": info(&methods),
        "servers": [{"url": "/", "description": "The edge that serves this document."}],
        "tags": tags,
        "paths": paths,
        "components": document.components(has_security),
    }))
}

/// An RPC with its routes.
struct Method<'p> {
    descriptor: MethodDescriptor,
    rules: Vec<Rule>,
    policy: &'p MethodPolicy,
}

impl Method<'_> {
    fn needs_person(&self) -> bool {
        self.policy.auth == focusflow_mesh::policy::Auth::User
    }

    /// The path of its RPC.
    fn path(&self) -> String {
        path_of(&self.descriptor)
    }
}

fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

fn exposed_methods<'p>(policies: &'p Policies, pool: &DescriptorPool) -> Vec<Method<'p>> {
    let annotated = annotated_methods(pool).into_iter();
    annotated
        .filter_map(|(descriptor, rules)| {
            let policy = policies.method(&path_of(&descriptor)).filter(|policy| is_exposed(policy))?;
            Some(Method { descriptor, rules, policy })
        })
        .collect()
}

/// The document while it is made.
struct Document<'a> {
    schemas: Schemas<'a>,
    comments: &'a Comments,
    /// What an API token must be allowed to do, by the path of the RPC.
    scopes: HashMap<String, String>,
    transcoder: &'a Transcoder,
    names: PathNames,
    /// The operation ids that are taken.
    ids: HashSet<String>,
}

impl Document<'_> {
    fn paths(&mut self, methods: &[Method<'_>]) -> Value {
        let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for method in methods {
            for rule in &method.rules {
                let Some(pattern) = &rule.pattern else { continue };
                // The transcoder, which was made before, refuses templates that cannot be read.
                let Ok(template) = pattern.template.parse::<Template>() else { continue };
                let path = self.names.unify(OpenPath::new(&template, &method.descriptor.input()));
                let item = paths.entry(path.text.clone()).or_default();
                for verb in verbs(&pattern.verb) {
                    let etags = Etags::of(self.transcoder, &method.path(), pattern, &verb);
                    let operation = self.operation(method, rule, &path, etags);
                    insert(item, &verb, operation);
                }
            }
        }
        json!(paths)
    }

    fn operation(&mut self, method: &Method<'_>, rule: &Rule, path: &OpenPath, etags: Etags) -> Value {
        let binding = Binding {
            method: &method.descriptor,
            policy: method.policy,
            scope: self.scopes.get(&method.path()).map(String::as_str),
            rule,
            path,
            etags,
        };
        let mut operation = binding.operation(&mut self.schemas, self.comments);
        operation.insert("operationId".to_owned(), json!(self.operation_id(&method.descriptor)));
        Value::Object(operation)
    }

    /// `TaskService_GetTask`, and `TaskService_GetTask_2` for the next binding of the same RPC.
    fn operation_id(&mut self, method: &MethodDescriptor) -> String {
        let base = format!("{}_{}", method.parent_service().name(), method.name());
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let free = std::iter::once(base.clone()).chain(numbered).find(|id| !self.ids.contains(id)).unwrap_or(base);
        self.ids.insert(free.clone());
        free
    }

    fn tags(&self, methods: &[Method<'_>]) -> Value {
        let mut tags: Vec<Value> = Vec::new();
        let mut seen = HashSet::new();
        for method in methods {
            let service = method.descriptor.parent_service();
            if seen.insert(service.full_name().to_owned()) {
                tags.push(self.tag(service));
            }
        }
        json!(tags)
    }

    fn tag(&self, service: &ServiceDescriptor) -> Value {
        let mut tag = json!({"name": service.full_name()});
        if let Some(comment) = self.comments.of(&service.parent_file(), service.path()) {
            tag["description"] = json!(comment);
        }
        tag
    }

    fn components(self, has_security: bool) -> Value {
        let mut schemas = self.schemas;
        let responses = errors::responses(&mut schemas);
        let mut components = json!({"schemas": schemas.finish(), "responses": responses});
        if has_security {
            components["securitySchemes"] = json!({BEARER: {
                "type": "http",
                "scheme": "bearer",
                "description": "An access token or an API token. The scope beside an operation is what an API token \
                    needs; an access token may do everything.",
            }});
        }
        components
    }
}

/// The packages that the document is about, and what holds for all operations.
fn info(methods: &[Method<'_>]) -> Value {
    let packages = methods.iter().map(|method| method.descriptor.parent_service().package_name().to_owned());
    let packages: std::collections::BTreeSet<String> = packages.filter(|package| !package.is_empty()).collect();
    let title = match packages.into_iter().collect::<Vec<_>>().join(", ") {
        packages if packages.is_empty() => "REST".to_owned(),
        packages => format!("{packages} over REST"),
    };
    json!({
        "title": title,
        "version": env!("CARGO_PKG_VERSION"),
        "description": "JSON is that of protobuf's canonical mapping: 64-bit integers are strings, enums are names, \
            instants are RFC 3339. Answers print every field that has no presence; requests may leave out what they \
            do not set, and are refused when they hold a field that is not known. Every failure is a \
            `google.rpc.Status`. Bodies are compressed for who accepts that. Streams come as one JSON value per line, as a JSON array or as server-sent events, \
            whichever `Accept` prefers.",
    })
}

/// The document's keys for a verb of a binding.
fn verbs(verb: &str) -> Vec<String> {
    match verb {
        "*" => VERBS_OF_ANY.map(str::to_owned).to_vec(),
        verb if VERBS.contains(&verb.to_ascii_lowercase().as_str()) => vec![verb.to_ascii_lowercase()],
        other => vec![other.to_owned()],
    }
}

/// Of two RPCs with the same verb and path the router takes the first, and so does the document.
fn insert(item: &mut Map<String, Value>, verb: &str, operation: Value) {
    if VERBS.contains(&verb) {
        item.entry(verb).or_insert(operation);
    } else {
        let others = item.entry(OTHER_VERBS).or_insert_with(|| json!({}));
        if let Some(others) = others.as_object_mut() {
            others.entry(verb).or_insert(operation);
        }
    }
}
