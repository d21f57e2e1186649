//! Categories: the areas of life and work that a person sorts tasks into.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::text::{CategoryName, Color, Icon};

/// What every new person starts with: name, colour and icon.
pub const INITIAL: [(&str, &str, &str); 4] = [
    ("Work", "#2563EB", "briefcase"),
    ("Personal", "#16A34A", "home"),
    ("Health", "#DC2626", "heart"),
    ("Learning", "#9333EA", "book"),
];

/// A named group of tasks.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct Category {
    /// Its id.
    pub id: Uuid,
    /// Unique among the person's categories, compared without case.
    pub name: CategoryName,
    /// How it is painted.
    pub color: Color,
    /// How it is drawn.
    pub icon: Icon,
    /// Counts its writes, from 1.
    pub version: i64,
    /// When it was created.
    pub create_time: DateTime<Utc>,
    /// When it was last written.
    pub update_time: DateTime<Utc>,
}
