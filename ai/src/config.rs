//! What the service is told at start-up.

use focusflow_mesh::channel::{SecureTarget, Target};
use focusflow_mesh::environment::{Environment, EnvironmentError, ListenConfig, MeshConfig};

/// Everything that [`build`](crate::build) needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the service listens. `AI_PORT`, default 8000.
    pub listen: ListenConfig,
    /// Who the service is in the mesh.
    pub mesh: MeshConfig,
    /// Where storage is, as `https://HOST:PORT`. `STORAGE_SERVICE_URL`, default `https://localhost:7000`. Whoever
    /// answers there must be the service account `storage`.
    pub storage: Target,
}

/// The variable that names the mesh's port.
pub(crate) const PORT: &str = "AI_PORT";

const DEFAULT_PORT: u16 = 8000;
const DEFAULT_STORAGE_URL: &str = "https://localhost:7000";

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads variables by name; one that is empty counts as absent.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let environment = Environment::new(&variable);
        Ok(Self {
            listen: environment.listen(PORT, DEFAULT_PORT)?,
            mesh: environment.mesh()?,
            storage: environment.parsed_or::<SecureTarget>("STORAGE_SERVICE_URL", DEFAULT_STORAGE_URL)?.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_all_that_must_be_said() {
        let certificates = |name: &str| (name == "MESH_CERT_DIR").then(|| "/certificates".to_owned());
        let config = Config::from_variables(certificates).unwrap();
        assert_eq!(config.listen.mesh.port(), 8000);
        assert_eq!(config.storage.to_string(), "https://localhost:7000");
    }

    #[test]
    fn storage_is_not_reached_in_plaintext() {
        let variable = |name: &str| match name {
            "MESH_CERT_DIR" => Some("/certificates".to_owned()),
            "STORAGE_SERVICE_URL" => Some("http://localhost:7000".to_owned()),
            _ => None,
        };
        let error = Config::from_variables(variable).unwrap_err();
        assert_eq!(error.variable, "STORAGE_SERVICE_URL");
        assert!(error.problem.contains("must be https: services speak mutual TLS only"), "{error}");
    }
}
