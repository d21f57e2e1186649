//! What the contract says about each RPC: who may call it, for whom, for how long and at what price.
//!
//! Policies are read from the encoded descriptor set at start-up. A contract that declares the extension
//! `focusflow.mesh.v1.policy` is deny by default; one that does not know it (a stranger's) is open.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor, ReflectMessage, ServiceDescriptor, Value,
};
use thiserror::Error;

/// The deadline of a unary call whose policy names none, in a contract that knows of policies.
pub const UNARY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

const POLICY: &str = "focusflow.mesh.v1.policy";
const DEFAULT_POLICY: &str = "focusflow.mesh.v1.default_policy";
const SERVED_BY: &str = "focusflow.mesh.v1.served_by";

/// Admits every identity of the trust domain.
const ANY_CALLER: &str = "*";

/// The policies of all RPCs of a contract, by path. Clones share them.
#[derive(Clone, Debug)]
pub struct Policies {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: DescriptorPool,
    encoded: Vec<u8>,
    methods: HashMap<String, Arc<MethodPolicy>>,
    services: BTreeMap<String, Option<String>>,
}

/// What the contract says about one RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodPolicy {
    /// Full name of the service, such as `focusflow.v1.TaskService`.
    pub service: String,
    /// Name of the method, such as `GetTask`.
    pub method: String,
    /// Which peers may call.
    pub callers: Callers,
    /// Whose request it is.
    pub auth: Auth,
    /// The deadline of a call that brings none, and the most that a call may ask for. `None`: no limit.
    pub timeout: Option<Duration>,
    /// What a call weighs against its caller's rate limit; at least 1.
    pub cost: u32,
    /// What happens when a call is made twice.
    pub idempotency: Idempotency,
    /// Whether the request is a stream.
    pub client_streaming: bool,
    /// Whether the response is a stream.
    pub server_streaming: bool,
}

/// Which peers may call an RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Anyone, with or without an identity: the contract has no policies.
    Anyone,
    /// Every identity of the trust domain.
    TrustDomain,
    /// These service accounts; empty: nobody.
    Accounts(Vec<String>),
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The contract does not say, so the RPC is refused.
    Unspecified,
    /// A signed-in person's.
    User,
    /// Anyone's.
    None,
    /// A peer's own; the edge does not expose the RPC.
    Internal,
}

/// What happens when a call is made twice (`google.protobuf.MethodOptions.idempotency_level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Not known.
    Unknown,
    /// Nothing, it only reads.
    NoSideEffects,
    /// The same as once.
    Idempotent,
}

/// Why a contract cannot be served.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The bytes are not a descriptor set, or imports are missing from it.
    #[error("the descriptor set cannot be read")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// A policy's timeout is zero, negative or too large.
    #[error("the timeout of {method} is not a positive duration")]
    Timeout {
        /// The RPC's path.
        method: String,
    },
}

impl Policies {
    /// Reads the policies of every RPC in an encoded `google.protobuf.FileDescriptorSet`.
    ///
    /// Give the bytes that the compiler wrote: a set that went through `prost_types` has lost its options. The
    /// policies of `grpc.health.v1` and `grpc.reflection` are built in and admit the whole trust domain.
    pub fn from_descriptor_set(encoded: &[u8]) -> Result<Self, PolicyError> {
        let pool = DescriptorPool::decode(encoded)?;
        let options = Options::find(&pool);
        let mut methods = HashMap::new();
        let mut services = BTreeMap::new();
        for service in pool.services() {
            services.insert(service.full_name().to_owned(), options.served_by(&service));
            for method in service.methods() {
                let policy = options.policy(&service, &method)?;
                methods.insert(path(&policy.service, &policy.method), Arc::new(policy));
            }
        }
        // Last, so that a contract which declares them as well does not close them.
        methods.extend(built_in());
        Ok(Self { inner: Arc::new(Inner { pool, encoded: encoded.to_vec(), methods, services }) })
    }

    /// The policy of the RPC at `/package.Service/Method`, or `None` if the contract has no such RPC.
    pub fn method(&self, path: &str) -> Option<&MethodPolicy> {
        self.inner.methods.get(path).map(Arc::as_ref)
    }

    /// The service account whose process serves `package.Service`, if the contract says.
    pub fn served_by(&self, service: &str) -> Option<&str> {
        self.inner.services.get(service)?.as_deref()
    }

