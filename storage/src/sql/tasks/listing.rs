//! Pages of tasks, of any filter and in any order.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::select_task;
use crate::domain::listing::{
    Condition, DateRelation, NumberField, Order, OrderField, OrderKey, Place, ReferenceField, Test, TextField,
    TimeField, Value,
};
use crate::domain::task::Task;
use crate::sql::{Connection, QueryBuilder, search};

/// What a page of tasks shows.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// Whose.
    pub user_id: Uuid,
    /// What a task must be.
    pub condition: &'a Condition,
    /// In which order.
    pub order: &'a Order,
    /// Also what was moved to the trash after this.
    pub trashed_after: Option<DateTime<Utc>>,
    /// Also series and their parts.
    pub show_series: bool,
    /// Tasks that come after this one in the order; `None` is the first page.
    pub after: Option<Place>,
    /// At most this many.
    pub limit: i64,
}

/// A page of tasks.
pub async fn list(connection: &mut Connection, listing: &Listing<'_>) -> sqlx::Result<Vec<Task>> {
    // There are too many different ones for a place among the prepared statements.
    let persistent = matches!(listing.condition, Condition::All(parts) if parts.is_empty());
    statement(listing).build_query_as().persistent(persistent).fetch_all(connection).await
}

pub(super) fn statement(listing: &Listing<'_>) -> QueryBuilder<'static> {
    let mut query = QueryBuilder::new(select_task!("WHERE user_id = "));
    query.push_bind(listing.user_id);
    match listing.trashed_after {
        None => query.push(" AND delete_time IS NULL"),
        Some(time) => query.push(" AND (delete_time IS NULL OR delete_time > ").push_bind(time).push(")"),
    };
    if !listing.show_series {
        query.push(" AND NOT is_template");
    }
    query.push(" AND ");
    push_condition(&mut query, listing.user_id, listing.condition, false);
    if let Some(after) = &listing.after {
        query.push(" AND ");
        push_after(&mut query, listing.order, after);
    }
    push_order(&mut query, listing.order);
    query.push(" LIMIT ").push_bind(listing.limit);
    query
}

/// Adds `condition` or its negation. Negations are carried down to the tests, so that only there it matters that SQL
/// knows a third truth value.
fn push_condition(query: &mut QueryBuilder<'static>, user_id: Uuid, condition: &Condition, negated: bool) {
    match (condition, negated) {
        (Condition::All(parts), false) | (Condition::Any(parts), true) => {
            push_joined(query, user_id, parts, negated, " AND ", "TRUE");
        }
        (Condition::Any(parts), false) | (Condition::All(parts), true) => {
            push_joined(query, user_id, parts, negated, " OR ", "FALSE");
        }
        (Condition::Not(part), _) => push_condition(query, user_id, part, !negated),
        (Condition::Test(test), false) => push_test(query, user_id, test),
        (Condition::Test(test), true) => {
            query.push("(");
            push_test(query, user_id, test);
            query.push(") IS NOT TRUE");
        }
    }
}

fn push_joined(
    query: &mut QueryBuilder<'static>,
    user_id: Uuid,
    parts: &[Condition],
    negated: bool,
    join: &str,
    none: &str,
) {
    if parts.is_empty() {
        query.push(none);
        return;
    }
    for (index, part) in parts.iter().enumerate() {
        query.push(if index == 0 { "(" } else { join });
        push_condition(query, user_id, part, negated);
    }
    query.push(")");
}

fn push_test(query: &mut QueryBuilder<'static>, user_id: Uuid, test: &Test) {
    match test {
        Test::Status(status) => {
            query.push("status = ").push_bind(*status);
        }
        Test::Priority(priorities) if priorities.is_empty() => {
            query.push("FALSE");
        }
        Test::Priority(priorities) => {
            for (index, priority) in priorities.iter().enumerate() {
                query.push(if index == 0 { "priority IN (" } else { ", " }).push_bind(*priority);
            }
            query.push(")");
        }
        Test::Reference(field, Some(id)) => {
            query.push(reference(*field)).push(" = ").push_bind(*id);
        }
        Test::Reference(field, None) => {
            query.push(reference(*field)).push(" IS NULL");
        }
        Test::Number(field, relation, value) => {
            query.push(format_args!("{} {} ", number(*field), relation.as_str())).push_bind(*value);
        }
        Test::Time(field, relation, value) => {
            query.push(format_args!("{} {} ", time(*field), relation.as_str())).push_bind(*value);
        }
        Test::HasTime(field) => {
            query.push(time(*field)).push(" IS NOT NULL");
        }
        Test::OccurrenceDate(DateRelation::Is(relation, date)) => {
            query.push(format_args!("occurrence_date {} ", relation.as_str())).push_bind(*date);
        }
        Test::OccurrenceDate(DateRelation::Any) => {
            query.push("occurrence_date IS NOT NULL");
        }
        Test::TextIs(field, value) => push_text(query, user_id, *field, " = ", value.clone()),
        Test::TextHas(field, value) => push_text(query, user_id, *field, " LIKE ", containing(value)),
        Test::Tag(tag) => {
            query.push("id IN (SELECT task_id FROM task_tags WHERE user_id = ").push_bind(user_id);
            query.push(" AND tag = ").push_bind(tag.clone()).push(")");
        }
        Test::HasTag => {
            query.push("id IN (SELECT task_id FROM task_tags WHERE user_id = ").push_bind(user_id).push(")");
        }
        Test::Recurs => {
            query.push("recurrence IS NOT NULL");
        }
        Test::Mentions(word) => search::push_mentions(query, user_id, word),
    }
}

/// Adds a comparison of folded text. `LIKE` has its escape character said, since only PostgreSQL has one by itself.
fn push_text(query: &mut QueryBuilder<'static>, user_id: Uuid, field: TextField, operator: &str, value: String) {
    let column = match field {
        TextField::Title => "title",
        TextField::Description => "body",
    };
    query.push("id IN (SELECT task_id FROM search_documents WHERE user_id = ").push_bind(user_id);
    query.push(" AND time_log_id IS NULL AND ").push(column).push(operator).push_bind(value);
    query.push(if operator == " LIKE " { " ESCAPE '\\')" } else { ")" });
}

/// The pattern of all texts that contain `text`.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn push_order(query: &mut QueryBuilder<'static>, order: &Order) {
    query.push(" ORDER BY ");
    for key in order.keys() {
        query.push(column(key.field)).push(if key.descending { " DESC" } else { " ASC" });
        // Said only where it matters: an index would not be used for it.
        query.push(if key.field.is_optional() { " NULLS LAST, " } else { ", " });
    }
    query.push(if order.ids_descend() { "id DESC" } else { "id ASC" });
}

