mod loop_tracker;
mod todoist;
mod toggl;

use std::fmt::Write as _;

use chrono::TimeDelta;
use focusflow_proto::v1::import_request::Part;
use focusflow_proto::v1::import_source::Format;
use focusflow_proto::v1::summarize_time_logs_request::GroupBy;
use focusflow_proto::v1::task::Status as TaskStatus;
use focusflow_proto::v1::{
    ImportProgress, ImportRequest, ImportResponse, ImportSource, ListTasksRequest, ListTimeLogsRequest,
    SummarizeTimeLogsRequest, Task, TimeLog,
};
use tonic::Status;

use crate::support::{Backend, Person, Postgres, Sqlite, World, at, wrong_field};
use rstest::rstest;

const HEADER: &str = "\"X.words\",\"word_cnt\",\"description\",\"DONE\",\"date\",\"estimate\",\"actual\"\n";

/// What an import answered, all in all.
#[derive(Debug)]
pub(crate) struct Summary {
    progress: ImportProgress,
    pub(crate) errors: Vec<(i32, String)>,
    pub(crate) notices: Vec<(i32, String)>,
    answers: usize,
}

impl Summary {
    /// Imported, known, skipped.
    pub(crate) fn counts(&self) -> (i32, i32, i32) {
        (self.progress.rows_imported, self.progress.rows_known, self.progress.rows_skipped)
    }
}

fn source(format: Format) -> ImportRequest {
    source_with(ImportSource { format: format.into(), ..ImportSource::default() })
}

fn source_with(source: ImportSource) -> ImportRequest {
    ImportRequest { part: Some(Part::Source(source)) }
}

fn piece(data: &[u8]) -> ImportRequest {
    ImportRequest { part: Some(Part::Data(data.to_vec())) }
}

async fn send(person: &Person, messages: Vec<ImportRequest>) -> Result<Summary, Status> {
    let mut stream = person.imports().import(tokio_stream::iter(messages)).await?.into_inner();
    let mut summary =
        Summary { progress: ImportProgress::default(), errors: Vec::new(), notices: Vec::new(), answers: 0 };
    let mut is_done = false;
    while let Some(ImportResponse { progress, errors, done, notices }) = stream.message().await? {
        assert!(!is_done, "the summary is the last answer");
        summary.progress = progress.unwrap();
        summary.errors.extend(errors.into_iter().map(|error| (error.line, error.message)));
        summary.notices.extend(notices.into_iter().map(|notice| (notice.line, notice.message)));
        summary.answers += 1;
        is_done = done;
    }
    assert!(is_done);
    let ImportProgress { rows_read, rows_imported, rows_known, rows_skipped, .. } = summary.progress;
    assert_eq!(rows_read, rows_imported + rows_known + rows_skipped);
    Ok(summary)
}

async fn import_in_pieces(person: &Person, file: &str, piece_length: usize) -> Summary {
    let pieces = file.as_bytes().chunks(piece_length).map(piece);
    let summary = send(person, std::iter::once(source(Format::Renzo)).chain(pieces).collect()).await.unwrap();
    assert_eq!(summary.progress.bytes_read, i64::try_from(file.len()).unwrap());
    summary
}

/// Sends a whole file.
pub(crate) async fn import_file(person: &Person, source: ImportSource, file: &[u8]) -> Result<Summary, Status> {
    let pieces = file.chunks(64 * 1024).map(piece);
    send(person, std::iter::once(source_with(source)).chain(pieces).collect()).await
}

async fn import(person: &Person, rows: &str) -> Summary {
    import_in_pieces(person, &format!("{HEADER}{rows}"), 64 * 1024).await
}

pub(crate) async fn tasks(person: &Person) -> Vec<Task> {
    let request = ListTasksRequest { page_size: 1000, show_series: true, ..ListTasksRequest::default() };
    person.list_tasks(request).await.unwrap().tasks
}

pub(crate) async fn logs(person: &Person) -> Vec<TimeLog> {
    let request = ListTimeLogsRequest { page_size: 1000, ..ListTimeLogsRequest::default() };
    let mut logs = person.time_logs().list_time_logs(request).await.unwrap().into_inner().time_logs;
    logs.reverse();
    logs
}

