//! Sends notifications that are due: into the application in one transaction, which also orders the mail.
//!
//! A claim on due rows spreads people over the replicas. That each notification is sent once does not rest on it: the
//! person's lock and `send_time` see to that.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use focusflow_mesh::drain::Drain;
use uuid::Uuid;

use super::{Job, record_lag};
use crate::domain::change::{Action, Resource};
use crate::domain::day::{DayRule, local_day};
use crate::domain::notification::{Kind, Notification, schedule};
use crate::domain::text::NotificationBody;
use crate::reminders;
use crate::service::{Error, Store};
use crate::sql::due::{self, Claim};
use crate::sql::{Write, mails, notification_settings, notifications, tasks, users};

/// Notifications claimed at a time.
const CLAIMED_MAX: i64 = 100;
/// Within this time the claimed people are done with; those of a killed replica are somebody's again after it.
const CLAIM_DURATION: TimeDelta = TimeDelta::seconds(30);
/// Notifications sent to one person in one transaction.
const SENT_AT_ONCE_MAX: i64 = 100;
/// A person gets no more mail than one in this time; what comes sooner goes into the next.
const MAIL_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// What one transaction sent.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    sent: usize,
    has_more: bool,
}

/// The job.
#[derive(Debug)]
pub(crate) struct Dispatch {
    store: Arc<Store>,
    sends_mail: bool,
}

impl Dispatch {
    pub(crate) fn new(store: &Arc<Store>, sends_mail: bool) -> Self {
        Self { store: Arc::clone(store), sends_mail }
    }

    async fn claim(&self) -> sqlx::Result<Vec<Uuid>> {
        let now = self.store.time.now();
        let oldest = due::oldest_notification(&mut self.store.database.system().await?, now).await?;
        record_lag(Self::NAME, now, oldest);
        if oldest.is_none() {
            return Ok(Vec::new());
        }
        let mut transaction = self.store.database.begin(Uuid::nil()).await?;
        let claim = Claim { now, until: now + CLAIM_DURATION, count_max: CLAIMED_MAX };
        let people = due::claim_notifications(&mut transaction, claim).await?;
        transaction.commit().await?;
        Ok(people)
    }

    /// Sends what is due to one person. Answers how much.
    async fn tell(&self, user_id: Uuid) -> Result<usize, Error> {
        let mut sent = 0;
        loop {
            let told = self.tell_some(user_id).await?;
            sent += told.sent;
            if !told.has_more {
                return Ok(sent);
            }
        }
    }

    async fn tell_some(&self, user_id: Uuid) -> Result<Told, Error> {
        let mut write = self.store.write(user_id).await?;
        let now = write.now();
        let due = notifications::due(write.connection(), user_id, now, SENT_AT_ONCE_MAX).await?;
        let user = users::find(write.connection(), user_id).await?;
        let Some(user) = user.filter(|_| !due.is_empty()) else { return Ok(Told::default()) };
        let settings = notification_settings::find(write.connection(), user_id).await?;
        let delivery = schedule::delivery(now, &settings, user.day_rule());
        if delivery.in_app > now {
            notifications::put_off(write.connection(), user_id, now, delivery.in_app).await?;
            write.commit().await?;
            return Ok(Told::default());
        }

        let has_more = i64::try_from(due.len()).is_ok_and(|count| count == SENT_AT_ONCE_MAX);
        let wanted = prepare_all(&mut write, due, user.day_rule()).await?;
        let mail_time = delivery.email.filter(|_| self.sends_mail && !wanted.is_empty());
        let mail_id = match mail_time {
            Some(mail_time) => Some(self.order_mail(&mut write, mail_time).await?),
            None => None,
        };
        for notification in &wanted {
            notifications::set_sent(write.connection(), user_id, notification, mail_id).await?;
            write.record(Resource::Notification, notification.id, Action::Updated);
        }
        write.commit().await?;
        Ok(Told { sent: wanted.len(), has_more })
    }

