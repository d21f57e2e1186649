use focusflow_proto::v1::calendar_feed::Style;
use focusflow_proto::v1::{
    CalendarFeed, CompleteTaskRequest, CreateCalendarFeedRequest, DeleteCalendarFeedRequest, DeleteMeRequest,
    DeleteTaskRequest, GetCalendarRequest, ListCalendarFeedsRequest, Task,
};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::{Backend, Person, Postgres, Sqlite, World, at, refusal, wrong_field};

async fn create(person: &Person, feed: CalendarFeed) -> Result<CalendarFeed, Status> {
    let request = CreateCalendarFeedRequest { calendar_feed: Some(feed) };
    person.calendars().create_calendar_feed(request).await.map(tonic::Response::into_inner)
}

async fn feed(person: &Person, style: Style) -> CalendarFeed {
    create(person, CalendarFeed { name: "Phone".into(), style: style.into(), ..CalendarFeed::default() }).await.unwrap()
}

/// The calendar's lines, as they were before they were folded.
async fn calendar(person: &Person, secret: &str) -> Result<Vec<String>, Status> {
    let request = GetCalendarRequest { secret: secret.into() };
    let body = person.calendars().get_calendar(request).await?.into_inner();
    assert_eq!(body.content_type, "text/calendar; charset=utf-8");
    let text = String::from_utf8(body.data).unwrap();
    assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])), "{text}");
    Ok(text.replace("\r\n ", "").split("\r\n").map(str::to_owned).collect())
}

fn due(title: &str, time: &str) -> Task {
    Task { title: title.into(), due_time: Some(at(time)), ..Task::default() }
}

#[rstest]
#[tokio::test]
async fn tasks_are_events_that_end_when_they_are_due(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = Task {
        description: "one; two, three\r\nfour \\ five".into(),
        estimated_minutes: 45,
        tags: vec!["Deep work".into()],
        ..due(&"Long title ".repeat(10), "2026-06-16T10:00:00Z")
    };
    let task = person.create_task(task).await.unwrap();
    let feed = feed(&person, Style::Events).await;
    let lines = calendar(&person, &feed.secret).await.unwrap();
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "BEGIN:VEVENT",
        "DTSTART:20260616T091500Z",
        "DTEND:20260616T100000Z",
        "DTSTAMP:20260615T100000Z",
        "CATEGORIES:Deep work",
        "DESCRIPTION:one\\; two\\, three\\nfour \\\\ five",
        &format!("UID:{}@focusflow", task.id),
        &format!("SUMMARY:{}", "Long title ".repeat(10).trim()),
        "TRANSP:TRANSPARENT",
        "END:VCALENDAR",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line}: {lines:#?}");
    }
    assert_eq!(calendar(&person, &feed.secret).await.unwrap(), lines, "the same every time");
}

#[rstest]
#[tokio::test]
async fn todos_keep_priority_and_completion(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.create_task(due("Write", "2026-06-16T10:00:00Z")).await.unwrap();
    person.tasks().complete_task(CompleteTaskRequest { id: task.id, etag: String::new() }).await.unwrap();
    let lines = calendar(&person, &feed(&person, Style::Todos).await.secret).await.unwrap();
    for line in ["BEGIN:VTODO", "DUE:20260616T100000Z", "STATUS:COMPLETED", "COMPLETED:20260615T100000Z", "PRIORITY:5"]
    {
        assert!(lines.iter().any(|it| it == line), "{line}: {lines:#?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_calendar_shows_what_is_due_around_now_and_nobody_elses(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.create_task(due("Long ago", "2026-03-01T10:00:00Z")).await.unwrap();
    person.create_task(due("Far off", "2027-07-01T10:00:00Z")).await.unwrap();
    let trashed = person.create_task(due("Trashed", "2026-06-16T10:00:00Z")).await.unwrap();
    person.tasks().delete_task(DeleteTaskRequest { id: trashed.id, etag: String::new() }).await.unwrap();
    person.task("Never due").await;
    person.create_task(due("Shown", "2026-06-16T10:00:00Z")).await.unwrap();
    world.person().await.create_task(due("Another's", "2026-06-16T10:00:00Z")).await.unwrap();
    let lines = calendar(&person, &feed(&person, Style::Events).await.secret).await.unwrap();
    let titles: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("SUMMARY:")).collect();
    assert_eq!(titles, ["Shown"]);
}

#[rstest]
#[tokio::test]
async fn a_secret_is_shown_once_and_ends_with_its_feed(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let first = feed(&person, Style::Events).await;
    assert_eq!(
        (first.secret.len(), first.path.as_str()),
        (43, format!("/api/v1/calendars/{}/tasks.ics", first.secret).as_str())
    );
    let list = async || {
        person.calendars().list_calendar_feeds(ListCalendarFeedsRequest {}).await.unwrap().into_inner().calendar_feeds
    };
    assert_eq!(list().await, [CalendarFeed { secret: String::new(), path: String::new(), ..first.clone() }]);

    let delete = |id: &str| DeleteCalendarFeedRequest { id: id.into() };
    let stranger = world.person().await;
    assert_eq!(refusal(stranger.calendars().delete_calendar_feed(delete(&first.id)).await).0, Code::NotFound);
    person.calendars().delete_calendar_feed(delete(&first.id)).await.unwrap();
    assert_eq!(refusal(calendar(&person, &first.secret).await).0, Code::NotFound);
    assert!(list().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_feed_is_silent_once_its_persons_account_is_to_end(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let feed = feed(&person, Style::Events).await;
    calendar(&person, &feed.secret).await.unwrap();
    person.user().delete_me(DeleteMeRequest {}).await.unwrap();
    assert_eq!(refusal(calendar(&person, &feed.secret).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn unknown_secrets_and_too_many_feeds_are_refused(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for secret in ["", "guess", &"x".repeat(10_000)] {
        let status = calendar(&person, secret).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(secret.is_empty() || !status.message().contains(secret));
    }
    let long = CalendarFeed { name: "x".repeat(101), ..CalendarFeed::default() };
    assert_eq!(wrong_field(create(&person, long).await), "calendar_feed.name");
    assert_eq!(
        wrong_field(create(&person, CalendarFeed { style: 7, ..CalendarFeed::default() }).await),
        "calendar_feed.style"
    );
    for _ in 0..20 {
        feed(&person, Style::Events).await;
    }
    assert_eq!(refusal(create(&person, CalendarFeed::default()).await).1, "LIMIT_REACHED");
}
