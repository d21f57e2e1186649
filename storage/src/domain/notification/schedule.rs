//! When a person is told something: one place that knows lead times, quiet hours and digests, in the person's zone.
//!
//! Times of day are those of the wall clock. Where clocks go forward over one, it is the end of the gap; where they go
//! back over it, the first of the two.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::{HabitReminder, Settings, TimeOfDay};
use crate::domain::day::{DayRule, local_day};

/// A reminder on one weekday comes again within eight days, also where a zone skips one.
const DAYS_UNTIL_NEXT_MAX: u64 = 8;

/// When a notification goes out, by channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// In the application.
    pub in_app: DateTime<Utc>,
    /// By mail; `None` if the person wants none.
    pub email: Option<DateTime<Utc>>,
}

/// When a notification that is scheduled for `scheduled` goes out.
///
/// What falls into quiet hours waits until they end, on every channel. A digest gathers mail only: in the application
/// a person sees what is due when it is.
pub fn delivery(scheduled: DateTime<Utc>, settings: &Settings, rule: DayRule) -> Delivery {
    let in_app = after_quiet_hours(scheduled, settings, rule);
    let by_mail = || if settings.digest { digest(in_app, settings, rule) } else { in_app };
    Delivery { in_app, email: settings.email.then(by_mail) }
}

/// `instant`, or the end of the quiet hours that it falls into.
pub fn after_quiet_hours(instant: DateTime<Utc>, settings: &Settings, rule: DayRule) -> DateTime<Utc> {
    let (start, end) = (settings.quiet_start_minutes, settings.quiet_end_minutes);
    if start == end {
        return instant;
    }
    let calendar = rule.calendar();
    let today = local_day(instant, calendar);
    // Quiet hours that began yesterday may reach into today.
    [today.pred_opt(), Some(today)]
        .into_iter()
        .flatten()
        .map(|day| quiet_hours(day, start, end, calendar))
        .find(|(start, end)| (*start..*end).contains(&instant))
        .map_or(instant, |(_, end)| end)
}

/// The quiet hours that begin on `day`.
fn quiet_hours(day: NaiveDate, start: TimeOfDay, end: TimeOfDay, calendar: DayRule) -> (DateTime<Utc>, DateTime<Utc>) {
    let last_day = if start < end { day } else { day.succ_opt().unwrap_or(day) };
    (calendar.at(day, start.minutes()), calendar.at(last_day, end.minutes()))
}

/// The next time of the day's mail from `instant` on.
fn digest(instant: DateTime<Utc>, settings: &Settings, rule: DayRule) -> DateTime<Utc> {
    let calendar = rule.calendar();
    let today = local_day(instant, calendar);
    let next = (0..=DAYS_UNTIL_NEXT_MAX)
        .filter_map(|days| today.checked_add_days(Days::new(days)))
        .map(|day| calendar.at(day, settings.digest_minutes.minutes()))
        .find(|time| *time >= instant)
        .unwrap_or(instant);
    after_quiet_hours(next, settings, rule)
}

/// When the person is told that a task is due; `None` if they are not.
///
/// A task that comes due before the lead time is over, because it was entered late, is announced when it is due. One
/// that was due before it was entered is not announced: who writes down what is overdue knows that it is.
pub fn task_reminder(due_time: DateTime<Utc>, now: DateTime<Utc>, settings: &Settings) -> Option<DateTime<Utc>> {
    if !settings.task_reminders || due_time <= now {
        return None;
    }
    let lead = TimeDelta::minutes(settings.task_reminder_minutes.minutes().into());
    let early = due_time.checked_sub_signed(lead).unwrap_or(due_time);
    Some(if early > now { early } else { due_time })
}

/// The local days for whose `reminder` the time came after `after` and has come at `now`.
///
/// Days before today's are left out: nobody can act on them any more.
pub fn came_due(
    reminder: &HabitReminder,
    after: DateTime<Utc>,
    now: DateTime<Utc>,
    rule: DayRule,
) -> Option<NaiveDate> {
    let today = local_day(now, rule);
    let time = rule.within(today, reminder.time().minutes());
    Some(today).filter(|_| reminder.is_on(today) && after < time && time <= now)
}

