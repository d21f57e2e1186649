use std::fmt::Write as _;

use focusflow_proto::v1::import_source::Format;
use focusflow_proto::v1::task::RecurrenceMode;
use focusflow_proto::v1::{
    Category, CreateCategoryRequest, CreateHabitRequest, DeleteTaskRequest, ExportRequest, Habit, HabitLog,
    HabitReminder, HabitReminders, ImportSource, ListHabitsRequest, NotificationSettings, SetHabitLogRequest,
    SetHabitRemindersRequest, SetVacationsRequest, Task, UpdateMeRequest, UpdateNotificationSettingsRequest, User,
    Vacation, Vacations,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::imports::{import_file, tasks};
use crate::support::{Backend, Person, Postgres, Sqlite, World, later, titled, update_mask};

async fn export(person: &Person) -> Vec<u8> {
    let mut stream = person.exports().export(ExportRequest {}).await.unwrap().into_inner();
    let mut document = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        document.extend(answer.data);
    }
    document
}

fn parse(document: &[u8]) -> Value {
    serde_json::from_slice(document).unwrap()
}

/// All that does not say whose the data is.
fn content(document: &[u8]) -> Value {
    let mut document = parse(document);
    for key in ["id", "email", "createTime", "updateTime"] {
        document["user"].as_object_mut().unwrap().remove(key).unwrap();
    }
    document
}

async fn import(person: &Person, document: &[u8]) -> (i32, i32, i32) {
    let source = ImportSource { format: Format::Focusflow.into(), ..ImportSource::default() };
    let summary = import_file(person, source, document).await.unwrap();
    assert!(summary.errors.is_empty(), "{summary:?}");
    summary.counts()
}

/// How many rows of each list such a person has.
const LENGTHS: [(&str, usize); 12] = [
    ("categories", 5),
    ("tasks", 3 + 4 + 2),
    ("series", 2),
    ("timeLogs", 3),
    ("habits", 1),
    ("habitLogs", 2),
    ("vacations", 1),
    ("reports", 0),
    ("taskRevisions", 2),
    ("notificationSettings", 1),
    ("habitReminders", 1),
    ("notifications", 4),
];

fn rows() -> i32 {
    i32::try_from(LENGTHS.iter().map(|(_, length)| length).sum::<usize>()).unwrap()
}

fn lengths(document: &[u8]) -> [(&str, usize); 12] {
    let document = parse(document);
    LENGTHS.map(|(name, _)| (name, document[name].as_array().unwrap().len()))
}

/// A person who has some of everything.
async fn ada(world: &World) -> Person {
    let ada = world.person().await;
    let settings = User { time_zone: "Asia/Tokyo".into(), day_start_minutes: 240, ..User::default() };
    let update =
        UpdateMeRequest { user: Some(settings), update_mask: update_mask(&["time_zone", "day_start_minutes"]) };
    ada.user().update_me(update).await.unwrap();
    let category =
        Category { name: "Reading".into(), color: "#112233".into(), icon: "star".into(), ..Category::default() };
    let request = CreateCategoryRequest { category: Some(category), request_id: String::new() };
    let reading = ada.categories().create_category(request).await.unwrap().into_inner();

    let part = ada.task("Part").await;
    let whole = Task {
        title: "Whole \"thing\" \u{1F680}".into(),
        description: "two\nlines".into(),
        category_id: reading.id,
        tags: vec!["Deep".into(), "home".into()],
        estimated_minutes: 90,
        due_time: Some(later(60)),
        ..Task::default()
    };
    let whole = ada.create_task(whole).await.unwrap();
    // The part is older than what it is a part of.
    let update = Task { id: part.id.clone(), parent_id: whole.id.clone(), ..Task::default() };
    ada.update_task(update, &["parent_id"]).await.unwrap();
    let trashed = ada.task("Trashed").await;
    ada.tasks().delete_task(DeleteTaskRequest { id: trashed.id, etag: String::new() }).await.unwrap();
    ada.log(&whole.id, "2026-06-01T08:00:00.25Z", "2026-06-01T09:00:00Z").await.unwrap();
    ada.log("", "2026-06-01T09:00:00Z", "2026-06-01T09:30:00Z").await.unwrap();
    ada.start_timer(&part.id).await.unwrap();
    add_habit(&ada, whole.category_id).await;
    add_series(&ada).await;
    add_notification(&ada).await;
    ada
}

async fn add_habit(person: &Person, category_id: String) {
    let habit = Habit { name: "Read".into(), target_count: 2, category_id, ..Habit::default() };
    let create = CreateHabitRequest { habit: Some(habit), request_id: String::new() };
    let habit_id = person.habits().create_habit(create).await.unwrap().into_inner().id;
    for (day, count) in [("2026-06-14", 2), ("2026-06-15", 1)] {
        let log = HabitLog { habit_id: habit_id.clone(), local_date: day.into(), count, ..HabitLog::default() };
        person.habits().set_habit_log(SetHabitLogRequest { habit_log: Some(log) }).await.unwrap();
    }
    let vacation = Vacation { start_date: "2026-07-01".into(), end_date: "2026-07-14".into() };
    let vacations = Some(Vacations { vacations: vec![vacation] });
    person.habits().set_vacations(SetVacationsRequest { vacations }).await.unwrap();
}

