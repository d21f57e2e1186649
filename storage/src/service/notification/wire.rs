//! Notifications on the wire.

use focusflow_proto::v1;
use uuid::Uuid;

use crate::domain::notification::{Kind, Notification};
use crate::service::error::Error;
use crate::service::request::timestamp;

/// The kind of a notification that a person asks for.
pub(super) fn kind(value: i32, habit_id: Option<Uuid>) -> Result<Kind, Error> {
    const FIELD: &str = "notification.kind";
    match v1::notification::Kind::try_from(value) {
        Ok(v1::notification::Kind::Unspecified) if habit_id.is_some() => Ok(Kind::HabitReminder),
        Ok(v1::notification::Kind::Unspecified | v1::notification::Kind::TaskReminder) => Ok(Kind::TaskReminder),
        Ok(v1::notification::Kind::HabitReminder) => Ok(Kind::HabitReminder),
        Ok(v1::notification::Kind::StreakAlert | v1::notification::Kind::AiInsight) => {
            Err(Error::field(FIELD, "must be a reminder: the others are made by the server"))
        }
        Err(_) => Err(Error::field(FIELD, format!("has no value {value}"))),
    }
}

impl From<Kind> for v1::notification::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::TaskReminder => Self::TaskReminder,
            Kind::HabitReminder => Self::HabitReminder,
            Kind::StreakAlert => Self::StreakAlert,
            Kind::AiInsight => Self::AiInsight,
        }
    }
}

impl From<Notification> for v1::Notification {
    fn from(notification: Notification) -> Self {
        Self {
            id: notification.id.to_string(),
            kind: v1::notification::Kind::from(notification.kind).into(),
            title: notification.title.into(),
            body: notification.body.into(),
            task_id: notification.task_id.map(|id| id.to_string()).unwrap_or_default(),
            habit_id: notification.habit_id.map(|id| id.to_string()).unwrap_or_default(),
            schedule_time: Some(timestamp(notification.schedule_time)),
            send_time: notification.send_time.map(timestamp),
            read_time: notification.read_time.map(timestamp),
            create_time: Some(timestamp(notification.create_time)),
        }
    }
}
