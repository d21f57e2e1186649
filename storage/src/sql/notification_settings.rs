//! How people want to be told.

use uuid::Uuid;

use super::{Connection, query, query_as};
use crate::domain::notification::Settings;

/// A person's settings; who has never changed them has the default.
pub async fn find(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Settings> {
    let settings = query_as(
        "SELECT email, web_push, quiet_start_minutes, quiet_end_minutes, digest, digest_minutes, task_reminders,
         task_reminder_minutes, streak_alerts, streak_alert_minutes FROM notification_settings WHERE user_id = $1",
    )
    .bind(user_id)
    .fetch_optional(connection)
    .await?;
    Ok(settings.unwrap_or_default())
}

/// Writes a person's settings.
pub async fn put(connection: &mut Connection, user_id: Uuid, settings: &Settings) -> sqlx::Result<()> {
    query(
        "INSERT INTO notification_settings (user_id, email, web_push, quiet_start_minutes, quiet_end_minutes, digest,
         digest_minutes, task_reminders, task_reminder_minutes, streak_alerts, streak_alert_minutes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, web_push = excluded.web_push,
         quiet_start_minutes = excluded.quiet_start_minutes, quiet_end_minutes = excluded.quiet_end_minutes,
         digest = excluded.digest, digest_minutes = excluded.digest_minutes, task_reminders = excluded.task_reminders,
         task_reminder_minutes = excluded.task_reminder_minutes, streak_alerts = excluded.streak_alerts,
         streak_alert_minutes = excluded.streak_alert_minutes",
    )
    .bind(user_id)
    .bind(settings.email)
    .bind(settings.web_push)
    .bind(settings.quiet_start_minutes)
    .bind(settings.quiet_end_minutes)
    .bind(settings.digest)
    .bind(settings.digest_minutes)
    .bind(settings.task_reminders)
    .bind(settings.task_reminder_minutes)
    .bind(settings.streak_alerts)
    .bind(settings.streak_alert_minutes)
    .execute(connection)
    .await
    .map(drop)
}
