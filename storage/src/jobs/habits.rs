//! Looks at people's habits when the time of a reminder or of a streak alert has come.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use focusflow_mesh::drain::Drain;
use uuid::Uuid;

use super::{Job, record_lag};
use crate::reminders;
use crate::service::{Error, Store};
use crate::sql::due::{self, Claim};

/// People claimed at a time, and for how long.
const CLAIMED_MAX: i64 = 50;
const CLAIM_DURATION: TimeDelta = TimeDelta::seconds(30);

/// The job.
#[derive(Debug)]
pub(crate) struct LookAtHabits {
    store: Arc<Store>,
}

impl LookAtHabits {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn claim(&self) -> sqlx::Result<Vec<Uuid>> {
        let now = self.store.time.now();
        let oldest = due::oldest_habit_plan(&mut self.store.database.system().await?, now).await?;
        record_lag(Self::NAME, now, oldest);
        if oldest.is_none() {
            return Ok(Vec::new());
        }
        let mut transaction = self.store.database.begin(Uuid::nil()).await?;
        let claim = Claim { now, until: now + CLAIM_DURATION, count_max: CLAIMED_MAX };
        let people = due::claim_habit_plans(&mut transaction, claim).await?;
        transaction.commit().await?;
        Ok(people)
    }

    async fn look(&self, user_id: Uuid) -> Result<(), Error> {
        let mut write = self.store.write(user_id).await?;
        reminders::habits::look(&mut write).await?;
        write.commit().await?;
        Ok(())
    }
}

impl Job for LookAtHabits {
    type Error = Error;

    const NAME: &'static str = "habits";
    const INTERVAL: Duration = Duration::from_secs(1);

    async fn run(&mut self, drain: &Drain) -> Result<usize, Error> {
        let mut count = 0;
        loop {
            let people = self.claim().await?;
            if people.is_empty() {
                return Ok(count);
            }
            for user_id in people {
                if drain.is_draining() {
                    return Ok(count);
                }
                match self.look(user_id).await {
                    Ok(()) => count += 1,
                    // The account was deleted a moment ago.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => tracing::warn!(user.id = %user_id, %error, "habits could not be looked at"),
                }
            }
        }
    }
}
