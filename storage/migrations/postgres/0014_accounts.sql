SET lock_timeout = '5s';

-- Tokens that were mailed to people, as hashes: each is good once, until it expires.
CREATE TABLE account_tokens (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('VERIFY_EMAIL', 'RESET_PASSWORD')),
    -- The address that it was mailed to, which it proves.
    email text NOT NULL,
    expire_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL
);
CREATE INDEX idx_account_tokens_user ON account_tokens (user_id, purpose);
SELECT focusflow.protect('account_tokens', secret => true);

-- Whose a mailed token is.
CREATE FUNCTION focusflow.user_of_account_token(hash bytea) RETURNS uuid
LANGUAGE sql STABLE
AS $$ SELECT user_id FROM account_tokens WHERE token_hash = hash $$;
SELECT focusflow.publish('focusflow.user_of_account_token(bytea)');

-- What a mail says that is about the account and not about notifications.
CREATE TABLE account_mails (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    mail_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('VERIFY_EMAIL', 'RESET_PASSWORD', 'PASSWORD_CHANGED', 'EMAIL_CHANGED')),
    recipient text NOT NULL,
    -- Forgotten when the mail was sent or given up.
    token text,
    PRIMARY KEY (user_id, mail_id),
    FOREIGN KEY (user_id, mail_id) REFERENCES mails (user_id, id) ON DELETE CASCADE
);
SELECT focusflow.protect('account_mails', secret => true);

-- Second factors. The secret is encrypted by the gateway, whose keys storage does not have.
CREATE TABLE totp (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    encrypted_secret bytea NOT NULL,
    -- NULL: the person has not shown yet that it works.
    confirm_time timestamptz,
    -- The time step of the last code that was taken: a code is good once.
    last_step bigint NOT NULL
);
SELECT focusflow.protect('totp', secret => true);

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (user_id, code_hash)
);
SELECT focusflow.protect('recovery_codes', secret => true);

-- What happened to an account. Each row's hash covers the one before it, so that none can be changed or taken out
-- without a trace, and the service may only add rows.
CREATE TABLE security_events (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number bigint NOT NULL CHECK (number > 0),
    kind text NOT NULL,
    -- The session that it happened in or to.
    session_id uuid,
    create_time timestamptz NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (user_id, number)
);
SELECT focusflow.protect('security_events', secret => true);
REVOKE UPDATE, DELETE ON security_events FROM focusflow_app;

-- The same for addresses without an account, of which only a keyed hash is kept.
CREATE TABLE stray_security_events (
    number bigint PRIMARY KEY CHECK (number > 0),
    kind text NOT NULL,
    subject_hash bytea NOT NULL CHECK (length(subject_hash) = 32),
    create_time timestamptz NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32)
);
SELECT focusflow.hide('stray_security_events');
GRANT SELECT, INSERT ON stray_security_events TO focusflow_app;
CREATE POLICY app ON stray_security_events TO focusflow_app USING (true) WITH CHECK (true);
