//! Three replicas as processes of their own, which are killed while they send.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use focusflow_proto::v1::{Notification, NotificationSettings};
use sqlx::{Connection as _, PgConnection};

use crate::notifications::about;
use crate::support::smtp::{ACCEPTED, Question, SmtpServer, Step};
use crate::support::{Machine, NOW, Postgres, TRUST_DOMAIN, World, later};

const REPLICAS: usize = 3;
const PEOPLE: usize = 300;
/// So often one of the steps is a replica's last.
const STEPS_BETWEEN_KILLS: usize = 41;

struct Replica {
    process: Child,
}

impl Replica {
    fn start(machine: &Machine, server: &SmtpServer, index: usize) -> Self {
        let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_focusflow-storage"))
            .env("STORAGE_PORT", address.port().to_string())
            .env("ADMIN_PORT", "off")
            .env("DATABASE_URL", machine.database_url())
            .env("MESH_CERT_DIR", machine.certificates(&format!("replica{index}")))
            .env("MESH_TRUST_DOMAIN", TRUST_DOMAIN)
            .env("EMAIL_SMTP_URL", server.url())
            // The server sees whose step it is by it.
            .env("EMAIL_FROM", format!("replica{index}@focusflow.test"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Lets it finish what it is about.
    fn terminate(&mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.process.wait().unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The SMTP server's view.
#[derive(Default)]
struct Deliveries {
    steps: usize,
    kills: BTreeMap<Step, usize>,
    by_message_id: BTreeMap<String, usize>,
    recipients: BTreeSet<String>,
}

impl Deliveries {
    fn accept(&mut self, server: &mut SmtpServer, question: &Question) {
        if question.step == Step::Data {
            *self.by_message_id.entry(question.headers["message-id"].clone()).or_default() += 1;
            self.recipients.insert(question.recipient.clone());
        }
        server.reply(question, ACCEPTED);
    }

    /// Kills whoever is at this step. What was on its way is not accepted.
    fn kill(&mut self, server: &mut SmtpServer, question: &Question, replica: &mut Replica) {
        replica.kill();
        *self.kills.entry(question.step).or_default() += 1;
        server.reply(question, "451 Too late");
    }

    fn kill_count(&self) -> usize {
        self.kills.values().sum()
    }
}

/// Each of them wants mail, and has something to be told tomorrow.
async fn people_with_notifications(world: &World) {
    for number in 0..PEOPLE {
        let person = world.person().await;
        let settings = NotificationSettings { email: true, ..NotificationSettings::default() };
        person.change_notification_settings(settings, &[]).await.unwrap();
        let tomorrow = Notification { schedule_time: Some(later(24 * 60)), ..about(&number.to_string()) };
        person.remind(tomorrow).await.unwrap();
    }
}

/// Ends when all mail is sent but that of replicas that were killed, which is claimed for some minutes yet.
async fn send_and_kill(server: &mut SmtpServer, machine: &Machine, replicas: &mut [Replica]) -> Deliveries {
    let mut deliveries = Deliveries::default();
    while deliveries.recipients.len() + deliveries.kill_count() < PEOPLE {
        let question = server.question().await;
        deliveries.steps += 1;
        if deliveries.steps.is_multiple_of(STEPS_BETWEEN_KILLS) {
            let index: usize = question.sender["replica".len()..][..1].parse().unwrap();
            deliveries.kill(server, &question, &mut replicas[index]);
            replicas[index] = Replica::start(machine, server, index);
        } else {
            deliveries.accept(server, &question);
        }
    }
    deliveries
}

/// A replica sends one mail after the other, so at each step of one it has written down what became of the one before:
/// kills at steps are everywhere but between the server's acceptance and the mark.
#[tokio::test]
async fn each_mail_is_sent_once_however_replicas_are_killed() {
    let mut server = SmtpServer::start().await;
    let machine = Arc::new(Machine::with_mail(Postgres, &server).await);
    // By its clock, nothing is due for a day; by those of the replicas, everything is.
    let world = World::start_on(Arc::clone(&machine)).await;
    people_with_notifications(&world).await;

    let mut replicas: Vec<Replica> = (0..REPLICAS).map(|index| Replica::start(&machine, &server, index)).collect();
    let mut deliveries = send_and_kill(&mut server, &machine, &mut replicas).await;
    for step in [Step::Mail, Step::Rcpt, Step::Data] {
        assert!(deliveries.kills.get(&step).is_some_and(|kills| *kills >= 3), "{:?}", deliveries.kills);
    }

    // When the claims of those that were killed have run out, others take over.
    world.clock.advance(Utc::now() - NOW.parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(1));
    while deliveries.recipients.len() < PEOPLE {
        let question = server.question().await;
        deliveries.accept(&mut server, &question);
    }
    for mut replica in replicas {
        replica.terminate();
    }
    world.stop().await;

    let repeated: Vec<_> = deliveries.by_message_id.iter().filter(|(_, count)| **count > 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    assert_eq!(deliveries.by_message_id.len(), PEOPLE);
    let people = i64::try_from(PEOPLE).unwrap();
    let mut database = PgConnection::connect(machine.database_url()).await.unwrap();
    let count = "SELECT count(*) FROM mails WHERE state = 'SENT' UNION ALL SELECT count(*) FROM mails";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_all(&mut database).await.unwrap(), [people, people]);
    let count = "SELECT count(*) FROM changes WHERE resource = 'NOTIFICATION' AND action = 'UPDATED'";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(count).fetch_one(&mut database).await.unwrap(),
        people,
        "in the application"
    );
}