    /// Full names of the contract's services, in alphabetical order; the built-in ones are not among them.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.inner.services.keys().map(String::as_str)
    }

    /// Every RPC with its path, built-in ones included, in no particular order.
    pub fn methods(&self) -> impl Iterator<Item = (&str, &Arc<MethodPolicy>)> {
        self.inner.methods.iter().map(|(path, policy)| (path.as_str(), policy))
    }

    /// Whether the contract knows of policies; if not, it is a stranger's, and open.
    pub fn are_declared(&self) -> bool {
        self.inner.pool.get_extension_by_name(POLICY).is_some()
    }

    /// The contract's descriptors.
    pub fn pool(&self) -> &DescriptorPool {
        &self.inner.pool
    }

    /// The descriptor set as it was given, options intact.
    pub fn encoded(&self) -> &[u8] {
        &self.inner.encoded
    }
}

impl MethodPolicy {
    /// Whether a stream may be told to begin again elsewhere: nothing is lost by it, and it would not end by itself.
    pub fn may_end_early(&self) -> bool {
        self.server_streaming && self.timeout.is_none() && self.idempotency == Idempotency::NoSideEffects
    }
}

impl Callers {
    /// Whether a peer with this service account is among them.
    pub fn admit(&self, service_account: &str) -> bool {
        match self {
            Self::Anyone | Self::TrustDomain => true,
            Self::Accounts(accounts) => accounts.iter().any(|account| account == service_account),
        }
    }
}

/// The extensions that carry policies, where the contract declares them.
struct Options {
    policy: Option<ExtensionDescriptor>,
    default_policy: Option<ExtensionDescriptor>,
    served_by: Option<ExtensionDescriptor>,
}

/// A policy as written; `None` where a field is left out.
#[derive(Default)]
struct Written {
    callers: Option<Callers>,
    auth: Option<Auth>,
    timeout: Option<prost_reflect::prost_types::Duration>,
    cost: Option<u32>,
}

impl Options {
    fn find(pool: &DescriptorPool) -> Self {
        Self {
            policy: pool.get_extension_by_name(POLICY),
            default_policy: pool.get_extension_by_name(DEFAULT_POLICY),
            served_by: pool.get_extension_by_name(SERVED_BY),
        }
    }

    fn served_by(&self, service: &ServiceDescriptor) -> Option<String> {
        let options = service.options();
        let value = options.get_extension(self.served_by.as_ref()?);
        value.as_str().filter(|account| !account.is_empty()).map(str::to_owned)
    }

    fn policy(&self, service: &ServiceDescriptor, method: &MethodDescriptor) -> Result<MethodPolicy, PolicyError> {
        let written = written(self.policy.as_ref(), &method.options());
        let default = written_default(self.default_policy.as_ref(), service);
        let (callers, auth) = if self.policy.is_some() {
            (
                written.callers.or(default.callers).unwrap_or(Callers::Accounts(Vec::new())),
                written.auth.or(default.auth).unwrap_or(Auth::Unspecified),
            )
        } else {
            (Callers::Anyone, Auth::None)
        };
        let streaming = method.is_client_streaming() || method.is_server_streaming();
        let timeout = match written.timeout.or(default.timeout) {
            Some(timeout) => Some(
                positive(&timeout)
                    .ok_or_else(|| PolicyError::Timeout { method: path(service.full_name(), method.name()) })?,
            ),
            // A stranger's calls may last as long as their callers wait.
            None => (self.policy.is_some() && !streaming).then_some(UNARY_TIMEOUT_DEFAULT),
        };
        Ok(MethodPolicy {
            service: service.full_name().to_owned(),
            method: method.name().to_owned(),
            callers,
            auth,
            timeout,
            cost: written.cost.or(default.cost).unwrap_or(1),
            idempotency: idempotency(method),
            client_streaming: method.is_client_streaming(),
            server_streaming: method.is_server_streaming(),
        })
    }
}

fn written_default(extension: Option<&ExtensionDescriptor>, service: &ServiceDescriptor) -> Written {
    written(extension, &service.options())
}

fn written(extension: Option<&ExtensionDescriptor>, options: &DynamicMessage) -> Written {
    let Some(extension) = extension else { return Written::default() };
    if !options.has_extension(extension) {
        return Written::default();
    }
    let value = options.get_extension(extension);
    let Some(policy) = value.as_message() else { return Written::default() };
    Written {
        callers: field(policy, "callers").and_then(|value| callers(&value)),
        auth: field(policy, "auth").and_then(|value| auth(&value)),
        timeout: field(policy, "timeout")
            .and_then(|value| value.as_message()?.transcode_to::<prost_reflect::prost_types::Duration>().ok()),
        cost: field(policy, "cost").and_then(|value| value.as_u32()).filter(|cost| *cost > 0),
    }
}

