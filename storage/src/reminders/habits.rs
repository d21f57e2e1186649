//! Reminders of habits, and alerts before streaks end.
//!
//! A person's habits are looked at whenever one of their times has come, and the next time is noted. What nobody was
//! there to say on the day is not said later.

use std::collections::{BTreeMap, HashMap};

use chrono::{NaiveDate, Weekday};
use uuid::Uuid;

use super::insert;
use crate::domain::dates::DateRange;
use crate::domain::day::{DayRule, local_day};
use crate::domain::habit::progress::{DayLog, measure};
use crate::domain::habit::{Habit, Period};
use crate::domain::notification::{HabitReminder, Kind, Notification, Settings, schedule};
use crate::domain::text::{NotificationBody, NotificationTitle};
use crate::sql::habit_reminders::OfHabit;
use crate::sql::{Write, habit_reminders, habits, notification_settings, users};

/// A streak of one is not much to lose.
const STREAK_MIN: i32 = 2;

/// How the person's habits stand.
struct Habits {
    all: Vec<Habit>,
    days: HashMap<Uuid, Vec<DayLog>>,
    vacations: Vec<DateRange>,
    rule: DayRule,
    today: NaiveDate,
}

/// Says what has come due about the person's habits since they were looked at last, and notes when to look next. To be
/// called also when a habit was added or deleted.
pub(crate) async fn look(write: &mut Write) -> sqlx::Result<()> {
    let (user_id, now) = (write.user_id(), write.now());
    let (settings, rule) = person(write).await?;
    let since = habit_reminders::planned_time(write.connection(), user_id).await?.unwrap_or(now);
    let came_due = |reminder: &HabitReminder| schedule::came_due(reminder, since, now, rule).is_some();

    // By habit, so that of several reminders that were missed only the last is said.
    let reminders = habit_reminders::list_all(write.connection(), user_id).await?;
    let due: BTreeMap<Uuid, &HabitReminder> = reminders
        .iter()
        .filter(|OfHabit { reminder, .. }| came_due(reminder))
        .map(|OfHabit { habit_id, reminder }| (*habit_id, reminder))
        .collect();
    let alert = streak_alert(&settings).filter(|alert| came_due(alert));
    if !due.is_empty() || alert.is_some() {
        let habits = Habits::load(write, rule).await?;
        let notifications: Vec<_> = habits.reminders(write, &due).chain(habits.alerts(write, alert.as_ref())).collect();
        for notification in notifications {
            insert(write, &notification).await?;
        }
    }
    plan(write).await
}

/// Notes when to look at the person's habits next. To be called after their reminders, settings or clocks changed, and
/// [`look`] before, so that nothing falls between the old and the new.
pub(crate) async fn plan(write: &mut Write) -> sqlx::Result<()> {
    let (user_id, now) = (write.user_id(), write.now());
    let (settings, rule) = person(write).await?;
    let has_habits = habits::count(write.connection(), user_id).await? > 0;
    let reminders = habit_reminders::list_all(write.connection(), user_id).await?;
    let alert = streak_alert(&settings).filter(|_| has_habits);
    let times = reminders.iter().map(|of_habit| &of_habit.reminder).chain(&alert);
    let next = schedule::next_reminder(times, now, rule);
    habit_reminders::plan(write.connection(), user_id, now, next).await
}

async fn person(write: &mut Write) -> sqlx::Result<(Settings, DayRule)> {
    let user_id = write.user_id();
    let settings = notification_settings::find(write.connection(), user_id).await?;
    let user = users::find(write.connection(), user_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok((settings, user.day_rule()))
}

/// The time at which streaks are announced, which is one like those of reminders.
fn streak_alert(settings: &Settings) -> Option<HabitReminder> {
    let every_day = HabitReminder::parse(settings.streak_alert_minutes, Vec::new()).ok();
    every_day.filter(|_| settings.streak_alerts)
}

impl Habits {
    async fn load(write: &mut Write, rule: DayRule) -> sqlx::Result<Self> {
        let user_id = write.user_id();
        let all = habits::list(write.connection(), user_id, false).await?;
        let mut days: HashMap<Uuid, Vec<DayLog>> = HashMap::new();
        for (habit_id, day) in habits::days(write.connection(), user_id, None).await? {
            days.entry(habit_id).or_default().push(day);
        }
        let vacations = habits::vacations(write.connection(), user_id).await?;
        let today = local_day(write.now(), rule);
        Ok(Self { all, days, vacations, rule, today })
    }

    fn days(&self, habit: &Habit) -> &[DayLog] {
        self.days.get(&habit.id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the habit asks for something today that was not done yet.
    fn is_due(&self, habit: &Habit) -> bool {
        let goal = habit.goal();
        let free = habit.free_days(&self.vacations);
        let is_free = free.iter().any(|range| range.first <= self.today && self.today <= range.last);
        let first = match goal.period {
            Period::Day => self.today,
            Period::Week => self.today.week(Weekday::Mon).first_day(),
        };
        let period = self.days(habit).iter().filter(|day| first <= day.date && day.date <= self.today);
        let period: Vec<&DayLog> = period.collect();
        let is_skipped = period.iter().any(|day| day.date == self.today && day.skipped);
        let count: i64 = period.iter().map(|day| i64::from(day.count)).sum();
        !is_free && !is_skipped && count < i64::from(goal.target_count.get())
    }

    /// The streak that ends with today, unless the person does something about it.
    fn ending_streak(&self, habit: &Habit) -> Option<i32> {
        let free = habit.free_days(&self.vacations);
        let on = |day| measure(habit.goal(), self.days(habit), &free, day).current_streak;
        let streak = on(self.today);
        let tomorrow = self.today.succ_opt()?;
        (streak >= STREAK_MIN && on(tomorrow) == 0).then_some(streak)
    }

    fn reminders<'a>(
        &'a self,
        write: &'a Write,
        due: &'a BTreeMap<Uuid, &HabitReminder>,
    ) -> impl Iterator<Item = Notification> + 'a {
        self.all.iter().filter(|habit| self.is_due(habit)).filter_map(move |habit| {
            let minutes = due.get(&habit.id)?.time().minutes();
            let occasion = format!("habit/{}/{}/{minutes}", habit.id, self.today);
            let notification = about(habit, Kind::HabitReminder, write)?;
            let schedule_time = self.rule.within(self.today, minutes);
            Some(Notification { occasion: Some(occasion), schedule_time, ..notification })
        })
    }

    fn alerts<'a>(
        &'a self,
        write: &'a Write,
        alert: Option<&HabitReminder>,
    ) -> impl Iterator<Item = Notification> + 'a {
        let schedule_time = alert.map(|alert| self.rule.within(self.today, alert.time().minutes()));
        self.all.iter().filter_map(move |habit| {
            let schedule_time = schedule_time?;
            let streak = self.ending_streak(habit)?;
            let occasion = format!("streak/{}/{}", habit.id, self.today);
            let body = NotificationBody::parse(&format!("A streak of {streak} ends today.")).ok()?;
            let notification = about(habit, Kind::StreakAlert, write)?;
            Some(Notification { occasion: Some(occasion), schedule_time, body, ..notification })
        })
    }
}

fn about(habit: &Habit, kind: Kind, write: &Write) -> Option<Notification> {
    Some(Notification {
        id: write.new_id(),
        kind,
        // A habit's name is a title.
        title: NotificationTitle::parse(habit.name.as_str()).ok()?,
        body: NotificationBody::default(),
        task_id: None,
        habit_id: Some(habit.id),
        occasion: None,
        schedule_time: write.now(),
        send_time: None,
        read_time: None,
        create_time: write.now(),
    })
}
