//! Sends mail that is due, one after the other: a replica sends some dozens a second so, which is more than servers
//! take from one sender.
//!
//! What holds, however replicas are killed: a mail is claimed by one replica at a time; it is marked as sent right after
//! the server has taken it; and an attempt that ended in between is made again when its claim has run out. So a mail is
//! sent exactly once unless a process ends, or the server or the database is lost, between the server's acceptance and
//! the mark. Then it is sent again, under the same Message-ID.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use focusflow_mesh::drain::Drain;
use tokio::time::sleep;
use uuid::Uuid;

use super::{Job, record_lag};
use crate::domain::notification::schedule;
use crate::domain::user::User;
use crate::mail::{Content, Item, Letter, Mail, Outlet, SEND_TIMEOUT, SendError};
use crate::service::Store;
use crate::sql::due::{self, Claim, DueMail};
use crate::sql::{Connection, Transaction, account_mails, mails, notification_settings, notifications, users};

/// Longer than an attempt takes, so that no other replica begins one meanwhile.
const CLAIM_DURATION: TimeDelta = TimeDelta::seconds(3 * SEND_TIMEOUT.as_secs().cast_signed());
/// An attempt that cannot be over before the claim is, because the process stood still, is not begun.
const ATTEMPT_DURATION: TimeDelta = TimeDelta::seconds(SEND_TIMEOUT.as_secs().cast_signed());
const FIRST_RETRY: TimeDelta = TimeDelta::minutes(1);
const LAST_RETRY: TimeDelta = TimeDelta::hours(6);
/// About a day of attempts.
const ATTEMPTS_MAX: i32 = 12;
/// How often the mark is tried if the database fails, and how long to wait in between.
const MARK_ATTEMPTS_MAX: u32 = 5;
const MARK_PAUSE: Duration = Duration::from_millis(200);

/// The job.
#[derive(Debug)]
pub(crate) struct SendMail {
    store: Arc<Store>,
    outlet: Outlet,
}

/// A mail that this replica has claimed.
#[derive(Clone, Copy, Debug)]
struct Claimed {
    mail: DueMail,
    until: DateTime<Utc>,
}

impl SendMail {
    pub(crate) fn new(store: &Arc<Store>, outlet: Outlet) -> Self {
        Self { store: Arc::clone(store), outlet }
    }

    async fn claim(&self) -> sqlx::Result<Option<Claimed>> {
        let now = self.store.time.now();
        let oldest = due::oldest_mail(&mut self.store.database.system().await?, now).await?;
        record_lag(Self::NAME, now, oldest);
        if oldest.is_none() {
            return Ok(None);
        }
        let until = now + CLAIM_DURATION;
        let mut transaction = self.store.database.begin(Uuid::nil()).await?;
        let claimed = due::claim_mails(&mut transaction, Claim { now, until, count_max: 1 }).await?;
        transaction.commit().await?;
        Ok(claimed.into_iter().next().map(|mail| Claimed { mail, until }))
    }

    async fn begin(&self, claimed: Claimed) -> sqlx::Result<Transaction> {
        self.store.database.begin(claimed.mail.user_id).await
    }

    /// Sends a mail, or writes down why not. Fails if no other mail would be taken either.
    async fn send(&self, claimed: Claimed) -> Result<bool, Failure> {
        let Some((mail, attempt)) = self.begin_attempt(claimed).await? else { return Ok(false) };
        let now = self.store.time.now();
        if now + ATTEMPT_DURATION > claimed.until {
            return Ok(false);
        }
        match self.outlet.send(&mail).await {
            Ok(()) => {
                self.mark_sent(claimed).await?;
                Ok(true)
            }
            Err(error) => {
                self.mark_failed(claimed, attempt, &error).await?;
                match error {
                    SendError::Server(_) => Err(error.into()),
                    SendError::Refused(_) | SendError::Later(_) | SendError::NoServer => Ok(false),
                }
            }
        }
    }

    /// What to send, and which attempt it is. `None` if there is nothing to send now.
    async fn begin_attempt(&self, claimed: Claimed) -> sqlx::Result<Option<(Mail, i32)>> {
        let (DueMail { user_id, id }, now) = (claimed.mail, self.store.time.now());
        let mut transaction = self.begin(claimed).await?;
        let Some(user) = users::find(&mut transaction, user_id).await? else { return Ok(None) };
        let prepared = match account_mails::find(&mut transaction, user_id, id).await? {
            Some(mail) => {
                let letter = Letter { kind: mail.kind, token: mail.token };
                Some((mail.recipient.into(), Content::Account(letter)))
            }
            None => notice(&mut transaction, &user, id, now).await?.map(|content| (user.email.into(), content)),
        };
        let attempt = match prepared {
            None => None,
            Some(_) => mails::begin_attempt(&mut transaction, user_id, id, claimed.until).await?,
        };
        transaction.commit().await?;
        let mail = prepared.map(|(to, content)| Mail { id, to, time: now, content });
        Ok(mail.zip(attempt))
    }

