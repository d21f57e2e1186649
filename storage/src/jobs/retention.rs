//! Forgets notifications that were sent long ago.

use std::sync::Arc;
use std::time::Duration;

use focusflow_mesh::drain::Drain;
use uuid::Uuid;

use super::Job;
use crate::domain::change::{Action, Resource};
use crate::domain::notification::RETENTION;
use crate::service::{Error, Store};
use crate::sql::{due, mails, notifications};

/// Rows looked at to find people, and rows deleted of one in one transaction.
const ROWS_MAX: i64 = 500;

/// The job.
#[derive(Debug)]
pub(crate) struct ForgetNotifications {
    store: Arc<Store>,
}

impl ForgetNotifications {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn forget(&self, user_id: Uuid) -> Result<usize, Error> {
        let mut write = self.store.write(user_id).await?;
        let before = write.now() - RETENTION;
        let forgotten = notifications::delete_old(write.connection(), user_id, before, ROWS_MAX).await?;
        mails::delete_old(write.connection(), user_id, before).await?;
        for id in &forgotten {
            write.record(Resource::Notification, *id, Action::Deleted);
        }
        write.commit().await?;
        Ok(forgotten.len())
    }
}

impl Job for ForgetNotifications {
    type Error = Error;

    const NAME: &'static str = "notification-retention";
    const INTERVAL: Duration = Duration::from_hours(1);

    async fn run(&mut self, drain: &Drain) -> Result<usize, Error> {
        let mut count = 0;
        loop {
            let before = self.store.time.now() - RETENTION;
            let mut connection = self.store.database.system().await?;
            let people = due::people_with_old_notifications(&mut connection, before, ROWS_MAX).await?;
            drop(connection);
            if people.is_empty() {
                return Ok(count);
            }
            for user_id in people {
                if drain.is_draining() {
                    return Ok(count);
                }
                count += self.forget(user_id).await?;
            }
        }
    }
}
