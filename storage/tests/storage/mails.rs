//! Mail, to a real SMTP server.

mod replicas;

use std::sync::Arc;

use chrono::TimeDelta;
use focusflow_proto::v1::{NotificationSettings, UpdateMeRequest, User};
use rstest::rstest;

use crate::notifications::about;
use crate::support::smtp::SmtpServer;
use crate::support::{Backend, Machine, Person, Postgres, Sqlite, World, update_mask};

struct MailWorld {
    world: World,
    server: SmtpServer,
}

impl MailWorld {
    async fn start(on: Backend) -> Self {
        let server = SmtpServer::start().await;
        let world = World::start_on(Arc::new(Machine::with_mail(on, &server).await)).await;
        Self { world, server }
    }

    /// A person who wants mail.
    async fn person(&self) -> Person {
        let person = self.world.person().await;
        let settings = NotificationSettings { email: true, ..NotificationSettings::default() };
        let settings = person.change_notification_settings(settings, &[]).await.unwrap();
        assert!(settings.email_available);
        person
    }

    fn advance(&self, minutes: i64) {
        self.world.clock.advance(TimeDelta::minutes(minutes));
    }
}

#[rstest]
#[tokio::test]
async fn who_wants_mail_gets_it_as_text_and_html(#[values(Sqlite, Postgres)] on: Backend) {
    let mut mails = MailWorld::start(on).await;
    let person = mails.person().await;
    let silent = mails.world.person().await;
    silent.remind(about("In the application only")).await.unwrap();
    silent.sent_notifications(1).await;
    person.remind(about("Call <Bob> & Éva")).await.unwrap();

    let mail = mails.server.mail().await;
    let address = person.user().get_me(focusflow_proto::v1::GetMeRequest {}).await.unwrap().into_inner().email;
    assert_eq!((mail.sender.as_str(), mail.recipient), ("focusflow@focusflow.test", address));
    assert_eq!(mail.headers["subject"], "Call <Bob> & Éva");
    assert!(mail.headers["message-id"].ends_with("@focusflow.test>"), "{:?}", mail.headers);
    assert!(mail.headers["list-unsubscribe"].contains("mailto:focusflow@focusflow.test"), "{:?}", mail.headers);
    assert!(mail.text.starts_with("Call <Bob> & Éva"), "{}", mail.text);
    assert!(mail.html.contains("<h3>Call &lt;Bob&gt; &amp; Éva</h3>"), "{}", mail.html);
}

#[rstest]
#[tokio::test]
async fn what_is_sent_within_a_minute_goes_into_the_next_mail(#[values(Sqlite, Postgres)] on: Backend) {
    let mut mails = MailWorld::start(on).await;
    let person = mails.person().await;
    person.remind(about("First")).await.unwrap();
    assert_eq!(mails.server.mail().await.headers["subject"], "First");
    for (count, title) in [(2, "Second"), (3, "Third")] {
        person.remind(about(title)).await.unwrap();
        person.sent_notifications(count).await;
    }
    mails.advance(1);
    let mail = mails.server.mail().await;
    assert_eq!(mail.headers["subject"], "2 notifications");
    assert!(mail.text.contains("Second") && mail.text.contains("Third"), "{}", mail.text);
}

#[rstest]
#[tokio::test]
async fn a_digest_tells_once_a_day_of_what_was_not_read(#[values(Sqlite, Postgres)] on: Backend) {
    let mut mails = MailWorld::start(on).await;
    let person = mails.person().await;
    let digest = NotificationSettings { digest: true, digest_minutes: 18 * 60, ..NotificationSettings::default() };
    person.change_notification_settings(digest, &[]).await.unwrap();
    for title in ["Read", "Deleted", "Morning", "Noon"] {
        person.remind(about(title)).await.unwrap();
        mails.advance(60);
    }
    let sent = person.sent_notifications(4).await;
    let id = |title: &str| sent.iter().find(|found| found.title == title).unwrap().id.clone();
    person.read_notification(&id("Read")).await.unwrap();
    person.delete_notification(&id("Deleted")).await.unwrap();
    mails.world.look_at_what_is_due().await;

    // It is 16:00 in Berlin.
    mails.advance(2 * 60);
    let mail = mails.server.mail().await;
    assert_eq!(mail.headers["subject"], "2 notifications");
    let titles: Vec<&str> = mail.text.lines().filter(|line| !line.is_empty()).take(2).collect();
    assert_eq!(titles, ["Morning", "Noon"]);
}

