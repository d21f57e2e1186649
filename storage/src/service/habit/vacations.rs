//! The days on which a person is due nothing.

use focusflow_proto::v1;
use uuid::Uuid;

use super::Habits;
use crate::domain::change::{Action, Resource};
use crate::domain::dates::{self, DateRange};
use crate::service::error::{Error, InField as _};
use crate::sql::habits;

const VACATIONS_MAX: usize = 500;

impl Habits {
    pub(super) async fn vacations(&self, user_id: Uuid) -> Result<v1::Vacations, Error> {
        let mut connection = self.store.database.read(user_id).await?;
        Ok(on_wire(&habits::vacations(&mut connection, user_id).await?))
    }

    pub(super) async fn put_vacations(
        &self,
        user_id: Uuid,
        request: v1::SetVacationsRequest,
    ) -> Result<v1::Vacations, Error> {
        let vacations = parse(&request.vacations.unwrap_or_default())?;
        let mut write = self.store.write(user_id).await?;
        if habits::vacations(write.connection(), user_id).await? == vacations {
            return Ok(on_wire(&vacations));
        }
        habits::set_vacations(write.connection(), user_id, &vacations).await?;
        write.record(Resource::User, user_id, Action::Updated);
        // Streaks and strengths are another's now.
        for habit in habits::list(write.connection(), user_id, true).await? {
            write.record(Resource::Habit, habit.id, Action::Updated);
        }
        write.commit().await?;
        Ok(on_wire(&vacations))
    }
}

fn parse(vacations: &v1::Vacations) -> Result<Vec<DateRange>, Error> {
    let vacations = &vacations.vacations;
    if vacations.len() > VACATIONS_MAX {
        return Err(Error::field("vacations.vacations", format!("must be at most {VACATIONS_MAX}")));
    }
    let range = |(index, vacation): (usize, &v1::Vacation)| {
        let field = |name: &str| format!("vacations.vacations[{index}].{name}");
        let first = dates::parse(&vacation.start_date).in_field(&field("start_date"))?;
        let last = dates::parse(&vacation.end_date).in_field(&field("end_date"))?;
        DateRange::between(first, last)
            .ok_or_else(|| Error::field(field("end_date"), "must not be earlier than the start date"))
    };
    let ranges: Result<Vec<DateRange>, Error> = vacations.iter().enumerate().map(range).collect();
    Ok(dates::merge(ranges?))
}

fn on_wire(vacations: &[DateRange]) -> v1::Vacations {
    let vacation =
        |range: &DateRange| v1::Vacation { start_date: range.first.to_string(), end_date: range.last.to_string() };
    v1::Vacations { vacations: vacations.iter().map(vacation).collect() }
}
