//! Channels to the services of the mesh: one per address, made only for what the contract needs.

use std::collections::HashMap;

use focusflow_mesh::channel::{Channel, ChannelConfig, Target};
use focusflow_mesh::policy::Policies;
use focusflow_mesh::tls::{CredentialsReader, CredentialsWatch, watch_directory};

use super::{AI, BuildError, STORAGE};
use crate::backend::Backend;
use crate::config::Config;
use crate::contract::ContractError;

/// Who serves what, by the configuration.
pub(super) struct Upstreams {
    /// By service account, for those that the contract names.
    accounts: HashMap<&'static str, Channel>,
    /// By service.
    services: HashMap<String, Channel>,
    watch: Option<CredentialsWatch>,
}

impl Upstreams {
    pub(super) fn new(config: &Config, policies: &Policies) -> Result<Self, BuildError> {
        let mut channels = Channels { config, by_address: HashMap::new(), credentials: None, watch: None };
        let mut services = HashMap::new();
        for named in &config.contract.upstreams {
            if policies.services().all(|service| service != named.service) {
                return Err(ContractError::UnknownService { service: named.service.clone() }.into());
            }
            services.insert(named.service.clone(), channels.to(&named.target)?);
        }
        let mut accounts = HashMap::new();
        for (account, target) in [(STORAGE, &config.contract.storage), (AI, &config.contract.ai)] {
            if policies.services().any(|service| policies.served_by(service) == Some(account)) {
                accounts.insert(account, channels.to(&answered_by(target, account))?);
            }
        }
        Ok(Self { accounts, services, watch: channels.watch })
    }

    /// The task that follows the certificates; `None` if no upstream uses them, or if it was taken.
    pub(super) fn take_watch(&mut self) -> Option<CredentialsWatch> {
        self.watch.take()
    }

    /// The process of a service account, if the contract assigns it a service.
    pub(super) fn account(&self, account: &str) -> Option<Backend> {
        self.accounts.get(account).cloned().map(Backend::Remote)
    }

    /// Who serves a service: the configuration's word goes before the contract's.
    pub(super) fn backend(&self, policies: &Policies, service: &str) -> Option<Backend> {
        match self.services.get(service) {
            Some(channel) => Some(Backend::Remote(channel.clone())),
            None => self.account(policies.served_by(service)?),
        }
    }
}

/// The same address, answered by `account` only, unless the configuration names another.
fn answered_by(target: &Target, account: &str) -> Target {
    let names_account = target.to_string().contains('#');
    if target.is_secure() && !names_account { target.clone().expecting(account) } else { target.clone() }
}

struct Channels<'a> {
    config: &'a Config,
    by_address: HashMap<String, Channel>,
    credentials: Option<CredentialsReader>,
    watch: Option<CredentialsWatch>,
}

impl Channels<'_> {
    fn to(&mut self, target: &Target) -> Result<Channel, BuildError> {
        let address = target.to_string();
        if let Some(channel) = self.by_address.get(&address) {
            return Ok(channel.clone());
        }
        let credentials = if target.is_secure() { Some(self.credentials(&address)?) } else { None };
        let channel = Channel::new(target.clone(), credentials, ChannelConfig::default());
        self.by_address.insert(address, channel.clone());
        Ok(channel)
    }

    /// Read once, for the first upstream that needs them.
    fn credentials(&mut self, upstream: &str) -> Result<CredentialsReader, BuildError> {
        if let Some(credentials) = &self.credentials {
            return Ok(credentials.clone());
        }
        let directory = self.config.mesh.certificates.as_ref();
        let directory = directory.ok_or_else(|| BuildError::NoCertificates { upstream: upstream.to_owned() })?;
        let (reader, watch) = watch_directory(directory, &self.config.mesh.trust_domain)?;
        self.credentials = Some(reader.clone());
        self.watch = Some(watch);
        Ok(reader)
    }
}
