//! Who the person is, and their settings.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::Problem;
use crate::domain::text::PersonName;
use crate::domain::user::{DayStart, Tier, TimeZone, User, WorkingHours};
use crate::import::row::RowError;

/// The document's `user`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    #[serde(default)]
    id: Option<Uuid>,
    #[serde(default)]
    email: String,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    tier: String,
    first_name: String,
    last_name: String,
    time_zone: String,
    day_start_minutes: i32,
    work_start_minutes: i32,
    work_end_minutes: i32,
    work_weekdays: Vec<i32>,
    #[serde(default)]
    create_time: String,
    #[serde(default)]
    update_time: String,
}

impl From<&User> for Profile {
    fn from(user: &User) -> Self {
        let tier = match user.tier {
            Tier::Free => "FREE",
            Tier::Premium => "PREMIUM",
            Tier::Enterprise => "ENTERPRISE",
        };
        Self {
            id: Some(user.id),
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified,
            tier: tier.to_owned(),
            first_name: user.first_name.as_str().to_owned(),
            last_name: user.last_name.as_str().to_owned(),
            time_zone: user.time_zone.name().to_owned(),
            day_start_minutes: user.day_start.minutes(),
            work_start_minutes: user.working_hours.start_minutes(),
            work_end_minutes: user.working_hours.end_minutes(),
            work_weekdays: user.working_hours.weekdays().to_vec(),
            create_time: time(user.create_time),
            update_time: time(user.update_time),
        }
    }
}

impl Profile {
    /// Reads the object.
    pub fn parse(text: &[u8]) -> Result<Self, RowError> {
        serde_json::from_slice(text).map_err(|error| RowError::new(format!("user: {error}")))
    }

    /// Gives `user` the names and settings. Who they are and what they are entitled to is no document's to say.
    pub fn apply(&self, user: &mut User) -> Result<(), RowError> {
        let in_field = |field: &str| {
            let field = field.to_owned();
            move |problem: Problem| RowError::new(format!("user: {field}: {problem}"))
        };
        user.first_name = PersonName::parse(&self.first_name).map_err(in_field("firstName"))?;
        user.last_name = PersonName::parse(&self.last_name).map_err(in_field("lastName"))?;
        user.time_zone = TimeZone::parse(&self.time_zone).map_err(in_field("timeZone"))?;
        user.day_start = DayStart::parse(self.day_start_minutes).map_err(in_field("dayStartMinutes"))?;
        let hours = WorkingHours::parse(self.work_start_minutes, self.work_end_minutes, self.work_weekdays.clone());
        user.working_hours = hours.map_err(in_field("workStartMinutes"))?;
        Ok(())
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
