//! The gateway as the commands reach it: where it is, and on whose behalf.

use anyhow::{Context as _, Result};
use focusflow_mesh::channel::{Channel, ChannelConfig, Target};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

#[derive(clap::Args)]
pub(crate) struct Gateway {
    /// Where the gateway is
    #[arg(long, env = "FOCUSFLOW_URL", default_value = "http://localhost:5000")]
    url: String,
    /// An access token, as `POST /api/v1/auth/login` answers it
    #[arg(long, env = "FOCUSFLOW_TOKEN", hide_env_values = true)]
    token: String,
}

impl Gateway {
    /// What clients of its services are made with.
    pub(crate) fn channel(&self) -> Result<Channel> {
        let target: Target = self.url.parse().with_context(|| format!("--url (FOCUSFLOW_URL) {}", self.url))?;
        Ok(Channel::new(target, None, ChannelConfig::default()))
    }

    /// A request of the person's.
    pub(crate) fn request<T>(&self, message: T) -> Result<Request<T>> {
        let token: MetadataValue<Ascii> =
            format!("Bearer {}", self.token).parse().context("--token (FOCUSFLOW_TOKEN) is not a token")?;
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", token);
        Ok(request)
    }
}

/// A refusal as a person reads it: what was refused, and why.
pub(crate) fn explain(status: &Status) -> anyhow::Error {
    anyhow::anyhow!("the gateway answered {:?}: {}", status.code(), status.message())
}