    /// The server has the mail: this must not be lost to a database that is away for a moment.
    async fn mark_sent(&self, claimed: Claimed) -> sqlx::Result<()> {
        for _ in 1..MARK_ATTEMPTS_MAX {
            let Err(error) = self.try_mark_sent(claimed).await else { return Ok(()) };
            tracing::warn!(mail.id = %claimed.mail.id, %error, "a mail that was sent is not marked so");
            sleep(MARK_PAUSE).await;
        }
        self.try_mark_sent(claimed).await
    }

    async fn try_mark_sent(&self, claimed: Claimed) -> sqlx::Result<()> {
        let mut transaction = self.begin(claimed).await?;
        mails::set_sent(&mut transaction, claimed.mail.user_id, claimed.mail.id).await?;
        account_mails::forget_token(&mut transaction, claimed.mail.user_id, claimed.mail.id).await?;
        transaction.commit().await?;
        metrics::counter!("mails_total", "outcome" => "sent").increment(1);
        Ok(())
    }

    async fn mark_failed(&self, claimed: Claimed, attempt: i32, error: &SendError) -> sqlx::Result<()> {
        let DueMail { user_id, id } = claimed.mail;
        let is_final = matches!(error, SendError::Refused(_) | SendError::NoServer) || attempt >= ATTEMPTS_MAX;
        if !matches!(error, SendError::NoServer) {
            tracing::warn!(mail.id = %id, attempt, is_final, %error, "a mail was not sent");
        }
        let outcome = if is_final { "failed" } else { "retried" };
        metrics::counter!("mails_total", "outcome" => outcome).increment(1);
        let mut transaction = self.begin(claimed).await?;
        if is_final {
            mails::set_failed(&mut transaction, user_id, id, error.to_string()).await?;
            account_mails::forget_token(&mut transaction, user_id, id).await?;
        } else {
            let due_time = self.store.time.now() + pause_after(attempt);
            mails::put_off(&mut transaction, user_id, id, due_time, error.to_string()).await?;
        }
        transaction.commit().await
    }
}

impl Job for SendMail {
    type Error = Failure;

    const NAME: &'static str = "mail";
    const INTERVAL: Duration = Duration::from_secs(1);

    async fn run(&mut self, drain: &Drain) -> Result<usize, Failure> {
        let mut sent = 0;
        while !drain.is_draining() {
            let Some(claimed) = self.claim().await? else { break };
            sent += usize::from(self.send(claimed).await?);
        }
        if drain.is_draining() {
            self.outlet.close().await;
        }
        Ok(sent)
    }
}

/// What a mail of notifications tells now; `None` if that is nothing, or not yet.
async fn notice(
    connection: &mut Connection,
    user: &User,
    id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Content>> {
    let user_id = user.id;
    let settings = notification_settings::find(connection, user_id).await?;
    let told = notifications::unread_of_mail(connection, user_id, id).await?;
    let after_quiet = schedule::after_quiet_hours(now, &settings, user.day_rule());
    if told.is_empty() || !settings.email {
        // Read or deleted in the meantime, or mail was turned off.
        mails::delete(connection, user_id, id).await?;
        return Ok(None);
    }
    if after_quiet > now {
        mails::put_off(connection, user_id, id, after_quiet, String::new()).await?;
        return Ok(None);
    }
    let items = told.into_iter().map(|(title, body)| Item { title: title.into(), body: body.into() });
    Ok(Some(Content::Notifications(items.collect())))
}

/// Why no mail can be sent now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Server(#[from] SendError),
}

/// How long to wait after an attempt: twice as long as after the one before.
fn pause_after(attempt: i32) -> TimeDelta {
    let doubled = u32::try_from(attempt - 1).ok().and_then(|times| 1_i32.checked_shl(times)).unwrap_or(i32::MAX);
    FIRST_RETRY.checked_mul(doubled.max(1)).map_or(LAST_RETRY, |pause| pause.min(LAST_RETRY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_quarter_of_a_day() {
        let minutes: Vec<i64> = [1, 2, 3, 9, 10, 11, 40].map(|attempt| pause_after(attempt).num_minutes()).to_vec();
        assert_eq!(minutes, [1, 2, 4, 256, 360, 360, 360]);
    }

    #[test]
    fn attempts_go_on_for_a_day() {
        let total: TimeDelta = (1..ATTEMPTS_MAX).map(pause_after).sum();
        assert!((TimeDelta::hours(18)..TimeDelta::hours(36)).contains(&total), "{total}");
    }
}
