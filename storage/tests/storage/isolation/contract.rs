//! Every RPC of the contract that takes an id, with the id of what is another person's.
//!
//! The descriptor set names the RPCs and their fields. An id that this file cannot tell the meaning of fails the test, so
//! whoever adds one says here what it names.

use std::collections::BTreeMap;

use focusflow_mesh::policy::{Auth, MethodPolicy, Policies};
use focusflow_proto::FILE_DESCRIPTOR_SET;
use focusflow_proto::v1::{ListTasksRequest, Task};
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage as _, Value};
use rstest::rstest;
use serde_json::json;
use tonic::Code;
use uuid::Uuid;

use crate::support::rpc::call;
use crate::support::{Backend, Person, Postgres, Sqlite, World, later, titled};

/// What the server sets, so that a request's value is not read: how the paths end.
const OUTPUT_ONLY: [&str; 3] = ["series_id", "habit_log.id", "user.id"];

/// One of each thing that a person can have, by the kind's name.
type Belongings = BTreeMap<&'static str, String>;

/// A field of a request that holds an id: the names on the way to it.
#[derive(Clone, Debug)]
struct IdField(Vec<String>);

#[rstest]
#[tokio::test]
async fn no_rpc_finds_what_an_id_names_if_it_is_anothers(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (victim, thief) = (world.person().await, world.person().await);
    let (theirs, own) = (belongings(&victim).await, belongings(&thief).await);
    let policies = Policies::from_descriptor_set(FILE_DESCRIPTOR_SET).unwrap();
    let (mut tried, mut found) = (0, Vec::new());
    for (method, policy) in rpcs(&policies) {
        for field in id_fields(&method) {
            let id = &theirs[kind(&method, &field)];
            let what = format!("{} with another's {}", policy.method, field.0.join("."));
            assert!(!policy.client_streaming, "{what} is not covered: it is a stream");
            match call(&thief, &policy, request(&method, &field, id, &own)).await {
                Err(status) if matches!(status.code(), Code::NotFound | Code::Unimplemented) => {}
                Err(status) => found.push(format!("{what}: {status}")),
                Ok(answer) if is_refused_batch(&method, &answer) => {}
                Ok(_) => found.push(format!("{what} succeeded")),
            }
            tried += 1;
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(tried >= 25, "only {tried} ids were tried");
    let unharmed = victim.get_task(&theirs["task"]).await.unwrap();
    assert_eq!(unharmed.title, "Mine");
}

/// The RPCs of storage that people call.
fn rpcs(policies: &Policies) -> Vec<(MethodDescriptor, MethodPolicy)> {
    let is_ours =
        |policy: &MethodPolicy| policy.auth == Auth::User && policies.served_by(&policy.service) == Some("storage");
    let methods = policies.methods().filter(|(_, policy)| is_ours(policy));
    let mut rpcs: Vec<_> = methods
        .map(|(_, policy)| {
            let service = policies.pool().get_service_by_name(&policy.service).unwrap();
            let method = service.methods().find(|method| method.name() == policy.method).unwrap();
            (method, MethodPolicy::clone(policy))
        })
        .collect();
    rpcs.sort_by(|(one, _), (other, _)| one.full_name().cmp(other.full_name()));
    rpcs
}

fn id_fields(method: &MethodDescriptor) -> Vec<IdField> {
    let mut fields = Vec::new();
    collect(&method.input(), &mut Vec::new(), &mut fields);
    // The server gives what is created its id.
    let is_created =
        |field: &IdField| method.name().contains("Create") && field.0.len() > 1 && field.0.last().unwrap() == "id";
    let is_set_by_server = |field: &IdField| OUTPUT_ONLY.iter().any(|end| field.0.join(".").ends_with(end));
    fields.retain(|field| !is_created(field) && !is_set_by_server(field));
    fields
}

fn collect(message: &MessageDescriptor, path: &mut Vec<String>, fields: &mut Vec<IdField>) {
    if message.full_name().starts_with("google.") {
        return;
    }
    for field in message.fields() {
        path.push(field.name().to_owned());
        match field.kind() {
            Kind::String if is_id(field.name()) => fields.push(IdField(path.clone())),
            Kind::Message(inner) if path.len() < 4 => collect(&inner, path, fields),
            _ => {}
        }
        path.pop();
    }
}

fn is_id(name: &str) -> bool {
    let is_id = matches!(name, "id" | "ids") || name.ends_with("_id") || name.ends_with("_ids");
    is_id && name != "request_id"
}

/// What an id names.
fn kind(method: &MethodDescriptor, field: &IdField) -> &'static str {
    let name = field.0.last().unwrap();
    let service = method.parent_service().name().to_owned();
    match (name.as_str(), service.as_str(), method.name()) {
        ("task_id" | "task_ids" | "parent_id", ..) | ("id" | "ids", "TaskService", _) => "task",
        ("category_id" | "category_ids", ..) | ("id", "CategoryService", _) => "category",
        ("habit_id" | "habit_ids", ..) | ("id", "HabitService", _) => "habit",
        ("id", "TimeLogService", _) => "time_log",
        ("id", "NotificationService", "DeletePushSubscription") => "push_subscription",
        ("id", "NotificationService", _) => "notification",
        ("id", "ReportService", _) => "report",
        ("id", "CalendarService", _) => "calendar_feed",
        _ => panic!("say what {} of {} names", field.0.join("."), method.full_name()),
    }
}

async fn belongings(person: &Person) -> Belongings {
    let task = person.task("Mine").await.id;
    let time_log = person.log(&task, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap().id;
    let list = focusflow_proto::v1::ListCategoriesRequest {};
    let category = person.categories().list_categories(list).await.unwrap().into_inner().categories[0].id.clone();
    let occurrence = occurrence(person).await;
    let mut belongings =
        Belongings::from([("task", task), ("occurrence", occurrence), ("time_log", time_log), ("category", category)]);
    for (kind, rpc, body) in [
        ("calendar_feed", "CalendarService/CreateCalendarFeed", json!({"calendarFeed": {"name": "Mine"}})),
        ("habit", "HabitService/CreateHabit", json!({"habit": {"name": "Read", "targetCount": 1}})),
        (
            "notification",
            "NotificationService/CreateNotification",
            json!({"notification": {
                "kind": "TASK_REMINDER", "title": "Now", "scheduleTime": "2026-06-16T08:00:00Z"
            }}),
        ),
    ] {
        belongings.insert(kind, create(person, rpc, body).await);
    }
    // What nobody can create by an RPC, or not with a small request: these ids are nobody's.
    for kind in ["report", "push_subscription"] {
        belongings.insert(kind, Uuid::now_v7().to_string());
    }
    belongings
}

/// One of the occurrences of a series.
async fn occurrence(person: &Person) -> String {
    let daily = Task { recurrence: "FREQ=DAILY".into(), due_time: Some(later(60)), ..titled("Every day") };
    person.create_task(daily).await.unwrap();
    let tasks = person.list_tasks(ListTasksRequest::default()).await.unwrap().tasks;
    tasks.into_iter().find(|task| !task.series_id.is_empty()).unwrap().id
}

/// The id of what the RPC makes; of nothing, if this version does not have it.
async fn create(person: &Person, rpc: &str, body: serde_json::Value) -> String {
    match person.rpc(rpc, body).await {
        Ok(made) => made["id"].as_str().unwrap().to_owned(),
        Err(status) if status.code() == Code::Unimplemented => Uuid::now_v7().to_string(),
        Err(status) => panic!("{rpc}: {status}"),
    }
}

/// A request that would succeed, were it not for the id in `field`.
fn request(method: &MethodDescriptor, field: &IdField, id: &str, own: &Belongings) -> DynamicMessage {
    let mut message = DynamicMessage::deserialize(method.input(), otherwise_right(method, own)).unwrap();
    put(&mut message, &field.0, id);
    message
}

fn otherwise_right(method: &MethodDescriptor, own: &Belongings) -> serde_json::Value {
    let interval = json!({"startTime": "2026-06-14T08:00:00Z", "endTime": "2026-06-14T09:00:00Z"});
    match method.name() {
        "CreateTask" => json!({"task": {"title": "Stolen"}}),
        "UpdateFollowingTasks" => json!({"task": {"id": own["occurrence"], "title": "Stolen"}}),
        "UpdateTask" => json!({"task": {"id": own["task"], "title": "Stolen"}}),
        "BatchCreateTasks" => json!({"requests": [{"task": {"title": "Stolen"}}]}),
        "BatchUpdateTasks" => json!({"requests": [{"task": {"id": own["task"], "title": "Stolen"}}]}),
        "PostponeTask" => json!({"dueTime": "2026-06-20T08:00:00Z"}),
        "RestoreTaskRevision" => json!({"revision": 1}),
        "UpdateCategory" => json!({"category": {"name": "Stolen"}}),
        "CreateTimeLog" => json!({"timeLog": interval}),
        "UpdateTimeLog" => json!({"timeLog": {"id": own["time_log"], "notes": "Stolen"}}),
        "CreateHabit" => json!({"habit": {"name": "Stolen", "targetCount": 1}}),
        "UpdateHabit" => json!({"habit": {"id": own["habit"], "name": "Stolen"}}),
        "SetHabitLog" => json!({"habitLog": {"localDate": "2026-06-15", "count": 1}}),
        "DeleteHabitLog" => json!({"localDate": "2026-06-15"}),
        "ListHabitLogs" => json!({"startDate": "2026-06-01", "endDate": "2026-06-15"}),
        "CreateNotification" => json!({"notification": {
            "kind": "TASK_REMINDER", "title": "Stolen", "scheduleTime": "2026-06-16T08:00:00Z"
        }}),
        _ => json!({}),
    }
}

/// Sets a field, the first element where one on the way is repeated.
fn put(message: &mut DynamicMessage, path: &[String], id: &str) {
    let (name, rest) = path.split_first().unwrap();
    let field = message.descriptor().get_field_by_name(name).unwrap();
    if rest.is_empty() {
        let id = Value::String(id.to_owned());
        let value = if field.is_list() { Value::List(vec![id]) } else { id };
        return message.set_field(&field, value);
    }
    match message.get_field_mut(&field) {
        Value::Message(inner) => put(inner, rest, id),
        Value::List(items) => {
            if items.is_empty() {
                let Kind::Message(descriptor) = field.kind() else { panic!("{name}") };
                items.push(Value::Message(DynamicMessage::new(descriptor)));
            }
            let Value::Message(first) = &mut items[0] else { panic!("{name}") };
            put(first, rest, id);
        }
        other => panic!("{name}: {other:?}"),
    }
}

/// Whether a batch answered that its one item was not found.
fn is_refused_batch(method: &MethodDescriptor, answer: &[u8]) -> bool {
    let answer = DynamicMessage::decode(method.output(), answer).unwrap();
    let answer = serde_json::to_value(&answer).unwrap().to_string();
    method.name().starts_with("Batch") && answer.contains(r#""code":5"#)
}
