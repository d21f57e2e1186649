//! Renews what is stored folded, once after the rules of folding have changed.
//!
//! Until then it is found as before: what the new rules make of a text differs for few. A replica of the version before
//! that still writes meanwhile leaves keys of its own until those rows are written again.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::words::FOLDING_VERSION;
use crate::service::Store;
use crate::sql::{Connection, Reading, folding, settings};

/// Where the database remembers by which rules it has been folded.
const SETTING: &str = "folding_version";
/// How many people are found at a time.
const PEOPLE_PER_PAGE: i64 = 500;
/// How many rows are renewed in one transaction, which keeps others of the same person's waiting.
const ROWS_PER_STEP: i64 = 500;

/// Renews everybody's, unless that has been done.
pub(crate) async fn renew_what_is_folded(store: Arc<Store>) {
    match renew(&store).await {
        Ok(false) => {}
        Ok(true) => tracing::info!(version = FOLDING_VERSION, "all text is folded by the current rules"),
        Err(error) => tracing::warn!(%error, "could not fold all text by the current rules; the next start goes on"),
    }
}

async fn renew(store: &Store) -> sqlx::Result<bool> {
    let version = settings::get(&mut store.database.system().await?, SETTING).await?;
    if version.is_some_and(|version| version.first() >= Some(&FOLDING_VERSION)) {
        return Ok(false);
    }
    let mut after = Uuid::nil();
    loop {
        let people = folding::people(&mut store.database.system().await?, after, PEOPLE_PER_PAGE).await?;
        let Some(last) = people.last() else { break };
        after = *last;
        for user_id in people {
            renew_person(store, user_id).await?;
        }
    }
    let mut transaction = store.database.begin(Uuid::nil()).await?;
    settings::put(&mut transaction, SETTING, &[FOLDING_VERSION]).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn renew_person(store: &Store, user_id: Uuid) -> sqlx::Result<()> {
    step(store, user_id, |connection| {
        Box::pin(async move { folding::renew_names(connection, user_id).await.map(|()| None) })
    })
    .await?;
    let mut after = Some(Uuid::nil());
    while let Some(id) = after {
        after =
            step(store, user_id, |connection| Box::pin(folding::renew_tasks(connection, user_id, id, ROWS_PER_STEP)))
                .await?;
    }
    after = Some(Uuid::nil());
    while let Some(id) = after {
        after =
            step(store, user_id, |connection| Box::pin(folding::renew_notes(connection, user_id, id, ROWS_PER_STEP)))
                .await?;
    }
    Ok(())
}

/// Does a part of it while the person cannot write. Nothing is left to be done for who has gone.
async fn step(
    store: &Store,
    user_id: Uuid,
    renew: impl for<'c> FnOnce(&'c mut Connection) -> Reading<'c, Option<Uuid>>,
) -> sqlx::Result<Option<Uuid>> {
    let transaction = store.database.begin(user_id).await?;
    let Some(mut write) = store.database.write_in(transaction, user_id, || store.time.now()).await? else {
        return Ok(None);
    };
    let last = renew(write.connection()).await?;
    write.commit().await?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, TimeAndIds};
    use crate::page::PageSigner;
    use crate::sql::{Database, DatabaseConfig, DatabaseUrl, query};

    #[tokio::test]
    async fn everybody_is_renewed_once() {
        let directory = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(directory.path().join("test.db"));
        let database = Database::open(&DatabaseConfig::new(url)).await.unwrap();
        let mut transaction = database.begin(Uuid::nil()).await.unwrap();
        for statement in [
            "INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, time_zone,
             day_start_minutes, work_start_minutes, work_end_minutes, work_weekdays, tier, email_verified,
             change_number, create_time, update_time)
             VALUES ($1, '', '', '', '', '', 'UTC', 0, 540, 1020, '[]', 'FREE', 0, 0, '', '')",
            "INSERT INTO categories (id, user_id, name, name_key, color, icon, version, create_time, update_time)
             VALUES ($1, $1, 'Straße', 'straße', '', '', 1, '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')",
        ] {
            query(statement).bind(Uuid::from_u128(1)).execute(&mut transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
        let clock = Arc::new(ManualClock::new(chrono::DateTime::UNIX_EPOCH));
        let store = Store { database, time: TimeAndIds::new(clock as _), pages: PageSigner::new(b"key").unwrap() };

        assert!(renew(&store).await.unwrap());
        assert!(!renew(&store).await.unwrap(), "the database remembers");
        let mut connection = store.database.system().await.unwrap();
        let keys = crate::sql::query_scalar::<String>("SELECT name_key FROM categories").fetch_all(&mut connection);
        assert_eq!(keys.await.unwrap(), ["strasse"]);
    }
}
