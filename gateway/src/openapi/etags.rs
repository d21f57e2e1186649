//! Conditional requests: what operations whose messages carry an etag read and answer beside them.

use serde_json::{Map, Value, json};

use crate::transcode::Transcoder;
use crate::transcode::rule::Pattern;

/// An entity tag, or `*`.
const TAG: &str = r#"^(\*|(W/)?"[!#-~]*")$"#;

/// What an operation has to do with etags.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Etags {
    /// Its answer has an entity tag.
    is_named: bool,
    /// It reads what has an etag.
    is_read: bool,
    /// Its request can say which etag must be current.
    is_taken: bool,
}

impl Etags {
    /// Those of the binding of `method` to `pattern`, as it is shown under `verb`.
    pub(super) fn of(transcoder: &Transcoder, method: &str, pattern: &Pattern, verb: &str) -> Self {
        let mut routes = transcoder.routes().iter();
        let route = routes
            .find(|route| route.method == method && route.verb == pattern.verb && route.template == pattern.template);
        route.map_or_else(Self::default, |route| Self {
            is_named: route.answers_etag() && verb != "put",
            is_read: route.answers_etag() && verb == "get",
            is_taken: route.takes_etag() && verb != "get",
        })
    }

    /// Whether the operation can fail because of an etag.
    pub(super) fn can_differ(self) -> bool {
        self.is_taken || self.is_read
    }

    /// The headers that are read.
    pub(super) fn parameters(self) -> Vec<Value> {
        let mut parameters = Vec::new();
        if self.can_differ() {
            parameters.push(header(
                "If-Match",
                "The version that it must be: the `ETag` of an answer, or a message's `etag`. Otherwise 412.",
            ));
        }
        if self.is_read {
            parameters.push(header("If-None-Match", "The versions that are there already, by their `ETag`. Then 304."));
        }
        parameters
    }

    /// The headers of the answer.
    pub(super) fn headers(self) -> Option<Value> {
        self.is_named.then(|| json!({"ETag": {"description": "Names this answer.", "schema": {"type": "string"}}}))
    }

    /// The answer to who has it.
    pub(super) fn add_not_modified(self, responses: &mut Map<String, Value>) {
        if self.is_read {
            responses.insert("304".to_owned(), json!({"description": "It is what `If-None-Match` names."}));
        }
    }
}

fn header(name: &str, description: &str) -> Value {
    let schema = json!({"type": "string", "pattern": TAG});
    json!({"name": name, "in": "header", "description": description, "schema": schema})
}