    /// A mail that goes out at `mail_time` or soon after: one that waits already, or a new one.
    async fn order_mail(&self, write: &mut Write, mail_time: DateTime<Utc>) -> sqlx::Result<Uuid> {
        let (user_id, now) = (write.user_id(), write.now());
        let last = mails::last_create_time(write.connection(), user_id).await?;
        let mail_time = last.map_or(mail_time, |last| mail_time.max(last + MAIL_INTERVAL));
        if let Some(id) = mails::join(write.connection(), user_id, mail_time).await? {
            return Ok(id);
        }
        let id = self.store.time.new_id();
        mails::insert(write.connection(), user_id, id, mail_time, now).await?;
        Ok(id)
    }
}

impl Job for Dispatch {
    type Error = Error;

    const NAME: &'static str = "dispatch";
    const INTERVAL: Duration = Duration::from_secs(1);

    async fn run(&mut self, drain: &Drain) -> Result<usize, Error> {
        let mut sent = 0;
        loop {
            let people = self.claim().await?;
            if people.is_empty() {
                return Ok(sent);
            }
            for user_id in people {
                if drain.is_draining() {
                    return Ok(sent);
                }
                match self.tell(user_id).await {
                    Ok(count) => sent += count,
                    // The account was deleted a moment ago, and its notifications with it.
                    Err(Error::NotFound { .. }) => {}
                    // One person's trouble is not everybody's: the claim runs out, and they are told then.
                    Err(error) => tracing::warn!(user.id = %user_id, %error, "notifications could not be sent"),
                }
            }
        }
    }
}

/// Completes notifications with what is known now only, and deletes those that are moot.
async fn prepare_all(write: &mut Write, due: Vec<Notification>, rule: DayRule) -> sqlx::Result<Vec<Notification>> {
    let user_id = write.user_id();
    let mut wanted = Vec::with_capacity(due.len());
    for notification in due {
        let id = notification.id;
        if let Some(notification) = prepare(write, notification, rule).await? {
            wanted.push(notification);
        } else {
            notifications::delete(write.connection(), user_id, id).await?;
            write.record(Resource::Notification, id, Action::Deleted);
        }
    }
    Ok(wanted)
}

/// `None` if what the notification is about is done or gone.
async fn prepare(
    write: &mut Write,
    mut notification: Notification,
    rule: DayRule,
) -> sqlx::Result<Option<Notification>> {
    let (user_id, now) = (write.user_id(), write.now());
    let is_of_deleted_habit = is_of_a_day(&notification) && notification.habit_id.is_none();
    if is_of_deleted_habit || is_of_another_day(&notification, now, rule) {
        return Ok(None);
    }
    if let Some(task_id) = notification.task_id {
        let task = tasks::find(write.connection(), user_id, task_id).await?;
        let Some(task) = task.filter(reminders::is_open) else { return Ok(None) };
        if notification.body.as_str().is_empty() {
            notification.body = due_body(task.due_time, rule);
        }
    }
    notification.send_time = Some(now);
    Ok(Some(notification))
}

/// Whether it is about a day of a habit that quiet hours have outlasted.
fn is_of_another_day(notification: &Notification, now: DateTime<Utc>, rule: DayRule) -> bool {
    is_of_a_day(notification) && local_day(notification.schedule_time, rule) != local_day(now, rule)
}

/// Whether the server made it for a day of a habit.
fn is_of_a_day(notification: &Notification) -> bool {
    matches!(notification.kind, Kind::HabitReminder | Kind::StreakAlert) && notification.occasion.is_some()
}

/// Says when a task is due, by the person's clocks.
fn due_body(due_time: Option<DateTime<Utc>>, rule: DayRule) -> NotificationBody {
    let text = due_time.map(|time| rule.wall_clock(time).format("Due %A, %-d %B %Y, %H:%M").to_string());
    text.and_then(|text| NotificationBody::parse(&text).ok()).unwrap_or_default()
}
