use std::cmp::Ordering;
use std::collections::HashSet;

use chrono::TimeDelta;
use focusflow_proto::v1::task::{Priority, Status as TaskStatus};
use focusflow_proto::v1::{
    DeleteTaskRequest, DeleteTimeLogRequest, ListTasksRequest, Task, TimeLog, UpdateTimeLogRequest,
};
use prost::Message as _;
use prost_types::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rstest::rstest;

use crate::support::{Backend, Person, Postgres, Sqlite, World, at, later, titled, update_mask, wrong_field};

async fn titles(person: &Person, request: ListTasksRequest) -> Vec<String> {
    person.list_tasks(request).await.unwrap().tasks.into_iter().map(|task| task.title).collect()
}

/// The titles of what a filter shows, in their order.
async fn filtered(person: &Person, filter: &str) -> Vec<String> {
    let order_by = "title".to_owned();
    titles(person, ListTasksRequest { filter: filter.into(), order_by, ..ListTasksRequest::default() }).await
}

async fn ordered(person: &Person, order_by: &str) -> Vec<String> {
    titles(person, ListTasksRequest { order_by: order_by.into(), ..ListTasksRequest::default() }).await
}

/// The titles of what a search finds, in their order.
async fn found(person: &Person, query: &str) -> Vec<String> {
    let order_by = "title".to_owned();
    titles(person, ListTasksRequest { query: query.into(), order_by, ..ListTasksRequest::default() }).await
}

async fn create(person: &Person, task: Task) -> Task {
    person.create_task(task).await.unwrap()
}

