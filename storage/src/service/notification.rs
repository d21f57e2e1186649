//! What FocusFlow tells a person, and how.

mod push;
mod settings;
mod wire;

use std::sync::Arc;

use focusflow_proto::v1;
use focusflow_proto::v1::notification_service_server::NotificationService;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::error::{Error, InField as _};
use super::request::{Creation, id, optional_id, optional_time, page_size, required};
use super::{Store, authenticated, task};
use crate::domain::change::{Action, Resource};
use crate::domain::notification::{Notification, SCHEDULE_AHEAD_MAX};
use crate::domain::text::{NotificationBody, NotificationTitle};
use crate::page::{self, Page, Position};
use crate::sql::{Connection, Write, notifications};

/// Notifications of a person's own that are still to be sent.
const PENDING_MAX: i64 = 1_000;

/// Implements `NotificationService`.
#[derive(Debug)]
pub(crate) struct Notifications {
    store: Arc<Store>,
    /// Whether this server can send mail at all.
    sends_mail: bool,
}

impl Notifications {
    pub(crate) fn new(store: &Arc<Store>, sends_mail: bool) -> Self {
        Self { store: Arc::clone(store), sends_mail }
    }

    async fn list(
        &self,
        user_id: Uuid,
        request: v1::ListNotificationsRequest,
    ) -> Result<v1::ListNotificationsResponse, Error> {
        let size = page_size(request.page_size)?;
        let query = format!("ListNotifications {} {}", request.unread_only, request.sent_only);
        let listing = notifications::Listing {
            user_id,
            unread_only: request.unread_only,
            sent_only: request.sent_only,
            after: self.store.pages.position(user_id, &query, &request.page_token)?,
            limit: page::rows(size),
        };
        let found = notifications::list(&mut self.store.database.read(user_id).await?, listing).await?;
        let position = |found: &Notification| Position { time: found.schedule_time, id: found.id };
        let Page { items: notifications, end } = Page::cut(found, size, position);
        let next_page_token = self.store.pages.next_token(user_id, &query, end);
        Ok(v1::ListNotificationsResponse { notifications, next_page_token })
    }

    async fn create(&self, user_id: Uuid, request: v1::CreateNotificationRequest) -> Result<Notification, Error> {
        let creation = Creation::parse("CreateNotification", &request.request_id, &request)?;
        let values = required("notification", request.notification)?;
        let title = NotificationTitle::parse(&values.title).in_field("notification.title")?;
        let body = NotificationBody::parse(&values.body).in_field("notification.body")?;
        let task_id = optional_id("notification.task_id", &values.task_id)?;
        let habit_id = optional_id("notification.habit_id", &values.habit_id)?;
        let kind = wire::kind(values.kind, habit_id)?;
        let schedule_time = optional_time("notification.schedule_time", values.schedule_time)?;

        let mut write = self.store.write(user_id).await?;
        if let Some(id) = creation.made_before(&mut write).await? {
            return find(write.connection(), user_id, id).await;
        }
        check_references(&mut write, task_id, habit_id).await?;
        let now = write.now();
        let schedule_time = schedule_time.unwrap_or(now).max(now);
        if schedule_time > now + SCHEDULE_AHEAD_MAX {
            return Err(Error::field("notification.schedule_time", "must be at most five years ahead"));
        }
        if notifications::count_pending(write.connection(), user_id).await? >= PENDING_MAX {
            return Err(Error::TooMany { things: "notifications to be sent", max: PENDING_MAX });
        }
        let notification = Notification {
            id: self.store.time.new_id(),
            kind,
            title,
            body,
            task_id,
            habit_id,
            occasion: None,
            schedule_time,
            send_time: None,
            read_time: None,
            create_time: now,
        };
        notifications::insert(write.connection(), user_id, &notification).await?;
        creation.made(&mut write, notification.id).await?;
        write.record(Resource::Notification, notification.id, Action::Created);
        write.commit().await?;
        Ok(notification)
    }

    async fn mark_read(&self, user_id: Uuid, request: v1::MarkNotificationReadRequest) -> Result<Notification, Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        let mut notification = find(write.connection(), user_id, id).await?;
        if notification.send_time.is_none() {
            return Err(Error::NotSent);
        }
        if notification.read_time.is_none() {
            let now = write.now();
            notification.read_time = Some(now);
            notifications::set_read(write.connection(), user_id, id, now).await?;
            write.record(Resource::Notification, id, Action::Updated);
            write.commit().await?;
        }
        Ok(notification)
    }

    async fn delete(&self, user_id: Uuid, request: v1::DeleteNotificationRequest) -> Result<(), Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        find(write.connection(), user_id, id).await?;
        notifications::delete(write.connection(), user_id, id).await?;
        write.record(Resource::Notification, id, Action::Deleted);
        write.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl NotificationService for Notifications {
    async fn list_notifications(
        &self,
        request: Request<v1::ListNotificationsRequest>,
    ) -> Result<Response<v1::ListNotificationsResponse>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.list(user_id, request).await?))
    }

    async fn create_notification(
        &self,
        request: Request<v1::CreateNotificationRequest>,
    ) -> Result<Response<v1::Notification>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.create(user_id, request).await?.into()))
    }

    async fn mark_notification_read(
        &self,
        request: Request<v1::MarkNotificationReadRequest>,
    ) -> Result<Response<v1::Notification>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.mark_read(user_id, request).await?.into()))
    }

    async fn delete_notification(
        &self,
        request: Request<v1::DeleteNotificationRequest>,
    ) -> Result<Response<()>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.delete(user_id, request).await?))
    }

    async fn get_notification_settings(
        &self,
        request: Request<v1::GetNotificationSettingsRequest>,
    ) -> Result<Response<v1::NotificationSettings>, Status> {
        let (user_id, _) = authenticated(request)?;
        Ok(Response::new(self.settings(user_id).await?))
    }

    async fn update_notification_settings(
        &self,
        request: Request<v1::UpdateNotificationSettingsRequest>,
    ) -> Result<Response<v1::NotificationSettings>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.update_settings(user_id, request).await?))
    }

    async fn create_push_subscription(
        &self,
        request: Request<v1::CreatePushSubscriptionRequest>,
    ) -> Result<Response<v1::PushSubscription>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.subscribe(user_id, request).await?))
    }

    async fn delete_push_subscription(
        &self,
        request: Request<v1::DeletePushSubscriptionRequest>,
    ) -> Result<Response<()>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.unsubscribe(user_id, request).await?))
    }

    async fn set_habit_reminders(
        &self,
        request: Request<v1::SetHabitRemindersRequest>,
    ) -> Result<Response<v1::HabitReminders>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.set_reminders(user_id, request).await?))
    }

    async fn get_habit_reminders(
        &self,
        request: Request<v1::GetHabitRemindersRequest>,
    ) -> Result<Response<v1::HabitReminders>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.reminders(user_id, request).await?))
    }
}

async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> Result<Notification, Error> {
    notifications::find(connection, user_id, id).await?.ok_or_else(|| Error::not_found("notification", id))
}

/// Checks that the task and the habit are the person's own.
async fn check_references(write: &mut Write, task_id: Option<Uuid>, habit_id: Option<Uuid>) -> Result<(), Error> {
    let user_id = write.user_id();
    if let Some(task_id) = task_id {
        task::find(write.connection(), user_id, task_id).await?;
    }
    if let Some(habit_id) = habit_id {
        settings::check_habit(write.connection(), user_id, habit_id).await?;
    }
    Ok(())
}
