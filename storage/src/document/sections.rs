//! The lists of the document, one for each table of a person's.

use super::{Column, Kind, Origin, Section};
use crate::clock;
use crate::domain::Problem;
use crate::domain::change::Resource;
use crate::domain::dates::{self, DateRange};
use crate::domain::habit::{DoneCount, TargetCount};
use crate::domain::notification::{Lead, TimeOfDay};
use crate::domain::recurrence::Recurrence;
use crate::domain::report::Content;
use crate::domain::task::{EstimatedMinutes, Tags};
use crate::domain::text::{
    CategoryName, Color, HabitDescription, HabitName, Icon, Notes, NotificationBody, NotificationTitle,
    TaskDescription, TaskTitle,
};

/// Text under the rule of a type.
macro_rules! text {
    ($type:ty) => {
        Kind::Text(|text| <$type>::parse(text).map(String::from))
    };
}

/// A number under the rule of a type.
macro_rules! integer {
    ($type:ty) => {
        Kind::Integer(|number| <$type>::parse(number).map(drop))
    };
}

/// JSON that is one of a type's values.
macro_rules! json {
    ($type:ty) => {
        Kind::Json(|value| match serde_json::from_value::<$type>(value.clone()) {
            Ok(_) => Ok(value),
            Err(error) => Err(Problem::new(error.to_string())),
        })
    };
}

/// A day that a person can have logged something on.
const DAY: Kind = Kind::Date(dates::FIRST_DATE);
/// A day of the contract's.
const ANY_DAY: Kind = Kind::Date(clock::FIRST_DATE);

const PRIORITIES: &[&str] = &["LOW", "MEDIUM", "HIGH", "URGENT"];
const STATUSES: &[&str] = &["PENDING", "IN_PROGRESS", "COMPLETED", "CANCELLED"];
const PERIODS: &[&str] = &["DAY", "WEEK"];
const NOTIFICATION_KINDS: &[&str] = &["TASK_REMINDER", "HABIT_REMINDER", "STREAK_ALERT", "AI_INSIGHT"];
const REPORT_KINDS: &[&str] = &["DAILY", "WEEKLY", "MONTHLY"];

/// All lists, in the order in which a document has them.
pub const SECTIONS: &[&Section] = &[
    &CATEGORIES,
    &TASKS,
    &SERIES,
    &TASK_REVISIONS,
    &TIME_LOGS,
    &HABITS,
    &HABIT_LOGS,
    &VACATIONS,
    &REPORTS,
    &NOTIFICATION_SETTINGS,
    &HABIT_REMINDERS,
    &NOTIFICATIONS,
];

/// Categories.
pub const CATEGORIES: Section = Section {
    name: "categories",
    table: "categories",
    resource: Some(Resource::Category),
    columns: &[
        Column::new("id", Kind::Id),
        Column::new("name", text!(CategoryName)),
        Column::from("name_key", text!(CategoryName), Origin::Folded("name")),
        Column::new("color", text!(Color)),
        Column::new("icon", text!(Icon)),
        Column::new("version", Kind::Long),
        Column::new("create_time", Kind::Time),
        Column::new("update_time", Kind::Time),
    ],
    order: &["name_key"],
};

/// Tasks, also those in the trash.
pub const TASKS: Section = Section {
    name: "tasks",
    table: "tasks",
    resource: Some(Resource::Task),
    columns: &[
        Column::new("id", Kind::Id),
        Column::optional("category_id", Kind::Reference("categories")),
        Column::optional("parent_id", Kind::Reference("tasks")),
        Column::new("title", text!(TaskTitle)),
        Column::new("description", text!(TaskDescription)),
        Column::new("priority", Kind::Word(PRIORITIES)),
        Column::new("status", Kind::Word(STATUSES)),
        Column::new("estimated_minutes", integer!(EstimatedMinutes)),
        Column::from("logged_micros", Kind::Long, Origin::Zero),
        Column::optional("due_time", Kind::Time),
        Column::new("tags", Kind::Json(tags)),
        Column::from("postponement_count", Kind::Integer(not_negative), Origin::LaterDocument),
        Column::optional("recurrence", json!(Recurrence)),
        Column::optional("series_id", Kind::Reference("tasks")),
        Column::optional("occurrence_date", ANY_DAY),
        Column::from("is_edited", Kind::Flag, Origin::LaterDocument),
        Column::from("is_template", Kind::Flag, Origin::LaterDocument),
        Column::new("version", Kind::Long),
        Column::optional("complete_time", Kind::Time),
        Column::optional("delete_time", Kind::Time),
        Column::new("create_time", Kind::Time),
        Column::new("update_time", Kind::Time),
    ],
    order: &["create_time", "id"],
};

