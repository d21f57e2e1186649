//! Reports on the wire.

use focusflow_proto::v1;
use focusflow_proto::v1::productivity_score::Component as WireComponent;
use focusflow_proto::v1::report::Kind as WireKind;

use crate::domain::report::{Component, Content, Finding, Kind, Report, Score, number};
use crate::domain::text::{FindingText, MetricName};
use crate::service::error::{Error, InField as _};
use crate::service::request::timestamp;

const RECOMMENDATIONS_MAX: usize = 5;
const FINDINGS_MAX: usize = 50;
const COMPONENTS_MAX: usize = 10;

/// The kind in a field; `None` if it is not said.
pub(super) fn optional_kind(field: &str, value: i32) -> Result<Option<Kind>, Error> {
    match WireKind::try_from(value) {
        Ok(WireKind::Unspecified) => Ok(None),
        Ok(WireKind::Daily) => Ok(Some(Kind::Daily)),
        Ok(WireKind::Weekly) => Ok(Some(Kind::Weekly)),
        Ok(WireKind::Monthly) => Ok(Some(Kind::Monthly)),
        Err(_) => Err(Error::field(field, format!("has no value {value}"))),
    }
}

/// What a report says.
pub(super) fn content(values: &v1::Report) -> Result<Content, Error> {
    Ok(Content {
        score: values.score.as_ref().map(score).transpose()?,
        insights: findings("report.insights", &values.insights, FINDINGS_MAX)?,
        recommendations: findings("report.recommendations", &values.recommendations, RECOMMENDATIONS_MAX)?,
        patterns: findings("report.patterns", &values.patterns, FINDINGS_MAX)?,
    })
}

fn score(values: &v1::ProductivityScore) -> Result<Score, Error> {
    check_count("report.score.components", values.components.len(), COMPONENTS_MAX)?;
    let components = values.components.iter().enumerate().map(|(index, values)| component(index, values));
    Ok(Score {
        value: number(values.value, 0.0..=100.0).in_field("report.score.value")?,
        components: components.collect::<Result<_, _>>()?,
    })
}

fn component(index: usize, values: &WireComponent) -> Result<Component, Error> {
    let field = |name: &str| format!("report.score.components[{index}].{name}");
    if values.sample_count < 0 {
        return Err(Error::field(field("sample_count"), "must not be negative"));
    }
    Ok(Component {
        name: MetricName::parse(&values.name).in_field(&field("name"))?,
        value: number(values.value, 0.0..=100.0).in_field(&field("value"))?,
        weight: number(values.weight, 0.0..=1.0).in_field(&field("weight"))?,
        sample_count: values.sample_count,
    })
}

fn findings(field: &str, values: &[v1::Finding], count_max: usize) -> Result<Vec<Finding>, Error> {
    check_count(field, values.len(), count_max)?;
    let finding = |(index, values): (usize, &v1::Finding)| {
        let field = |name: &str| format!("{field}[{index}].{name}");
        Ok(Finding {
            text: FindingText::parse(&values.text).in_field(&field("text"))?,
            metric: MetricName::parse(&values.metric).in_field(&field("metric"))?,
            value: number(values.value, f64::MIN..=f64::MAX).in_field(&field("value"))?,
        })
    };
    values.iter().enumerate().map(finding).collect()
}

fn check_count(field: &str, count: usize, count_max: usize) -> Result<(), Error> {
    if count > count_max { Err(Error::field(field, format!("must be at most {count_max}"))) } else { Ok(()) }
}

impl From<Report> for v1::Report {
    fn from(report: Report) -> Self {
        let kind = match report.kind {
            Kind::Daily => WireKind::Daily,
            Kind::Weekly => WireKind::Weekly,
            Kind::Monthly => WireKind::Monthly,
        };
        let Content { score, insights, recommendations, patterns } = report.content.0;
        let on_wire = |findings: Vec<Finding>| findings.into_iter().map(Into::into).collect();
        Self {
            id: report.id.to_string(),
            kind: kind.into(),
            date: report.local_date.to_string(),
            score: score.map(Into::into),
            insights: on_wire(insights),
            recommendations: on_wire(recommendations),
            patterns: on_wire(patterns),
            create_time: Some(timestamp(report.create_time)),
        }
    }
}

impl From<Score> for v1::ProductivityScore {
    fn from(score: Score) -> Self {
        let component = |component: Component| WireComponent {
            name: component.name.into(),
            value: component.value,
            weight: component.weight,
            sample_count: component.sample_count,
        };
        Self { value: score.value, components: score.components.into_iter().map(component).collect() }
    }
}

impl From<Finding> for v1::Finding {
    fn from(finding: Finding) -> Self {
        Self { text: finding.text.into(), metric: finding.metric.into(), value: finding.value }
    }
}
