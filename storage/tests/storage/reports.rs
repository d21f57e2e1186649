use chrono::TimeDelta;
use focusflow_proto::internal::v1::PutReportRequest;
use focusflow_proto::internal::v1::report_store_service_client::ReportStoreServiceClient;
use focusflow_proto::v1::change::{Action, Resource};
use focusflow_proto::v1::productivity_score::Component;
use focusflow_proto::v1::report::Kind;
use focusflow_proto::v1::{
    Finding, GetReportRequest, ListReportsRequest, ListReportsResponse, ProductivityScore, Report,
};
use rstest::rstest;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Backend, Person, Postgres, Sqlite, World, refusal, wrong_field};

/// The account and its first categories.
const INITIAL_CHANGES: usize = 5;

fn finding(text: &str) -> Finding {
    Finding { text: text.into(), metric: "estimate_ratio".into(), value: -1.25 }
}

fn report(kind: Kind, date: &str) -> Report {
    let component = Component { name: "task_completion".into(), value: 80.0, weight: 0.4, sample_count: 12 };
    Report {
        kind: kind.into(),
        date: date.into(),
        score: Some(ProductivityScore { value: 72.5, components: vec![component] }),
        insights: vec![finding("Mornings are best.")],
        recommendations: vec![finding("Plan less.")],
        patterns: vec![finding("Fridays are short.")],
        ..Report::default()
    }
}

async fn put(world: &World, person: &Person, report: Report) -> Result<Report, Status> {
    let request = PutReportRequest { user_id: person.id.to_string(), report: Some(report) };
    ReportStoreServiceClient::new(world.channel("ai")).put_report(request).await.map(tonic::Response::into_inner)
}

async fn get(person: &Person, id: &str) -> Result<Report, Status> {
    person.reports().get_report(GetReportRequest { id: id.into() }).await.map(tonic::Response::into_inner)
}

async fn list(person: &Person, request: ListReportsRequest) -> ListReportsResponse {
    person.reports().list_reports(request).await.unwrap().into_inner()
}

#[rstest]
#[tokio::test]
async fn what_is_stored_is_what_the_person_reads(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let wanted = report(Kind::Daily, "2026-06-14");
    let stored = put(&world, &person, wanted.clone()).await.unwrap();
    assert_eq!(get(&person, &stored.id).await.unwrap(), stored);
    assert_eq!(Report { id: String::new(), create_time: None, ..stored }, wanted);
}

#[rstest]
#[tokio::test]
async fn a_report_that_is_generated_anew_takes_the_place_of_the_first(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let first = put(&world, &person, report(Kind::Daily, "2026-06-14")).await.unwrap();
    world.clock.advance(TimeDelta::minutes(1));
    let second = Report { insights: Vec::new(), ..report(Kind::Daily, "2026-06-14") };
    let second = put(&world, &person, second).await.unwrap();
    assert_eq!(second.id, first.id);
    assert_ne!(second.create_time, first.create_time);
    assert_eq!(list(&person, ListReportsRequest::default()).await.reports, [second]);

    let changes = person.changes_so_far(INITIAL_CHANGES + 2).await;
    let kinds: Vec<_> = changes[INITIAL_CHANGES..].iter().map(|change| (change.resource(), change.action())).collect();
    assert_eq!(kinds, [(Resource::Report, Action::Created), (Resource::Report, Action::Updated)]);
    assert_eq!(changes[INITIAL_CHANGES].resource_id, first.id);
}

#[rstest]
#[tokio::test]
async fn reports_are_listed_by_period_latest_first_and_by_kind(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    let all = [
        (Kind::Daily, "2026-06-13"),
        (Kind::Weekly, "2026-06-08"),
        (Kind::Daily, "2026-06-14"),
        (Kind::Monthly, "2026-06-01"),
        (Kind::Daily, "2026-06-08"),
    ];
    for (kind, date) in all {
        put(&world, &person, report(kind, date)).await.unwrap();
    }
    put(&world, &other, report(Kind::Daily, "2026-06-14")).await.unwrap();
    let dates = |response: &ListReportsResponse| -> Vec<String> {
        response.reports.iter().map(|report| report.date[5..].to_owned()).collect()
    };
    let whole = list(&person, ListReportsRequest::default()).await;
    assert_eq!(dates(&whole), ["06-14", "06-13", "06-08", "06-08", "06-01"]);

    let mut walked = Vec::new();
    let mut request = ListReportsRequest { page_size: 2, ..ListReportsRequest::default() };
    loop {
        let page = list(&person, request.clone()).await;
        walked.extend(page.reports);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(walked, whole.reports, "two of one date are on different pages");
    let daily = ListReportsRequest { kind: Kind::Daily.into(), ..ListReportsRequest::default() };
    assert_eq!(dates(&list(&person, daily).await), ["06-14", "06-13", "06-08"]);
}

#[rstest]
#[tokio::test]
async fn another_persons_report_is_not_found(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, thief) = (world.person().await, world.person().await);
    let stored = put(&world, &person, report(Kind::Daily, "2026-06-14")).await.unwrap();
    assert_eq!(refusal(get(&thief, &stored.id).await).0, Code::NotFound);
    assert!(list(&thief, ListReportsRequest::default()).await.reports.is_empty());
    let nobody = world.somebody(Uuid::now_v7());
    assert_eq!(refusal(put(&world, &nobody, report(Kind::Daily, "2026-06-14")).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn only_ai_stores_reports(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for account in ["gateway", "developer"] {
        let request = PutReportRequest { user_id: person.id.to_string(), report: None };
        let refused = ReportStoreServiceClient::new(world.channel(account)).put_report(request).await;
        assert_eq!(refusal(refused).0, Code::PermissionDenied, "{account}");
    }
}

#[rstest]
#[tokio::test]
async fn a_wrong_report_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let good = || report(Kind::Weekly, "2026-06-08");
    let score = |value: f64, components: Vec<Component>| Some(ProductivityScore { value, components });
    let cases = [
        (Report { kind: 0, ..good() }, "report.kind"),
        (Report { kind: 9, ..good() }, "report.kind"),
        (Report { date: "2026-06-09".into(), ..good() }, "report.date"),
        (Report { date: "June".into(), ..good() }, "report.date"),
        (Report { score: score(101.0, Vec::new()), ..good() }, "report.score.value"),
        (Report { score: score(f64::NAN, Vec::new()), ..good() }, "report.score.value"),
        (
            Report { score: score(1.0, vec![Component { weight: 1.1, ..Component::default() }]), ..good() },
            "report.score.components[0].weight",
        ),
        (Report { recommendations: vec![finding("x"); 6], ..good() }, "report.recommendations"),
        (Report { insights: vec![finding("x"), finding("")], ..good() }, "report.insights[1].text"),
        (
            Report { patterns: vec![Finding { value: f64::INFINITY, ..finding("x") }], ..good() },
            "report.patterns[0].value",
        ),
    ];
    for (report, field) in cases {
        assert_eq!(wrong_field(put(&world, &person, report).await), field);
    }
}
