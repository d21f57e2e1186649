//! No list reads a table from end to end.
//!
//! PostgreSQL is told to avoid that at any price, so it does so only where no index serves, and its statistics say
//! where it did. Which index each list uses, and that it needs no sort, is tested beside the queries.

use std::collections::BTreeMap;

use focusflow_mesh::policy::{Auth, Policies};
use focusflow_proto::FILE_DESCRIPTOR_SET;
use focusflow_proto::v1::Task;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use uuid::Uuid;

use crate::support::{Machine, Postgres, World, later, titled};

/// Read whole by each process, seldom: one row for each process that has a cache.
const SMALL_TABLES: [&str; 2] = ["cache_leases", "_sqlx_migrations"];

/// How often each table was read from end to end.
type Scans = BTreeMap<String, i64>;

#[tokio::test]
async fn no_list_reads_a_table_from_end_to_end() {
    let machine = Machine::new(Postgres).await;
    let mut owner = machine.database().connect_as(None).await;
    let world = World::start_on(machine.into()).await;
    let id = populate(&world).await;
    let (machine, _) = world.stop().await;
    avoid_scans(&mut owner).await;

    let before = scans(&mut owner).await;
    let world = World::start_on(machine).await;
    let person = world.somebody(id);
    for (rpc, body) in lists() {
        let answer = person.rpc(rpc, body.clone()).await;
        answer.unwrap_or_else(|status| panic!("{rpc} with {body}: {status}"));
    }
    // A session that ends has reported what it did.
    world.stop().await;
    assert_eq!(scans(&mut owner).await, before);
}

#[test]
fn every_list_of_the_contract_is_tried() {
    let policies = Policies::from_descriptor_set(FILE_DESCRIPTOR_SET).unwrap();
    let is_list = |name: &str| name.starts_with("List") || name.starts_with("Summarize");
    let tried: Vec<&str> = lists().into_iter().map(|(rpc, _)| rpc).collect();
    for (_, policy) in policies.methods() {
        let is_ours = policy.auth == Auth::User && policies.served_by(&policy.service) == Some("storage");
        let rpc = format!("{}/{}", policy.service.trim_start_matches("focusflow.v1."), policy.method);
        let needs_id = matches!(policy.method.as_str(), "ListTaskRevisions" | "ListHabitLogs");
        assert!(!is_ours || !is_list(&policy.method) || needs_id || tried.contains(&rpc.as_str()), "{rpc}");
    }
}

/// Lists of each kind, in each order and with each kind of filter.
fn lists() -> Vec<(&'static str, Value)> {
    let week = json!({"startTime": "2026-06-08T00:00:00Z", "endTime": "2026-06-16T00:00:00Z"});
    let mut lists = vec![
        ("TaskService/ListTasks", json!({})),
        ("TaskService/ListTasks", json!({"showDeleted": true})),
        ("TaskService/ListTasks", json!({"query": "chapter"})),
        ("TaskService/ListTasks", json!({"filter": "status = PENDING AND due_time < \"2026-07-01T00:00:00Z\""})),
        ("TaskService/ListTasks", json!({"filter": "tags:work OR NOT priority = HIGH"})),
        ("TaskService/ListTasks", json!({"orderBy": "due_time"})),
        ("TaskService/ListTasks", json!({"orderBy": "priority desc, title"})),
        ("CategoryService/ListCategories", json!({})),
        ("TimeLogService/ListTimeLogs", json!({})),
        ("TimeLogService/ListTimeLogs", week.clone()),
        ("HabitService/ListHabits", json!({})),
        ("NotificationService/ListNotifications", json!({})),
        ("ReportService/ListReports", json!({})),
        ("ReportService/ListReports", json!({"kind": "WEEKLY"})),
        ("CalendarService/ListCalendarFeeds", json!({})),
        ("ExportService/Export", json!({})),
        ("ChangeService/Watch", json!({"since": "0"})),
    ];
    for group in ["DAY", "WEEK", "MONTH", "TAG", "CATEGORY", "TASK"] {
        let mut request = week.clone();
        request["groupBy"] = json!(group);
        lists.push(("TimeLogService/SummarizeTimeLogs", request));
    }
    lists
}

/// One of each thing that a person can have.
async fn populate(world: &World) -> Uuid {
    let person = world.person().await;
    let task = Task { tags: vec!["work".into()], due_time: Some(later(60)), ..titled("Write the chapter") };
    let task = person.create_task(task).await.unwrap();
    person.log(&task.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    let daily = Task { recurrence: "FREQ=DAILY".into(), due_time: Some(later(60)), ..titled("Every day") };
    person.create_task(daily).await.unwrap();
    person.rpc("HabitService/CreateHabit", json!({"habit": {"name": "Read", "targetCount": 1}})).await.unwrap();
    person.id
}

async fn avoid_scans(owner: &mut PgConnection) {
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut *owner).await.unwrap();
    owner.execute(AssertSqlSafe(format!("ALTER DATABASE {name} SET enable_seqscan = off"))).await.unwrap();
}

async fn scans(owner: &mut PgConnection) -> Scans {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT relname::text, COALESCE(seq_scan, 0) FROM pg_stat_user_tables")
            .fetch_all(&mut *owner)
            .await
            .unwrap();
    rows.into_iter().filter(|(table, _)| !SMALL_TABLES.contains(&table.as_str())).collect()
}
