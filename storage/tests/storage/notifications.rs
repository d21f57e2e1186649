use chrono::TimeDelta;
use focusflow_proto::v1::change::{Action, Resource};
use focusflow_proto::v1::notification::Kind;
use focusflow_proto::v1::{
    CompleteTaskRequest, CreateNotificationRequest, CreatePushSubscriptionRequest, DeleteNotificationRequest,
    DeletePushSubscriptionRequest, DeleteTaskRequest, GetNotificationSettingsRequest, ListNotificationsRequest,
    MarkNotificationReadRequest, Notification, NotificationSettings, PushSubscription, Task, UndeleteTaskRequest,
    UpdateNotificationSettingsRequest, WatchRequest, task,
};
use rstest::rstest;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Backend, Person, Postgres, Sqlite, World, later, refusal, titled, update_mask, wrong_field};

impl Person {
    pub(crate) async fn remind(&self, notification: Notification) -> Result<Notification, Status> {
        let request = CreateNotificationRequest { notification: Some(notification), request_id: String::new() };
        self.notifications().create_notification(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn all_notifications(&self) -> Vec<Notification> {
        let request = ListNotificationsRequest { page_size: 1000, ..ListNotificationsRequest::default() };
        self.notifications().list_notifications(request).await.unwrap().into_inner().notifications
    }

    async fn sent_so_far(&self) -> Vec<Notification> {
        let request = ListNotificationsRequest { sent_only: true, ..ListNotificationsRequest::default() };
        self.notifications().list_notifications(request).await.unwrap().into_inner().notifications
    }

    /// Waits until at least this many were sent, and answers them, the latest first.
    pub(crate) async fn sent_notifications(&self, count: usize) -> Vec<Notification> {
        let mut changes = self.changes().watch(WatchRequest { since: 0 }).await.unwrap().into_inner();
        loop {
            let sent = self.sent_so_far().await;
            if sent.len() >= count {
                return sent;
            }
            changes.message().await.unwrap().unwrap();
        }
    }

    pub(crate) async fn change_notification_settings(
        &self,
        settings: NotificationSettings,
        mask: &[&str],
    ) -> Result<NotificationSettings, Status> {
        let request = UpdateNotificationSettingsRequest { settings: Some(settings), update_mask: update_mask(mask) };
        self.notifications().update_notification_settings(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn read_notification(&self, id: &str) -> Result<Notification, Status> {
        let request = MarkNotificationReadRequest { id: id.into() };
        self.notifications().mark_notification_read(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn delete_notification(&self, id: &str) -> Result<(), Status> {
        let request = DeleteNotificationRequest { id: id.into() };
        self.notifications().delete_notification(request).await.map(tonic::Response::into_inner)
    }

    async fn subscribe(&self, subscription: PushSubscription) -> Result<PushSubscription, Status> {
        let request = CreatePushSubscriptionRequest { push_subscription: Some(subscription) };
        self.notifications().create_push_subscription(request).await.map(tonic::Response::into_inner)
    }
}

impl World {
    /// Waits until the service has looked twice at what is due: what could be sent now was.
    pub(crate) async fn look_at_what_is_due(&self) {
        for _ in 0..2 {
            let probe = self.person().await;
            probe.remind(about("Probe")).await.unwrap();
            // Another replica may send it, of which this one's watchers need not hear at once.
            while probe.sent_so_far().await.is_empty() {}
        }
    }
}

pub(crate) fn about(title: &str) -> Notification {
    Notification { title: title.into(), ..Notification::default() }
}

fn in_minutes(title: &str, minutes: i64) -> Notification {
    Notification { schedule_time: Some(later(minutes)), ..about(title) }
}

fn due_in_minutes(title: &str, minutes: i64) -> Task {
    Task { due_time: Some(later(minutes)), ..titled(title) }
}

#[rstest]
#[tokio::test]
async fn a_task_is_announced_once_when_it_is_due(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.create_task(due_in_minutes("Call Bob", 60)).await.unwrap();
    let [scheduled] = person.all_notifications().await.try_into().unwrap();
    assert_eq!((scheduled.kind(), scheduled.task_id.as_str()), (Kind::TaskReminder, task.id.as_str()));
    assert_eq!((scheduled.schedule_time, scheduled.send_time), (Some(later(60)), None));

    world.clock.advance(TimeDelta::minutes(60));
    let [sent] = person.sent_notifications(1).await.try_into().unwrap();
    assert_eq!((sent.id.as_str(), sent.title.as_str()), (scheduled.id.as_str(), "Call Bob"));
    assert_eq!(sent.send_time, Some(later(60)));
    assert_eq!(sent.body, "Due Monday, 15 June 2026, 13:00", "by the clocks of Berlin");

    world.look_at_what_is_due().await;
    assert_eq!(person.all_notifications().await, [sent]);
}

#[rstest]
#[tokio::test]
async fn the_reminder_of_a_task_follows_it(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.create_task(due_in_minutes("Call Bob", 60)).await.unwrap();
    let reminders = async || {
        let all = person.all_notifications().await;
        all.into_iter().map(|found| (found.title, found.schedule_time.unwrap())).collect::<Vec<_>>()
    };

    person.update_task(Task { id: task.id.clone(), ..due_in_minutes("Call Eve", 90) }, &[]).await.unwrap();
    assert_eq!(reminders().await, [("Call Eve".to_owned(), later(90))]);

    person.update_task(Task { id: task.id.clone(), ..titled("Call Dan") }, &["title"]).await.unwrap();
    assert_eq!(reminders().await, [("Call Dan".to_owned(), later(90))]);

    let complete = CompleteTaskRequest { id: task.id.clone(), etag: String::new() };
    person.tasks().complete_task(complete).await.unwrap();
    assert_eq!(reminders().await, []);

    let pending = Task { id: task.id.clone(), status: task::Status::Pending.into(), ..Task::default() };
    person.update_task(pending, &["status"]).await.unwrap();
    assert_eq!(reminders().await.len(), 1);

    person.tasks().delete_task(DeleteTaskRequest { id: task.id.clone(), etag: String::new() }).await.unwrap();
    assert_eq!(reminders().await, []);

    person.tasks().undelete_task(UndeleteTaskRequest { id: task.id.clone(), ..Default::default() }).await.unwrap();
    assert_eq!(reminders().await.len(), 1);

    person.update_task(Task { id: task.id.clone(), ..Task::default() }, &["due_time"]).await.unwrap();
    assert_eq!(reminders().await, []);
}

#[rstest]
#[tokio::test]
async fn what_is_overdue_when_it_is_entered_is_not_announced(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.create_task(due_in_minutes("Long ago", -60)).await.unwrap();
    assert_eq!(person.all_notifications().await, []);
}

#[rstest]
#[tokio::test]
async fn a_lead_time_moves_what_is_scheduled_already(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for (title, minutes) in [("Far", 60), ("Near", 20)] {
        person.create_task(due_in_minutes(title, minutes)).await.unwrap();
    }
    let times = async || person.all_notifications().await.into_iter().map(|found| found.schedule_time.unwrap());

    let settings = NotificationSettings { task_reminder_minutes: 30, ..NotificationSettings::default() };
    person.change_notification_settings(settings, &[]).await.unwrap();
    assert!(times().await.eq([later(30), later(20)]), "what is due within the lead time is announced when it is due");

    let off = NotificationSettings { task_reminders: false, ..NotificationSettings::default() };
    person.change_notification_settings(off, &["task_reminders"]).await.unwrap();
    assert_eq!(times().await.count(), 0);

    let on = NotificationSettings { task_reminders: true, ..NotificationSettings::default() };
    person.change_notification_settings(on, &["task_reminders"]).await.unwrap();
    assert_eq!(times().await.count(), 2);
}

#[rstest]
#[tokio::test]
async fn what_falls_into_quiet_hours_waits_until_they_end(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    // It is 12:00 in Berlin.
    let quiet = NotificationSettings {
        quiet_start_minutes: 12 * 60 + 30,
        quiet_end_minutes: 14 * 60,
        ..NotificationSettings::default()
    };
    person.change_notification_settings(quiet, &[]).await.unwrap();
    let reminder = person.remind(in_minutes("Stretch", 60)).await.unwrap();

    world.clock.advance(TimeDelta::minutes(60));
    world.look_at_what_is_due().await;
    assert_eq!(person.all_notifications().await, [reminder]);

    world.clock.advance(TimeDelta::minutes(60));
    let [sent] = person.sent_notifications(1).await.try_into().unwrap();
    assert_eq!((sent.schedule_time, sent.send_time), (Some(later(60)), Some(later(120))));
}

#[rstest]
#[tokio::test]
async fn ending_quiet_hours_lets_out_what_they_held_back(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let quiet =
        NotificationSettings { quiet_start_minutes: 0, quiet_end_minutes: 1439, ..NotificationSettings::default() };
    person.change_notification_settings(quiet, &[]).await.unwrap();
    person.remind(about("Stretch")).await.unwrap();
    world.look_at_what_is_due().await;
    assert!(person.all_notifications().await[0].send_time.is_none());

    let none = NotificationSettings::default();
    person.change_notification_settings(none, &["quiet_start_minutes", "quiet_end_minutes"]).await.unwrap();
    person.sent_notifications(1).await;
}

#[rstest]
#[tokio::test]
async fn a_reminder_about_a_task_that_is_done_is_not_sent(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Call Bob").await;
    let reminder = Notification { task_id: task.id.clone(), ..in_minutes("Bob!", 10) };
    let reminder = person.remind(reminder).await.unwrap();
    person.tasks().complete_task(CompleteTaskRequest { id: task.id, etag: String::new() }).await.unwrap();
    assert_eq!(person.all_notifications().await, [reminder], "the task may be taken up again until then");

    world.clock.advance(TimeDelta::minutes(10));
    world.look_at_what_is_due().await;
    assert_eq!(person.all_notifications().await, []);
}

#[rstest]
#[tokio::test]
async fn several_replicas_send_each_notification_once(#[values(Postgres)] on: Backend) {
    let world = World::start(on).await;
    let replicas = [world.replica().await, world.replica().await];
    let people = [world.person().await, world.person().await, world.person().await];
    for person in &people {
        for number in 0..40 {
            person.remind(in_minutes(&number.to_string(), 5)).await.unwrap();
        }
    }
    for world in replicas.iter().chain([&world]) {
        world.clock.advance(TimeDelta::minutes(5));
    }
    for person in &people {
        // Of what another replica does, this one's watchers need not hear at once.
        while person.sent_so_far().await.len() < 40 {}
        // Five of the account's beginning, 40 created, 40 sent.
        let changes = person.changes_so_far(5 + 40 + 40).await;
        let of_notifications = changes.iter().filter(|change| change.resource() == Resource::Notification);
        let sent = of_notifications.filter(|change| change.action() == Action::Updated).count();
        assert_eq!(sent, 40);
    }
    world.look_at_what_is_due().await;
    for person in &people {
        let mut rest = person.changes().watch(WatchRequest { since: 85 }).await.unwrap().into_inner();
        let sentinel = person.task("Sentinel").await;
        assert_eq!(rest.message().await.unwrap().unwrap().change.unwrap().resource_id, sentinel.id);
    }
}

#[rstest]
#[tokio::test]
async fn a_reminder_of_the_past_is_sent_at_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let reminder = person.remind(in_minutes("Now", -60)).await.unwrap();
    assert_eq!(reminder.schedule_time, Some(later(0)));
    assert_eq!(person.sent_notifications(1).await[0].id, reminder.id);
}

#[rstest]
#[tokio::test]
async fn a_request_id_reminds_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let request = CreateNotificationRequest {
        notification: Some(in_minutes("Stretch", 10)),
        request_id: Uuid::now_v7().to_string(),
    };
    let first = person.notifications().create_notification(request.clone()).await.unwrap().into_inner();
    let second = person.notifications().create_notification(request).await.unwrap().into_inner();
    assert_eq!(first, second);
    assert_eq!(person.all_notifications().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_wrong_reminder_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let six_years = 6 * 366 * 24 * 60;
    for (notification, field) in [
        (about(" "), "notification.title"),
        (Notification { body: "x".repeat(5001), ..about("Stretch") }, "notification.body"),
        (Notification { kind: Kind::StreakAlert.into(), ..about("Stretch") }, "notification.kind"),
        (Notification { kind: 99, ..about("Stretch") }, "notification.kind"),
        (Notification { task_id: "7".into(), ..about("Stretch") }, "notification.task_id"),
        (in_minutes("Stretch", six_years), "notification.schedule_time"),
    ] {
        assert_eq!(wrong_field(person.remind(notification).await), field);
    }
    let others = world.person().await.task("Not yours").await;
    let about_it = Notification { task_id: others.id, ..about("Stretch") };
    assert_eq!(refusal(person.remind(about_it).await).0, Code::NotFound);
    let about_no_habit = Notification { habit_id: Uuid::now_v7().to_string(), ..about("Stretch") };
    assert_eq!(refusal(person.remind(about_no_habit).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn only_what_was_sent_can_be_read_and_it_is_read_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let reminder = person.remind(in_minutes("Stretch", 10)).await.unwrap();
    let early = refusal(person.read_notification(&reminder.id).await);
    assert_eq!(early, (Code::FailedPrecondition, "NOT_SENT".to_owned()));

    world.clock.advance(TimeDelta::minutes(10));
    person.sent_notifications(1).await;
    let read = person.read_notification(&reminder.id).await.unwrap();
    assert_eq!(read.read_time, Some(later(10)));
    world.clock.advance(TimeDelta::minutes(10));
    assert_eq!(person.read_notification(&reminder.id).await.unwrap(), read);

    let unread = ListNotificationsRequest { unread_only: true, ..ListNotificationsRequest::default() };
    assert_eq!(person.notifications().list_notifications(unread).await.unwrap().into_inner().notifications, []);
}

#[rstest]
#[tokio::test]
async fn what_is_deleted_is_not_sent(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let reminder = person.remind(in_minutes("Stretch", 10)).await.unwrap();
    person.delete_notification(&reminder.id).await.unwrap();
    world.clock.advance(TimeDelta::minutes(10));
    world.look_at_what_is_due().await;
    assert_eq!(person.all_notifications().await, []);
    assert_eq!(refusal(person.delete_notification(&reminder.id).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn pages_show_each_notification_once_the_latest_first(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for minutes in [30, 10, 20, 20, 40] {
        person.remind(in_minutes(&minutes.to_string(), minutes)).await.unwrap();
    }
    let mut titles = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListNotificationsRequest { page_size: 2, page_token, ..ListNotificationsRequest::default() };
        let page = person.notifications().list_notifications(request).await.unwrap().into_inner();
        titles.extend(page.notifications.into_iter().map(|found| found.title));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(titles, ["40", "30", "20", "20", "10"]);
}

#[rstest]
#[tokio::test]
async fn notifications_of_others_do_not_exist(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    let reminder = person.remind(in_minutes("Stretch", 10)).await.unwrap();
    assert_eq!(other.all_notifications().await, []);
    assert_eq!(refusal(other.read_notification(&reminder.id).await).0, Code::NotFound);
    assert_eq!(refusal(other.delete_notification(&reminder.id).await).0, Code::NotFound);
    assert_eq!(person.all_notifications().await, [reminder]);
}

#[rstest]
#[tokio::test]
async fn settings_begin_with_what_suits_most_and_say_that_there_is_no_mail(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let settings = person.notifications().get_notification_settings(GetNotificationSettingsRequest {}).await;
    let expected = NotificationSettings {
        task_reminders: true,
        streak_alerts: true,
        streak_alert_minutes: 20 * 60,
        digest_minutes: 8 * 60,
        ..NotificationSettings::default()
    };
    assert_eq!(settings.unwrap().into_inner(), expected);

    let changed = NotificationSettings { email: true, digest: true, ..NotificationSettings::default() };
    let changed = person.change_notification_settings(changed, &[]).await.unwrap();
    assert_eq!(changed, NotificationSettings { email: true, digest: true, ..expected });
    let [.., change] = &person.changes_so_far(6).await[..] else { panic!("no change") };
    assert_eq!((change.resource(), change.action()), (Resource::User, Action::Updated));
}

#[rstest]
#[tokio::test]
async fn a_wrong_setting_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let default = NotificationSettings::default;
    for (settings, field) in [
        (NotificationSettings { quiet_start_minutes: 1440, ..default() }, "settings.quiet_start_minutes"),
        (NotificationSettings { quiet_end_minutes: -1, ..default() }, "settings.quiet_end_minutes"),
        (NotificationSettings { digest_minutes: 1440, ..default() }, "settings.digest_minutes"),
        (NotificationSettings { streak_alert_minutes: 1440, ..default() }, "settings.streak_alert_minutes"),
        (NotificationSettings { task_reminder_minutes: 10_081, ..default() }, "settings.task_reminder_minutes"),
    ] {
        assert_eq!(wrong_field(person.change_notification_settings(settings, &[]).await), field);
    }
    assert_eq!(wrong_field(person.change_notification_settings(default(), &["sms"]).await), "update_mask");
}

fn browser(endpoint: &str, key: u8) -> PushSubscription {
    PushSubscription {
        endpoint: endpoint.into(),
        // 65 bytes that begin with 4, and 16 bytes.
        p256dh: format!("BA{}", ["A", "E", "I"][usize::from(key)].repeat(85)),
        auth: "AAAAAAAAAAAAAAAAAAAAAA".into(),
        ..PushSubscription::default()
    }
}

#[rstest]
#[tokio::test]
async fn a_browser_is_registered_once_and_its_keys_are_renewed(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let first = person.subscribe(browser("https://push.example.com/a", 0)).await.unwrap();
    let renewed = person.subscribe(browser("https://push.example.com/a", 1)).await.unwrap();
    assert_eq!((renewed.id.as_str(), renewed.create_time), (first.id.as_str(), first.create_time));
    assert_ne!(renewed.p256dh, first.p256dh);

    for number in 1..20 {
        person.subscribe(browser(&format!("https://push.example.com/{number}"), 0)).await.unwrap();
    }
    let over = refusal(person.subscribe(browser("https://push.example.com/b", 0)).await);
    assert_eq!(over, (Code::FailedPrecondition, "LIMIT_REACHED".to_owned()));
    person.subscribe(browser("https://push.example.com/a", 2)).await.unwrap();

    let delete = DeletePushSubscriptionRequest { id: first.id };
    let other = world.person().await;
    assert_eq!(refusal(other.notifications().delete_push_subscription(delete.clone()).await).0, Code::NotFound);
    person.notifications().delete_push_subscription(delete.clone()).await.unwrap();
    assert_eq!(refusal(person.notifications().delete_push_subscription(delete).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn a_wrong_subscription_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let good = browser("https://push.example.com/a", 0);
    for (subscription, field) in [
        (browser("https://127.0.0.1/a", 0), "push_subscription.endpoint"),
        (PushSubscription { p256dh: "BAAA".into(), ..good.clone() }, "push_subscription.p256dh"),
        (PushSubscription { auth: String::new(), ..good }, "push_subscription.auth"),
    ] {
        assert_eq!(wrong_field(person.subscribe(subscription).await), field);
    }
}

#[rstest]
#[tokio::test]
async fn what_was_sent_long_ago_is_forgotten(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    world.clock.advance(TimeDelta::days(-91));
    let old = person.remind(about("Old")).await.unwrap();
    person.sent_notifications(1).await;
    world.clock.advance(TimeDelta::days(2));
    person.remind(about("Kept")).await.unwrap();
    person.sent_notifications(2).await;

    // It looks at what is old when it starts, and has a clock of its own.
    let replica = world.replica().await;
    // Five of the account's beginning, and two for each notification.
    let [.., change] = &replica.somebody(person.id).changes_so_far(5 + 2 + 2 + 1).await[..] else {
        panic!("no change")
    };
    assert_eq!((change.resource_id.as_str(), change.action()), (old.id.as_str(), Action::Deleted));
    assert_eq!(person.all_notifications().await[0].title, "Kept");
}
