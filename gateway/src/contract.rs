//! The contract as the edge uses it: for every RPC its policy and its backend, for every REST route its RPC.
//!
//! Nothing here knows a service by name. What is served where follows from the descriptor set and the configuration,
//! so that an RPC that is added to the contract is served without a line here.

mod scope;

use std::collections::HashMap;
use std::sync::Arc;

use focusflow_mesh::policy::{Auth, MethodPolicy, Policies, PolicyError};
use focusflow_mesh::refusal::{Reason, Refusal};
use focusflow_mesh::telemetry::{RpcMetrics, Side};
use http::uri::{InvalidUri, PathAndQuery};
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};
use tonic::Status;

use crate::backend::Backend;
use crate::transcode::{self, Match, MessageIndex, Route, Transcoder};
use crate::validation::{self, RequestRules, Rules};

pub(crate) use self::scope::scopes;

/// The service account that the edge has in policies.
pub(crate) const ACCOUNT: &str = "gateway";

/// Why a contract cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// Its policies cannot be read.
    #[error("the descriptor set cannot be used")]
    Policies(#[from] PolicyError),
    /// Its REST routes cannot be read.
    #[error("the routes of the descriptor set cannot be used")]
    Routes(#[from] transcode::Error),
    /// Its field constraints cannot be enforced.
    #[error("the constraints of the descriptor set cannot be used")]
    Constraints(#[from] validation::Error),
    /// A name of the contract is no path.
    #[error("{path} is no path of an RPC")]
    Path {
        /// What the contract's names make.
        path: String,
        /// What is wrong with it.
        source: InvalidUri,
    },
    /// An upstream is configured for a service that the contract does not have.
    #[error("an upstream is given for {service}, which the contract does not have")]
    UnknownService {
        /// The name as configured.
        service: String,
    },
}

/// Everything that is served.
pub(crate) struct Contract {
    rpcs: HashMap<String, Arc<Rpc>>,
    transcoder: Transcoder,
    /// Whether the contract's callers know our reasons; a stranger's do not.
    explains: bool,
    /// By route of the transcoder; `None` where the RPC is not exposed.
    routes: Vec<Option<Arc<RestRoute>>>,
}

/// An RPC that the edge exposes.
pub(crate) struct Rpc {
    /// `/package.Service/Method`.
    pub(crate) path: PathAndQuery,
    pub(crate) policy: MethodPolicy,
    /// What an API token must be allowed to do; `None`: everything.
    pub(crate) scope: Option<String>,
    /// `None` if nobody is configured to serve it.
    backend: Option<Backend>,
    /// What request messages must be, whatever protocol they come by; `None` if they have no constraints.
    pub(crate) rules: Option<RequestRules>,
    /// Its messages as the transcoder knows them; `None` if the contract does not declare the RPC.
    pub(crate) input: Option<MessageIndex>,
    pub(crate) output: Option<MessageIndex>,
    /// Whether its answers may hold what signs somebody in: the edge's own, which are about accounts.
    pub(crate) answers_secrets: bool,
    /// The path as a label of metrics.
    pub(crate) label: Arc<str>,
    pub(crate) metrics: Arc<RpcMetrics>,
}

/// An RPC as REST reaches it.
pub(crate) struct RestRoute {
    pub(crate) rpc: Arc<Rpc>,
    /// The template as a label of metrics.
    pub(crate) label: Arc<str>,
    /// Whether the body may be of any media type, because it becomes a `google.api.HttpBody`.
    pub(crate) takes_any_media_type: bool,
    /// Whether the answer is a `google.api.HttpBody`, whose bytes are sent as they are.
    pub(crate) answers_raw_body: bool,
}

impl Contract {
    /// Assigns to every exposed RPC the backend that `backend` names for its service.
    pub(crate) fn new(policies: &Policies, backend: impl Fn(&str) -> Option<Backend>) -> Result<Self, ContractError> {
        let transcoder = Transcoder::new(policies.pool())?;
        let mut scopes = scopes(policies, &transcoder);
        let rules = Arc::new(Rules::new(policies.pool())?);
        let mut rpcs = HashMap::new();
        for (path, policy) in policies.methods().filter(|(_, policy)| is_exposed(policy)) {
            let method = method(policies.pool(), policy);
            let index = |message: MessageDescriptor| transcoder.plan().message_index(message.full_name());
            let rpc = Rpc {
                path: path_of(path)?,
                input: method.as_ref().and_then(|method| index(method.input())),
                output: method.as_ref().and_then(|method| index(method.output())),
                policy: MethodPolicy::clone(policy),
                scope: scopes.remove(path),
                backend: backend(&policy.service),
                rules: rules.of_method(path),
                answers_secrets: policies.served_by(&policy.service) == Some(ACCOUNT),
                label: path.into(),
                metrics: Arc::new(RpcMetrics::new(Side::Server, &policy.service, &policy.method)),
            };
            rpcs.insert(path.to_owned(), Arc::new(rpc));
        }
        let routes = transcoder.routes().iter().map(|route| rest_route(&rpcs, route)).collect();
        Ok(Self { rpcs, transcoder, explains: policies.are_declared(), routes })
    }

    /// The RPC at a gRPC path, unless it does not exist or is not exposed.
    pub(crate) fn rpc(&self, path: &str) -> Option<&Arc<Rpc>> {
        self.rpcs.get(path)
    }

    /// The RPC of a route, unless it is not exposed.
    pub(crate) fn rest_route(&self, matched: &Match) -> Option<&Arc<RestRoute>> {
        self.routes.get(matched.route)?.as_ref()
    }

    /// Whether statuses carry the reasons that this project defines.
    pub(crate) fn explains(&self) -> bool {
        self.explains
    }

    pub(crate) fn transcoder(&self) -> &Transcoder {
        &self.transcoder
    }

    /// Services that are exposed and that nobody is configured to serve, for the log.
    pub(crate) fn services_without_backend(&self) -> Vec<&str> {
        let unserved = self.rpcs.values().filter(|rpc| rpc.backend.is_none());
        let mut services: Vec<&str> = unserved.map(|rpc| rpc.policy.service.as_str()).collect();
        services.sort_unstable();
        services.dedup();
        services
    }
}

impl Rpc {
    /// Who answers; a refusal if nobody is configured to.
    pub(crate) fn backend(&self) -> Result<Backend, Status> {
        self.backend.clone().ok_or_else(|| {
            let message = format!("no upstream is configured for {}", self.policy.service);
            Refusal::new(Reason::NoEndpoint, message).with("service", self.policy.service.as_str()).into()
        })
    }

    /// Checks the wire bytes of one request message against the contract's constraints.
    pub(crate) fn check(&self, message: &[u8]) -> Result<(), Status> {
        self.rules.as_ref().map_or(Ok(()), |rules| rules.check(message))
    }
}

/// Whether clients of the edge may call the RPC.
pub(crate) fn is_exposed(policy: &MethodPolicy) -> bool {
    matches!(policy.auth, Auth::User | Auth::None) && policy.callers.admit(ACCOUNT)
}

fn path_of(path: &str) -> Result<PathAndQuery, ContractError> {
    path.parse().map_err(|source| ContractError::Path { path: path.to_owned(), source })
}

fn rest_route(rpcs: &HashMap<String, Arc<Rpc>>, route: &Route) -> Option<Arc<RestRoute>> {
    let rpc = rpcs.get(&route.method)?;
    Some(Arc::new(RestRoute {
        rpc: Arc::clone(rpc),
        label: route.template.as_str().into(),
        takes_any_media_type: route.takes_raw_body(),
        answers_raw_body: route.answers_raw_body(),
    }))
}

fn method(pool: &DescriptorPool, policy: &MethodPolicy) -> Option<MethodDescriptor> {
    let service = pool.get_service_by_name(&policy.service)?;
    service.methods().find(|method| method.name() == policy.method)
}