async fn add_notification(person: &Person) {
    let habit = person.habits().list_habits(ListHabitsRequest::default()).await.unwrap().into_inner().habits.remove(0);
    let reminders = vec![HabitReminder { minutes: 1200, weekdays: vec![1, 5] }];
    let habit_reminders = Some(HabitReminders { habit_id: habit.id, reminders });
    person.notifications().set_habit_reminders(SetHabitRemindersRequest { habit_reminders }).await.unwrap();
    let settings = Some(NotificationSettings { digest: true, ..NotificationSettings::default() });
    let request = UpdateNotificationSettingsRequest { settings, update_mask: update_mask(&["digest"]) };
    person.notifications().update_notification_settings(request).await.unwrap();
}

/// Two, of which one has an open occurrence and the other one a week.
async fn add_series(person: &Person) {
    let weekly = Task { recurrence: "FREQ=WEEKLY;COUNT=3".into(), due_time: Some(later(60)), ..titled("Tidy") };
    person.create_task(weekly).await.unwrap();
    let mode = RecurrenceMode::Completion.into();
    let daily = Task { recurrence: "FREQ=DAILY".into(), recurrence_mode: mode, ..titled("Water") };
    person.create_task(daily).await.unwrap();
}

#[rstest]
#[case(Sqlite, Postgres)]
#[case(Postgres, Sqlite)]
#[tokio::test]
async fn a_document_goes_into_a_fresh_account_and_comes_out_the_same(#[case] from: Backend, #[case] to: Backend) {
    let world = World::start(from).await;
    let document = export(&ada(&world).await).await;
    assert_eq!(lengths(&document), LENGTHS);

    let elsewhere = World::start(to).await;
    let person = elsewhere.person().await;
    assert_eq!(import(&person, &document).await, (rows(), 0, 0));
    assert_eq!(content(&export(&person).await), content(&document));
    assert_eq!(import(&person, &document).await, (0, rows(), 0), "nothing is imported twice");
    assert_eq!(content(&export(&person).await), content(&document));
}

#[rstest]
#[tokio::test]
async fn another_account_of_the_same_server_gets_all_of_it_too(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let ada = ada(&world).await;
    let document = export(&ada).await;
    let person = world.person().await;
    assert_eq!(import(&person, &document).await, (rows(), 0, 0));
    assert_eq!(import(&person, &document).await, (0, rows(), 0), "nothing is imported twice");
    assert_eq!(export(&ada).await.len(), document.len(), "the other account is as it was");

    let copies = tasks(&person).await;
    let whole = copies.iter().find(|task| task.title.starts_with("Whole")).unwrap();
    let part = copies.iter().find(|task| task.title == "Part").unwrap();
    assert_eq!((part.parent_id.as_str(), whole.actual_minutes), (whole.id.as_str(), 60));
    assert!(!whole.category_id.is_empty());
    assert_eq!(person.get_task(&part.id).await.unwrap().title, "Part");
}

#[rstest]
#[tokio::test]
async fn an_account_that_has_something_keeps_it(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let document = export(&ada(&world).await).await;
    let elsewhere = World::start(on).await;
    let person = elsewhere.person().await;
    person.log("", "2026-06-01T09:15:00Z", "2026-06-01T09:20:00Z").await.unwrap();
    let source = ImportSource { format: Format::Focusflow.into(), ..ImportSource::default() };
    let summary = import_file(&person, source, &document).await.unwrap();
    // Work, Personal, Health and Learning are there; Reading is new. One log is in the way of another.
    assert_eq!(summary.counts(), (rows() - 5, 4, 1), "{summary:?}");
    let lines: Vec<&str> = std::str::from_utf8(&document).unwrap().lines().collect();
    let line = usize::try_from(summary.errors[0].0).unwrap();
    assert!(lines[line - 1].contains("09:30:00Z"), "{summary:?}");
    let exported = parse(&export(&person).await);
    assert_eq!(exported["user"]["timeZone"], "Europe/Berlin");
    assert_eq!(exported["categories"].as_array().unwrap().len(), 5);
}

