//! Categories.

use uuid::Uuid;

use super::{Connection, query, query_as, query_scalar};
use crate::domain::category::Category;

macro_rules! select_category {
    ($tail:literal) => {
        concat!("SELECT id, name, color, icon, version, create_time, update_time FROM categories ", $tail)
    };
}

/// A person's categories, by name.
pub async fn list(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Vec<Category>> {
    query_as(select_category!("WHERE user_id = $1 ORDER BY name_key")).bind(user_id).fetch_all(connection).await
}

/// One of a person's categories.
pub async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Option<Category>> {
    query_as(select_category!("WHERE user_id = $1 AND id = $2")).bind(user_id).bind(id).fetch_optional(connection).await
}

/// How many categories a person has.
pub async fn count(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM categories WHERE user_id = $1").bind(user_id).fetch_one(connection).await
}

/// Adds a category. Fails with a unique violation if the person has one of that name.
pub async fn insert(connection: &mut Connection, user_id: Uuid, category: &Category) -> sqlx::Result<()> {
    query(
        "INSERT INTO categories (id, user_id, name, name_key, color, icon, version, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(category.id)
    .bind(user_id)
    .bind(&category.name)
    .bind(category.name.key())
    .bind(&category.color)
    .bind(&category.icon)
    .bind(category.version)
    .bind(category.create_time)
    .bind(category.update_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Writes a category. Fails with a unique violation if the person has another of that name. A name that stays keeps its
/// key: under newer rules of folding, it could be that of another.
pub async fn update(connection: &mut Connection, user_id: Uuid, category: &Category) -> sqlx::Result<()> {
    query(
        "UPDATE categories SET name = $3, name_key = CASE WHEN name = $3 THEN name_key ELSE $4 END, color = $5,
         icon = $6, version = $7, update_time = $8 WHERE user_id = $1 AND id = $2",
    )
    .bind(user_id)
    .bind(category.id)
    .bind(&category.name)
    .bind(category.name.key())
    .bind(&category.color)
    .bind(&category.icon)
    .bind(category.version)
    .bind(category.update_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Gives a category the key of its name, unless another one has that. Answers whether it did.
pub async fn renew_key(connection: &mut Connection, user_id: Uuid, category: &Category) -> sqlx::Result<u64> {
    query(
        "UPDATE categories SET name_key = $3 WHERE user_id = $1 AND id = $2 AND NOT EXISTS (
             SELECT 1 FROM categories AS others WHERE others.user_id = $1 AND others.name_key = $3
         )",
    )
    .bind(user_id)
    .bind(category.id)
    .bind(category.name.key())
    .execute(connection)
    .await
}

/// Deletes a category.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<()> {
    query("DELETE FROM categories WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(drop)
}
