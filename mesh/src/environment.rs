//! Configuration by environment variables: what every service reads alike, and refusals that name their variable.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};

use crate::identity::TrustDomain;

/// Connections that the system keeps until they are accepted; the system may allow fewer. When there are more, it forgets
/// them, and their clients try again a second later.
const BACKLOG: u32 = 4096;

const DEFAULT_ADMIN_PORT: u16 = 9090;
const DEFAULT_TRUST_DOMAIN: &str = "focusflow.local";

/// The variables of a process, or what a test or another command puts in their place.
///
/// A variable that is empty counts as absent.
pub struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
}

/// A variable that is missing or whose value cannot be used. Values of secrets are never part of it.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{variable}: {problem}")]
pub struct EnvironmentError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub problem: String,
}

/// Where a service of the mesh listens.
#[derive(Clone, Copy, Debug)]
pub struct ListenConfig {
    /// The mesh's port, on all addresses; 0 takes a free port.
    pub mesh: SocketAddr,
    /// Probes and metrics, in plaintext and not for the public. `ADMIN_PORT`, default 9090; `off` leaves it out.
    pub admin: Option<SocketAddr>,
}

/// Who a service is in the mesh.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    /// The directory with `ca.pem`, `cert.pem` and `key.pem`. `MESH_CERT_DIR`, no default.
    pub certificates: PathBuf,
    /// The name that every identity of the mesh begins with. `MESH_TRUST_DOMAIN`, default `focusflow.local`.
    pub trust_domain: TrustDomain,
    /// Service accounts, beside the gateway, that may say whose request theirs is. `MESH_IMPERSONATORS`, a comma
    /// list, default none.
    pub impersonators: BTreeSet<String>,
}

/// A port that cannot be listened on.
#[derive(Debug, Error)]
#[error("{variable}: cannot listen on {address}")]
pub struct BindError {
    /// The variable that names the port.
    pub variable: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

impl<'a> Environment<'a> {
    /// Reads variables by name.
    pub fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variable }
    }

    /// A variable's text without space around it; `None` if there is none.
    pub fn text(&self, variable: &str) -> Option<String> {
        (self.variable)(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A variable's value; `None` if it is absent.
    pub fn parsed<T: FromStr<Err: ToString>>(&self, variable: &'static str) -> Result<Option<T>, EnvironmentError> {
        self.text(variable).map(|text| parse(variable, &text)).transpose()
    }

    /// A variable's value, or that of `default`.
    pub fn parsed_or<T>(&self, variable: &'static str, default: &str) -> Result<T, EnvironmentError>
    where
        T: FromStr<Err: ToString>,
    {
        parse(variable, self.text(variable).as_deref().unwrap_or(default))
    }

    /// A variable's value, which must not be 0; `None` if it is absent.
    pub fn parsed_positive(&self, variable: &'static str) -> Result<Option<usize>, EnvironmentError> {
        match self.parsed(variable)? {
            Some(0) => Err(EnvironmentError::new(variable, "must be a number above 0")),
            value => Ok(value),
        }
    }

    /// The values of a comma list; those of `default` if it is absent.
    pub fn list_or<T>(&self, variable: &'static str, default: &str) -> Result<Vec<T>, EnvironmentError>
    where
        T: FromStr<Err: ToString>,
    {
        let text = self.text(variable).unwrap_or_else(|| default.to_owned());
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| parse(variable, item)).collect()
    }

    /// The address of a port on all interfaces.
    pub fn port_or(&self, variable: &'static str, default: u16) -> Result<SocketAddr, EnvironmentError> {
        Ok(on_all_addresses(self.parsed(variable)?.unwrap_or(default)))
    }

    /// `ADMIN_PORT`; `None` if it is `off`.
    pub fn admin(&self) -> Result<Option<SocketAddr>, EnvironmentError> {
        const VARIABLE: &str = "ADMIN_PORT";
        match self.text(VARIABLE).as_deref() {
            Some("off") => Ok(None),
            _ => self.port_or(VARIABLE, DEFAULT_ADMIN_PORT).map(Some),
        }
    }

    /// `MESH_TRUST_DOMAIN`.
    pub fn trust_domain(&self) -> Result<TrustDomain, EnvironmentError> {
        self.parsed_or("MESH_TRUST_DOMAIN", DEFAULT_TRUST_DOMAIN)
    }

    /// `MESH_CERT_DIR`; `None` if it is absent.
    pub fn certificates(&self) -> Option<PathBuf> {
        self.text("MESH_CERT_DIR").map(Into::into)
    }

    /// Where a service of the mesh listens, its port named by `variable`.
    pub fn listen(&self, variable: &'static str, default: u16) -> Result<ListenConfig, EnvironmentError> {
        Ok(ListenConfig { mesh: self.port_or(variable, default)?, admin: self.admin()? })
    }

    /// Who a service is in the mesh.
    pub fn mesh(&self) -> Result<MeshConfig, EnvironmentError> {
        let missing =
            || EnvironmentError::new("MESH_CERT_DIR", "must name the directory with ca.pem, cert.pem and key.pem");
        Ok(MeshConfig {
            certificates: self.certificates().ok_or_else(missing)?,
            trust_domain: self.trust_domain()?,
            impersonators: self.list_or("MESH_IMPERSONATORS", "")?.into_iter().collect(),
        })
    }
}

impl EnvironmentError {
    /// A problem of one variable.
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over as they come")]
    pub fn new(variable: &'static str, problem: impl ToString) -> Self {
        Self { variable, problem: problem.to_string() }
    }
}

/// Listens on an address that `variable` names.
///
/// A machine without IPv6 cannot bind its wildcard; all addresses are then those of IPv4.
pub async fn bind(variable: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    let bound = match listen(address) {
        Err(error) if address == on_all_addresses(address.port()) && lacks_ipv6(&error) => listen(fallback),
        bound => bound,
    };
    bound.map_err(|source| BindError { variable, address, source })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A successor may bind while connections of its predecessor linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn on_all_addresses(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))
}

fn lacks_ipv6(error: &io::Error) -> bool {
    // Linux's EAFNOSUPPORT, for which `io::ErrorKind` has no stable name.
    const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = 97;
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED)
}

