//! What the server tells people by itself, kept in step with what they write: in the transaction of the write.

pub(crate) mod habits;

use uuid::Uuid;

use crate::domain::change::{Action, Resource};
use crate::domain::notification::{Kind, Notification, Settings, schedule};
use crate::domain::task::{Status, Task};
use crate::domain::text::{NotificationBody, NotificationTitle};
use crate::sql::notifications::TaskToAnnounce;
use crate::sql::{Write, notification_settings, notifications};

/// When the lead time changes, this many tasks get their reminders anew: those that come due next.
const TASKS_MAX: i64 = 10_000;

impl TaskToAnnounce {
    fn of(task: &Task) -> Self {
        Self { id: task.id, title: task.title.clone(), due_time: task.due_time.filter(|_| is_open(task)) }
    }
}

/// Whether a task waits to be done, so that its person wants to hear of it. A series is not done, its occurrences are.
pub(crate) fn is_open(task: &Task) -> bool {
    let is_pattern = task.is_template || task.recurrence.is_some();
    !is_pattern && task.delete_time.is_none() && matches!(task.status, Status::Pending | Status::InProgress)
}

/// Schedules the reminders of new tasks. To be called with every task that is added.
pub(crate) async fn follow_new_tasks(write: &mut Write, tasks: &[Task]) -> sqlx::Result<()> {
    let (user_id, now) = (write.user_id(), write.now());
    let wanted: Vec<_> = tasks.iter().map(TaskToAnnounce::of).filter(|task| task.due_time > Some(now)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let settings = notification_settings::find(write.connection(), user_id).await?;
    for reminder in wanted.iter().filter_map(|task| reminder(write, &settings, task)).collect::<Vec<_>>() {
        insert(write, &reminder).await?;
    }
    Ok(())
}

/// Keeps the reminder of a task in step with it. To be called with every write of one.
pub(crate) async fn follow_task(write: &mut Write, before: &Task, task: &Task) -> sqlx::Result<()> {
    let wanted = TaskToAnnounce::of(task);
    if wanted == TaskToAnnounce::of(before) {
        return Ok(());
    }
    let user_id = write.user_id();
    let settings = notification_settings::find(write.connection(), user_id).await?;
    schedule_for(write, &settings, &wanted).await
}

/// Looks anew at what quiet hours hold back, and at when habits are announced, after the person's clocks were changed.
/// To be called after [`habits::look`] and the change.
pub(crate) async fn follow_move(write: &mut Write) -> sqlx::Result<()> {
    let user_id = write.user_id();
    notifications::reset(write.connection(), user_id).await?;
    habits::plan(write).await
}

/// Schedules everything anew after the person's settings were changed.
pub(crate) async fn reschedule(write: &mut Write, before: &Settings, settings: &Settings) -> sqlx::Result<()> {
    let user_id = write.user_id();
    notifications::reset(write.connection(), user_id).await?;
    let of_tasks = |settings: &Settings| (settings.task_reminders, settings.task_reminder_minutes);
    if of_tasks(before) == of_tasks(settings) {
        return Ok(());
    }
    let now = write.now();
    for task in notifications::tasks_due_after(write.connection(), user_id, now, TASKS_MAX).await? {
        cancel(write, task.id).await?;
        schedule_for(write, settings, &task).await?;
    }
    Ok(())
}

async fn schedule_for(write: &mut Write, settings: &Settings, task: &TaskToAnnounce) -> sqlx::Result<()> {
    let user_id = write.user_id();
    let wanted = reminder(write, settings, task);
    let pending = notifications::find_pending_of_task(write.connection(), user_id, task.id).await?;
    match (pending, wanted) {
        (Some(pending), Some(wanted)) if pending.occasion == wanted.occasion => {
            retitle(write, &pending, &wanted.title).await
        }
        (_, wanted) => {
            cancel(write, task.id).await?;
            match wanted {
                Some(wanted) => insert(write, &wanted).await,
                None => Ok(()),
            }
        }
    }
}

fn reminder(write: &Write, settings: &Settings, task: &TaskToAnnounce) -> Option<Notification> {
    let now = write.now();
    let due_time = task.due_time?;
    let schedule_time = schedule::task_reminder(due_time, now, settings)?;
    // A task's title is one of a notification.
    let title = NotificationTitle::parse(task.title.as_str()).ok()?;
    Some(Notification {
        id: write.new_id(),
        kind: Kind::TaskReminder,
        title,
        body: NotificationBody::default(),
        task_id: Some(task.id),
        habit_id: None,
        // Once for each due time, however often it is set.
        occasion: Some(format!("task/{}/{}", task.id, due_time.timestamp_micros())),
        schedule_time,
        send_time: None,
        read_time: None,
        create_time: now,
    })
}

async fn retitle(write: &mut Write, pending: &Notification, title: &NotificationTitle) -> sqlx::Result<()> {
    if pending.title == *title {
        return Ok(());
    }
    let user_id = write.user_id();
    notifications::set_title(write.connection(), user_id, pending.id, title).await?;
    write.record(Resource::Notification, pending.id, Action::Updated);
    Ok(())
}

/// Schedules a notification unless there was one of its occasion.
async fn insert(write: &mut Write, notification: &Notification) -> sqlx::Result<()> {
    let user_id = write.user_id();
    if notifications::insert(write.connection(), user_id, notification).await? {
        write.record(Resource::Notification, notification.id, Action::Created);
    }
    Ok(())
}

/// Takes back the reminder of a task that was not sent yet.
async fn cancel(write: &mut Write, task_id: Uuid) -> sqlx::Result<()> {
    let user_id = write.user_id();
    if let Some(pending) = notifications::find_pending_of_task(write.connection(), user_id, task_id).await? {
        notifications::delete(write.connection(), user_id, pending.id).await?;
        write.record(Resource::Notification, pending.id, Action::Deleted);
    }
    Ok(())
}
