-- A job that takes a row upon itself writes claim_time: until then, no other one takes it.

CREATE TABLE notification_settings (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    email INTEGER NOT NULL CHECK (email IN (0, 1)),
    web_push INTEGER NOT NULL CHECK (web_push IN (0, 1)),
    quiet_start_minutes INTEGER NOT NULL CHECK (quiet_start_minutes BETWEEN 0 AND 1439),
    quiet_end_minutes INTEGER NOT NULL CHECK (quiet_end_minutes BETWEEN 0 AND 1439),
    digest INTEGER NOT NULL CHECK (digest IN (0, 1)),
    digest_minutes INTEGER NOT NULL CHECK (digest_minutes BETWEEN 0 AND 1439),
    task_reminders INTEGER NOT NULL CHECK (task_reminders IN (0, 1)),
    task_reminder_minutes INTEGER NOT NULL CHECK (task_reminder_minutes >= 0),
    streak_alerts INTEGER NOT NULL CHECK (streak_alerts IN (0, 1)),
    streak_alert_minutes INTEGER NOT NULL CHECK (streak_alert_minutes BETWEEN 0 AND 1439)
) STRICT;

-- One mail, which tells of one notification or of several.
CREATE TABLE mails (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'SENT', 'FAILED')),
    -- When it is tried next; NULL when it no longer is.
    due_time TEXT,
    claim_time TEXT,
    attempt_count INTEGER NOT NULL CHECK (attempt_count >= 0),
    -- Why the last attempt failed, without a word about the person.
    failure TEXT NOT NULL,
    create_time TEXT NOT NULL,
    CHECK ((state = 'PENDING') = (due_time IS NOT NULL))
) STRICT;
CREATE INDEX idx_mails_due_time ON mails (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX idx_mails_user ON mails (user_id, create_time, id);

CREATE TABLE notifications (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('TASK_REMINDER', 'HABIT_REMINDER', 'STREAK_ALERT', 'AI_INSIGHT')),
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    task_id BLOB REFERENCES tasks (id) ON DELETE SET NULL,
    habit_id BLOB REFERENCES habits (id) ON DELETE SET NULL,
    -- What the server tells of, so that it does so once; NULL if the person asked for it.
    occasion TEXT,
    schedule_time TEXT NOT NULL,
    -- When it is looked at next, which quiet hours may put off; NULL once it was sent.
    due_time TEXT,
    claim_time TEXT,
    mail_id BLOB REFERENCES mails (id) ON DELETE SET NULL,
    send_time TEXT,
    read_time TEXT,
    create_time TEXT NOT NULL,
    UNIQUE (user_id, occasion),
    CHECK ((due_time IS NULL) = (send_time IS NOT NULL))
) STRICT;
CREATE INDEX idx_notifications_user_time ON notifications (user_id, schedule_time, id);
CREATE INDEX idx_notifications_user_unread ON notifications (user_id, schedule_time, id) WHERE read_time IS NULL;
CREATE INDEX idx_notifications_user_due ON notifications (user_id, due_time) WHERE due_time IS NOT NULL;
CREATE INDEX idx_notifications_due_time ON notifications (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX idx_notifications_send_time ON notifications (send_time) WHERE send_time IS NOT NULL;
CREATE INDEX idx_notifications_task ON notifications (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX idx_notifications_habit ON notifications (habit_id) WHERE habit_id IS NOT NULL;
CREATE INDEX idx_notifications_mail ON notifications (mail_id) WHERE mail_id IS NOT NULL;

CREATE TABLE habit_reminders (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    habit_id BLOB NOT NULL REFERENCES habits (id) ON DELETE CASCADE,
    minutes INTEGER NOT NULL CHECK (minutes BETWEEN 0 AND 1439),
    -- JSON list of ISO weekdays; empty: all.
    weekdays TEXT NOT NULL,
    PRIMARY KEY (user_id, habit_id, minutes)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_habit_reminders_habit ON habit_reminders (habit_id);

-- When a person's habits are looked at next, for reminders and streaks.
CREATE TABLE habit_plans (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Up to when they were looked at.
    planned_time TEXT NOT NULL,
    due_time TEXT NOT NULL,
    claim_time TEXT
) STRICT;
CREATE INDEX idx_habit_plans_due_time ON habit_plans (due_time);

CREATE TABLE push_subscriptions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    endpoint TEXT NOT NULL,
    p256dh TEXT NOT NULL,
    auth TEXT NOT NULL,
    create_time TEXT NOT NULL,
    UNIQUE (user_id, endpoint)
) STRICT;