/// How far the occurrences of series have been made.
const SERIES: Section = Section {
    name: "series",
    table: "series",
    resource: None,
    columns: &[
        Column::new("id", Kind::Reference("tasks")),
        Column::new("made_through", ANY_DAY),
        Column::optional("next_time", Kind::Time),
    ],
    order: &["id"],
};

/// What tasks were before they were changed. What they named then may be gone.
const TASK_REVISIONS: Section = Section {
    name: "taskRevisions",
    table: "task_revisions",
    resource: None,
    columns: &[
        Column::new("task_id", Kind::Reference("tasks")),
        Column::new("revision", Kind::Long),
        Column::optional("category_id", Kind::Mention("categories")),
        Column::optional("parent_id", Kind::Mention("tasks")),
        Column::new("title", text!(TaskTitle)),
        Column::new("description", text!(TaskDescription)),
        Column::new("priority", Kind::Word(PRIORITIES)),
        Column::new("status", Kind::Word(STATUSES)),
        Column::new("estimated_minutes", integer!(EstimatedMinutes)),
        Column::new("logged_micros", Kind::Long),
        Column::optional("due_time", Kind::Time),
        Column::new("tags", Kind::Json(tags)),
        Column::optional("recurrence", json!(Recurrence)),
        Column::optional("postponement_count", Kind::Integer(not_negative)),
        Column::optional("complete_time", Kind::Time),
        Column::optional("delete_time", Kind::Time),
        Column::new("update_time", Kind::Time),
    ],
    order: &["task_id", "revision"],
};

/// Time logs, also one that is running.
pub const TIME_LOGS: Section = Section {
    name: "timeLogs",
    table: "time_logs",
    resource: Some(Resource::TimeLog),
    columns: &[
        Column::new("id", Kind::Id),
        Column::optional("task_id", Kind::Reference("tasks")),
        Column::new("start_time", Kind::Time),
        Column::optional("end_time", Kind::Time),
        Column::from("duration_micros", Kind::Long, Origin::Micros("start_time", "end_time")),
        Column::new("notes", text!(Notes)),
        Column::new("manual", Kind::Flag),
        Column::from("forgotten", Kind::Flag, Origin::LaterDocument),
        Column::new("create_time", Kind::Time),
        Column::new("update_time", Kind::Time),
    ],
    order: &["start_time", "id"],
};

/// Habits, also those in the archive.
const HABITS: Section = Section {
    name: "habits",
    table: "habits",
    resource: Some(Resource::Habit),
    columns: &[
        Column::new("id", Kind::Id),
        Column::new("name", text!(HabitName)),
        Column::from("name_key", text!(HabitName), Origin::Folded("name")),
        Column::new("description", text!(HabitDescription)),
        Column::optional("category_id", Kind::Reference("categories")),
        Column::new("target_count", integer!(TargetCount)),
        Column::new("period", Kind::Word(PERIODS)),
        Column::optional("archive_date", DAY),
        Column::new("pauses", json!(Vec<DateRange>)),
        Column::new("version", Kind::Long),
        Column::new("create_time", Kind::Time),
        Column::new("update_time", Kind::Time),
    ],
    order: &["name_key", "id"],
};

/// What was done of habits.
const HABIT_LOGS: Section = Section {
    name: "habitLogs",
    table: "habit_logs",
    resource: Some(Resource::HabitLog),
    columns: &[
        Column::new("id", Kind::Id),
        Column::new("habit_id", Kind::Reference("habits")),
        Column::new("local_date", DAY),
        Column::new("done_count", integer!(DoneCount)),
        Column::new("skipped", Kind::Flag),
        Column::new("notes", text!(Notes)),
        Column::new("create_time", Kind::Time),
        Column::new("update_time", Kind::Time),
    ],
    order: &["habit_id", "local_date"],
};