fn spans(logs: &[TimeLog]) -> Vec<(i64, i64)> {
    logs.iter().map(|log| (log.start_time.unwrap().seconds, log.end_time.unwrap().seconds)).collect()
}

#[rstest]
#[tokio::test]
async fn a_row_becomes_a_task_with_its_time(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let summary = import(&person, "\"@deep,@work\",\"1,1\",42,1,2009-04-09,1,2\nNA,NA,43,0,2009-04-10,NA,NA\n").await;
    assert_eq!(summary.counts(), (2, 0, 0));

    let tasks = tasks(&person).await;
    let [planned, done] = tasks.as_slice() else { panic!("{tasks:?}") };
    assert_eq!((done.title.as_str(), done.status()), ("Task 42", TaskStatus::Completed));
    assert_eq!((done.estimated_minutes, done.actual_minutes), (25, 50));
    assert_eq!(done.tags, ["deep", "work"]);
    // 09:00 to 17:00 in Berlin, in summer.
    assert_eq!(done.create_time, Some(at("2009-04-09T07:00:00Z")));
    assert_eq!(done.due_time, Some(at("2009-04-09T15:00:00Z")));
    assert_eq!(done.complete_time, Some(at("2009-04-09T07:50:00Z")));
    assert_eq!((planned.title.as_str(), planned.status()), ("Task 43", TaskStatus::Pending));
    assert_eq!((planned.estimated_minutes, planned.complete_time, planned.tags.len()), (0, None, 0));

    let logs = logs(&person).await;
    assert_eq!(spans(&logs), [(at("2009-04-09T07:00:00Z").seconds, at("2009-04-09T07:50:00Z").seconds)]);
    assert!(logs[0].manual && logs[0].task_id == done.id);
    let changes = person.changes_so_far(5 + 3).await;
    assert_eq!(changes.last().unwrap().number, 8);
}

#[rstest]
#[tokio::test]
async fn importing_twice_adds_nothing_and_equal_rows_stay_apart(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let row = "\"@a\",\"1\",1,1,2009-04-09,1,1\n";
    let rows = row.repeat(3);
    assert_eq!(import(&person, &rows).await.counts(), (3, 0, 0));
    assert_eq!(import(&person, &rows).await.counts(), (0, 3, 0));
    assert_eq!(tasks(&person).await.len(), 3);
    assert_eq!(import(&person, &format!("{rows}{row}")).await.counts(), (1, 3, 0), "a fourth equal one is new");
    assert_eq!(import(&world.person().await, &rows).await.counts(), (3, 0, 0));
}

#[rstest]
#[tokio::test]
async fn a_days_logs_are_laid_back_to_back_around_what_is_there(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let own = person.log("", "2009-04-09T08:00:00Z", "2009-04-09T09:00:00Z").await.unwrap();
    let rows = "@a,1,1,1,2009-04-09,1,2\n@a,1,2,1,2009-04-09,1,1\n@a,1,3,1,2009-04-09,1,0.4\n";
    import(&person, rows).await;
    let times = |start: &str, end: &str| (at(start).seconds, at(end).seconds);
    let expected = [
        times("2009-04-09T07:00:00Z", "2009-04-09T07:50:00Z"),
        times("2009-04-09T07:50:00Z", "2009-04-09T08:00:00Z"),
        times("2009-04-09T08:00:00Z", "2009-04-09T09:00:00Z"),
        times("2009-04-09T09:00:00Z", "2009-04-09T09:25:00Z"),
    ];
    assert_eq!(spans(&logs(&person).await), expected);

    // Between two imports the person works on.
    let delete = focusflow_proto::v1::DeleteTimeLogRequest { id: own.id };
    person.time_logs().delete_time_log(delete).await.unwrap();
    import(&person, "@a,1,4,1,2009-04-09,1,2\n").await;
    assert!(spans(&logs(&person).await).contains(&times("2009-04-09T08:00:00Z", "2009-04-09T08:50:00Z")));
}