#[rstest]
#[tokio::test]
async fn mail_that_waits_is_not_sent_to_who_no_longer_wants_it(#[values(Sqlite, Postgres)] on: Backend) {
    let mut mails = MailWorld::start(on).await;
    let person = mails.person().await;
    let digest = NotificationSettings { digest: true, ..NotificationSettings::default() };
    person.change_notification_settings(digest, &[]).await.unwrap();
    person.remind(about("Unwanted")).await.unwrap();
    person.sent_notifications(1).await;
    person.change_notification_settings(NotificationSettings::default(), &["email"]).await.unwrap();

    mails.advance(24 * 60);
    let other = mails.person().await;
    other.remind(about("Wanted")).await.unwrap();
    assert_eq!(mails.server.mail().await.headers["subject"], "Wanted");
}

#[rstest]
#[tokio::test]
async fn a_mail_that_is_not_taken_now_is_tried_again_under_its_message_id(#[values(Sqlite, Postgres)] on: Backend) {
    let mut mails = MailWorld::start(on).await;
    let person = mails.person().await;
    person.remind(about("Patience")).await.unwrap();
    let first = mails.server.refuse_recipient("451 Greylisted").await;
    // A mail of somebody else's shows that the first is not tried at once.
    let other = mails.person().await;
    other.remind(about("Meanwhile")).await.unwrap();
    assert_eq!(mails.server.mail().await.headers["subject"], "Meanwhile");

    mails.advance(2);
    let mail = mails.server.mail().await;
    assert_eq!((mail.headers["subject"].as_str(), mail.recipient), ("Patience", first.recipient));
}

#[rstest]
#[tokio::test]
async fn an_address_that_is_refused_for_good_is_not_tried_again(#[values(Sqlite, Postgres)] on: Backend) {
    let mut mails = MailWorld::start(on).await;
    let person = mails.person().await;
    person.remind(about("Nobody is there")).await.unwrap();
    mails.server.refuse_recipient("550 No such user").await;

    // The next thing that the server hears of is somebody else's mail, however late it is.
    let other = mails.person().await;
    other.remind(about("Meanwhile")).await.unwrap();
    assert_eq!(mails.server.mail().await.headers["subject"], "Meanwhile");
    mails.advance(24 * 60);
    other.remind(about("A day later")).await.unwrap();
    assert_eq!(mails.server.mail().await.headers["subject"], "A day later");
    assert_eq!(person.sent_notifications(1).await[0].title, "Nobody is there", "it is in the application");
}

#[rstest]
#[tokio::test]
async fn mail_waits_for_quiet_hours_by_the_clocks_of_where_the_person_is_now(#[values(Sqlite, Postgres)] on: Backend) {
    let mut mails = MailWorld::start(on).await;
    let person = mails.person().await;
    let quiet = NotificationSettings {
        quiet_start_minutes: 11 * 60,
        quiet_end_minutes: 13 * 60,
        ..NotificationSettings::default()
    };
    person.change_notification_settings(quiet, &[]).await.unwrap();
    person.remind(about("Later")).await.unwrap();
    mails.world.look_at_what_is_due().await;
    assert!(person.all_notifications().await[0].send_time.is_none(), "it is 12:00 in Berlin");

    // In Auckland it is 22:00.
    let user = User { time_zone: "Pacific/Auckland".into(), ..User::default() };
    let request = UpdateMeRequest { user: Some(user), update_mask: update_mask(&["time_zone"]) };
    person.user().update_me(request).await.unwrap();
    assert_eq!(mails.server.mail().await.headers["subject"], "Later");
}
