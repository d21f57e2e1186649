//! The signed-in person's own account and settings.

use std::sync::Arc;

use focusflow_proto::v1;
use focusflow_proto::v1::security_event::Kind as Event;
use focusflow_proto::v1::user_service_server::UserService;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::error::{Error, InField as _};
use super::request::{Fields, required, timestamp};
use super::{Store, authenticated, series};
use crate::domain::change::{Action, Resource};
use crate::domain::text::{Email, PersonName};
use crate::domain::user::{DayStart, Tier, TimeZone, User, WorkingHours};
use crate::reminders;
use crate::sql::{security_events, sessions, users};

const FIELDS: Fields = Fields {
    mutable: &[
        "email",
        "first_name",
        "last_name",
        "time_zone",
        "day_start_minutes",
        "working_hours",
        "working_hours.start_minutes",
        "working_hours.end_minutes",
        "working_hours.weekdays",
    ],
    output_only: &["id", "tier", "email_verified", "create_time", "update_time"],
};

/// Implements `UserService`.
#[derive(Debug)]
pub(crate) struct Users {
    store: Arc<Store>,
}

impl Users {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn get(&self, user_id: Uuid) -> Result<User, Error> {
        self.store.user(user_id).await
    }

    async fn update(&self, user_id: Uuid, request: v1::UpdateMeRequest) -> Result<User, Error> {
        let values = required("user", request.user)?;
        let fields = FIELDS.resolve(request.update_mask.as_ref(), |field| is_set(&values, field))?;

        let mut write = self.store.write(user_id).await?;
        let before =
            users::find(write.connection(), user_id).await?.ok_or_else(|| Error::not_found("user", user_id))?;
        let mut user = before.clone();
        for field in &fields {
            set(&mut user, field, &values)?;
        }
        if !fields.contains(&"working_hours") {
            user.working_hours = with_parts(&before.working_hours, &fields, &values)?;
        }
        if user == before {
            return Ok(user);
        }
        user.update_time = write.now();
        let moves = user.day_rule() != before.day_rule();
        if moves {
            reminders::habits::look(&mut write).await?;
        }
        users::update(write.connection(), &user).await?;
        if moves {
            reminders::follow_move(&mut write).await?;
        }
        write.record(Resource::User, user_id, Action::Updated);
        if user.time_zone != before.time_zone {
            series::follow_zone(&mut write).await?;
        }
        write.commit().await?;
        Ok(user)
    }

    /// Begins the grace period after which the account ends. Until then it is kept by signing in again.
    async fn delete(&self, user_id: Uuid) -> Result<(), Error> {
        let mut write = self.store.write(user_id).await?;
        let now = write.now();
        if users::ask_for_end(write.connection(), user_id, now).await? {
            security_events::append(write.connection(), user_id, Event::DeletionRequested, None, now).await?;
        }
        sessions::delete_all(write.connection(), user_id, None).await?;
        write.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl UserService for Users {
    async fn get_me(&self, request: Request<v1::GetMeRequest>) -> Result<Response<v1::User>, Status> {
        let (user_id, _) = authenticated(request)?;
        Ok(Response::new(self.get(user_id).await?.into()))
    }

    async fn update_me(&self, request: Request<v1::UpdateMeRequest>) -> Result<Response<v1::User>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.update(user_id, request).await?.into()))
    }

    async fn delete_me(&self, request: Request<v1::DeleteMeRequest>) -> Result<Response<()>, Status> {
        let (user_id, _) = authenticated(request)?;
        Ok(Response::new(self.delete(user_id).await?))
    }
}

fn is_set(values: &v1::User, field: &str) -> bool {
    match field {
        "email" => !values.email.is_empty(),
        "first_name" => !values.first_name.is_empty(),
        "last_name" => !values.last_name.is_empty(),
        "time_zone" => !values.time_zone.is_empty(),
        "day_start_minutes" => values.day_start_minutes != 0,
        "working_hours" => values.working_hours.is_some(),
        _ => false,
    }
}

fn set(user: &mut User, field: &str, values: &v1::User) -> Result<(), Error> {
    match field {
        "email" => check_email(user, &values.email)?,
        "first_name" => user.first_name = PersonName::parse(&values.first_name).in_field("user.first_name")?,
        "last_name" => user.last_name = PersonName::parse(&values.last_name).in_field("user.last_name")?,
        "time_zone" => user.time_zone = TimeZone::parse(&values.time_zone).in_field("user.time_zone")?,
        "day_start_minutes" => {
            user.day_start = DayStart::parse(values.day_start_minutes).in_field("user.day_start_minutes")?;
        }
        "working_hours" => user.working_hours = working_hours(values.working_hours.as_ref())?,
        _ => {}
    }
    Ok(())
}

/// Lets the address pass that the account has, or none: clients send back what they were answered.
fn check_email(user: &User, email: &str) -> Result<(), Error> {
    if email.is_empty() || Email::parse(email).is_ok_and(|email| email.key() == user.email.key()) {
        return Ok(());
    }
    Err(Error::field("user.email", "is changed by AuthService.ChangeEmail, which proves the new one"))
}

/// Working hours of which a mask names some parts only. They are checked together: a new start may suit no end but
/// the new one.
fn with_parts(current: &WorkingHours, fields: &[&str], values: &v1::User) -> Result<WorkingHours, Error> {
    let given = values.working_hours.clone().unwrap_or_default();
    let mut hours = v1::WorkingHours::from(current);
    if fields.contains(&"working_hours.start_minutes") {
        hours.start_minutes = given.start_minutes;
    }
    if fields.contains(&"working_hours.end_minutes") {
        hours.end_minutes = given.end_minutes;
    }
    if fields.contains(&"working_hours.weekdays") {
        hours.weekdays = given.weekdays;
    }
    working_hours(Some(&hours))
}

/// The working hours in a user's fields; absent, they are the default.
pub(super) fn working_hours(hours: Option<&v1::WorkingHours>) -> Result<WorkingHours, Error> {
    let Some(hours) = hours else { return Ok(WorkingHours::default()) };
    WorkingHours::parse(hours.start_minutes, hours.end_minutes, hours.weekdays.clone()).in_field("user.working_hours")
}

impl From<&WorkingHours> for v1::WorkingHours {
    fn from(hours: &WorkingHours) -> Self {
        Self {
            start_minutes: hours.start_minutes(),
            end_minutes: hours.end_minutes(),
            weekdays: hours.weekdays().to_vec(),
        }
    }
}

impl From<User> for v1::User {
    fn from(user: User) -> Self {
        let tier = match user.tier {
            Tier::Free => v1::user::Tier::Free,
            Tier::Premium => v1::user::Tier::Premium,
            Tier::Enterprise => v1::user::Tier::Enterprise,
        };
        Self {
            id: user.id.to_string(),
            email: user.email.into(),
            first_name: user.first_name.into(),
            last_name: user.last_name.into(),
            time_zone: user.time_zone.name().to_owned(),
            day_start_minutes: user.day_start.minutes(),
            working_hours: Some((&user.working_hours).into()),
            tier: tier.into(),
            email_verified: user.email_verified,
            create_time: Some(timestamp(user.create_time)),
            update_time: Some(timestamp(user.update_time)),
        }
    }
}