#[rstest]
#[tokio::test]
async fn a_day_that_overflows_goes_on_in_the_next_without_overlap(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    import(&person, "@a,1,1,1,2009-04-09,1,60\n@a,1,2,1,2009-04-10,1,2\n@a,1,3,1,2009-04-09,1,2\n").await;
    let spans = spans(&logs(&person).await);
    assert_eq!(spans.len(), 3);
    assert!(spans.windows(2).all(|pair| pair[0].1 == pair[1].0), "{spans:?}");
}

#[rstest]
#[tokio::test]
async fn a_broken_line_is_reported_with_line_and_column_and_skipped(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let rows = "@a,1,1,1,2009-04-09,1,1\n\
                @a,1,2,1,2009-04-09,1\n\
                \"@two\nlines\",1,3,1,2009-04-09,many,1\n\
                @a,1,4,1,2009-13-09,1,1\n\
                @a,1,5,1,2009-04-09,1,-1\n\
                @a,1,6,1,2009-04-09,1,1";
    let summary = import(&person, rows).await;
    assert_eq!(summary.counts(), (2, 0, 4));
    let lines: Vec<i32> = summary.errors.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 6, 7]);
    let starts = ["the row must have 7 columns, not 6", "X.words: ", "date: ", "actual: "];
    for ((_, message), start) in summary.errors.iter().zip(starts) {
        assert!(message.starts_with(start), "{message}");
    }
    assert_eq!(import(&person, rows).await.counts(), (0, 2, 4));
}

#[rstest]
#[tokio::test]
async fn the_file_may_be_cut_anywhere(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let file = format!("{HEADER}\"@tüte,@\"\"x\"\"\",\"1,1\",1,1,2009-04-09,1,1\n\"@ü\",\"1\",2,0,2009-04-10,0.5,NA");
    for piece_length in [1, 2, 3, 7] {
        let person = world.person().await;
        assert_eq!(import_in_pieces(&person, &file, piece_length).await.counts(), (2, 0, 0), "{piece_length}");
        assert_eq!(tasks(&person).await[1].tags, ["tüte", "\"x\""]);
    }
}

#[rstest]
#[tokio::test]
async fn ten_thousand_rows_come_in_batches_and_answer_in_lists_and_totals(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let first: chrono::NaiveDate = "2010-01-01".parse().unwrap();
    let mut rows = String::new();
    for number in 0..10_000 {
        let day = first + TimeDelta::days(number / 5);
        writeln!(rows, "\"@tag{},@all\",\"1,1\",{number},{},{day},2,1", number % 10, number % 2).unwrap();
    }
    let summary = import(&person, &rows).await;
    assert_eq!(summary.counts(), (10_000, 0, 0));
    assert!(summary.answers >= 10, "progress is answered as it goes");
    assert_eq!(import(&person, &rows).await.counts(), (0, 10_000, 0));

    let by = async |group_by: GroupBy| {
        let request = SummarizeTimeLogsRequest { group_by: group_by.into(), ..SummarizeTimeLogsRequest::default() };
        person.time_logs().summarize_time_logs(request).await.unwrap().into_inner().totals
    };
    let days = by(GroupBy::Day).await;
    assert_eq!(days.len(), 2_000);
    assert!(days.iter().all(|day| day.log_count == 5 && (day.minutes - 125.0).abs() < 1e-9));
    let tags = by(GroupBy::Tag).await;
    assert_eq!((tags[0].key.as_str(), tags[0].task_count, tags.len()), ("all", 10_000, 11));

    let newest = tasks(&person).await;
    assert_eq!(newest.len(), 1_000);
    assert_eq!(newest[0].create_time, Some(at("2015-06-23T07:00:00Z")));
    let filtered =
        ListTasksRequest { filter: "status = COMPLETED AND tags:tag1".into(), ..ListTasksRequest::default() };
    assert_eq!(person.list_tasks(filtered).await.unwrap().tasks.len(), 50);
}

