//! The same statements the way storage runs them: as a role that row-level security shows one person's rows.

use anyhow::{Context, ensure};
use focusflow_storage::domain::change::{Action, Resource};
use focusflow_storage::sql::{Database, DatabaseConfig, Write, query, query_as};
use sqlx::types::Json;
use uuid::Uuid;

use super::operation::Operation;
use super::statement::{GET, INSERT_TASK, LIST, PAGE, RUNNING, Running, START, STOP, TITLE, Task, now};
use super::tier::Target;

/// Storage's own connections, within this process.
#[derive(Clone, Debug)]
pub(super) struct Isolated(Database);

impl Isolated {
    pub(super) async fn connect(url: &str) -> anyhow::Result<Self> {
        Ok(Self(Database::open(&DatabaseConfig::new(url.parse()?)).await?))
    }

    pub(super) async fn run(&self, operation: Operation, target: Target) -> anyhow::Result<()> {
        match operation {
            Operation::Get => self.get(target).await,
            Operation::List => self.list(target.person).await,
            Operation::Create => self.create(target.person).await,
            Operation::Time => self.time(target.person).await,
        }
    }

    async fn get(&self, Target { person, task }: Target) -> anyhow::Result<()> {
        let mut connection = self.0.read(person).await?;
        Ok(query_as::<Task>(GET).bind(person).bind(task).fetch_one(&mut connection).await.map(drop)?)
    }

    async fn list(&self, person: Uuid) -> anyhow::Result<()> {
        let mut connection = self.0.read(person).await?;
        let tasks = query_as::<Task>(LIST).bind(person).bind(PAGE + 1).fetch_all(&mut connection).await?;
        ensure!(tasks.len() > 50, "{} tasks", tasks.len());
        Ok(())
    }

    async fn create(&self, person: Uuid) -> anyhow::Result<()> {
        let (id, tags) = (Uuid::now_v7(), Json(Vec::<String>::new()));
        let mut write = self.write(person).await?;
        let insert = query(INSERT_TASK).bind(person).bind(id).bind(TITLE).bind(tags).bind(write.now());
        insert.execute(write.connection()).await?;
        write.record(Resource::Task, id, Action::Created);
        Ok(write.commit().await.map(drop)?)
    }

    async fn time(&self, person: Uuid) -> anyhow::Result<()> {
        let id = Uuid::now_v7();
        let mut write = self.write(person).await?;
        let start = query(START).bind(person).bind(id).bind(write.now()).bind(false);
        start.execute(write.connection()).await?;
        write.record(Resource::TimeLog, id, Action::Created);
        write.commit().await?;

        let mut write = self.write(person).await?;
        let running = query_as::<Running>(RUNNING).bind(person).fetch_one(write.connection()).await?;
        let (end, micros) = running.end();
        let stop = query(STOP).bind(person).bind(running.id).bind(end).bind(micros);
        stop.execute(write.connection()).await?;
        write.record(Resource::TimeLog, id, Action::Updated);
        Ok(write.commit().await.map(drop)?)
    }

    async fn write(&self, person: Uuid) -> anyhow::Result<Write> {
        self.0.write(person, now).await?.context("there is no such person")
    }
}
