-- Tokens that were mailed to people, as hashes: each is good once, until it expires.
CREATE TABLE account_tokens (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('VERIFY_EMAIL', 'RESET_PASSWORD')),
    -- The address that it was mailed to, which it proves.
    email TEXT NOT NULL,
    expire_time TEXT NOT NULL,
    create_time TEXT NOT NULL
) STRICT;
CREATE INDEX idx_account_tokens_user ON account_tokens (user_id, purpose);

-- What a mail says that is about the account and not about notifications.
CREATE TABLE account_mails (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    mail_id BLOB NOT NULL PRIMARY KEY REFERENCES mails (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('VERIFY_EMAIL', 'RESET_PASSWORD', 'PASSWORD_CHANGED', 'EMAIL_CHANGED')),
    recipient TEXT NOT NULL,
    -- Forgotten when the mail was sent or given up.
    token TEXT
) STRICT;

-- Second factors. The secret is encrypted by the gateway, whose keys storage does not have.
CREATE TABLE totp (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    encrypted_secret BLOB NOT NULL,
    -- NULL: the person has not shown yet that it works.
    confirm_time TEXT,
    -- The time step of the last code that was taken: a code is good once.
    last_step INTEGER NOT NULL
) STRICT;

CREATE TABLE recovery_codes (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

-- What happened to an account. Each row's hash covers the one before it, so that none can be changed or taken out
-- without a trace, and rows are only added.
CREATE TABLE security_events (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    kind TEXT NOT NULL,
    -- The session that it happened in or to.
    session_id BLOB,
    create_time TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (user_id, number)
) STRICT;
CREATE TRIGGER security_events_are_not_changed BEFORE UPDATE ON security_events
BEGIN SELECT RAISE(ABORT, 'security events are only added'); END;
-- With the account they go as well, and by then the account is gone.
CREATE TRIGGER security_events_are_not_deleted BEFORE DELETE ON security_events
WHEN EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id)
BEGIN SELECT RAISE(ABORT, 'security events are only added'); END;

-- The same for addresses without an account, of which only a keyed hash is kept.
CREATE TABLE stray_security_events (
    number INTEGER NOT NULL PRIMARY KEY CHECK (number > 0),
    kind TEXT NOT NULL,
    subject_hash BLOB NOT NULL CHECK (length(subject_hash) = 32),
    create_time TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER stray_security_events_are_not_changed BEFORE UPDATE ON stray_security_events
BEGIN SELECT RAISE(ABORT, 'security events are only added'); END;
CREATE TRIGGER stray_security_events_are_not_deleted BEFORE DELETE ON stray_security_events
BEGIN SELECT RAISE(ABORT, 'security events are only added'); END;
