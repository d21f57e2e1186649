//! One health state, shown in every way that is asked for.
//!
//! A process is SERVING when every [`Latch`] is released, every required [`Component`] is healthy and no shutdown has
//! begun. The same state answers `grpc.health.v1` and the HTTP probes of the [admin port](crate::admin).

mod grpc;
mod report;
mod state;

use std::sync::Arc;

pub use self::grpc::{HealthListRequest, HealthListResponse, HealthService, file_descriptor_set};
pub use self::report::{Report, rfc3339};
pub use self::state::{ComponentStatus, Requirement};
pub use tonic_health::pb::health_check_response::ServingStatus;
pub use tonic_health::pb::health_client::HealthClient;
pub use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use self::state::State;

/// The health of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    state: Arc<State>,
}

/// Keeps the process from being ready until it is dropped.
#[derive(Debug)]
#[must_use = "a latch that is dropped at once holds nothing back"]
pub struct Latch {
    state: Arc<State>,
    id: u64,
}

/// Something that the process depends on; says how it is. Clones speak of the same component.
#[derive(Clone, Debug)]
pub struct Component {
    state: Arc<State>,
    name: Arc<str>,
}

impl Health {
    /// A process that is ready unless something says otherwise.
    pub fn new() -> Self {
        Self { state: Arc::new(State::new()) }
    }

    /// Keeps the process from being ready until the latch is dropped; `name` is what probes answer meanwhile.
    pub fn latch(&self, name: impl Into<String>) -> Latch {
        let id = self.state.hold(name.into());
        Latch { state: Arc::clone(&self.state), id }
    }

    /// Registers something that the process depends on, unhealthy until it says otherwise.
    ///
    /// While a required component is unhealthy the process is not ready; an optional one makes it degraded.
    pub fn component(&self, name: &str, requirement: Requirement) -> Component {
        self.state.add_component(name, requirement);
        Component { state: Arc::clone(&self.state), name: name.into() }
    }

    /// Registers a gRPC service, so that `Check` and `Watch` know its name. It serves when the process is ready.
    pub fn add_service(&self, name: &str) {
        self.state.add_service(name);
    }

    /// Whether the process should get requests.
    pub fn is_ready(&self) -> bool {
        self.state.read().is_ready()
    }

    /// Whether the process has finished starting: there was a moment when no latch was held.
    pub fn is_started(&self) -> bool {
        self.state.read().is_started()
    }

    /// Whether a shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.state.read().draining
    }

    /// Names of what readiness waits for: latches, required components that are down, `shutdown`.
    pub fn waiting_on(&self) -> Vec<String> {
        self.state.read().waiting_on()
    }

    /// Says NOT_SERVING everywhere, for good: whatever happens later, the process will not be ready again.
    pub fn draining(&self) {
        self.state.drain();
    }

    /// The components' state as `/health` shows it.
    pub fn report(&self) -> Report {
        self.state.read().report()
    }

    /// The `grpc.health.v1.Health` service over this state.
    pub fn grpc(&self) -> HealthService {
        HealthService::new(self.clone())
    }

    fn state(&self) -> &State {
        &self.state
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Component {
    /// Says how the component is.
    pub fn set(&self, status: ComponentStatus) {
        self.state.set_component(&self.name, status, None);
    }

    /// Says how the component is, with fields that `/health` shows beside its status, such as `"mode"`.
    pub fn set_with(&self, status: ComponentStatus, details: serde_json::Map<String, serde_json::Value>) {
        self.state.set_component(&self.name, status, Some(details));
    }

    /// The component works.
    pub fn healthy(&self) {
        self.set(ComponentStatus::Healthy);
    }

    /// The component does not work.
    pub fn unhealthy(&self) {
        self.set(ComponentStatus::Unhealthy);
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.state.release(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_ready_when_every_latch_is_released() {
        let health = Health::new();
        let (database, certificates) = (health.latch("database"), health.latch("certificates"));
        assert_eq!(health.waiting_on(), ["database", "certificates"]);
        drop(database);
        assert!(!health.is_ready() && !health.is_started());
        drop(certificates);
        assert!(health.is_ready() && health.is_started());
    }

    #[test]
    fn a_required_component_decides_and_an_optional_one_degrades() {
        let health = Health::new();
        let database = health.component("database", Requirement::Required);
        let cache = health.component("redis", Requirement::Optional);
        assert_eq!(health.waiting_on(), ["database"]);
        database.healthy();
        assert!(health.is_ready());
        assert_eq!(health.report().status(), "degraded");
        cache.healthy();
        assert_eq!(health.report().status(), "healthy");
        database.unhealthy();
        assert!(!health.is_ready());
        assert_eq!(health.report().status(), "unhealthy");
    }

    #[test]
    fn a_shutdown_cannot_be_taken_back() {
        let health = Health::new();
        health.draining();
        drop(health.latch("late"));
        health.component("database", Requirement::Required).healthy();
        assert!(!health.is_ready());
        assert_eq!(health.waiting_on(), ["shutdown"]);
        assert!(health.is_started(), "a shutdown is not a new start");
    }
}
