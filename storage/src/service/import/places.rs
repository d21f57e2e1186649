//! Where imported things go among what the person has: free time, and categories by name.

use std::collections::HashMap;

use uuid::Uuid;

use crate::clock::{FIRST_TIME, TimeAndIds};
use crate::domain::category::Category;
use crate::domain::change::{Action, Resource};
use crate::domain::text::{CategoryName, Color, Icon};
use crate::domain::time_log::Timetable;
use crate::service::category::CATEGORIES_MAX;
use crate::service::error::Error;
use crate::sql::{Write, categories, time_logs};

/// The person's taken time, kept from one batch to the next as long as no one else writes in between.
#[derive(Debug, Default)]
pub(super) struct CurrentTimetable {
    timetable: Timetable,
    /// The change after which it is true; `None` if it is not.
    last_number: Option<i64>,
    /// Whether the write under way knows it.
    is_in_use: bool,
}

/// A person's categories by name.
#[derive(Debug)]
pub(super) struct Places {
    categories: HashMap<String, Uuid>,
}

impl CurrentTimetable {
    /// The timetable as of this write. What is placed in it counts only once the write is
    /// [committed](Self::committed): if that fails, it is not there.
    pub(super) async fn of(&mut self, write: &mut Write) -> Result<&mut Timetable, Error> {
        if self.last_number.take() != Some(write.last_number()) {
            let (user_id, now) = (write.user_id(), write.now());
            let occupied = time_logs::occupied_since(write.connection(), user_id, FIRST_TIME).await?;
            self.timetable = Timetable::of(occupied, now);
        }
        self.is_in_use = true;
        Ok(&mut self.timetable)
    }

    pub(super) fn committed(&mut self, last_number: i64) {
        self.last_number = std::mem::take(&mut self.is_in_use).then_some(last_number);
    }
}

impl Places {
    pub(super) async fn of(write: &mut Write) -> Result<Self, Error> {
        let user_id = write.user_id();
        let categories = categories::list(write.connection(), user_id).await?;
        Ok(Self { categories: categories.into_iter().map(|it| (it.name.key(), it.id)).collect() })
    }

    /// The category of this name, which is made if it is missing; `None` if there is no room for another.
    pub(super) async fn category(
        &mut self,
        write: &mut Write,
        time: &TimeAndIds,
        name: &CategoryName,
    ) -> Result<Option<Uuid>, Error> {
        if let Some(id) = self.categories.get(&name.key()) {
            return Ok(Some(*id));
        }
        if i64::try_from(self.categories.len()).is_ok_and(|count| count >= CATEGORIES_MAX) {
            return Ok(None);
        }
        let (user_id, now) = (write.user_id(), write.now());
        let category = Category {
            id: time.new_id(),
            name: name.clone(),
            color: Color::default(),
            icon: Icon::default(),
            version: 1,
            create_time: now,
            update_time: now,
        };
        categories::insert(write.connection(), user_id, &category).await?;
        write.record(Resource::Category, category.id, Action::Created);
        self.categories.insert(name.key(), category.id);
        Ok(Some(category.id))
    }
}