async fn trash(person: &Person, task: &Task) {
    person.tasks().delete_task(DeleteTaskRequest { id: task.id.clone(), etag: String::new() }).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_filter_shows_what_it_says(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let whole = create(
        &person,
        Task {
            priority: Priority::Urgent.into(),
            due_time: Some(later(60)),
            estimated_minutes: 30,
            tags: vec!["Deep".into(), "a:b".into()],
            description: "100% of the Report_1".into(),
            ..titled("Whole")
        },
    )
    .await;
    let part = Task { parent_id: whole.id.clone(), priority: Priority::Low.into(), ..titled("Ärger") };
    let part = create(&person, part).await;
    let done = Task { status: TaskStatus::Completed.into(), ..titled("Done (well)") };
    create(&person, done).await;
    person.log(&part.id, "2026-06-15T08:00:00Z", "2026-06-15T08:44:31Z").await.unwrap();
    create(&world.person().await, titled("Theirs")).await;

    let (all, none) = (["Done (well)", "Whole", "Ärger"], [""; 0]);
    let cases: [(&str, &[&str]); 37] = [
        ("", &all),
        ("status = COMPLETED", &["Done (well)"]),
        ("status != COMPLETED", &["Whole", "Ärger"]),
        ("status = (PENDING OR IN_PROGRESS)", &["Whole", "Ärger"]),
        ("priority >= MEDIUM", &["Done (well)", "Whole"]),
        ("priority < LOW", &none),
        ("NOT priority < LOW", &all),
        ("title = WHOLE", &["Whole"]),
        ("title:ärg OR title:\"(WELL)\"", &["Done (well)", "Ärger"]),
        ("title:\"%\"", &none),
        ("description:\"100% of\"", &["Whole"]),
        ("description:\"100_\"", &none),
        ("description:t_1", &["Whole"]),
        ("description:\"\\\\\"", &none),
        ("description:*", &["Whole"]),
        ("-description:*", &["Done (well)", "Ärger"]),
        ("tags:DEEP", &["Whole"]),
        ("tags:a:b", &["Whole"]),
        ("-tags:deep", &["Done (well)", "Ärger"]),
        ("tags:*", &["Whole"]),
        ("parent_id:*", &["Ärger"]),
        ("parent_id = \"\"", &["Done (well)", "Whole"]),
        ("category_id:*", &none),
        ("estimated_minutes >= 30", &["Whole"]),
        ("estimated_minutes:*", &["Whole"]),
        ("actual_minutes = 45", &["Ärger"]),
        ("actual_minutes > 45", &none),
        ("due_time < 2026-06-15T13:00:01+02:00", &["Whole"]),
        ("due_time < 2026-06-15T11:00:00Z", &none),
        ("NOT due_time < 2026-06-15T11:00:00Z", &all),
        ("due_time != 2026-06-15T11:00:00Z", &["Done (well)", "Ärger"]),
        ("complete_time:* AND create_time = 2026-06-15T10:00:00Z", &["Done (well)"]),
        ("whole OR done", &["Done (well)", "Whole"]),
        ("report", &["Whole"]),
        ("repor", &none),
        ("status = COMPLETED OR priority = LOW AND -title:done", &["Ärger"]),
        ("NOT (status = COMPLETED AND due_time < 2026-06-15T11:00:00Z)", &all),
    ];
    for (filter, expected) in cases {
        assert_eq!(filtered(&person, filter).await, expected, "{filter}");
    }
    assert_eq!(filtered(&person, &format!("parent_id = {}", whole.id)).await, ["Ärger"]);
}

#[rstest]
#[tokio::test]
async fn occurrences_are_found_by_their_series_and_date(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = Task { recurrence: "FREQ=DAILY;COUNT=3".into(), due_time: Some(later(60)), ..titled("Daily") };
    let series = create(&person, daily).await;
    create(&person, titled("Once")).await;
    let dates = async |filter: &str, show_series: bool| {
        let order_by = "due_time".to_owned();
        let request = ListTasksRequest { filter: filter.into(), order_by, show_series, ..ListTasksRequest::default() };
        let tasks = person.list_tasks(request).await.unwrap().tasks;
        tasks.into_iter().map(|task| task.occurrence_date).collect::<Vec<_>>()
    };
    let all = ["2026-06-15", "2026-06-16", "2026-06-17"];
    assert_eq!(dates(&format!("series_id = {}", series.id), false).await, all);
    assert_eq!(dates("series_id:*", false).await, all);
    assert_eq!(dates("occurrence_date > 2026-06-15", false).await, all[1..]);
    assert_eq!(dates("occurrence_date:* AND NOT occurrence_date = 2026-06-16", false).await, [all[0], all[2]]);
    assert_eq!(dates("recurrence:*", false).await, [""; 0]);
    assert_eq!(dates("recurrence:*", true).await, [""]);
    assert_eq!(dates("-series_id:* -recurrence:*", true).await, [""], "what happens once");
    assert_eq!(dates("postponement_count > 0", true).await, [""; 0]);
}

#[rstest]
#[tokio::test]
async fn a_search_finds_words_in_title_description_and_notes(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let report = create(&person, Task { description: "For Großmann, v1.2".into(), ..titled("Write the REPORT") }).await;
    let read = person.task("Read well-known e-mails").await;
    person.task("Report nothing").await;
    create(&world.person().await, titled("Report of others")).await;
    let log = person.log(&read.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    let note = async |notes: &str| {
        let time_log = Some(TimeLog { id: log.id.clone(), notes: notes.into(), ..TimeLog::default() });
        let request =
            UpdateTimeLogRequest { time_log, update_mask: update_mask(&["notes"]), ..UpdateTimeLogRequest::default() };
        person.time_logs().update_time_log(request).await.unwrap();
    };
    note("Answered Zoë about the report").await;

    let cases: [(&str, &[&str]); 14] = [
        ("report", &["Read well-known e-mails", "Report nothing", "Write the REPORT"]),
        ("report write", &["Write the REPORT"]),
        ("the, report!", &["Read well-known e-mails", "Write the REPORT"]),
        ("write rep", &["Write the REPORT"]),
        ("rep write", &[]),
        ("rep ", &[]),
        ("GROSSMANN", &["Write the REPORT"]),
        ("GROẞMANN", &["Write the REPORT"]),
        ("v1.2", &["Write the REPORT"]),
        ("zoë known", &["Read well-known e-mails"]),
        ("known-well", &["Read well-known e-mails"]),
        ("AND", &[]),
        ("  ", &["Read well-known e-mails", "Report nothing", "Write the REPORT"]),
        ("nothing\" OR \"report", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&person, query).await, expected, "{query}");
    }

    note("Answered").await;
    assert_eq!(found(&person, "zoë").await, [""; 0], "no longer noted");
    assert_eq!(found(&person, "answered").await, ["Read well-known e-mails"]);
    person.time_logs().delete_time_log(DeleteTimeLogRequest { id: log.id.clone() }).await.unwrap();
    assert_eq!(found(&person, "answered").await, [""; 0], "no longer logged");
    person.update_task(Task { id: report.id, title: "Letter".into(), ..Task::default() }, &["title"]).await.unwrap();
    assert_eq!(found(&person, "report").await, ["Report nothing"]);
    assert_eq!(found(&person, "letter").await, ["Letter"]);
}

#[rstest]
#[tokio::test]
async fn what_a_task_does_not_have_comes_last_in_both_directions(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let due = |minutes| Some(later(minutes));
    create(&person, Task { due_time: due(2), priority: Priority::Low.into(), ..titled("b") }).await;
    create(&person, Task { estimated_minutes: 5, ..titled("Ca") }).await;
    create(&person, Task { due_time: due(1), estimated_minutes: 9, ..titled("ä") }).await;
    create(&person, Task { due_time: due(1), priority: Priority::Urgent.into(), ..titled("A") }).await;
    let done = Task { status: TaskStatus::Completed.into(), due_time: due(2), ..titled("cb") };
    create(&person, done).await;

    let cases: [(&str, [&str; 5]); 10] = [
        ("", ["cb", "A", "ä", "Ca", "b"]),
        ("create_time", ["b", "Ca", "ä", "A", "cb"]),
        ("title", ["A", "b", "Ca", "cb", "ä"]),
        ("title desc", ["ä", "cb", "Ca", "b", "A"]),
        ("due_time", ["ä", "A", "b", "cb", "Ca"]),
        ("due_time desc", ["cb", "b", "A", "ä", "Ca"]),
        ("due_time, priority desc", ["A", "ä", "cb", "b", "Ca"]),
        ("estimated_minutes desc, title", ["ä", "Ca", "A", "b", "cb"]),
        ("priority, title desc", ["b", "ä", "cb", "Ca", "A"]),
        ("status desc, complete_time, update_time, title", ["cb", "A", "b", "Ca", "ä"]),
    ];
    for (order_by, expected) in cases {
        assert_eq!(ordered(&person, order_by).await, expected, "{order_by}");
    }
}

#[rstest]
#[tokio::test]
async fn what_is_not_understood_is_refused_by_field_and_column(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let base = ListTasksRequest::default;
    let status = person.list_tasks(ListTasksRequest { filter: "a AND colour = RED".into(), ..base() }).await;
    assert!(status.clone().unwrap_err().message().starts_with("filter: at column 7: there is no field `colour`"));
    assert_eq!(wrong_field(status), "filter");
    let refused = [
        ("filter", ListTasksRequest { filter: "(".repeat(4_001), ..base() }),
        ("filter", ListTasksRequest { filter: "title = \"\0\"".into(), ..base() }),
        ("order_by", ListTasksRequest { order_by: "colour".into(), ..base() }),
        ("query", ListTasksRequest { query: "?".into(), ..base() }),
        ("query", ListTasksRequest { query: "a b c d e f g h i j k".into(), ..base() }),
        ("query", ListTasksRequest { query: "a".repeat(501), ..base() }),
        ("page_size", ListTasksRequest { page_size: -1, ..base() }),
    ];
    for (field, request) in refused {
        assert_eq!(wrong_field(person.list_tasks(request).await), field);
    }
}

#[rstest]
#[tokio::test]
async fn a_token_is_good_for_its_own_list_only(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for title in ["a", "b", "c"] {
        person.task(title).await;
    }
    let request = ListTasksRequest { page_size: 1, order_by: "title".into(), ..ListTasksRequest::default() };
    let page_token = person.list_tasks(request.clone()).await.unwrap().next_page_token;
    let next = ListTasksRequest { page_token, ..request };
    assert_eq!(titles(&person, next.clone()).await, ["b"]);
    let others = [
        ListTasksRequest { order_by: "title desc".into(), ..next.clone() },
        ListTasksRequest { filter: "title:a".into(), ..next.clone() },
        ListTasksRequest { query: "a".into(), ..next.clone() },
        ListTasksRequest { show_deleted: true, ..next.clone() },
    ];
    for other in others {
        assert_eq!(wrong_field(person.list_tasks(other).await), "page_token");
    }
    assert_eq!(wrong_field(world.person().await.list_tasks(next).await), "page_token");
}

#[rstest]
#[tokio::test]
async fn the_trash_is_a_list_of_what_can_be_taken_back(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let (early, late) = (person.task("early").await, person.task("late").await);
    person.task("kept").await;
    // A task with logged time is not forgotten after its time in the trash, but it is out of sight.
    person.log(&early.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    trash(&person, &early).await;
    world.clock.advance(TimeDelta::days(1));
    trash(&person, &late).await;
    let trashed = || ListTasksRequest {
        filter: "delete_time:*".into(),
        order_by: "title".into(),
        show_deleted: true,
        ..ListTasksRequest::default()
    };
    let found = person.list_tasks(trashed()).await.unwrap().tasks;
    assert_eq!(found.iter().map(|task| task.title.as_str()).collect::<Vec<_>>(), ["early", "late"]);
    assert_eq!((found[0].delete_time, found[0].expire_time), (Some(later(0)), Some(at("2026-07-15T10:00:00Z"))));
    assert_eq!(titles(&person, ListTasksRequest { show_deleted: false, ..trashed() }).await, [""; 0]);
    assert_eq!(ordered(&person, "").await, ["kept"]);

    world.clock.advance(TimeDelta::days(29));
    assert_eq!(titles(&person, trashed()).await, ["late"]);
}

#[rstest]
#[tokio::test]
async fn a_page_of_long_tasks_is_as_long_as_an_answer_can_be(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for number in 0..110 {
        let description = "ü€".repeat(10_000);
        create(&person, Task { description, ..titled(&format!("{number:03}")) }).await;
    }
    let mut request = ListTasksRequest { page_size: 1000, order_by: "title".into(), ..ListTasksRequest::default() };
    let mut walked = Vec::new();
    loop {
        let page = person.list_tasks(request.clone()).await.unwrap();
        assert!(page.encoded_len() < 4 * 1024 * 1024, "{} bytes", page.encoded_len());
        walked.extend(page.tasks.into_iter().map(|task| task.title));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(walked, (0..110).map(|number| format!("{number:03}")).collect::<Vec<_>>());
}

/// A filter and what it means.
struct Meaning {
    text: String,
    holds: Box<dyn Fn(&Task) -> bool>,
}

impl Meaning {
    fn of(text: impl Into<String>, holds: impl Fn(&Task) -> bool + 'static) -> Self {
        Self { text: text.into(), holds: Box::new(holds) }
    }
}

const WORDS: [&str; 6] = ["alpha", "Beta", "gamma", "Ärger", "delta-4", "100%"];
const TAGS: [&str; 3] = ["Home", "deep work", "x"];
const STATUSES: [TaskStatus; 4] =
    [TaskStatus::Pending, TaskStatus::InProgress, TaskStatus::Completed, TaskStatus::Cancelled];
const PRIORITIES: [Priority; 4] = [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent];
const COMPARATORS: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];

fn compare<T: Ord>(comparator: &str, left: &T, right: &T) -> bool {
    let ordering = left.cmp(right);
    match comparator {
        "=" => ordering == Ordering::Equal,
        "!=" => ordering != Ordering::Equal,
        "<" => ordering == Ordering::Less,
        "<=" => ordering != Ordering::Greater,
        ">" => ordering == Ordering::Greater,
        _ => ordering != Ordering::Less,
    }
}

fn instant(time: Timestamp) -> (i64, i32) {
    (time.seconds, time.nanos)
}

fn minute(minute: i64) -> String {
    let time = later(minute);
    chrono::DateTime::from_timestamp(time.seconds, 0).unwrap().to_rfc3339()
}

fn words_of(text: &str) -> HashSet<String> {
    let folded = text.to_lowercase();
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn random_leaf(random: &mut StdRng) -> Meaning {
    let comparator = *COMPARATORS.choose(random).unwrap();
    match random.random_range(0..9) {
        0 => {
            let status = *STATUSES.choose(random).unwrap();
            Meaning::of(format!("status = {}", status.as_str_name()), move |task| task.status() == status)
        }
        1 => {
            let priority = *PRIORITIES.choose(random).unwrap();
            let text = format!("priority {comparator} {}", priority.as_str_name());
            Meaning::of(text, move |task| compare(comparator, &task.priority, &priority.into()))
        }
        2 => {
            let at = random.random_range(-3..3);
            Meaning::of(format!("due_time{comparator}{}", minute(at)), move |task| match task.due_time {
                Some(due) => compare(comparator, &instant(due), &instant(later(at))),
                None => comparator == "!=",
            })
        }
        3 => Meaning::of("due_time:*", |task| task.due_time.is_some()),
        4 => {
            let minutes = random.random_range(0..4) * 10;
            let text = format!("estimated_minutes {comparator} {minutes}");
            Meaning::of(text, move |task| compare(comparator, &task.estimated_minutes, &minutes))
        }
        5 => {
            let tag = *TAGS.choose(random).unwrap();
            let has = move |task: &Task| task.tags.iter().any(|own| own.to_lowercase() == tag.to_lowercase());
            Meaning::of(format!("tags:\"{tag}\""), has)
        }
        6 => {
            let word = *WORDS.choose(random).unwrap();
            let part: String = word.chars().take(random.random_range(1..=word.chars().count())).collect();
            let text = format!("title:\"{}\"", part.to_uppercase());
            Meaning::of(text, move |task| task.title.to_lowercase().contains(&part.to_lowercase()))
        }
        7 => {
            let word = *WORDS.choose(random).unwrap();
            let wanted = words_of(word);
            let holds = move |task: &Task| {
                let mut words = words_of(&task.title);
                words.extend(words_of(&task.description));
                wanted.is_subset(&words)
            };
            Meaning::of(format!("'{word}'"), holds)
        }
        _ => Meaning::of("parent_id:*", |task| !task.parent_id.is_empty()),
    }
}

fn random_filter(random: &mut StdRng, depth: u32) -> Meaning {
    if depth == 0 || random.random_bool(0.2) {
        return random_leaf(random);
    }
    let (left, right) = (random_filter(random, depth - 1), random_filter(random, depth - 1));
    let (one, two) = (left.holds, right.holds);
    match random.random_range(0..5) {
        0 => Meaning::of(format!("NOT ({})", left.text), move |task| !one(task)),
        1 => Meaning::of(format!("-({})", left.text), move |task| !one(task)),
        2 => Meaning::of(format!("({}) OR ({})", left.text, right.text), move |task| one(task) || two(task)),
        3 => Meaning::of(format!("({}) ({})", left.text, right.text), move |task| one(task) && two(task)),
        _ => Meaning::of(format!("({}) AND ({})", left.text, right.text), move |task| one(task) && two(task)),
    }
}

/// Compares as a person would: what is not there comes last.
fn compare_by(key: &str, descending: bool, left: &Task, right: &Task) -> Ordering {
    fn last<T: Ord>(left: Option<T>, right: Option<T>, descending: bool) -> Ordering {
        match (left, right) {
            (Some(left), Some(right)) if descending => right.cmp(&left),
            (Some(left), Some(right)) => left.cmp(&right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        }
    }
    let time = |time: Option<Timestamp>| time.map(instant);
    match key {
        "create_time" => last(time(left.create_time), time(right.create_time), descending),
        "update_time" => last(time(left.update_time), time(right.update_time), descending),
        "due_time" => last(time(left.due_time), time(right.due_time), descending),
        "complete_time" => last(time(left.complete_time), time(right.complete_time), descending),
        "priority" => last(Some(left.priority), Some(right.priority), descending),
        "status" => last(Some(left.status), Some(right.status), descending),
        "estimated_minutes" => {
            let minutes = |task: &Task| Some(task.estimated_minutes).filter(|minutes| *minutes > 0);
            last(minutes(left), minutes(right), descending)
        }
        _ => last(Some(left.title.to_lowercase()), Some(right.title.to_lowercase()), descending),
    }
}

const KEYS: [&str; 8] =
    ["create_time", "update_time", "due_time", "complete_time", "priority", "status", "estimated_minutes", "title"];

fn random_order(random: &mut StdRng) -> Vec<(&'static str, bool)> {
    let count = random.random_range(1..=3);
    let keys: Vec<&'static str> = KEYS.choose_multiple(random, count).copied().collect();
    keys.into_iter().map(|key| (key, random.random_bool(0.5))).collect()
}

fn random_task(random: &mut StdRng, parent: Option<&Task>) -> Task {
    let text = |random: &mut StdRng| {
        let count = random.random_range(1..4);
        (0..count).map(|_| *WORDS.choose(random).unwrap()).collect::<Vec<_>>().join(" ")
    };
    let title = text(random);
    Task {
        description: if random.random_bool(0.5) { text(random) } else { String::new() },
        status: (*STATUSES.choose(random).unwrap()).into(),
        priority: (*PRIORITIES.choose(random).unwrap()).into(),
        estimated_minutes: random.random_range(0..4) * 10,
        due_time: random.random_bool(0.6).then(|| later(random.random_range(-3..3))),
        tags: TAGS.iter().filter(|_| random.random_bool(0.3)).map(|tag| (*tag).to_owned()).collect(),
        parent_id: parent.filter(|_| random.random_bool(0.3)).map(|task| task.id.clone()).unwrap_or_default(),
        ..titled(&title)
    }
}

async fn walk(person: &Person, mut request: ListTasksRequest) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = person.list_tasks(request.clone()).await.unwrap();
        ids.extend(page.tasks.into_iter().map(|task| task.id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return ids;
        }
    }
}

#[rstest]
#[tokio::test]
async fn the_pages_of_any_filter_and_order_are_what_a_naive_reading_finds(#[values(Sqlite, Postgres)] on: Backend) {
    let random = &mut StdRng::seed_from_u64(20_260_615);
    let world = World::start(on).await;
    let person = world.person().await;
    let mut tasks: Vec<Task> = Vec::new();
    for _ in 0..60 {
        world.clock.advance(TimeDelta::seconds(random.random_range(0..2)));
        let task = random_task(random, tasks.last());
        tasks.push(create(&person, task).await);
    }

    for _ in 0..120 {
        let depth = random.random_range(0..4);
        let filter = random_filter(random, depth);
        let order = random_order(random);
        let descends = |key: &(&str, bool)| if key.1 { format!("{} desc", key.0) } else { key.0.to_owned() };
        let order_by = order.iter().map(descends).collect::<Vec<_>>().join(", ");
        let page_size = random.random_range(1..30);

        let mut expected: Vec<&Task> = tasks.iter().filter(|task| (filter.holds)(task)).collect();
        expected.sort_by(|left, right| {
            let by_keys = order.iter().map(|(key, descending)| compare_by(key, *descending, left, right));
            let ids = if order.last().unwrap().1 { right.id.cmp(&left.id) } else { left.id.cmp(&right.id) };
            by_keys.fold(Ordering::Equal, Ordering::then).then(ids)
        });
        let expected: Vec<String> = expected.into_iter().map(|task| task.id.clone()).collect();
        let request = ListTasksRequest {
            filter: filter.text.clone(),
            order_by: order_by.clone(),
            page_size,
            ..ListTasksRequest::default()
        };
        assert_eq!(walk(&person, request).await, expected, "{} by {order_by} in {page_size}", filter.text);
    }
}
