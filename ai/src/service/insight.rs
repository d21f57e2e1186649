//! `focusflow.v1.InsightService`.

use focusflow_mesh::{context, refusal};
use focusflow_proto::v1::estimate_task_response::Basis as WireBasis;
use focusflow_proto::v1::insight_service_server::InsightService;
use focusflow_proto::v1::{EstimateTaskRequest, EstimateTaskResponse};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::explanation::explain;
use super::history::History;
use crate::model::{Basis, Estimate, Outline};

/// As many as a task may have.
const TAGS_MAX: usize = 50;

/// Answers from the history of the person who asks.
#[derive(Debug, Clone)]
pub(crate) struct Insights {
    history: History,
}

/// The task that an estimate is asked for.
#[derive(Debug, PartialEq)]
enum Subject {
    /// One that is there.
    Stored(Uuid),
    /// One described in the request.
    Described(Outline),
}

impl Insights {
    pub(crate) fn new(history: History) -> Self {
        Self { history }
    }
}

#[tonic::async_trait]
impl InsightService for Insights {
    async fn estimate_task(
        &self,
        request: Request<EstimateTaskRequest>,
    ) -> Result<Response<EstimateTaskResponse>, Status> {
        let user_id = context::user_id(&request)?;
        let (outline, model) = match Subject::try_from(request.into_inner())? {
            Subject::Described(outline) => (outline, self.history.durations(user_id).await?),
            Subject::Stored(task_id) => {
                tokio::try_join!(self.history.outline(user_id, task_id), self.history.durations(user_id))?
            }
        };
        let estimate = model.estimate(&outline);
        let explanation = explain(&estimate, outline.estimated_minutes > 0);
        Ok(Response::new(response(&estimate, explanation)))
    }
}

impl TryFrom<EstimateTaskRequest> for Subject {
    type Error = Status;

    fn try_from(request: EstimateTaskRequest) -> Result<Self, Status> {
        if !request.task_id.is_empty() {
            return Ok(Self::Stored(uuid("task_id", &request.task_id)?));
        }
        let Ok(estimated_minutes) = u32::try_from(request.estimated_minutes) else {
            return Err(refusal::invalid_argument("estimated_minutes", "must not be negative"));
        };
        if request.tags.len() > TAGS_MAX {
            return Err(refusal::invalid_argument("tags", format!("must be at most {TAGS_MAX}")));
        }
        let category_id = match request.category_id.as_str() {
            "" => String::new(),
            // In the one form that storage writes, so that equal ids are equal strings.
            id => uuid("category_id", id)?.to_string(),
        };
        Ok(Self::Described(Outline { tags: request.tags, category_id, estimated_minutes }))
    }
}

fn uuid(field: &str, value: &str) -> Result<Uuid, Status> {
    Uuid::parse_str(value).map_err(|_| refusal::invalid_argument(field, "must be a UUID"))
}

fn response(estimate: &Estimate, explanation: String) -> EstimateTaskResponse {
    let (basis, sample_count) = match &estimate.basis {
        Basis::Nothing => (WireBasis::None, 0),
        Basis::Personal(evidence) => (WireBasis::Personal, evidence.sample_count),
        Basis::Tags(_, evidence) | Basis::Category(evidence) => (WireBasis::Category, evidence.sample_count),
    };
    EstimateTaskResponse {
        p10_minutes: saturated(estimate.p10_minutes),
        p50_minutes: saturated(estimate.p50_minutes),
        p90_minutes: saturated(estimate.p90_minutes),
        basis: basis.into(),
        sample_count: saturated(sample_count),
        ratio: estimate.ratio,
        explanation,
    }
}

/// The wire counts in `int32`.
fn saturated(value: impl TryInto<i32>) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;

    fn refused_field(request: EstimateTaskRequest) -> String {
        let status = Subject::try_from(request).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        status.get_details_bad_request().unwrap().field_violations[0].field.clone()
    }

    #[test]
    fn bad_fields_are_named() {
        let request = EstimateTaskRequest::default;
        assert_eq!(refused_field(EstimateTaskRequest { task_id: "7".into(), ..request() }), "task_id");
        assert_eq!(refused_field(EstimateTaskRequest { category_id: "work".into(), ..request() }), "category_id");
        assert_eq!(refused_field(EstimateTaskRequest { estimated_minutes: -1, ..request() }), "estimated_minutes");
        assert_eq!(refused_field(EstimateTaskRequest { tags: vec![String::new(); 51], ..request() }), "tags");
    }

    #[test]
    fn a_task_that_is_there_takes_precedence_over_a_description() {
        let id = Uuid::from_u128(7);
        let request = EstimateTaskRequest { task_id: id.to_string(), estimated_minutes: -1, ..Default::default() };
        assert_eq!(Subject::try_from(request).unwrap(), Subject::Stored(id));
    }

    #[test]
    fn a_category_is_compared_in_its_canonical_form() {
        let id = Uuid::from_u128(0xAB);
        let request =
            EstimateTaskRequest { category_id: id.to_string().to_uppercase(), ..EstimateTaskRequest::default() };
        let expected = Outline { category_id: id.to_string(), ..Outline::default() };
        assert_eq!(Subject::try_from(request).unwrap(), Subject::Described(expected));
    }
}
