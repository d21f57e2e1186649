//! The areas of life and work that a person sorts tasks into.

use std::sync::Arc;

use focusflow_proto::v1;
use focusflow_proto::v1::category_service_server::CategoryService;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::error::{Error, InField as _};
use super::request::{Creation, Fields, check_etag, etag, id, required, still_there, timestamp};
use super::{Store, authenticated};
use crate::domain::category::Category;
use crate::domain::change::{Action, Resource};
use crate::domain::text::{CategoryName, Color, Icon};
use crate::sql::{Connection, Write, categories, habits, is_unique_violation, tasks};

/// A list of categories has no pages, so it has an end.
pub(super) const CATEGORIES_MAX: i64 = 500;
/// How many tasks of a deleted category are written at a time.
const TASKS_PER_WRITE: i64 = 500;

const FIELDS: Fields =
    Fields { mutable: &["name", "color", "icon"], output_only: &["id", "create_time", "update_time", "etag"] };

/// Implements `CategoryService`.
#[derive(Debug)]
pub(crate) struct Categories {
    store: Arc<Store>,
}

impl Categories {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn list(&self, user_id: Uuid) -> Result<Vec<Category>, Error> {
        self.store.categories(user_id).await
    }

    async fn get(&self, user_id: Uuid, request: v1::GetCategoryRequest) -> Result<Category, Error> {
        let id = id("id", &request.id)?;
        find(&mut self.store.database.read(user_id).await?, user_id, id).await
    }

    async fn create(&self, user_id: Uuid, request: v1::CreateCategoryRequest) -> Result<Category, Error> {
        let creation = Creation::parse("CreateCategory", &request.request_id, &request)?;
        let values = required("category", request.category)?;
        let now = self.store.time.now();
        let category = Category {
            id: self.store.time.new_id(),
            name: CategoryName::parse(&values.name).in_field("category.name")?,
            color: Color::parse(&values.color).in_field("category.color")?,
            icon: Icon::parse(&values.icon).in_field("category.icon")?,
            version: 1,
            create_time: now,
            update_time: now,
        };

        let mut write = self.store.write(user_id).await?;
        if let Some(id) = creation.made_before(&mut write).await? {
            return still_there(find(write.connection(), user_id, id).await, "category", id);
        }
        if categories::count(write.connection(), user_id).await? >= CATEGORIES_MAX {
            return Err(Error::TooMany { things: "categories", max: CATEGORIES_MAX });
        }
        categories::insert(write.connection(), user_id, &category).await.map_err(|error| taken(error, &category))?;
        creation.made(&mut write, category.id).await?;
        write.record(Resource::Category, category.id, Action::Created);
        write.commit().await?;
        Ok(category)
    }

    async fn update(&self, user_id: Uuid, request: v1::UpdateCategoryRequest) -> Result<Category, Error> {
        let values = required("category", request.category)?;
        let id = id("category.id", &values.id)?;
        let fields = FIELDS.resolve(request.update_mask.as_ref(), |field| is_set(&values, field))?;

        let mut write = self.store.write(user_id).await?;
        let before = find(write.connection(), user_id, id).await?;
        check_etag(&values.etag, before.version)?;
        let mut category = before.clone();
        for field in fields {
            set(&mut category, field, &values)?;
        }
        if category == before {
            return Ok(category);
        }
        category.version += 1;
        category.update_time = write.now();
        categories::update(write.connection(), user_id, &category).await.map_err(|error| taken(error, &category))?;
        write.record(Resource::Category, id, Action::Updated);
        write.commit().await?;
        Ok(category)
    }

    async fn delete(&self, user_id: Uuid, request: v1::DeleteCategoryRequest) -> Result<(), Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        let category = find(write.connection(), user_id, id).await?;
        check_etag(&request.etag, category.version)?;
        while clear_some(&mut write, id).await? {
            // Others wait for a long transaction. A category that is emptied halfway can be deleted again.
            write.commit().await?;
            write = self.store.write(user_id).await?;
            find(write.connection(), user_id, id).await?;
        }
        let now = write.now();
        for habit_id in habits::clear_category(write.connection(), user_id, id, now).await? {
            write.record(Resource::Habit, habit_id, Action::Updated);
        }
        categories::delete(write.connection(), user_id, id).await?;
        write.record(Resource::Category, id, Action::Deleted);
        write.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl CategoryService for Categories {
    async fn list_categories(
        &self,
        request: Request<v1::ListCategoriesRequest>,
    ) -> Result<Response<v1::ListCategoriesResponse>, Status> {
        let (user_id, _) = authenticated(request)?;
        let categories = self.list(user_id).await?.into_iter().map(Into::into).collect();
        Ok(Response::new(v1::ListCategoriesResponse { categories }))
    }

    async fn get_category(&self, request: Request<v1::GetCategoryRequest>) -> Result<Response<v1::Category>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.get(user_id, request).await?.into()))
    }

    async fn create_category(
        &self,
        request: Request<v1::CreateCategoryRequest>,
    ) -> Result<Response<v1::Category>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.create(user_id, request).await?.into()))
    }

    async fn update_category(
        &self,
        request: Request<v1::UpdateCategoryRequest>,
    ) -> Result<Response<v1::Category>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.update(user_id, request).await?.into()))
    }

    async fn delete_category(&self, request: Request<v1::DeleteCategoryRequest>) -> Result<Response<()>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.delete(user_id, request).await?))
    }
}

/// One of the person's categories.
pub(super) async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> Result<Category, Error> {
    categories::find(connection, user_id, id).await?.ok_or_else(|| Error::not_found("category", id))
}

/// Takes the category off some of its tasks. Answers whether there may be more.
async fn clear_some(write: &mut Write, id: Uuid) -> Result<bool, Error> {
    let (user_id, now) = (write.user_id(), write.now());
    let cleared = tasks::clear_category(write.connection(), user_id, id, now, TASKS_PER_WRITE).await?;
    let may_be_more = i64::try_from(cleared.len()).is_ok_and(|count| count == TASKS_PER_WRITE);
    for task_id in cleared {
        write.record(Resource::Task, task_id, Action::Updated);
    }
    Ok(may_be_more)
}

fn taken(error: sqlx::Error, category: &Category) -> Error {
    if is_unique_violation(&error) {
        return Error::AlreadyExists { resource: "category", name: category.name.as_str().to_owned() };
    }
    error.into()
}

fn is_set(values: &v1::Category, field: &str) -> bool {
    match field {
        "name" => !values.name.is_empty(),
        "color" => !values.color.is_empty(),
        "icon" => !values.icon.is_empty(),
        _ => false,
    }
}

fn set(category: &mut Category, field: &str, values: &v1::Category) -> Result<(), Error> {
    match field {
        "name" => category.name = CategoryName::parse(&values.name).in_field("category.name")?,
        "color" => category.color = Color::parse(&values.color).in_field("category.color")?,
        "icon" => category.icon = Icon::parse(&values.icon).in_field("category.icon")?,
        _ => {}
    }
    Ok(())
}

impl From<Category> for v1::Category {
    fn from(category: Category) -> Self {
        Self {
            id: category.id.to_string(),
            name: category.name.into(),
            color: category.color.into(),
            icon: category.icon.into(),
            create_time: Some(timestamp(category.create_time)),
            update_time: Some(timestamp(category.update_time)),
            etag: etag(category.version),
        }
    }
}
