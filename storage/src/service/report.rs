//! Reports: read by the people whom they are about, written by what generates them.

mod wire;

use std::sync::Arc;

use chrono::NaiveTime;
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::report_store_service_server::ReportStoreService;
use focusflow_proto::v1;
use focusflow_proto::v1::report_service_server::ReportService;
use sqlx::types::Json;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::error::{Error, InField as _};
use super::request::{id, page_size, required};
use super::{Store, authenticated};
use crate::domain::change::{Action, Resource};
use crate::domain::dates;
use crate::domain::report::Report;
use crate::page::{self, Page, Position};
use crate::sql::reports;

/// Implements `ReportService` and `ReportStoreService`.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    store: Arc<Store>,
}

impl Reports {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn list(&self, user_id: Uuid, request: v1::ListReportsRequest) -> Result<v1::ListReportsResponse, Error> {
        let size = page_size(request.page_size)?;
        let kind = wire::optional_kind("kind", request.kind)?;
        let query = format!("ListReports {kind:?}");
        let after = self.store.pages.position(user_id, &query, &request.page_token)?;
        let listing = reports::Listing {
            user_id,
            kind,
            after: after.map(|after| (after.time.date_naive(), after.id)),
            limit: page::rows(size),
        };

        let read = self.store.database.report(user_id, |connection| {
            let listing = listing.clone();
            Box::pin(async move { reports::list(connection, &listing).await })
        });
        let found = read.await?;
        let Page { items: reports, end } = Page::cut(found, size, position);
        Ok(v1::ListReportsResponse { reports, next_page_token: self.store.pages.next_token(user_id, &query, end) })
    }

    async fn get(&self, user_id: Uuid, request: v1::GetReportRequest) -> Result<Report, Error> {
        let id = id("id", &request.id)?;
        let report = reports::find(&mut self.store.database.read(user_id).await?, user_id, id).await?;
        report.ok_or_else(|| Error::not_found("report", id))
    }

    async fn put(&self, request: internal::PutReportRequest) -> Result<Report, Error> {
        let user_id = id("user_id", &request.user_id)?;
        let values = required("report", request.report)?;
        let kind = required("report.kind", wire::optional_kind("report.kind", values.kind)?)?;
        let local_date = dates::parse(&values.date).in_field("report.date")?;
        kind.check_start(local_date).in_field("report.date")?;
        let content = Json(wire::content(&values)?);

        let mut write = self.store.write(user_id).await?;
        let before = reports::find_of(write.connection(), user_id, kind, local_date).await?;
        let (id, action) = match &before {
            Some(before) => (before.id, Action::Updated),
            None => (self.store.time.new_id(), Action::Created),
        };
        let report = Report { id, kind, local_date, content, create_time: write.now() };
        reports::put(write.connection(), user_id, &report).await?;
        write.record(Resource::Report, id, action);
        write.commit().await?;
        Ok(report)
    }
}

#[async_trait]
impl ReportService for Reports {
    async fn list_reports(
        &self,
        request: Request<v1::ListReportsRequest>,
    ) -> Result<Response<v1::ListReportsResponse>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.list(user_id, request).await?))
    }

    async fn get_report(&self, request: Request<v1::GetReportRequest>) -> Result<Response<v1::Report>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.get(user_id, request).await?.into()))
    }
}

#[async_trait]
impl ReportStoreService for Reports {
    async fn put_report(&self, request: Request<internal::PutReportRequest>) -> Result<Response<v1::Report>, Status> {
        Ok(Response::new(self.put(request.into_inner()).await?.into()))
    }
}

fn position(report: &Report) -> Position {
    Position { time: report.local_date.and_time(NaiveTime::MIN).and_utc(), id: report.id }
}