#[rstest]
#[tokio::test]
async fn what_contradicts_itself_is_named_and_the_rest_is_imported(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.task("Plan").await;
    let mut document = parse(&export(&person).await);
    let good = document["tasks"][0].clone();
    let with = |id: &str, key: &str, value: Value| {
        let mut task = good.clone();
        task["id"] = json!(id);
        task[key] = value;
        task
    };
    let ids: Vec<String> = (0..6).map(|_| uuid::Uuid::now_v7().to_string()).collect();
    document["tasks"] = json!([
        with(&ids[0], "title", json!("")),
        with(&ids[1], "status", json!("COMPLETED")),
        with(&ids[2], "parentId", json!(ids[3])),
        with(&ids[3], "parentId", json!(ids[2])),
        with(&ids[4], "categoryId", json!(uuid::Uuid::now_v7())),
        with(&ids[4], "title", json!("Twice")),
        with(&ids[5], "createTime", json!("yesterday")),
    ]);
    let (categories, tasks) = (&document["categories"], &document["tasks"]);
    let text = format!(r#"{{"format":"focusflow","version":1,"later":[1],"categories":{categories},"tasks":{tasks}}}"#);
    let source = ImportSource { format: Format::Focusflow.into(), ..ImportSource::default() };
    let summary = import_file(&person, source, text.as_bytes()).await.unwrap();
    assert_eq!(summary.counts(), (3, 4, 4), "{summary:?}");
    let messages: Vec<&str> = summary.errors.iter().map(|(_, message)| message.as_str()).collect();
    for expected in ["title: must not be empty", "contradict each other", "is there twice", "createTime: must be"] {
        assert!(messages.iter().any(|message| message.contains(expected)), "{expected}: {messages:?}");
    }
    // Of two tasks that are parts of each other, one is.
    let tasks = crate::imports::tasks(&person).await;
    assert_eq!(tasks.iter().filter(|task| ids[2..4].contains(&task.parent_id)).count(), 1);
    assert_eq!(summary.notices.len(), 2, "{summary:?}");
    for expected in ["tasks: categoryId: names what is not in the document", "tasks: parentId: names the row itself"] {
        assert!(summary.notices.iter().any(|(_, notice)| notice.starts_with(expected)), "{expected}: {summary:?}");
    }
    // Four rows that came before, three that came, and the reference that had to wait.
    let changes = person.changes_so_far(5 + 1 + 3 + 1).await;
    assert!(ids[2..4].contains(&changes[9].resource_id), "who watches hears of the parent: {changes:?}");
}

#[rstest]
#[tokio::test]
async fn time_to_come_stays_out_and_time_on_a_series_loses_its_task(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let weekly = Task { recurrence: "FREQ=WEEKLY;COUNT=2".into(), ..titled("Tidy") };
    let series = person.create_task(weekly).await.unwrap();
    person.log("", "2026-06-01T09:00:00Z", "2026-06-01T09:30:00Z").await.unwrap();
    let document = parse(&export(&person).await);
    let log = document["timeLogs"][0].clone();
    let with = |start: &str, end: Value, task: Value| {
        let mut log = log.clone();
        log["id"] = json!(uuid::Uuid::now_v7());
        (log["startTime"], log["endTime"], log["taskId"]) = (json!(start), end, task);
        log
    };
    let logs = json!([
        with("2030-01-01T09:00:00Z", json!("2030-01-01T10:00:00Z"), Value::Null),
        with("2030-01-01T11:00:00Z", Value::Null, Value::Null),
        with("2026-06-02T09:00:00Z", json!("2026-06-02T10:00:00Z"), json!(series.id)),
    ]);
    let text = format!(r#"{{"format":"focusflow","version":1,"tasks":{},"timeLogs":{logs}}}"#, document["tasks"]);
    let source = ImportSource { format: Format::Focusflow.into(), ..ImportSource::default() };
    let summary = import_file(&person, source, text.as_bytes()).await.unwrap();
    let messages: Vec<&str> = summary.errors.iter().map(|(_, message)| message.as_str()).collect();
    let refused = [
        "timeLogs: endTime: must be at most 7 days from now",
        "timeLogs: startTime: must not be in the future while the timer runs",
    ];
    assert_eq!(messages, refused);
    assert_eq!(summary.notices[0].1, "timeLogs: taskId: names a series or a part of one, left empty");
    assert_eq!(crate::imports::logs(&person).await.len(), 2);
    assert_eq!(person.get_task(&series.id).await.unwrap().actual_minutes, 0);
}

#[rstest]
#[tokio::test]
async fn many_rows_are_exported_in_pages_and_none_is_missing(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let requests = (0..500).map(|number| titled(&format!("Task {number}")));
    let mut rows = "TYPE,CONTENT\n".to_owned();
    requests.for_each(|task| writeln!(rows, "task,{}", task.title).unwrap());
    for project in ["a", "b", "c"] {
        let source =
            ImportSource { format: Format::Todoist.into(), project: project.into(), ..ImportSource::default() };
        import_file(&person, source, rows.as_bytes()).await.unwrap();
    }
    let document = parse(&export(&person).await);
    let ids: std::collections::HashSet<&str> =
        document["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1_500);
}
