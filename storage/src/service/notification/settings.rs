//! How a person wants to be told, and when of habits.

use std::collections::BTreeSet;

use focusflow_proto::v1;
use uuid::Uuid;

use super::Notifications;
use crate::domain::change::{Action, Resource};
use crate::domain::notification::{HabitReminder, Lead, Settings, TimeOfDay};
use crate::reminders;
use crate::service::error::{Error, InField as _};
use crate::service::request::{Fields, id, required};
use crate::sql::{Connection, habit_reminders, habits, notification_settings};

const FIELDS: Fields = Fields {
    mutable: &[
        "email",
        "web_push",
        "quiet_start_minutes",
        "quiet_end_minutes",
        "digest",
        "task_reminders",
        "task_reminder_minutes",
        "streak_alerts",
        "streak_alert_minutes",
        "digest_minutes",
    ],
    output_only: &["email_available"],
};

/// Reminders of one habit.
const REMINDERS_MAX: usize = 20;

impl Notifications {
    pub(super) async fn settings(&self, user_id: Uuid) -> Result<v1::NotificationSettings, Error> {
        let settings = notification_settings::find(&mut self.store.database.read(user_id).await?, user_id).await?;
        Ok(self.answer(&settings))
    }

    pub(super) async fn update_settings(
        &self,
        user_id: Uuid,
        request: v1::UpdateNotificationSettingsRequest,
    ) -> Result<v1::NotificationSettings, Error> {
        let values = required("settings", request.settings)?;
        let fields = FIELDS.resolve(request.update_mask.as_ref(), |field| is_set(&values, field))?;

        let mut write = self.store.write(user_id).await?;
        let before = notification_settings::find(write.connection(), user_id).await?;
        let mut settings = before.clone();
        for field in fields {
            set(&mut settings, field, &values)?;
        }
        if settings == before {
            return Ok(self.answer(&settings));
        }
        reminders::habits::look(&mut write).await?;
        notification_settings::put(write.connection(), user_id, &settings).await?;
        reminders::reschedule(&mut write, &before, &settings).await?;
        reminders::habits::plan(&mut write).await?;
        write.record(Resource::User, user_id, Action::Updated);
        write.commit().await?;
        Ok(self.answer(&settings))
    }

    pub(super) async fn set_reminders(
        &self,
        user_id: Uuid,
        request: v1::SetHabitRemindersRequest,
    ) -> Result<v1::HabitReminders, Error> {
        let values = required("habit_reminders", request.habit_reminders)?;
        let habit_id = id("habit_reminders.habit_id", &values.habit_id)?;
        let reminders = parse_reminders(&values.reminders)?;

        let mut write = self.store.write(user_id).await?;
        check_habit(write.connection(), user_id, habit_id).await?;
        reminders::habits::look(&mut write).await?;
        habit_reminders::set(write.connection(), user_id, habit_id, &reminders).await?;
        reminders::habits::plan(&mut write).await?;
        write.record(Resource::Habit, habit_id, Action::Updated);
        write.commit().await?;
        Ok(reminders_of(habit_id, &reminders))
    }

    pub(super) async fn reminders(
        &self,
        user_id: Uuid,
        request: v1::GetHabitRemindersRequest,
    ) -> Result<v1::HabitReminders, Error> {
        let habit_id = id("habit_id", &request.habit_id)?;
        let mut connection = self.store.database.read(user_id).await?;
        check_habit(&mut connection, user_id, habit_id).await?;
        let reminders = habit_reminders::list(&mut connection, user_id, habit_id).await?;
        Ok(reminders_of(habit_id, &reminders))
    }

