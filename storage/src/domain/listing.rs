//! What a list of tasks shows, and in which order.

mod condition;
mod order;

pub use condition::{Condition, DateRelation, NumberField, ReferenceField, Relation, Test, TextField, TimeField};
pub use order::{Order, OrderField, OrderKey, Place, Value};
