//! What `/health` answers.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::state::{ComponentFacts, ComponentStatus};

/// The health of a process and of what it depends on, at one moment.
#[derive(Debug, Clone)]
pub struct Report {
    status: ComponentStatus,
    services: Map<String, Value>,
}

impl Report {
    pub(super) fn new(components: &BTreeMap<String, ComponentFacts>, ready: bool) -> Self {
        let all_healthy = components.values().all(|component| component.status == ComponentStatus::Healthy);
        let status = match (ready, all_healthy) {
            (false, _) => ComponentStatus::Unhealthy,
            (true, true) => ComponentStatus::Healthy,
            (true, false) => ComponentStatus::Degraded,
        };
        let services = components.iter().map(|(name, component)| (name.clone(), component.to_json())).collect();
        Self { status, services }
    }

    /// `healthy`, `degraded` (something optional is down) or `unhealthy`.
    pub fn status(&self) -> &'static str {
        self.status.as_str()
    }

    /// Whether a load balancer should send requests.
    pub fn is_serving(&self) -> bool {
        self.status != ComponentStatus::Unhealthy
    }

    /// `{"status":…,"timestamp":…,"services":{…}}`.
    pub fn to_json(&self, now: SystemTime) -> Value {
        json!({"status": self.status(), "timestamp": rfc3339(now), "services": self.services})
    }
}

impl ComponentFacts {
    fn to_json(&self) -> Value {
        let mut object = Map::from_iter([("status".to_owned(), self.status.as_str().into())]);
        object.extend(self.details.clone());
        Value::Object(object)
    }
}

/// UTC, in milliseconds where they are not zero, such as `2026-11-22T08:30:00.250Z`.
pub fn rfc3339(time: SystemTime) -> String {
    let mut timestamp = prost_reflect::prost_types::Timestamp::from(time);
    timestamp.nanos -= timestamp.nanos % 1_000_000;
    timestamp.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_336_200_250);
        assert_eq!(rfc3339(time), "2026-11-22T08:30:00.250Z");
    }

    #[test]
    fn a_component_may_show_more_than_its_status() {
        let details = Map::from_iter([("mode".to_owned(), Value::from("in-process"))]);
        let redis = ComponentFacts {
            requirement: super::super::Requirement::Optional,
            status: ComponentStatus::Healthy,
            details,
        };
        let report = Report::new(&BTreeMap::from([("redis".to_owned(), redis)]), true);
        let json = report.to_json(SystemTime::UNIX_EPOCH);
        assert_eq!(
            json,
            json!({
                "status": "healthy",
                "timestamp": "1970-01-01T00:00:00Z",
                "services": {"redis": {"status": "healthy", "mode": "in-process"}}
            })
        );
    }
}
