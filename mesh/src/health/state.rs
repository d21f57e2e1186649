//! The state itself, and a counter that tells watchers to look again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::Report;

/// How a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentStatus {
    /// It works.
    Healthy,
    /// It works, but worse than it should.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// What a component's failure means for the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The process cannot serve without it.
    Required,
    /// The process serves without it, worse.
    Optional,
}

#[derive(Debug)]
pub(super) struct State {
    facts: Mutex<Facts>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) draining: bool,
    /// Whether there was a moment without a latch after the first was held.
    started_once: bool,
    latches: BTreeMap<u64, String>,
    next_latch: u64,
    components: BTreeMap<String, ComponentFacts>,
    services: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct ComponentFacts {
    pub(super) requirement: Requirement,
    pub(super) status: ComponentStatus,
    pub(super) details: Map<String, Value>,
}

impl ComponentStatus {
    /// The word that `/health` shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl State {
    pub(super) fn new() -> Self {
        Self { facts: Mutex::default(), changes: watch::Sender::new(()) }
    }

    /// A panic elsewhere must not make the process unprobeable, and every change here is complete in itself.
    pub(super) fn read(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn hold(&self, name: String) -> u64 {
        self.change(|facts| {
            let id = facts.next_latch;
            facts.next_latch += 1;
            facts.latches.insert(id, name);
            id
        })
    }

    pub(super) fn release(&self, id: u64) {
        self.change(|facts| {
            facts.latches.remove(&id);
            facts.started_once |= facts.latches.is_empty();
        });
    }

    pub(super) fn add_component(&self, name: &str, requirement: Requirement) {
        let component = ComponentFacts { requirement, status: ComponentStatus::Unhealthy, details: Map::new() };
        self.change(|facts| facts.components.insert(name.to_owned(), component));
    }

    pub(super) fn set_component(&self, name: &str, status: ComponentStatus, details: Option<Map<String, Value>>) {
        self.change(|facts| {
            if let Some(component) = facts.components.get_mut(name) {
                component.status = status;
                if let Some(details) = details {
                    component.details = details;
                }
            }
        });
    }

    pub(super) fn add_service(&self, name: &str) {
        self.change(|facts| facts.services.insert(name.to_owned()));
    }

    pub(super) fn drain(&self) {
        self.change(|facts| facts.draining = true);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        let result = change(&mut self.read());
        self.changes.send_replace(());
        result
    }
}

impl Facts {
    pub(super) fn is_ready(&self) -> bool {
        !self.draining && self.latches.is_empty() && self.required_down().next().is_none()
    }

    pub(super) fn is_started(&self) -> bool {
        self.started_once || self.latches.is_empty()
    }

    pub(super) fn waiting_on(&self) -> Vec<String> {
        let shutdown = self.draining.then(|| "shutdown".to_owned());
        let latches = self.latches.values().cloned();
        latches.chain(self.required_down().map(str::to_owned)).chain(shutdown).collect()
    }

    /// Whether the name serves; `None` if it is not known. The empty name is the process itself.
    pub(super) fn serves(&self, name: &str) -> Option<bool> {
        if name.is_empty() || self.services.contains(name) {
            return Some(self.is_ready());
        }
        let component = self.components.get(name)?;
        Some(!self.draining && component.status != ComponentStatus::Unhealthy)
    }

    /// Every name that is known.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let components = self.components.keys().filter(|name| !self.services.contains(*name));
        std::iter::once("").chain(self.services.iter().map(String::as_str)).chain(components.map(String::as_str))
    }

    pub(super) fn report(&self) -> Report {
        Report::new(&self.components, self.is_ready())
    }

    fn required_down(&self) -> impl Iterator<Item = &str> {
        let down = |component: &ComponentFacts| {
            component.requirement == Requirement::Required && component.status == ComponentStatus::Unhealthy
        };
        self.components.iter().filter(move |(_, component)| down(component)).map(|(name, _)| name.as_str())
    }
}
