use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use super::*;
use crate::sql::plan;

/// Filters and orders, each with the index that leads to it. Where nothing orders as the list is ordered, it is the
/// person's tasks that are read and sorted, so any index that begins with the person will do.
const CASES: [(&str, &str, &str); 12] = [
    ("", "", "idx_tasks_user_create_time"),
    ("status = PENDING", "", "idx_tasks_user_status"),
    ("priority >= HIGH", "", "idx_tasks_user_create_time"),
    ("-tags:deep", "", "idx_tasks_user_create_time"),
    ("status = PENDING AND priority = HIGH", "create_time", "idx_tasks_user_status"),
    ("create_time > 2026-01-01T00:00:00Z", "create_time", "idx_tasks_user_create_time"),
    ("", "due_time", ""),
    ("due_time < 2026-06-15T10:00:00Z OR title:report", "due_time desc, priority", ""),
    ("NOT (description:a AND tags:deep)", "title", ""),
    ("report", "update_time desc", ""),
    ("parent_id = 00000000-0000-0000-0000-000000000000", "", ""),
    ("", "estimated_minutes, status desc, complete_time", ""),
];

const PEOPLE: &str = "
    INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, time_zone, day_start_minutes,
        work_start_minutes, work_end_minutes, work_weekdays, tier, email_verified, change_number, create_time,
        update_time)
    SELECT md5('u' || u)::uuid, u, u, '', '', '', 'UTC', 0, 540, 1020, '[]', 'FREE', false, 0, now(), now()
    FROM generate_series(1, 50) AS u";

const TASKS: &str = "
    INSERT INTO tasks (id, user_id, title, description, priority, status, estimated_minutes, logged_micros, due_time,
        tags, version, create_time, update_time)
    SELECT md5(u || 't' || t)::uuid, md5('u' || u)::uuid, 'Report ' || t, repeat('x', 100),
        (ARRAY['LOW', 'MEDIUM', 'HIGH', 'URGENT'])[1 + t % 4], (ARRAY['PENDING', 'CANCELLED'])[1 + t % 2],
        t % 60, 0, now() + make_interval(mins => t), '[]', 1, now() - make_interval(mins => t), now()
    FROM generate_series(1, 50) AS u, generate_series(1, 400) AS t";

const TAGS: &str = "
    INSERT INTO task_tags (user_id, task_id, tag)
    SELECT user_id, id, CASE WHEN estimated_minutes < 30 THEN 'deep' ELSE 'home' END FROM tasks";

const DOCUMENTS: &str = "
    INSERT INTO search_documents (user_id, id, task_id, title, body, words)
    SELECT user_id, id, id, lower(title), '', person || 'report ' || person || row_number() OVER ()
    FROM (SELECT *, right(replace(user_id::text, '-', ''), 12) AS person FROM tasks) AS tasks";

fn after(order: &Order) -> Place {
    let value = |key: &OrderKey| match key.field {
        OrderField::Title => Value::Text("report 7".to_owned()),
        OrderField::Priority | OrderField::Status | OrderField::EstimatedMinutes => Value::Number(2),
        _ => Value::Time(DateTime::UNIX_EPOCH),
    };
    Place { values: order.keys().iter().map(value).collect(), id: Uuid::nil() }
}

/// The plans of the first page and of one after it.
async fn plans(connection: &mut Connection, user_id: Uuid, filter: &str, order_by: &str) -> [String; 2] {
    let (condition, order) = (Condition::parse(filter).unwrap(), Order::parse(order_by).unwrap());
    let mut plans = [String::new(), String::new()];
    for (plan, after) in plans.iter_mut().zip([None, Some(after(&order))]) {
        let listing = Listing {
            user_id,
            condition: &condition,
            order: &order,
            trashed_after: None,
            show_series: false,
            after,
            limit: 50,
        };
        *plan = plan::of(statement(&listing).build(), connection).await;
    }
    plans
}

async fn load(owner: &mut PgConnection) -> Uuid {
    for statement in [PEOPLE, TASKS, TAGS, DOCUMENTS, "ANALYZE"] {
        owner.execute(statement).await.unwrap();
    }
    owner.fetch_one("SELECT md5('u7')::uuid").await.unwrap().get(0)
}

#[test]
fn what_is_special_in_a_pattern_stands_for_itself() {
    assert_eq!(containing(r"50%_\"), r"%50\%\_\\%");
}

#[tokio::test]
async fn sqlite_reads_every_list_from_an_index() {
    let (_directory, mut connection) = plan::sqlite().await;
    for (filter, order_by, index) in CASES {
        for plan in plans(&mut connection, Uuid::nil(), filter, order_by).await {
            assert!(plan.contains("SEARCH tasks USING INDEX") && plan.contains(index), "{filter} {order_by}: {plan}");
            assert!(!plan.contains("SCAN tasks") && !plan.contains("SCAN search_documents"), "{filter}: {plan}");
            assert!(index.is_empty() || !plan.contains("USE TEMP B-TREE"), "{filter} {order_by}: {plan}");
        }
    }
    let [searched, _] = plans(&mut connection, Uuid::nil(), "report", "").await;
    assert!(searched.contains("search_words VIRTUAL TABLE INDEX"), "{searched}");
}

#[tokio::test]
async fn postgres_reads_every_list_from_an_index() {
    let (database, mut owner) = plan::postgres().await;
    let user_id = load(&mut owner).await;
    let mut snapshot = database.snapshot(user_id).await.unwrap();
    for (filter, order_by, index) in CASES {
        for plan in plans(&mut snapshot, user_id, filter, order_by).await {
            assert!(plan.contains("tasks_pkey") || plan.contains("idx_tasks_"), "{filter} {order_by}: {plan}");
            assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{filter} {order_by}: {plan}");
            // Of what a filter leaves, sorting may be the cheaper way.
            assert!(index.is_empty() || !filter.is_empty() || !plan.contains("Sort"), "{order_by}: {plan}");
        }
    }
    drop(snapshot);
    database.close().await;
}

/// The function has a plan of its own, which the plan of who calls it does not show.
#[tokio::test]
async fn postgres_finds_words_by_their_index() {
    let (database, mut owner) = plan::postgres().await;
    load(&mut owner).await;
    let body: String =
        owner.fetch_one("SELECT prosrc FROM pg_proc WHERE proname = 'tasks_that_mention'").await.unwrap().get(0);
    let prepare = format!("PREPARE mention (text) AS {}", body.replace("word::tsquery", "$1::tsquery"));
    let setup = "SET ROLE focusflow_lookup; SET plan_cache_mode = force_generic_plan;";
    owner.execute(AssertSqlSafe(format!("{setup} {prepare}"))).await.unwrap();
    let rows = owner.fetch_all("EXPLAIN EXECUTE mention ('word')").await.unwrap();
    let plan = rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n");
    assert!(plan.contains("idx_search_documents_lexemes") && !plan.contains("Seq Scan"), "{plan}");
    database.close().await;
}