fn parse<T: FromStr<Err: ToString>>(variable: &'static str, text: &str) -> Result<T, EnvironmentError> {
    let problem = |error: T::Err| format!("\"{text}\" cannot be used: {}", error.to_string());
    text.parse().map_err(|error| EnvironmentError::new(variable, problem(error)))
}

#[cfg(test)]
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method's path is for one lifetime of its environment, and the helper passes any"
)]
mod tests {
    use super::*;

    fn with<T>(variables: &[(&str, &str)], read: impl FnOnce(&Environment<'_>) -> T) -> T {
        let variable =
            |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        read(&Environment::new(&variable))
    }

    #[test]
    fn certificates_are_all_that_must_be_said() {
        let mesh = with(&[("MESH_CERT_DIR", "/certificates")], |variables| variables.mesh()).unwrap();
        assert_eq!(mesh.trust_domain.to_string(), "focusflow.local");
        assert!(mesh.impersonators.is_empty());
        assert_eq!(with(&[], |variables| variables.mesh()).unwrap_err().variable, "MESH_CERT_DIR");
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_with_its_variable() {
        let port = with(&[("AI_PORT", "http")], |variables| variables.listen("AI_PORT", 8000)).unwrap_err();
        assert!(port.to_string().starts_with("AI_PORT: \"http\" cannot be used"), "{port}");
        let domain = with(&[("MESH_TRUST_DOMAIN", "Not A Domain")], |variables| variables.trust_domain()).unwrap_err();
        assert_eq!(domain.variable, "MESH_TRUST_DOMAIN");
        let limit = with(&[("LIMIT", "0")], |variables| variables.parsed_positive("LIMIT")).unwrap_err();
        assert_eq!(limit.to_string(), "LIMIT: must be a number above 0");
    }

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let listen = with(&[("AI_PORT", " ")], |variables| variables.listen("AI_PORT", 8000)).unwrap();
        assert_eq!(listen.mesh.port(), 8000);
        assert_eq!(listen.admin.map(|admin| admin.port()), Some(9090));
    }

    #[test]
    fn the_admin_port_can_be_left_out_and_impersonators_listed() {
        let variables = [("MESH_CERT_DIR", "/c"), ("ADMIN_PORT", "off"), ("MESH_IMPERSONATORS", "developer, tester,")];
        assert_eq!(with(&variables, |variables| variables.admin()).unwrap(), None);
        let mesh = with(&variables, |variables| variables.mesh()).unwrap();
        assert_eq!(mesh.impersonators, ["developer", "tester"].map(str::to_owned).into());
    }
}