/// Days on which no habit is due.
const VACATIONS: Section = Section {
    name: "vacations",
    table: "vacations",
    resource: None,
    columns: &[Column::new("start_date", DAY), Column::new("end_date", DAY)],
    order: &["start_date"],
};

/// Reports.
const REPORTS: Section = Section {
    name: "reports",
    table: "reports",
    resource: Some(Resource::Report),
    columns: &[
        Column::new("id", Kind::Id),
        Column::new("kind", Kind::Word(REPORT_KINDS)),
        Column::new("local_date", DAY),
        Column::new("content", json!(Content)),
        Column::new("create_time", Kind::Time),
    ],
    order: &["local_date", "id"],
};

/// How the person wants to be told: none, or one.
const NOTIFICATION_SETTINGS: Section = Section {
    name: "notificationSettings",
    table: "notification_settings",
    resource: None,
    columns: &[
        Column::new("email", Kind::Flag),
        Column::new("web_push", Kind::Flag),
        Column::new("quiet_start_minutes", integer!(TimeOfDay)),
        Column::new("quiet_end_minutes", integer!(TimeOfDay)),
        Column::new("digest", Kind::Flag),
        Column::new("digest_minutes", integer!(TimeOfDay)),
        Column::new("task_reminders", Kind::Flag),
        Column::new("task_reminder_minutes", integer!(Lead)),
        Column::new("streak_alerts", Kind::Flag),
        Column::new("streak_alert_minutes", integer!(TimeOfDay)),
    ],
    order: &["digest_minutes"],
};

/// When the person wants to be reminded of habits.
const HABIT_REMINDERS: Section = Section {
    name: "habitReminders",
    table: "habit_reminders",
    resource: None,
    columns: &[
        Column::new("habit_id", Kind::Reference("habits")),
        Column::new("minutes", integer!(TimeOfDay)),
        Column::new("weekdays", Kind::Json(weekdays)),
    ],
    order: &["habit_id", "minutes"],
};

/// What the person was told, or is to be.
const NOTIFICATIONS: Section = Section {
    name: "notifications",
    table: "notifications",
    resource: Some(Resource::Notification),
    columns: &[
        Column::new("id", Kind::Id),
        Column::new("kind", Kind::Word(NOTIFICATION_KINDS)),
        Column::new("title", text!(NotificationTitle)),
        Column::new("body", text!(NotificationBody)),
        Column::optional("task_id", Kind::Reference("tasks")),
        Column::optional("habit_id", Kind::Reference("habits")),
        Column::optional("occasion", text!(Icon)),
        Column::new("schedule_time", Kind::Time),
        Column::optional("due_time", Kind::Time),
        Column::optional("send_time", Kind::Time),
        Column::optional("read_time", Kind::Time),
        Column::new("create_time", Kind::Time),
    ],
    order: &["schedule_time", "id"],
};

fn weekdays(value: serde_json::Value) -> Result<serde_json::Value, Problem> {
    let days: Option<Vec<i64>> = value.as_array().and_then(|days| days.iter().map(serde_json::Value::as_i64).collect());
    match days {
        Some(days) if days.iter().all(|day| (1..=7).contains(day)) => Ok(value),
        _ => Err(Problem::new("must be a list of weekdays from 1 (Monday) to 7 (Sunday)")),
    }
}

fn not_negative(number: i32) -> Result<(), Problem> {
    if number < 0 { Err(Problem::new("must not be negative")) } else { Ok(()) }
}

fn tags(value: serde_json::Value) -> Result<serde_json::Value, Problem> {
    let texts: Vec<String> = serde_json::from_value(value).map_err(|_| Problem::new("must be a list of texts"))?;
    let tags = Tags::parse(&texts).map_err(|(index, problem)| Problem::new(format!("{}: {problem}", index + 1)))?;
    Ok(tags.as_slice().iter().map(|tag| tag.as_str().to_owned()).collect())
}
