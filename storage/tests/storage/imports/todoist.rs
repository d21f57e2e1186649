use focusflow_proto::v1::import_source::Format;
use focusflow_proto::v1::task::Priority;
use focusflow_proto::v1::{DeleteTaskRequest, ImportSource, ListCategoriesRequest, Task};
use rstest::rstest;

use super::{Summary, import_file, tasks};
use crate::support::{Backend, Person, Postgres, Sqlite, World, at};

const HEADER: &str =
    "TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE,DURATION,DURATION_UNIT\n";

async fn import(person: &Person, project: &str, rows: &str) -> Summary {
    let source = ImportSource { format: Format::Todoist.into(), project: project.into(), ..ImportSource::default() };
    import_file(person, source, format!("\u{FEFF}{HEADER}{rows}").as_bytes()).await.unwrap()
}

async fn task(person: &Person, title: &str) -> Task {
    tasks(person).await.into_iter().find(|task| task.title == title).unwrap()
}

#[rstest]
#[tokio::test]
async fn a_project_comes_with_its_hierarchy_sections_labels_and_comments(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let rows = "task,Plan @work,About,1,1,Ada (1),,2026-07-01 09:30,en,,45,minute\n\
                note,first remark,,,,Ada (1),,,,,,\n\
                task,Part,,4,2,,,,,,,\n\
                ,,,,,,,,,,,\n\
                section,Later,,,,,,,,,,\n\
                task,Write,,,1,,,irgendwann,de,,,\n";
    let summary = import(&person, "House", rows).await;
    assert_eq!(summary.counts(), (4, 0, 0), "{summary:?}");
    assert_eq!(summary.notices.len(), 1);
    assert_eq!(summary.notices[0].0, 7);

    let plan = task(&person, "Plan").await;
    assert_eq!((plan.description.as_str(), plan.estimated_minutes), ("About\n\nfirst remark", 45));
    assert_eq!((plan.priority(), plan.tags.as_slice()), (Priority::Urgent, ["work".to_owned()].as_slice()));
    assert_eq!(plan.due_time, Some(at("2026-07-01T07:30:00Z")));
    assert_eq!(task(&person, "Part").await.parent_id, plan.id);
    let write = task(&person, "Write").await;
    assert_eq!((write.tags.as_slice(), write.due_time), (["Later".to_owned()].as_slice(), None));
    assert_eq!((write.description.as_str(), write.priority()), ("DATE: irgendwann", Priority::Urgent));

    let categories = person.categories().list_categories(ListCategoriesRequest::default()).await.unwrap().into_inner();
    let house = categories.categories.into_iter().find(|category| category.name == "House").unwrap();
    assert!(tasks(&person).await.iter().all(|task| task.category_id == house.id));
}

#[rstest]
#[tokio::test]
async fn a_file_that_has_grown_adds_what_is_new_to_what_is_there(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let rows = "task,Plan,,4,1,,,,,,,\nnote,one,,,,,,,,,,\ntask,Part,,4,2,,,,,,,\n";
    assert_eq!(import(&person, "", rows).await.counts(), (3, 0, 0));
    assert_eq!(import(&person, "", rows).await.counts(), (0, 3, 0));

    let grown = "task,Plan,,4,1,,,,,,,\nnote,one,,,,,,,,,,\nnote,two,,,,,,,,,,\ntask,Part,,4,2,,,,,,,\n\
                 task,Other part,,4,2,,,,,,,\n";
    assert_eq!(import(&person, "", grown).await.counts(), (2, 3, 0));
    let plan = task(&person, "Plan").await;
    assert_eq!(plan.description, "one\n\ntwo");
    assert_eq!(task(&person, "Other part").await.parent_id, plan.id);
    assert_eq!(import(&person, "Other", rows).await.counts(), (3, 0, 0), "another project has rows of its own");
}