#[rstest]
#[tokio::test]
async fn writes_of_the_person_go_on_during_an_import(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let mut rows = String::new();
    for number in 0..3_000 {
        writeln!(rows, "@a,1,{number},1,2009-04-09,1,0.1").unwrap();
    }
    let other = person.clone();
    let writes = tokio::spawn(async move {
        for day in 10..28 {
            // The days into which the import overflows.
            other
                .log_with(
                    "",
                    &format!("2009-04-{day}T07:00:00Z"),
                    &format!("2009-04-{day}T08:00:00Z"),
                    focusflow_proto::v1::OverlapPolicy::Refuse,
                )
                .await
                .ok();
        }
    });
    assert_eq!(import(&person, &rows).await.counts(), (3_000, 0, 0));
    writes.await.unwrap();
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTimeLogsRequest { page_size: 1000, page_token, ..ListTimeLogsRequest::default() };
        let page = person.time_logs().list_time_logs(request).await.unwrap().into_inner();
        all.extend(page.time_logs);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    all.reverse();
    let spans = spans(&all);
    assert!(spans.len() >= 3_000);
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "no two logs overlap");
}

#[rstest]
#[tokio::test]
async fn what_was_reported_stays_when_the_stream_breaks(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let mut rows = HEADER.to_owned();
    for number in 0..1_500 {
        writeln!(rows, "@a,1,{number},0,2009-04-09,1,NA").unwrap();
    }
    let (sender, messages) = tokio::sync::mpsc::channel(4);
    let mut stream =
        person.imports().import(tokio_stream::wrappers::ReceiverStream::new(messages)).await.unwrap().into_inner();
    sender.send(source(Format::Renzo)).await.unwrap();
    sender.send(piece(rows.as_bytes())).await.unwrap();
    let reported = stream.message().await.unwrap().unwrap().progress.unwrap().rows_imported;
    assert_eq!(reported, 1_000);
    drop((stream, sender));
    assert!(import(&person, rows.strip_prefix(HEADER).unwrap()).await.progress.rows_known >= reported);
}

#[rstest]
#[tokio::test]
async fn what_is_no_such_file_is_refused(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let refused = async |messages: Vec<ImportRequest>| wrong_field(send(&person, messages).await);
    assert_eq!(refused(vec![]).await, "source");
    assert_eq!(refused(vec![piece(b"a")]).await, "source");
    assert_eq!(refused(vec![source(Format::Unspecified)]).await, "source.format");
    assert_eq!(refused(vec![source(Format::Todoist)]).await, "data");
    assert_eq!(refused(vec![source(Format::Toggl), piece(b"a,b,c\n1,2,3\n")]).await, "data");
    assert_eq!(refused(vec![source(Format::Focusflow), piece(b"{\"tasks\":[{}]}")]).await, "data");
    let format = Format::Toggl.into();
    let mars = ImportSource { format, time_zone: "Mars/Olympus".into(), ..ImportSource::default() };
    assert_eq!(refused(vec![source_with(mars)]).await, "source.time_zone");
    let long = ImportSource { format, project: "x".repeat(101), ..ImportSource::default() };
    assert_eq!(refused(vec![source_with(long)]).await, "source.project");
    let policy = ImportSource { format, overlap_policy: 9, ..ImportSource::default() };
    assert_eq!(refused(vec![source_with(policy)]).await, "source.overlap_policy");
    assert_eq!(refused(vec![source(Format::Renzo)]).await, "data");
    assert_eq!(refused(vec![source(Format::Renzo), piece(b"a,b,c\n1,2,3\n")]).await, "data");
    assert_eq!(refused(vec![source(Format::Renzo), source(Format::Renzo)]).await, "data");
    assert_eq!(refused(vec![source(Format::Renzo), piece(&vec![b'x'; 1024 * 1024 + 1])]).await, "data");
}

#[rstest]
#[tokio::test]
async fn work_that_was_done_in_the_future_is_named_and_left_out(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let summary = import(&person, "@a,1,1,0,2030-04-09,1,2\n@a,1,2,0,2030-04-09,1,NA\n").await;
    assert_eq!(summary.counts(), (1, 0, 1), "{summary:?}");
    assert_eq!(summary.errors, [(2, "date: of work that was done must be at most 7 days from now".to_owned())]);
    assert!(logs(&person).await.is_empty());
}