/// The first time after `after` at which one of the `reminders` is due; `None` without reminders.
pub fn next_reminder<'a>(
    reminders: impl IntoIterator<Item = &'a HabitReminder>,
    after: DateTime<Utc>,
    rule: DayRule,
) -> Option<DateTime<Utc>> {
    let today = local_day(after, rule);
    let next = |reminder: &HabitReminder| {
        (0..=DAYS_UNTIL_NEXT_MAX)
            .filter_map(|days| today.checked_add_days(Days::new(days)))
            .filter(|day| reminder.is_on(*day))
            .map(|day| rule.within(day, reminder.time().minutes()))
            .find(|time| *time > after)
    };
    reminders.into_iter().filter_map(next).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notification::Lead;

    fn rule(zone: &str) -> DayRule {
        DayRule::new(zone.parse().unwrap(), 0)
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn time(text: &str) -> TimeOfDay {
        let (hours, minutes) = text.split_once(':').unwrap();
        TimeOfDay::parse(hours.parse::<i32>().unwrap() * 60 + minutes.parse::<i32>().unwrap()).unwrap()
    }

    fn quiet(start: &str, end: &str) -> Settings {
        Settings { quiet_start_minutes: time(start), quiet_end_minutes: time(end), ..Settings::default() }
    }

    fn by_mail(settings: &Settings) -> Settings {
        Settings { email: true, ..settings.clone() }
    }

    fn every_day_at(text: &str) -> HabitReminder {
        HabitReminder::parse(time(text), vec![]).unwrap()
    }

    #[test]
    fn without_quiet_hours_a_notification_goes_out_at_once() {
        let scheduled = utc("2026-06-15T01:00:00Z");
        let delivery = delivery(scheduled, &by_mail(&Settings::default()), rule("Europe/Berlin"));
        assert_eq!(delivery, Delivery { in_app: scheduled, email: Some(scheduled) });
    }

    #[test]
    fn quiet_hours_wrap_midnight_and_are_half_open() {
        let (settings, berlin) = (quiet("22:00", "07:00"), rule("Europe/Berlin"));
        // In June, Berlin is two hours ahead.
        let end = utc("2026-06-16T05:00:00Z");
        for (scheduled, sent) in [
            (utc("2026-06-15T19:59:59Z"), utc("2026-06-15T19:59:59Z")),
            (utc("2026-06-15T20:00:00Z"), end),
            (utc("2026-06-15T23:30:00Z"), end),
            (utc("2026-06-16T04:59:59Z"), end),
            (end, end),
        ] {
            assert_eq!(delivery(scheduled, &settings, berlin).in_app, sent, "{scheduled}");
        }
    }

    #[test]
    fn quiet_hours_within_a_day_leave_its_night_alone() {
        let (settings, utc_rule) = (quiet("09:00", "17:00"), rule("UTC"));
        for (scheduled, sent) in [("08:59:59", "08:59:59"), ("09:00:00", "17:00:00"), ("23:00:00", "23:00:00")] {
            let [scheduled, sent] = [scheduled, sent].map(|time| utc(&format!("2026-06-15T{time}Z")));
            assert_eq!(delivery(scheduled, &settings, utc_rule).in_app, sent, "{scheduled}");
        }
    }

    #[test]
    fn quiet_hours_end_by_the_wall_clock_when_clocks_go_forward() {
        // On 2026-03-29 the clocks of Berlin go from 02:00 to 03:00: the night is an hour shorter.
        let berlin = rule("Europe/Berlin");
        let scheduled = utc("2026-03-28T22:00:00Z");
        assert_eq!(delivery(scheduled, &quiet("22:00", "07:00"), berlin).in_app, utc("2026-03-29T05:00:00Z"));
        // 02:30 does not happen, so they end with the gap.
        assert_eq!(delivery(scheduled, &quiet("22:00", "02:30"), berlin).in_app, utc("2026-03-29T01:00:00Z"));
        // Quiet hours that lie in the gap do not happen either.
        let after_gap = utc("2026-03-29T01:00:00Z");
        assert_eq!(delivery(after_gap, &quiet("02:00", "02:59"), berlin).in_app, after_gap);
    }

    #[test]
    fn quiet_hours_end_by_the_wall_clock_when_clocks_go_back() {
        // On 2026-10-25 the clocks of Berlin go from 03:00 to 02:00: the night is an hour longer.
        let berlin = rule("Europe/Berlin");
        let scheduled = utc("2026-10-24T21:00:00Z");
        assert_eq!(delivery(scheduled, &quiet("22:00", "07:00"), berlin).in_app, utc("2026-10-25T06:00:00Z"));
        // 02:30 happens twice, and they end at the first.
        assert_eq!(delivery(scheduled, &quiet("22:00", "02:30"), berlin).in_app, utc("2026-10-25T00:30:00Z"));
        let between = utc("2026-10-25T01:10:00Z");
        assert_eq!(delivery(between, &quiet("22:00", "02:30"), berlin).in_app, between);
    }

    #[test]
    fn what_waited_is_never_in_quiet_hours_again() {
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana"] {
            for (start, end) in [("22:00", "07:00"), ("00:30", "02:30"), ("02:30", "01:30"), ("13:00", "13:30")] {
                let (settings, rule) = (quiet(start, end), rule(zone));
                let mut instant = utc("2026-01-01T00:00:00Z");
                while instant < utc("2027-01-01T00:00:00Z") {
                    let sent = after_quiet_hours(instant, &settings, rule);
                    assert!(sent >= instant && sent - instant <= TimeDelta::hours(25), "{zone} {start} {instant}");
                    assert_eq!(after_quiet_hours(sent, &settings, rule), sent, "{zone} {start}-{end} {instant}");
                    instant += TimeDelta::minutes(47);
                }
            }
        }
    }

    #[test]
    fn a_digest_gathers_mail_but_not_what_is_shown_in_the_application() {
        let settings = by_mail(&Settings { digest: true, digest_minutes: time("08:00"), ..Settings::default() });
        let berlin = rule("Europe/Berlin");
        let scheduled = utc("2026-06-15T10:00:00Z");
        let expected = Delivery { in_app: scheduled, email: Some(utc("2026-06-16T06:00:00Z")) };
        assert_eq!(delivery(scheduled, &settings, berlin), expected);
        let early = utc("2026-06-15T06:00:00Z");
        assert_eq!(delivery(early, &settings, berlin).email, Some(early), "the digest of the same minute");
    }

    #[test]
    fn a_digest_keeps_its_time_of_day_over_both_changes_of_the_clocks() {
        let settings = by_mail(&Settings { digest: true, digest_minutes: time("08:00"), ..Settings::default() });
        let berlin = rule("Europe/Berlin");
        for (scheduled, sent) in
            [("2026-03-28T12:00:00Z", "2026-03-29T06:00:00Z"), ("2026-10-24T12:00:00Z", "2026-10-25T07:00:00Z")]
        {
            assert_eq!(delivery(utc(scheduled), &settings, berlin).email, Some(utc(sent)));
        }
    }

    #[test]
    fn a_digest_in_quiet_hours_comes_when_they_end() {
        let settings = Settings { digest: true, digest_minutes: time("06:00"), ..by_mail(&quiet("22:00", "07:00")) };
        let sent = delivery(utc("2026-06-15T12:00:00Z"), &settings, rule("UTC")).email;
        assert_eq!(sent, Some(utc("2026-06-16T07:00:00Z")));
    }

    #[test]
    fn a_task_is_announced_when_it_is_due_or_as_long_before_as_the_person_says() {
        let (due, now) = (utc("2026-06-15T12:00:00Z"), utc("2026-06-15T10:00:00Z"));
        let ahead = |minutes| Settings { task_reminder_minutes: Lead::parse(minutes).unwrap(), ..Settings::default() };
        assert_eq!(task_reminder(due, now, &ahead(0)), Some(due));
        assert_eq!(task_reminder(due, now, &ahead(30)), Some(utc("2026-06-15T11:30:00Z")));
        assert_eq!(task_reminder(due, now, &ahead(120)), Some(due), "the lead time is over already");
        assert_eq!(task_reminder(now, now, &ahead(0)), None, "overdue when it was entered");
        assert_eq!(task_reminder(due, now, &Settings { task_reminders: false, ..ahead(0) }), None);
    }

    #[test]
    fn a_habit_has_several_reminders_and_the_next_one_counts() {
        let reminders = [every_day_at("07:30"), every_day_at("21:00")];
        let berlin = rule("Europe/Berlin");
        for (after, next) in [
            ("2026-06-15T05:29:59Z", "2026-06-15T05:30:00Z"),
            ("2026-06-15T05:30:00Z", "2026-06-15T19:00:00Z"),
            ("2026-06-15T19:00:00Z", "2026-06-16T05:30:00Z"),
        ] {
            assert_eq!(next_reminder(&reminders, utc(after), berlin), Some(utc(next)), "{after}");
        }
        assert_eq!(next_reminder(&[], utc("2026-06-15T05:30:00Z"), berlin), None);
    }

    #[test]
    fn a_reminder_keeps_to_its_weekdays() {
        // 2026-06-15 is a Monday.
        let fridays = [HabitReminder::parse(time("09:00"), vec![5]).unwrap()];
        let next = next_reminder(&fridays, utc("2026-06-15T12:00:00Z"), rule("UTC"));
        assert_eq!(next, Some(utc("2026-06-19T09:00:00Z")));
        let after_that = next_reminder(&fridays, utc("2026-06-19T09:00:00Z"), rule("UTC"));
        assert_eq!(after_that, Some(utc("2026-06-26T09:00:00Z")));
    }

    #[test]
    fn a_reminder_in_the_night_belongs_to_the_day_that_the_night_ends() {
        let night_owl = DayRule::new("UTC".parse().unwrap(), 240);
        let reminder = every_day_at("01:00");
        let (after, now) = (utc("2026-06-16T00:59:00Z"), utc("2026-06-16T01:00:00Z"));
        assert_eq!(came_due(&reminder, after, now, night_owl), Some("2026-06-15".parse().unwrap()));
        assert_eq!(next_reminder([&reminder], after, night_owl), Some(now));
    }

    #[test]
    fn reminders_that_nobody_was_there_to_send_are_not_made_up_for_on_another_day() {
        let reminder = every_day_at("09:00");
        let last_month = utc("2026-05-15T12:00:00Z");
        let came = |now: &str| came_due(&reminder, last_month, utc(now), rule("UTC"));
        assert_eq!(came("2026-06-15T08:59:59Z"), None);
        assert_eq!(came("2026-06-15T09:00:00Z"), Some("2026-06-15".parse().unwrap()));
        assert_eq!(came("2026-06-15T23:59:59Z"), Some("2026-06-15".parse().unwrap()));
    }

    #[test]
    fn every_day_of_a_year_has_one_reminder_whatever_the_clocks_do() {
        for (zone, minute) in [("Europe/Berlin", "02:30"), ("America/New_York", "02:30"), ("America/Havana", "00:30")] {
            let (reminder, rule) = (every_day_at(minute), rule(zone));
            let mut after = utc("2026-01-01T12:00:00Z");
            let mut days = std::collections::BTreeSet::new();
            for _ in 0..365 {
                let next = next_reminder([&reminder], after, rule).unwrap();
                let day = came_due(&reminder, after, next, rule).unwrap();
                assert!(days.insert(day), "{zone}: {day} twice");
                after = next;
            }
            let (first, last) = (days.first().unwrap(), days.last().unwrap());
            assert_eq!((*last - *first).num_days(), 364, "{zone}");
        }
    }
}