#[rstest]
#[tokio::test]
async fn a_task_that_was_deleted_stays_so(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    import(&person, "", "task,Plan,,4,1,,,,,,,\n").await;
    let id = task(&person, "Plan").await.id;
    person.tasks().delete_task(DeleteTaskRequest { id, etag: String::new() }).await.unwrap();
    assert_eq!(import(&person, "", "task,Plan,,4,1,,,,,,,\n").await.counts(), (0, 1, 0));
    assert!(tasks(&person).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_broken_line_is_named_and_its_parts_move_up(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let rows = "task,Plan,,4,1,,,,,,,\ntask,Broken,,high,2,,,,,,,\ntask,Part,,4,3,,,,,,,\nstory,x,,,,,,,,,,\n";
    let summary = import(&person, "", rows).await;
    assert_eq!(summary.counts(), (2, 0, 2));
    assert_eq!(summary.errors[0], (3, "PRIORITY: must be a number from 1 to 4, not `high`".into()));
    assert_eq!(summary.errors[1].0, 5);
    assert_eq!(task(&person, "Part").await.parent_id, task(&person, "Plan").await.id);
}

fn series_of(tasks: &[Task]) -> Vec<&Task> {
    tasks.iter().filter(|task| !task.recurrence.is_empty()).collect()
}

#[rstest]
#[tokio::test]
async fn a_date_that_repeats_makes_a_series_with_its_parts(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    // It is Monday, 15 June 2026.
    let rows = "task,Tidy,,4,1,,,every monday at 18:00,en,,,\n\
                task,Kitchen,,4,2,,,,,,,\n\
                task,Water,,4,1,,,every! 3 days,en,,,\n";
    let summary = import(&person, "", rows).await;
    assert_eq!((summary.counts(), summary.notices.len()), ((3, 0, 0), 0), "{summary:?}");
    let all = tasks(&person).await;
    let series = series_of(&all);
    let tidy = series.iter().find(|task| task.title == "Tidy").unwrap();
    assert_eq!(
        (tidy.recurrence.as_str(), tidy.recurrence_start.as_str()),
        ("FREQ=WEEKLY;BYDAY=MO", "2026-06-15T18:00:00")
    );
    let water = series.iter().find(|task| task.title == "Water").unwrap();
    assert_eq!(water.recurrence_mode(), focusflow_proto::v1::task::RecurrenceMode::Completion);

    let occurrences: Vec<&Task> = all.iter().filter(|task| task.series_id == tidy.id).collect();
    assert!(occurrences.iter().any(|task| task.due_time == Some(at("2026-06-22T16:00:00Z"))), "{occurrences:?}");
    let first = occurrences.iter().find(|task| task.occurrence_date == "2026-06-15").unwrap();
    assert!(all.iter().any(|task| task.title == "Kitchen" && task.parent_id == first.id), "parts are copied");

    let count = all.len();
    assert_eq!(import(&person, "", rows).await.counts(), (0, 3, 0));
    assert_eq!(tasks(&person).await.len(), count);
    let grown = format!("{rows}task,Balcony,,4,1,,,,,,,\n").replace("task,Water", "task,Bath,,4,2,,,,,,,\ntask,Water");
    let summary = import(&person, "", &grown).await;
    assert_eq!((summary.counts(), summary.notices.len()), ((2, 3, 0), 0), "{summary:?}");
    let all = tasks(&person).await;
    assert!(all.iter().any(|task| task.title == "Bath" && task.parent_id == first.id), "a new part is copied too");
}

#[rstest]
#[tokio::test]
async fn a_part_that_repeats_within_a_series_keeps_its_rule_as_text(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let rows = "task,Tidy,,4,1,,,every monday,en,,,\ntask,Kitchen,,4,2,,,every day,en,,,\n";
    let summary = import(&person, "", rows).await;
    assert_eq!(summary.counts(), (2, 0, 0));
    assert_eq!(summary.notices[0].0, 3);
    let all = tasks(&person).await;
    assert_eq!(series_of(&all).len(), 1);
    assert!(all.iter().any(|task| task.title == "Kitchen" && task.description == "Repeats: FREQ=DAILY"));
}
