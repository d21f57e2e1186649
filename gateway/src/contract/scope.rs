//! Scopes of API tokens: what a call touches and whether it only reads, as its route and its idempotency say.

use std::collections::HashMap;

use focusflow_mesh::policy::{Auth, Idempotency, MethodPolicy, Policies};

use crate::transcode::Transcoder;

/// The scope of every RPC that a signed-in person may call over REST, by the RPC's path: `tasks:read` for
/// `GET /api/v1/tasks/{id}`.
pub(crate) fn scopes(policies: &Policies, transcoder: &Transcoder) -> HashMap<String, String> {
    let mut scopes = HashMap::new();
    for route in transcoder.routes() {
        let Some(policy) = policies.method(&route.method).filter(|policy| policy.auth == Auth::User) else { continue };
        if let Some(collection) = collection(&route.template) {
            // Of several routes the first declared counts.
            scopes.entry(route.method.clone()).or_insert_with(|| format!("{collection}:{}", verb(policy)));
        }
    }
    scopes
}

fn verb(policy: &MethodPolicy) -> &'static str {
    if policy.idempotency == Idempotency::NoSideEffects { "read" } else { "write" }
}

/// The first word after the version: `timeLogs` of `/api/v1/timeLogs:start`.
fn collection(template: &str) -> Option<&str> {
    let mut segments = template.split('/');
    segments.by_ref().find(|segment| is_version(segment))?;
    let collection = segments.next()?.split(':').next()?;
    Some(collection).filter(|collection| !collection.is_empty() && !collection.starts_with('{'))
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_the_first_word_after_the_version() {
        for (template, expected) in [
            ("/api/v1/tasks", Some("tasks")),
            ("/api/v1/tasks/{id}:complete", Some("tasks")),
            ("/api/v1/timeLogs:start", Some("timeLogs")),
            ("/v1beta1/things", Some("things")),
            ("/v1/{name=things/*}", None),
            ("/things", None),
        ] {
            assert_eq!(collection(template), expected, "{template}");
        }
    }

    #[test]
    fn every_rpc_of_a_signed_in_person_has_a_scope() {
        let policies = Policies::from_descriptor_set(focusflow_proto::FILE_DESCRIPTOR_SET).unwrap();
        let scopes = scopes(&policies, &Transcoder::new(policies.pool()).unwrap());
        let without: Vec<_> = policies
            .methods()
            .filter(|(path, policy)| policy.auth == Auth::User && !scopes.contains_key(*path))
            .map(|(path, _)| path)
            .collect();
        assert!(without.is_empty(), "{without:?}");
        assert_eq!(scopes["/focusflow.v1.TaskService/GetTask"], "tasks:read");
        assert_eq!(scopes["/focusflow.v1.TimeLogService/StartTimeLog"], "timeLogs:write");
    }
}
