//! Certificates that change under running processes.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use focusflow_mesh::ca::{CaError, DevelopmentCa, LeafRequest, describe};
use focusflow_mesh::tls::{CredentialsReader, ExpectedPeer, watch_directory};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::pki::Pki;

const INTERVAL: Duration = Duration::from_secs(1);
/// Virtual time in which a watch has certainly looked, seen the files settle, and acted.
const LONG_ENOUGH: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_renewed_leaf_is_picked_up_without_a_restart() {
    let pki = Pki::new();
    let mut storage = follow(&pki, "storage");
    let before = storage.current();

    pki.write_as_of("storage", SystemTime::now() + Duration::from_mins(1));
    storage.changed().await;

    assert!(storage.current().not_after() > before.not_after());
}

#[tokio::test(start_paused = true)]
async fn files_that_stay_the_same_are_not_a_change() {
    let pki = Pki::new();
    let storage = follow(&pki, "storage");
    let before = storage.current();

    let certificate = pki.path("storage").join("cert.pem");
    fs::write(&certificate, fs::read(&certificate).unwrap()).unwrap();
    sleep(LONG_ENOUGH).await;

    assert!(Arc::ptr_eq(&before, &storage.current()));
}

#[tokio::test(start_paused = true)]
async fn bad_files_keep_the_last_good_credentials_and_are_counted_once() {
    let pki = Pki::new();
    let metrics = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let mut storage = follow(&pki, "storage");
    let before = storage.current();

    fs::write(pki.path("storage").join("key.pem"), "not a key").unwrap();
    sleep(LONG_ENOUGH).await;
    assert!(Arc::ptr_eq(&before, &storage.current()));
    assert_eq!(reloads(&metrics.handle(), "error"), Some(1));

    fs::remove_file(pki.path("storage").join("key.pem")).unwrap();
    sleep(LONG_ENOUGH).await;
    assert!(Arc::ptr_eq(&before, &storage.current()));
    assert_eq!(reloads(&metrics.handle(), "error"), Some(2));

    pki.write("storage");
    storage.changed().await;
    assert_eq!(reloads(&metrics.handle(), "ok"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn half_of_a_change_is_waited_out() {
    let pki = Pki::new();
    let metrics = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let mut storage = follow(&pki, "storage");
    let leaf = pki.ca.issue(&LeafRequest::new("storage"), SystemTime::now()).unwrap();

    fs::write(pki.path("storage").join("key.pem"), leaf.key_pem).unwrap();
    // The watch has seen the key and looks again a tenth of a second later.
    sleep(INTERVAL + Duration::from_millis(50)).await;
    fs::write(pki.path("storage").join("cert.pem"), leaf.certificate_pem).unwrap();
    storage.changed().await;

    assert_eq!(reloads(&metrics.handle(), "error"), None);
    assert_eq!(reloads(&metrics.handle(), "ok"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn files_whose_time_has_not_come_are_tried_again() {
    let pki = Pki::new();
    let (mut storage, watch) = watch_directory(pki.write("storage"), pki.trust_domain()).unwrap();
    let (wall_start, start) = (SystemTime::now(), Instant::now());
    tokio::spawn(watch.run_by(move || wall_start + start.elapsed()));
    let before = storage.current();

    pki.write_as_of("storage", wall_start + Duration::from_mins(20));
    sleep(Duration::from_mins(10)).await;
    assert!(Arc::ptr_eq(&before, &storage.current()));

    storage.changed().await;
    assert!(start.elapsed() < Duration::from_mins(20), "backdating makes it valid a little earlier");
}

#[tokio::test(start_paused = true)]
async fn a_swapped_symbolic_link_is_followed_as_kubernetes_mounts_are() {
    let pki = Pki::new();
    let mount = pki.path("mount");
    fs::create_dir(&mount).unwrap();
    let generation = |name: &str, now| {
        let directory = mount.join(name);
        pki.ca.write_leaf(&directory, &LeafRequest::new("storage"), now).unwrap();
    };
    generation("..first", SystemTime::now());
    symlink("..first", mount.join("..data")).unwrap();
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        symlink(Path::new("..data").join(name), mount.join(name)).unwrap();
    }
    let (mut storage, watch) = watch_directory(&mount, pki.trust_domain()).unwrap();
    tokio::spawn(watch.run());
    let before = storage.current();

    generation("..second", SystemTime::now() + Duration::from_mins(1));
    symlink("..second", mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    fs::remove_dir_all(mount.join("..first")).unwrap();
    storage.changed().await;

    assert!(storage.current().not_after() > before.not_after());
}

#[tokio::test(start_paused = true)]
async fn a_revocation_list_that_appears_takes_effect() {
    let mut pki = Pki::new();
    let gateway = pki.credentials("gateway");
    let mut storage = follow(&pki, "storage");
    crate::pki::meet(&storage.current(), &gateway, "storage").await.unwrap();

    pki.ca.revoke(&describe(&pki.path("gateway")).unwrap().serial, SystemTime::now()).unwrap();
    fs::write(pki.path("storage").join("crl.pem"), pki.ca.revocations_pem().unwrap()).unwrap();
    storage.changed().await;

    crate::pki::meet(&storage.current(), &gateway, "storage").await.unwrap_err().by_server("Revoked");
}

#[tokio::test(start_paused = true)]
async fn the_certificates_expiry_is_published() {
    let pki = Pki::new();
    let metrics = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&metrics);

    let storage = follow(&pki, "storage");

    let expiry = storage.current().not_after().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let identity = storage.current().identity().to_string();
    let published = format!("tls_certificate_expiry_seconds{{identity=\"{identity}\"}} {expiry}");
    assert!(metrics.handle().render().contains(&published));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_and_roots_rotate_under_load_without_a_failed_handshake_or_a_lost_byte() {
    const ROTATIONS: usize = 10;
    const CLIENTS: usize = 4;

    let mut pki = Pki::new();
    let mut storage = follow_closely(&pki, "storage");
    let mut gateway = follow_closely(&pki, "gateway");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(echo_forever(listener, storage.clone()));

    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::start(address, gateway.clone())).collect();

    let first_root = pki.ca.bundle_pem().to_owned();
    let mut issued_at = SystemTime::now();
    for _ in 0..ROTATIONS {
        for step in [stage, DevelopmentCa::promote_successor, DevelopmentCa::retire_predecessors] {
            step(&mut pki.ca).unwrap();
            issued_at += Duration::from_secs(1);
            for (service_account, reader) in [("storage", &mut storage), ("gateway", &mut gateway)] {
                let directory = pki.write_as_of(service_account, issued_at);
                until_current(reader, describe(&directory).unwrap().not_after).await;
            }
            // Who dialled before this step has finished before the next one.
            for client in &mut clients {
                client.until_next_connection().await;
            }
        }
    }
    for client in clients {
        client.stop().await;
    }

    assert!(!pki.ca.bundle_pem().contains(&first_root));
}

/// Dials again and again until it is stopped.
struct Client {
    connections: watch::Receiver<u64>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Client {
    fn start(address: SocketAddr, credentials: CredentialsReader) -> Self {
        let (count, connections) = watch::channel(0);
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            while stopped.try_recv().is_err() {
                let stream = TcpStream::connect(address).await.unwrap();
                echo_once(stream, &credentials).await;
                count.send_modify(|count| *count += 1);
            }
        });
        Self { connections, stop, task }
    }

    async fn until_next_connection(&mut self) {
        let before = *self.connections.borrow();
        self.connections.wait_for(|count| *count > before).await.expect("no handshake failed and no byte was lost");
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.expect("no handshake failed and no byte was lost");
    }
}

async fn until_current(reader: &mut CredentialsReader, not_after: SystemTime) {
    while reader.current().not_after() != not_after {
        reader.changed().await;
    }
}

fn stage(ca: &mut DevelopmentCa) -> Result<(), CaError> {
    ca.stage_successor(SystemTime::now())
}

/// Writes a leaf and follows its directory on the paused clock.
fn follow(pki: &Pki, service_account: &str) -> CredentialsReader {
    follow_every(pki.write(service_account), pki, INTERVAL)
}

/// Writes a leaf and follows its directory in real time.
fn follow_closely(pki: &Pki, service_account: &str) -> CredentialsReader {
    follow_every(pki.write(service_account), pki, Duration::from_millis(1))
}

fn follow_every(directory: PathBuf, pki: &Pki, interval: Duration) -> CredentialsReader {
    let (reader, watch) = watch_directory(directory, pki.trust_domain()).unwrap();
    tokio::spawn(watch.with_interval(interval).run());
    reader
}

fn reloads(metrics: &PrometheusHandle, result: &str) -> Option<u64> {
    let text = metrics.render();
    let line = format!("tls_reload_total{{result=\"{result}\"}} ");
    text.lines().find_map(|text| text.strip_prefix(&line)).map(|count| count.parse().unwrap())
}

/// Accepts with whatever credentials are current and sends back what it reads.
async fn echo_forever(listener: TcpListener, credentials: CredentialsReader) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = TlsAcceptor::from(credentials.current().server_config());
        tokio::spawn(async move {
            let (mut reader, mut writer) = tokio::io::split(acceptor.accept(stream).await.unwrap());
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
    }
}

/// Dials with whatever credentials are current and checks that every byte comes back.
async fn echo_once(stream: TcpStream, credentials: &CredentialsReader) {
    let expected = ExpectedPeer::ServiceAccount("storage".to_owned());
    let connector = TlsConnector::from(credentials.current().client_config(&expected));
    let stream = connector.connect(expected.server_name(), stream).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sent: Vec<u8> = (0..64 * 1024_usize).map(|index| index.to_le_bytes()[0]).collect();

    let writing = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut received = Vec::with_capacity(sent.len());
    let ((), read) = tokio::join!(writing, reader.read_to_end(&mut received));
    read.unwrap();
    assert!(received == sent, "{} bytes of {} came back", received.len(), sent.len());
}