/// A field that is present (or, for those without presence, not at its default).
fn field(message: &DynamicMessage, name: &str) -> Option<Value> {
    let descriptor = message.descriptor().get_field_by_name(name)?;
    message.has_field(&descriptor).then(|| message.get_field(&descriptor).into_owned())
}

fn callers(value: &Value) -> Option<Callers> {
    let names: Vec<String> = value.as_list()?.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    Some(if names.iter().any(|name| name == ANY_CALLER) { Callers::TrustDomain } else { Callers::Accounts(names) })
}

fn auth(value: &Value) -> Option<Auth> {
    match value.as_enum_number()? {
        1 => Some(Auth::User),
        2 => Some(Auth::None),
        3 => Some(Auth::Internal),
        _ => None,
    }
}

fn idempotency(method: &MethodDescriptor) -> Idempotency {
    let options = method.options();
    let number = options.get_field_by_name("idempotency_level").and_then(|value| value.as_enum_number());
    match number {
        Some(1) => Idempotency::NoSideEffects,
        Some(2) => Idempotency::Idempotent,
        _ => Idempotency::Unknown,
    }
}

fn positive(duration: &prost_reflect::prost_types::Duration) -> Option<Duration> {
    let seconds = u64::try_from(duration.seconds).ok()?;
    let nanos = u32::try_from(duration.nanos).ok()?;
    Some(Duration::new(seconds, nanos)).filter(|duration| !duration.is_zero())
}

fn path(service: &str, method: &str) -> String {
    format!("/{service}/{method}")
}

/// Policies of the services that the mesh itself serves.
fn built_in() -> HashMap<String, Arc<MethodPolicy>> {
    let health = [("Check", false, false), ("Watch", false, true), ("List", false, false)];
    let health = health.map(|kind| ("grpc.health.v1.Health", kind));
    let reflection = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]
        .map(|service| (service, ("ServerReflectionInfo", true, true)));
    health
        .into_iter()
        .chain(reflection)
        .map(|(service, (method, client_streaming, server_streaming))| {
            let policy = MethodPolicy {
                service: service.to_owned(),
                method: method.to_owned(),
                callers: Callers::TrustDomain,
                auth: Auth::None,
                timeout: (!client_streaming && !server_streaming).then_some(UNARY_TIMEOUT_DEFAULT),
                cost: 1,
                idempotency: Idempotency::NoSideEffects,
                client_streaming,
                server_streaming,
            };
            (path(service, method), Arc::new(policy))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Policies {
        Policies::from_descriptor_set(focusflow_proto::FILE_DESCRIPTOR_SET).unwrap()
    }

    #[test]
    fn a_method_takes_what_it_leaves_out_from_its_service() {
        let policies = contract();
        let policy = policies.method("/focusflow.v1.CategoryService/ListCategories").unwrap();
        assert_eq!(policy.callers, Callers::Accounts(vec!["gateway".to_owned()]));
        assert_eq!(policy.auth, Auth::User);
        assert_eq!(policy.timeout, Some(Duration::from_secs(5)));
        assert_eq!(policy.idempotency, Idempotency::NoSideEffects);
        assert_eq!(policies.served_by("focusflow.v1.CategoryService"), Some("storage"));
    }

    #[test]
    fn a_stream_without_a_timeout_has_no_limit() {
        let policies = contract();
        let policy = policies.method("/focusflow.v1.ChangeService/Watch").unwrap();
        assert!(policy.server_streaming && !policy.client_streaming);
        assert_eq!(policy.timeout, None);
    }

    #[test]
    fn every_rpc_of_our_contract_says_who_may_call_it() {
        for (path, policy) in contract().methods() {
            assert_ne!(policy.callers, Callers::Accounts(Vec::new()), "{path} has no callers");
            assert_ne!(policy.auth, Auth::Unspecified, "{path} has no auth");
        }
    }

    #[test]
    fn health_and_reflection_admit_the_trust_domain() {
        let policies = contract();
        for path in [
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(policies.method(path).unwrap().callers, Callers::TrustDomain, "{path}");
        }
        assert!(policies.method("/focusflow.v1.CategoryService/Nothing").is_none());
    }

    #[test]
    fn a_contract_that_declares_health_itself_does_not_close_it() {
        // Descriptor sets are joined by writing one after the other.
        let joined = [focusflow_proto::FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET].concat();
        let policies = Policies::from_descriptor_set(&joined).unwrap();
        assert_eq!(policies.method("/grpc.health.v1.Health/Check").unwrap().callers, Callers::TrustDomain);
    }

    #[test]
    fn bytes_that_are_no_descriptor_set_are_refused() {
        assert!(matches!(Policies::from_descriptor_set(&[0xff; 8]), Err(PolicyError::Descriptors(_))));
    }
}
