use std::io::{Cursor, Write as _};

use focusflow_proto::v1::habit::Period;
use focusflow_proto::v1::import_source::Format;
use focusflow_proto::v1::{
    DeleteHabitRequest, Habit, HabitLog, ImportSource, ListHabitLogsRequest, ListHabitsRequest, SetHabitLogRequest,
};
use rstest::rstest;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tonic::Status;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Summary, import_file};
use crate::support::{Backend, Person, Postgres, Sqlite, World, wrong_field};

const HABITS: &str = "Position,Name,Type,Question,Description,FrequencyNumerator,FrequencyDenominator,Color,Unit,\
                      Target Type,Target Value,Archived?\n\
                      001,Read,YES_NO,Did you?,,3,7,#ffffff,,,,false\n\
                      002,Run,NUMERICAL,,,1,1,#ffffff,km,AT_LEAST,5.0,true\n";
const READ: &str = "Date,Value,Notes\n2026-06-14,2,good\n2026-06-13,3,\n2026-06-12,0,\n2026-06-11,1,\n";
const RUN: &str = "Date,Value,Notes\n2026-06-14,5500,\n";

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn files(read: &str) -> [(&'static str, &str); 3] {
    [("Habits.csv", HABITS), ("001 Read/Checkmarks.csv", read), ("002 Run/Checkmarks.csv", RUN)]
}

async fn backup() -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = SqliteConnectOptions::new().filename(file.path());
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let statements = "CREATE TABLE Habits (id INTEGER PRIMARY KEY, name TEXT, freq_num INTEGER, freq_den INTEGER);
         CREATE TABLE Repetitions (id INTEGER PRIMARY KEY, habit INTEGER, timestamp INTEGER, value INTEGER);
         INSERT INTO Habits VALUES (1, 'Read', 3, 7);
         INSERT INTO Repetitions VALUES (1, 1, 1781395200000, 2), (2, 1, 1781136000000, 2);";
    sqlx::raw_sql(statements).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    std::fs::read(file.path()).unwrap()
}

async fn import(person: &Person, file: &[u8]) -> Result<Summary, Status> {
    import_file(person, ImportSource { format: Format::Loop.into(), ..ImportSource::default() }, file).await
}

async fn habits(person: &Person) -> Vec<Habit> {
    let request = ListHabitsRequest { show_archived: true };
    person.habits().list_habits(request).await.unwrap().into_inner().habits
}

async fn logs(person: &Person, habit: &Habit) -> Vec<HabitLog> {
    let request = ListHabitLogsRequest { habit_id: habit.id.clone(), ..ListHabitLogsRequest::default() };
    person.habits().list_habit_logs(request).await.unwrap().into_inner().habit_logs
}

#[rstest]
#[tokio::test]
async fn habits_come_with_what_was_done_of_them(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let summary = import(&person, &archive(&files(READ))).await.unwrap();
    assert_eq!(summary.counts(), (2 + 3, 0, 0), "{summary:?}");
    let [read, run] = habits(&person).await.try_into().unwrap();
    assert_eq!((read.name.as_str(), read.target_count, read.period()), ("Read", 3, Period::Week));
    assert_eq!((read.description.as_str(), read.archived), ("Did you?", false));
    assert_eq!((run.name.as_str(), run.target_count, run.period(), run.archived), ("Run", 5, Period::Day, true));
    let [skipped, done] = logs(&person, &read).await.try_into().unwrap();
    assert_eq!((skipped.local_date.as_str(), skipped.skipped, skipped.count), ("2026-06-13", true, 0));
    assert_eq!((done.local_date.as_str(), done.count, done.notes.as_str()), ("2026-06-14", 1, "good"));
    let [ran] = logs(&person, &run).await.try_into().unwrap();
    assert_eq!((ran.count, ran.notes.as_str()), (6, "5.5 km"));
}

#[rstest]
#[tokio::test]
async fn a_backup_goes_on_where_an_archive_ended(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let file = archive(&files(READ));
    import(&person, &file).await.unwrap();
    assert_eq!(import(&person, &file).await.unwrap().counts(), (0, 5, 0));
    // Of 14 June the archive knew, 11 June is new.
    let summary = import(&person, &backup().await).await.unwrap();
    assert_eq!(summary.counts(), (1, 2, 0), "{summary:?}");
    assert_eq!(logs(&person, &habits(&person).await[0]).await.len(), 3);
}

#[rstest]
#[tokio::test]
async fn a_habit_of_the_same_name_and_its_logs_stay_as_they_are(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = Habit { name: "read".into(), target_count: 1, ..Habit::default() };
    let create = focusflow_proto::v1::CreateHabitRequest { habit: Some(habit), request_id: String::new() };
    let own = person.habits().create_habit(create).await.unwrap().into_inner();
    let log = HabitLog { habit_id: own.id.clone(), local_date: "2026-06-14".into(), count: 7, ..HabitLog::default() };
    person.habits().set_habit_log(SetHabitLogRequest { habit_log: Some(log) }).await.unwrap();
    assert_eq!(import(&person, &archive(&files(READ))).await.unwrap().counts(), (3, 2, 0));
    let logs = logs(&person, &own).await;
    assert_eq!(logs.iter().map(|log| log.count).collect::<Vec<_>>(), [0, 7]);

    person.habits().delete_habit(DeleteHabitRequest { id: own.id, etag: String::new() }).await.unwrap();
    assert_eq!(import(&person, &archive(&files(READ))).await.unwrap().counts(), (0, 5, 0), "deleted stays deleted");
}

#[rstest]
#[tokio::test]
async fn broken_lines_are_named_with_their_files(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let read = "Date,Value\n2026-06-14,2\nyesterday,2\n2026-06-13,many\n2026-06-16,2\n";
    let summary = import(&person, &archive(&files(read))).await.unwrap();
    assert_eq!(summary.counts(), (2 + 2, 0, 3), "{summary:?}");
    assert_eq!(summary.errors[0].0, 3);
    assert!(summary.errors[0].1.starts_with("001 Read/Checkmarks.csv: Date: "), "{summary:?}");
    let (line, future) = summary.errors.iter().find(|(_, message)| message.contains("2026-06-16")).unwrap();
    assert_eq!(*line, 5, "{summary:?}");
    assert!(future.starts_with("001 Read/Checkmarks.csv: Date: "), "not yet: {summary:?}");
}

#[rstest]
#[tokio::test]
async fn what_is_no_file_of_loops_is_refused(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for file in [b"Date,Value\n".to_vec(), archive(&[("other.csv", "")]), b"SQLite format 3\0 no more".to_vec()] {
        assert_eq!(wrong_field(import(&person, &file).await), "data");
    }
    assert!(habits(&person).await.is_empty());
}
