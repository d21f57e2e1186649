//! `focusflow cert`: a certificate authority for development, its leaves, and what is in them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use focusflow_mesh::ca::{self, CertificateDescription, DevelopmentCa, LeafRequest};
use focusflow_mesh::identity::TrustDomain;
use serde_json::{Value, json};

const SECONDS_PER_HOUR: u64 = 3600;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create an authority
    Init {
        #[command(flatten)]
        place: Place,
        /// The name that every identity of the mesh begins with
        #[arg(long, env = "MESH_TRUST_DOMAIN", default_value = "focusflow.local")]
        trust_domain: TrustDomain,
    },
    /// Issue a certificate for a service account into a directory of its own
    Issue {
        #[command(flatten)]
        place: Place,
        /// Who the certificate is for: `gateway`, `storage`, `ai`, or a person's or script's account
        service_account: String,
        /// Where to write ca.pem, cert.pem and key.pem (default: certs/ACCOUNT in the data directory)
        #[arg(long)]
        out: Option<PathBuf>,
        /// How long it is valid, in hours
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8760))]
        hours: u64,
        /// A DNS name to put beside the identity, for tools that check host names; repeatable
        #[arg(long = "dns")]
        dns_names: Vec<String>,
    },
    /// Lock a certificate out: the authority's crl.pem names it, and the folders of `focusflow up` follow
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The certificate's serial number, as `show` prints it
        serial: String,
    },
    /// Show the certificate of a directory that `issue` wrote
    Show {
        /// The directory with cert.pem
        directory: PathBuf,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where the authority is.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The authority's directory (default: ca in the data directory)
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Where FocusFlow keeps what it writes
    #[arg(long, env = "FOCUSFLOW_DATA_DIR", default_value = ".focusflow")]
    data_dir: PathBuf,
}

impl Place {
    fn ca_directory(&self) -> PathBuf {
        self.ca.clone().unwrap_or_else(|| self.data_dir.join("ca"))
    }
}

pub(crate) fn run(command: Command) -> Result<()> {
    let now = SystemTime::now();
    match command {
        Command::Init { place, trust_domain } => init(&place.ca_directory(), &trust_domain, now),
        Command::Issue { place, service_account, out, hours, dns_names } => {
            let directory = out.unwrap_or_else(|| place.data_dir.join("certs").join(&service_account));
            let mut request =
                LeafRequest::new(&service_account).with_lifetime(Duration::from_secs(hours * SECONDS_PER_HOUR));
            request.dns_names.extend(dns_names);
            issue(&place.ca_directory(), &directory, &request, now)
        }
        Command::Revoke { place, serial } => revoke(&place.ca_directory(), &serial, now),
        Command::Show { directory, json } => show(&directory, json, now),
    }
}

fn init(directory: &Path, trust_domain: &TrustDomain, now: SystemTime) -> Result<()> {
    DevelopmentCa::create(directory, trust_domain, now)?;
    println!("Created an authority for {trust_domain} in {}", directory.display());
    Ok(())
}

fn issue(ca_directory: &Path, directory: &Path, request: &LeafRequest, now: SystemTime) -> Result<()> {
    let ca = DevelopmentCa::open(ca_directory).context("create an authority with `focusflow cert init`")?;
    ca.write_leaf(directory, request, now)?;
    let description = ca::describe(directory)?;
    println!("Wrote ca.pem, cert.pem and key.pem to {}", directory.display());
    print_description(&description, now);
    Ok(())
}

fn revoke(ca_directory: &Path, serial: &str, now: SystemTime) -> Result<()> {
    DevelopmentCa::open(ca_directory)?.revoke(serial, now)?;
    println!("Revoked {serial}; put {}/crl.pem beside the certificates of those who must know", ca_directory.display());
    Ok(())
}

fn show(directory: &Path, json: bool, now: SystemTime) -> Result<()> {
    ensure!(directory.is_dir(), "{} is not a directory", directory.display());
    let description = ca::describe(directory)?;
    if json {
        println!("{}", description_json(&description));
    } else {
        print_description(&description, now);
    }
    Ok(())
}

fn print_description(description: &CertificateDescription, now: SystemTime) {
    let spiffe_id = description.spiffe_id.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let state = if description.not_after < now { "expired" } else { "valid" };
    println!("  identity     {spiffe_id}");
    println!("  subject      {}", description.subject);
    println!("  issuer       {}", description.issuer);
    println!("  DNS names    {}", description.dns_names.join(", "));
    println!("  not before   {}", instant(description.not_before));
    println!("  not after    {} ({state})", instant(description.not_after));
    println!("  serial       {}", description.serial);
    println!("  SHA-256      {}", description.fingerprint_sha256);
}

fn description_json(description: &CertificateDescription) -> Value {
    json!({
        "spiffeId": description.spiffe_id.as_ref().map(ToString::to_string),
        "subject": description.subject,
        "issuer": description.issuer,
        "dnsNames": description.dns_names,
        "notBefore": instant(description.not_before),
        "notAfter": instant(description.not_after),
        "serial": description.serial,
        "fingerprintSha256": description.fingerprint_sha256,
    })
}

fn instant(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}
