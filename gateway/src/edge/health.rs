//! `GET /health`: how the edge and what it depends on are, for people, load balancers and Railway.

use std::time::{Duration, SystemTime};

use focusflow_mesh::context::Context;
use focusflow_mesh::health::{Health, HealthCheckRequest, HealthClient, ServingStatus, rfc3339};
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use tonic::body::Body;
use tonic::{Code, Status};

use super::Inner;
use super::answer::json_response;
use super::methods::read_only;
use super::metrics::RouteLabel;
use crate::backend::Backend;
use crate::config::HealthConfig;

/// The processes that the edge reports on. `None`: not part of this deployment, so not reported.
pub(crate) struct Dependencies {
    /// The edge's own state: a shutdown makes it unhealthy.
    pub(crate) own: Health,
    /// Knows of the database and of Redis.
    pub(crate) storage: Option<Backend>,
    /// The service of insights.
    pub(crate) ai: Option<Backend>,
    pub(crate) config: HealthConfig,
}

/// How one dependency is.
enum Condition {
    Healthy,
    /// There is no such process; another does its duties.
    InProcess,
    /// It answered, or failed to: the reason is shown.
    Unhealthy(String),
    /// The service does not know of it.
    Unknown,
}

pub(super) async fn serve(inner: &Inner, method: &Method) -> Response<Body> {
    let mut response = read_only(inner, method, report(inner)).await;
    response.extensions_mut().insert(RouteLabel(super::HEALTH_PATH.into()));
    response
}

async fn report(inner: &Inner) -> Response<Body> {
    let Dependencies { own, storage, ai, config } = &inner.dependencies;
    let wait = config.check_timeout;
    let (database, redis, ai) = futures_util::future::join3(
        check(storage.as_ref(), "database", wait),
        check(storage.as_ref(), "redis", wait),
        check(ai.as_ref(), "", wait),
    )
    .await;
    let redis = redis.map(|condition| condition.of_redis(*config));
    let works =
        |condition: &Option<Condition>| !matches!(condition, Some(Condition::Unhealthy(_) | Condition::Unknown));
    let (status, code) = match (works(&database) && !own.is_draining(), works(&redis) && works(&ai)) {
        (false, _) => ("unhealthy", StatusCode::SERVICE_UNAVAILABLE),
        (true, false) => ("degraded", StatusCode::OK),
        (true, true) => ("healthy", StatusCode::OK),
    };
    let services: Map<String, Value> = [("database", database), ("redis", redis), ("ai_service", ai)]
        .into_iter()
        .filter_map(|(name, condition)| Some((name.to_owned(), condition?.to_json())))
        .collect();
    let timestamp = rfc3339(SystemTime::now());
    let body = json!({"status": status, "timestamp": timestamp, "services": services});
    json_response(code, body.to_string())
}

impl Condition {
    fn to_json(&self) -> Value {
        match self {
            Self::Healthy => json!({"status": "healthy"}),
            Self::InProcess => json!({"status": "healthy", "mode": "in-process"}),
            Self::Unhealthy(reason) => json!({"status": "unhealthy", "reason": reason}),
            Self::Unknown => json!({"status": "unhealthy", "reason": "not reported"}),
        }
    }

    /// Without Redis its duties are those of the process that has them: there is nothing that could fail by itself.
    fn of_redis(self, config: HealthConfig) -> Self {
        if config.has_redis { self } else { Self::InProcess }
    }
}

async fn check(backend: Option<&Backend>, name: &str, wait: Duration) -> Option<Condition> {
    let answer = tokio::time::timeout(wait, ask(backend?.clone(), name)).await;
    Some(match answer {
        Ok(Ok(ServingStatus::Serving)) => Condition::Healthy,
        Ok(Ok(_)) => Condition::Unhealthy("not serving".to_owned()),
        Ok(Err(status)) if status.code() == Code::NotFound => Condition::Unknown,
        Ok(Err(status)) => Condition::Unhealthy(status.code().description().to_owned()),
        Err(_) => Condition::Unhealthy(format!("no answer within {} ms", wait.as_millis())),
    })
}

async fn ask(backend: Backend, name: &str) -> Result<ServingStatus, Status> {
    let mut request = tonic::Request::new(HealthCheckRequest { service: name.to_owned() });
    request.extensions_mut().insert(Context::root());
    Ok(HealthClient::new(backend).check(request).await?.into_inner().status())
}