/// Adds that a task comes after a place.
fn push_after(query: &mut QueryBuilder<'static>, order: &Order, place: &Place) {
    let keys = order.keys();
    let descending = order.ids_descend();
    if keys.iter().all(|key| key.descending == descending && !key.field.is_optional()) {
        push_row_after(query, order, place);
        return;
    }
    // Equal by the first keys, and after by the next one; or equal by all, and after by id.
    query.push("(");
    for (index, (key, value)) in keys.iter().zip(&place.values).enumerate() {
        // Nothing comes after what has no value.
        if *value != Value::None {
            push_equal(query, &keys[..index], &place.values);
            push_beyond(query, *key, value);
            query.push(" OR ");
        }
    }
    push_equal(query, keys, &place.values);
    query.push(if descending { "id < " } else { "id > " }).push_bind(place.id).push(")");
}

/// The comparison that an index can begin with.
fn push_row_after(query: &mut QueryBuilder<'static>, order: &Order, place: &Place) {
    query.push("(");
    for key in order.keys() {
        query.push(column(key.field)).push(", ");
    }
    query.push(if order.ids_descend() { "id) < (" } else { "id) > (" });
    for value in &place.values {
        push_value(query, value);
        query.push(", ");
    }
    query.push_bind(place.id).push(")");
}

fn push_equal(query: &mut QueryBuilder<'static>, keys: &[OrderKey], values: &[Value]) {
    for (key, value) in keys.iter().zip(values) {
        query.push(column(key.field));
        if *value == Value::None {
            query.push(" IS NULL AND ");
        } else {
            query.push(" = ");
            push_value(query, value);
            query.push(" AND ");
        }
    }
}

fn push_beyond(query: &mut QueryBuilder<'static>, key: OrderKey, value: &Value) {
    let column = column(key.field);
    query.push("(").push(column).push(if key.descending { " < " } else { " > " });
    push_value(query, value);
    if key.field.is_optional() {
        query.push(format_args!(" OR {column} IS NULL"));
    }
    query.push(")");
}

fn push_value(query: &mut QueryBuilder<'static>, value: &Value) {
    match value {
        Value::Number(number) => query.push_bind(*number),
        Value::Time(time) => query.push_bind(*time),
        Value::Text(text) => query.push_bind(text.clone()),
        Value::None => query.push("NULL"),
    };
}

fn column(field: OrderField) -> &'static str {
    match field {
        OrderField::CreateTime => "create_time",
        OrderField::UpdateTime => "update_time",
        OrderField::DueTime => "due_time",
        OrderField::CompleteTime => "complete_time",
        OrderField::Priority => "CASE priority WHEN 'LOW' THEN 1 WHEN 'MEDIUM' THEN 2 WHEN 'HIGH' THEN 3 ELSE 4 END",
        OrderField::Status => {
            "CASE status WHEN 'PENDING' THEN 1 WHEN 'IN_PROGRESS' THEN 2 WHEN 'COMPLETED' THEN 3 ELSE 4 END"
        }
        OrderField::EstimatedMinutes => "NULLIF(estimated_minutes, 0)",
        OrderField::Title => {
            "(SELECT found.title FROM search_documents AS found
              WHERE found.user_id = tasks.user_id AND found.id = tasks.id)"
        }
    }
}

fn reference(field: ReferenceField) -> &'static str {
    match field {
        ReferenceField::Category => "category_id",
        ReferenceField::Parent => "parent_id",
        ReferenceField::Series => "series_id",
    }
}

fn number(field: NumberField) -> &'static str {
    match field {
        NumberField::EstimatedMinutes => "estimated_minutes",
        // As `Task::actual_minutes` rounds.
        NumberField::ActualMinutes => "(logged_micros + 30000000) / 60000000",
        NumberField::PostponementCount => "postponement_count",
    }
}

fn time(field: TimeField) -> &'static str {
    match field {
        TimeField::Due => "due_time",
        TimeField::Complete => "complete_time",
        TimeField::Create => "create_time",
        TimeField::Update => "update_time",
        TimeField::Delete => "delete_time",
    }
}

#[cfg(test)]
mod tests;
