use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use focusflow_mesh::channel::Channel;
use focusflow_proto::internal::v1::CreateAccountRequest;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::v1::{ListTasksRequest, User};

use crate::support::{Backend, Machine, PASSWORD_HASH, Postgres, Sqlite, TRUST_DOMAIN, World};
use rstest::rstest;

#[rstest]
#[tokio::test]
async fn everything_is_there_after_a_restart(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Kept").await;
    let running = person.start_timer(&task.id).await.unwrap();
    person.task("Second").await;
    let request = ListTasksRequest { page_size: 1, ..ListTasksRequest::default() };
    let page_token = person.list_tasks(request.clone()).await.unwrap().next_page_token;
    let id = person.id;
    drop(person);
    let (machine, _) = world.stop().await;

    let world = World::start_on(machine).await;
    let person = world.somebody(id);
    assert_eq!(person.get_task(&task.id).await.unwrap(), task);
    assert_eq!(person.stop_timer().await.unwrap().id, running.id);
    let next = person.list_tasks(ListTasksRequest { page_token, ..request }).await.unwrap();
    assert_eq!(next.tasks[0].title, "Kept", "page tokens outlive the process");
}

#[rstest]
#[tokio::test]
async fn a_cancelled_request_happens_as_a_whole_or_not_at_all(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for polls in 0..60 {
        let request = {
            let person = person.clone();
            tokio::spawn(async move { person.create_task(crate::support::titled("Perhaps")).await })
        };
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        request.abort();
        let _ = request.await;
    }
    let certain = person.task("Certain").await;
    let id = person.id;
    drop(person);
    // What is still under way comes to its end.
    let (machine, _) = world.stop().await;

    let world = World::start_on(machine).await;
    let person = world.somebody(id);
    let request = ListTasksRequest { page_size: 1000, ..ListTasksRequest::default() };
    let tasks = person.list_tasks(request).await.unwrap().tasks;
    // An account begins with five changes.
    let changes = person.changes_so_far(5 + tasks.len()).await;
    let created: BTreeSet<_> = changes[5..].iter().map(|change| change.resource_id.as_str()).collect();
    let listed: BTreeSet<_> = tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(created, listed);
    assert!(listed.contains(certain.id.as_str()));
}

/// The service as a process of its own.
struct Process {
    child: Child,
    gateway: Channel,
}

impl Process {
    fn start(machine: &Machine) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_focusflow-storage"))
            .env("STORAGE_PORT", address.port().to_string())
            .env("ADMIN_PORT", "off")
            .env("DATABASE_URL", machine.database_url())
            .env("MESH_CERT_DIR", machine.certificates("storage"))
            .env("MESH_TRUST_DOMAIN", TRUST_DOMAIN)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, gateway: machine.channel("gateway", address) }
    }

    /// Creates an account, which waits until the process is up.
    async fn person(&mut self) -> uuid::Uuid {
        let user = User { email: "ada@example.org".into(), ..User::default() };
        loop {
            let request = CreateAccountRequest { user: Some(user.clone()), password_hash: PASSWORD_HASH.into() };
            match CredentialServiceClient::new(self.gateway.clone()).create_account(request).await {
                Ok(account) => return account.into_inner().user.unwrap().id.parse().unwrap(),
                Err(status) if status.code() == tonic::Code::Unavailable => {
                    assert_eq!(self.child.try_wait().unwrap(), None, "the process has ended");
                    tokio::task::yield_now().await;
                }
                Err(status) => panic!("{status}"),
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9(#[values(Sqlite, Postgres)] on: Backend) {
    let machine = Arc::new(Machine::new(on).await);
    let mut process = Process::start(&machine);
    let id = process.person().await;
    let person = crate::support::Person::through(process.gateway.clone(), id);
    let is_killed = Arc::new(AtomicBool::new(false));
    let (acknowledged, mut acknowledgements) = tokio::sync::mpsc::unbounded_channel();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (person, acknowledged, is_killed) = (person.clone(), acknowledged.clone(), Arc::clone(&is_killed));
            tokio::spawn(async move {
                for number in 0.. {
                    if is_killed.load(Ordering::Relaxed) {
                        return;
                    }
                    let title = format!("{writer}.{number}");
                    if let Ok(task) = person.create_task(crate::support::titled(&title)).await {
                        acknowledged.send(task).unwrap();
                    }
                }
            })
        })
        .collect();
    let mut kept = Vec::new();
    while kept.len() < 100 {
        kept.push(acknowledgements.recv().await.unwrap());
    }
    process.kill();
    is_killed.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    while let Ok(task) = acknowledgements.try_recv() {
        kept.push(task);
    }

    let world = World::start_on(machine).await;
    let person = world.somebody(id);
    for task in kept {
        assert_eq!(person.get_task(&task.id).await.unwrap(), task);
    }
}

#[rstest]
#[tokio::test]
async fn two_processes_share_a_database(#[values(Sqlite, Postgres)] on: Backend) {
    let one = World::start(on).await;
    let other = one.replica().await;
    let person = one.person().await;
    let elsewhere = other.somebody(person.id);
    let task = person.task("Shared").await;
    assert_eq!(elsewhere.get_task(&task.id).await.unwrap(), task);

    let (here, there) = tokio::join!(person.start_timer(&task.id), elsewhere.start_timer(&task.id));
    assert_ne!(here.is_ok(), there.is_ok(), "one of two that start at once runs: {here:?}, {there:?}");
}
