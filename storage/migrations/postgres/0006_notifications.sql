-- A job that takes a row upon itself writes claim_time: until then, no other one takes it.

SET lock_timeout = '5s';

CREATE TABLE notification_settings (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    email boolean NOT NULL,
    web_push boolean NOT NULL,
    quiet_start_minutes integer NOT NULL CHECK (quiet_start_minutes BETWEEN 0 AND 1439),
    quiet_end_minutes integer NOT NULL CHECK (quiet_end_minutes BETWEEN 0 AND 1439),
    digest boolean NOT NULL,
    digest_minutes integer NOT NULL CHECK (digest_minutes BETWEEN 0 AND 1439),
    task_reminders boolean NOT NULL,
    task_reminder_minutes integer NOT NULL CHECK (task_reminder_minutes >= 0),
    streak_alerts boolean NOT NULL,
    streak_alert_minutes integer NOT NULL CHECK (streak_alert_minutes BETWEEN 0 AND 1439)
);

-- One mail, which tells of one notification or of several.
CREATE TABLE mails (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('PENDING', 'SENT', 'FAILED')),
    -- When it is tried next; NULL when it no longer is.
    due_time timestamptz,
    claim_time timestamptz,
    attempt_count integer NOT NULL CHECK (attempt_count >= 0),
    -- Why the last attempt failed, without a word about the person.
    failure text NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    CHECK ((state = 'PENDING') = (due_time IS NOT NULL))
);
CREATE INDEX idx_mails_due_time ON mails (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX idx_mails_user ON mails (user_id, create_time, id);

CREATE TABLE notifications (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('TASK_REMINDER', 'HABIT_REMINDER', 'STREAK_ALERT', 'AI_INSIGHT')),
    title text NOT NULL,
    body text NOT NULL,
    task_id uuid,
    habit_id uuid,
    -- What the server tells of, so that it does so once; NULL if the person asked for it.
    occasion text,
    schedule_time timestamptz NOT NULL,
    -- When it is looked at next, which quiet hours may put off; NULL once it was sent.
    due_time timestamptz,
    claim_time timestamptz,
    mail_id uuid,
    send_time timestamptz,
    read_time timestamptz,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, task_id) REFERENCES tasks (user_id, id) ON DELETE SET NULL (task_id),
    FOREIGN KEY (user_id, habit_id) REFERENCES habits (user_id, id) ON DELETE SET NULL (habit_id),
    FOREIGN KEY (user_id, mail_id) REFERENCES mails (user_id, id) ON DELETE SET NULL (mail_id),
    UNIQUE (user_id, occasion),
    CHECK ((due_time IS NULL) = (send_time IS NOT NULL))
);
CREATE INDEX idx_notifications_user_time ON notifications (user_id, schedule_time, id);
CREATE INDEX idx_notifications_user_unread ON notifications (user_id, schedule_time, id) WHERE read_time IS NULL;
CREATE INDEX idx_notifications_user_due ON notifications (user_id, due_time) WHERE due_time IS NOT NULL;
CREATE INDEX idx_notifications_due_time ON notifications (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX idx_notifications_send_time ON notifications (send_time) WHERE send_time IS NOT NULL;
CREATE INDEX idx_notifications_task ON notifications (user_id, task_id) WHERE task_id IS NOT NULL;
CREATE INDEX idx_notifications_habit ON notifications (user_id, habit_id) WHERE habit_id IS NOT NULL;
CREATE INDEX idx_notifications_mail ON notifications (user_id, mail_id) WHERE mail_id IS NOT NULL;

CREATE TABLE habit_reminders (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    habit_id uuid NOT NULL,
    minutes integer NOT NULL CHECK (minutes BETWEEN 0 AND 1439),
    -- JSON list of ISO weekdays; empty: all.
    weekdays jsonb NOT NULL,
    PRIMARY KEY (user_id, habit_id, minutes),
    FOREIGN KEY (user_id, habit_id) REFERENCES habits (user_id, id) ON DELETE CASCADE
);

-- When a person's habits are looked at next, for reminders and streaks.
CREATE TABLE habit_plans (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Up to when they were looked at.
    planned_time timestamptz NOT NULL,
    due_time timestamptz NOT NULL,
    claim_time timestamptz
);
CREATE INDEX idx_habit_plans_due_time ON habit_plans (due_time);

CREATE TABLE push_subscriptions (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    endpoint text NOT NULL,
    p256dh text NOT NULL,
    auth text NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, endpoint)
);