    fn answer(&self, settings: &Settings) -> v1::NotificationSettings {
        v1::NotificationSettings {
            email: settings.email,
            web_push: settings.web_push,
            quiet_start_minutes: settings.quiet_start_minutes.minutes(),
            quiet_end_minutes: settings.quiet_end_minutes.minutes(),
            digest: settings.digest,
            task_reminders: settings.task_reminders,
            task_reminder_minutes: settings.task_reminder_minutes.minutes(),
            streak_alerts: settings.streak_alerts,
            streak_alert_minutes: settings.streak_alert_minutes.minutes(),
            digest_minutes: settings.digest_minutes.minutes(),
            email_available: self.sends_mail,
        }
    }
}

/// Checks that a habit is the person's own.
pub(super) async fn check_habit(connection: &mut Connection, user_id: Uuid, habit_id: Uuid) -> Result<(), Error> {
    let habit = habits::find(connection, user_id, habit_id).await?;
    habit.map(drop).ok_or_else(|| Error::not_found("habit", habit_id))
}

fn is_set(values: &v1::NotificationSettings, field: &str) -> bool {
    match field {
        "email" => values.email,
        "web_push" => values.web_push,
        "quiet_start_minutes" => values.quiet_start_minutes != 0,
        "quiet_end_minutes" => values.quiet_end_minutes != 0,
        "digest" => values.digest,
        "task_reminders" => values.task_reminders,
        "task_reminder_minutes" => values.task_reminder_minutes != 0,
        "streak_alerts" => values.streak_alerts,
        "streak_alert_minutes" => values.streak_alert_minutes != 0,
        "digest_minutes" => values.digest_minutes != 0,
        _ => false,
    }
}

fn set(settings: &mut Settings, field: &str, values: &v1::NotificationSettings) -> Result<(), Error> {
    let time = |minutes| TimeOfDay::parse(minutes).in_field(&format!("settings.{field}"));
    match field {
        "email" => settings.email = values.email,
        "web_push" => settings.web_push = values.web_push,
        "quiet_start_minutes" => settings.quiet_start_minutes = time(values.quiet_start_minutes)?,
        "quiet_end_minutes" => settings.quiet_end_minutes = time(values.quiet_end_minutes)?,
        "digest" => settings.digest = values.digest,
        "task_reminders" => settings.task_reminders = values.task_reminders,
        "task_reminder_minutes" => {
            let lead = Lead::parse(values.task_reminder_minutes);
            settings.task_reminder_minutes = lead.in_field("settings.task_reminder_minutes")?;
        }
        "streak_alerts" => settings.streak_alerts = values.streak_alerts,
        "streak_alert_minutes" => settings.streak_alert_minutes = time(values.streak_alert_minutes)?,
        "digest_minutes" => settings.digest_minutes = time(values.digest_minutes)?,
        _ => {}
    }
    Ok(())
}

/// By time.
fn parse_reminders(values: &[v1::HabitReminder]) -> Result<Vec<HabitReminder>, Error> {
    const FIELD: &str = "habit_reminders.reminders";
    if values.len() > REMINDERS_MAX {
        return Err(Error::field(FIELD, format!("must be at most {REMINDERS_MAX}")));
    }
    let mut times = BTreeSet::new();
    let mut reminders = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let field = format!("{FIELD}[{index}]");
        let time = TimeOfDay::parse(value.minutes).in_field(&format!("{field}.minutes"))?;
        if !times.insert(time) {
            return Err(Error::field(format!("{field}.minutes"), "must not be the time of another reminder"));
        }
        let weekdays = value.weekdays.clone();
        reminders.push(HabitReminder::parse(time, weekdays).in_field(&format!("{field}.weekdays"))?);
    }
    reminders.sort_unstable_by_key(HabitReminder::time);
    Ok(reminders)
}

fn reminders_of(habit_id: Uuid, reminders: &[HabitReminder]) -> v1::HabitReminders {
    let reminders = reminders
        .iter()
        .map(|reminder| v1::HabitReminder {
            minutes: reminder.time().minutes(),
            weekdays: reminder.weekdays().to_vec(),
        })
        .collect();
    v1::HabitReminders { habit_id: habit_id.to_string(), reminders }
}