SELECT focusflow.protect('notification_settings');
SELECT focusflow.protect('mails', secret => true);
SELECT focusflow.protect('notifications');
SELECT focusflow.protect('habit_reminders');
SELECT focusflow.protect('habit_plans', secret => true);
SELECT focusflow.protect('push_subscriptions', secret => true);

-- Who finds due rows of all people may also claim them, and change nothing else of theirs.
GRANT UPDATE (claim_time) ON mails, notifications, habit_plans TO focusflow_lookup;
CREATE POLICY claim ON mails FOR UPDATE TO focusflow_lookup USING (true) WITH CHECK (true);
CREATE POLICY claim ON notifications FOR UPDATE TO focusflow_lookup USING (true) WITH CHECK (true);
CREATE POLICY claim ON habit_plans FOR UPDATE TO focusflow_lookup USING (true) WITH CHECK (true);

-- Claims notifications that are due, the oldest first, and answers whose they are.
CREATE FUNCTION focusflow.claim_notifications(due_until timestamptz, claim_until timestamptz, max_count bigint)
RETURNS SETOF uuid
LANGUAGE sql VOLATILE
AS $$
    UPDATE notifications SET claim_time = claim_until
    FROM (
        SELECT user_id, id FROM notifications
        WHERE due_time <= due_until AND (claim_time IS NULL OR claim_time <= due_until)
        ORDER BY due_time LIMIT max_count FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE notifications.user_id = due.user_id AND notifications.id = due.id
    RETURNING notifications.user_id
$$;
SELECT focusflow.publish('focusflow.claim_notifications(timestamptz, timestamptz, bigint)');

-- Claims mails that are due, the oldest first, and answers whose they are and which.
CREATE FUNCTION focusflow.claim_mails(due_until timestamptz, claim_until timestamptz, max_count bigint)
RETURNS TABLE (user_id uuid, id uuid)
LANGUAGE sql VOLATILE
AS $$
    UPDATE mails SET claim_time = claim_until
    FROM (
        SELECT mails.user_id, mails.id FROM mails
        WHERE due_time <= due_until AND (claim_time IS NULL OR claim_time <= due_until)
        ORDER BY due_time LIMIT max_count FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE mails.user_id = due.user_id AND mails.id = due.id
    RETURNING mails.user_id, mails.id
$$;
SELECT focusflow.publish('focusflow.claim_mails(timestamptz, timestamptz, bigint)');

-- Claims plans that are due, the oldest first, and answers whose they are.
CREATE FUNCTION focusflow.claim_habit_plans(due_until timestamptz, claim_until timestamptz, max_count bigint)
RETURNS SETOF uuid
LANGUAGE sql VOLATILE
AS $$
    UPDATE habit_plans SET claim_time = claim_until
    FROM (
        SELECT user_id FROM habit_plans
        WHERE due_time <= due_until AND (claim_time IS NULL OR claim_time <= due_until)
        ORDER BY due_time LIMIT max_count FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE habit_plans.user_id = due.user_id
    RETURNING habit_plans.user_id
$$;
SELECT focusflow.publish('focusflow.claim_habit_plans(timestamptz, timestamptz, bigint)');

-- Since when the oldest work of each kind is due; NULL without any. It names nobody.
CREATE FUNCTION focusflow.oldest_due(kind text, due_until timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT CASE kind
        WHEN 'notifications' THEN (SELECT min(due_time) FROM notifications WHERE due_time <= due_until)
        WHEN 'mails' THEN (SELECT min(due_time) FROM mails WHERE due_time <= due_until)
        WHEN 'habit_plans' THEN (SELECT min(due_time) FROM habit_plans WHERE due_time <= due_until)
    END
$$;
SELECT focusflow.publish('focusflow.oldest_due(text, timestamptz)');

-- Who has notifications that were sent so long ago that they are forgotten.
CREATE FUNCTION focusflow.users_with_old_notifications(sent_before timestamptz, max_count bigint) RETURNS SETOF uuid
LANGUAGE sql STABLE
AS $$
    SELECT DISTINCT user_id FROM (
        SELECT user_id FROM notifications WHERE send_time <= sent_before ORDER BY send_time LIMIT max_count
    ) AS old
$$;
SELECT focusflow.publish('focusflow.users_with_old_notifications(timestamptz, bigint)');
