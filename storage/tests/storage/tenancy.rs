//! Row-level security on PostgreSQL: what the service's role can and cannot do, whatever a query forgets to say.
//!
//! The catalog names the tables, so those of later migrations are held to the same.

use std::collections::BTreeSet;

use focusflow_storage::sql::{Connection, Database, query_scalar};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{Postgres, TestDatabase};

/// What belongs to nobody.
const SHARED_TABLES: [&str; 4] = ["_sqlx_migrations", "cache_epoch", "settings", "stray_security_events"];
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const FOREIGN_KEY_VIOLATION: &str = "23503";

const ALICE: Uuid = Uuid::from_u128(0xa);
const BOB: Uuid = Uuid::from_u128(0xb);

/// A table of people's, and the column that says whose a row is.
#[derive(Debug)]
struct Table {
    name: String,
    owner_column: String,
}

async fn database() -> TestDatabase {
    // Only SQLite keeps files there.
    TestDatabase::create(Postgres, TempDir::new().unwrap().path()).await
}

async fn texts(connection: &mut PgConnection, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).fetch_all(connection).await.unwrap()
}

async fn tables(owner: &mut PgConnection) -> Vec<Table> {
    let rows = owner.fetch_all(
        "SELECT relname::text, CASE relname WHEN 'users' THEN 'id' ELSE 'user_id' END FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND (relname = 'users' OR EXISTS (
             SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'user_id' AND NOT attisdropped
         )) ORDER BY relname",
    );
    rows.await.unwrap().iter().map(|row| Table { name: row.get(0), owner_column: row.get(1) }).collect()
}

#[tokio::test]
async fn every_table_of_peoples_has_row_security_that_binds_its_owner_too() {
    let mut owner = database().await.connect_as(None).await;
    let open = texts(
        &mut owner,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
         AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname",
    );
    assert_eq!(open.await, SHARED_TABLES, "every other table belongs to people");
    let unlocked = texts(
        &mut owner,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
         AND NOT relrowsecurity",
    );
    assert_eq!(unlocked.await, [""; 0]);
    assert!(tables(&mut owner).await.len() >= 11);
}

#[tokio::test]
async fn the_service_is_let_through_by_one_policy_that_asks_whose_a_row_is() {
    let mut owner = database().await.connect_as(None).await;
    for Table { name, owner_column } in tables(&mut owner).await {
        let policies: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT cmd, qual, with_check FROM pg_policies WHERE tablename = $1
             AND roles && ARRAY['public', 'focusflow_app']::name[]",
        )
        .bind(&name)
        .fetch_all(&mut owner)
        .await
        .unwrap();
        let rule = format!("({owner_column} = focusflow.person())");
        assert_eq!(policies, [("ALL".to_owned(), rule.clone(), rule)], "{name}");
    }
    let views = texts(
        &mut owner,
        "SELECT viewname::text FROM pg_views WHERE schemaname IN ('public', 'focusflow')
                                   AND viewname NOT LIKE 'pg_stat_statements%'",
    );
    assert_eq!(views.await, [""; 0], "a view reads as its owner");
}

#[tokio::test]
async fn the_service_owns_nothing_and_is_nobody_else() {
    let mut owner = database().await.connect_as(None).await;
    let owned = texts(
        &mut owner,
        "SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend
         WHERE refobjid = 'focusflow_app'::regrole AND deptype = 'o'
         AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    assert_eq!(owned.await, [""; 0]);
    let powers = texts(
        &mut owner,
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'focusflow%'
         AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication)",
    );
    assert_eq!(powers.await, [""; 0]);
    let memberships = texts(
        &mut owner,
        "SELECT roleid::regrole::text FROM pg_auth_members WHERE member IN (
             'focusflow_app'::regrole, 'focusflow_lookup'::regrole
         )",
    );
    assert_eq!(memberships.await, [""; 0]);
    let creatable = texts(
        &mut owner,
        "SELECT nspname::text FROM pg_namespace WHERE nspname IN ('public', 'focusflow')
         AND has_schema_privilege('focusflow_app', oid, 'CREATE')",
    );
    assert_eq!(creatable.await, [""; 0], "who may make functions may run them as others");
}

#[tokio::test]
async fn what_looks_across_people_answers_nothing_they_wrote_and_is_for_the_service_only() {
    let mut owner = database().await.connect_as(None).await;
    let functions = owner.fetch_all(
        "SELECT oid::regprocedure::text,
             (CASE prorettype WHEN 'record'::regtype THEN ARRAY(
                  SELECT type FROM unnest(proallargtypes, proargmodes) AS argument (type, mode) WHERE mode <> 'i'
              ) ELSE ARRAY[prorettype] END)
                  <@ ARRAY['uuid'::regtype, 'bigint'::regtype, 'timestamptz'::regtype]::oid[],
             coalesce('search_path=public, pg_temp' = ANY (proconfig), false),
             provolatile <> 'v' OR proname LIKE 'claim\\_%', pg_get_userbyid(proowner)::text
         FROM pg_proc WHERE prosecdef AND pronamespace NOT IN ('pg_catalog'::regnamespace)",
    );
    let functions = functions.await.unwrap();
    assert!(functions.len() >= 4);
    for function in functions {
        let name: String = function.get(0);
        assert!(function.get::<bool, _>(1), "{name} answers more than ids, numbers and times");
        assert!(function.get::<bool, _>(2), "{name} can be made to look elsewhere");
        assert!(function.get::<bool, _>(3), "{name} may write");
        assert_eq!(function.get::<String, _>(4), "focusflow_lookup", "{name}");
    }
    let for_anyone = texts(
        &mut owner,
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'focusflow'::regnamespace
         AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))",
    );
    assert_eq!(for_anyone.await, [""; 0], "PUBLIC may call them");
    let writable = texts(
        &mut owner,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
         AND has_table_privilege('focusflow_lookup', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')",
    );
    assert_eq!(writable.await, [""; 0]);
    let written = texts(
        &mut owner,
        "SELECT DISTINCT column_name::text FROM information_schema.column_privileges
         WHERE grantee = 'focusflow_lookup' AND privilege_type <> 'SELECT'",
    );
    assert_eq!(written.await, ["claim_time"], "work is claimed, and nothing else is written");
}

/// One row of each person's in every table, whatever the table holds: checks and references are put aside for it.
async fn fill(owner: &mut PgConnection, tables: &[Table]) {
    let constraints = texts(
        owner,
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname) FROM pg_constraint
         WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace AND coninhcount = 0",
    );
    for drop in constraints.await {
        owner.execute(AssertSqlSafe(drop)).await.unwrap();
    }
    for Table { name, owner_column } in tables {
        for person in [ALICE, BOB] {
            let columns: Vec<(String, String)> = sqlx::query_as(
                "SELECT attname::text, CASE
                     WHEN attname = $2 THEN quote_literal($3) || '::uuid'
                     WHEN atttypid = 'uuid'::regtype THEN 'gen_random_uuid()'
                     WHEN atttypid = 'bytea'::regtype THEN 'uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())'
                     WHEN atttypid IN ('timestamptz'::regtype, 'date'::regtype) THEN 'now()'
                     WHEN atttypid = 'boolean'::regtype THEN 'false'
                     WHEN atttypid = 'jsonb'::regtype THEN '''[]''::jsonb'
                     WHEN atttypid = 'text'::regtype THEN 'gen_random_uuid()::text'
                     ELSE '0'
                 END FROM pg_attribute
                 WHERE attrelid = $1::regclass AND attnum > 0 AND attnotnull AND NOT attisdropped AND attgenerated = ''",
            )
            .bind(name)
            .bind(owner_column)
            .bind(person.to_string())
            .fetch_all(&mut *owner)
            .await
            .unwrap();
            let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
            let insert = format!("INSERT INTO {name} ({}) VALUES ({})", names.join(", "), values.join(", "));
            owner.execute(AssertSqlSafe(insert)).await.unwrap();
        }
    }
}

async fn become_service(connection: &mut PgConnection, person: Option<Uuid>) {
    let person = person.map(|person| person.to_string()).unwrap_or_default();
    let setting = format!("SET ROLE focusflow_app; SET app.user_id = '{person}'");
    connection.execute(AssertSqlSafe(setting)).await.unwrap();
}

async fn count(connection: &mut PgConnection, query: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(connection).await.unwrap()
}

/// How many rows a statement changed, or why it may not.
async fn attempt(connection: &mut PgConnection, statement: &str) -> Result<u64, String> {
    let mut transaction = connection.begin().await.unwrap();
    match transaction.execute(AssertSqlSafe(statement.to_owned())).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(error) => Err(error.into_database_error().unwrap().code().unwrap().into_owned()),
    }
}

#[tokio::test]
async fn without_a_person_the_service_sees_no_row_of_any_table() {
    let database = database().await;
    let mut owner = database.connect_as(None).await;
    let tables = tables(&mut owner).await;
    fill(&mut owner, &tables).await;
    let mut service = database.connect_as(None).await;
    service.execute("SET ROLE focusflow_app").await.unwrap();
    for used_before in [false, true] {
        if used_before {
            // What is left of a setting is not NULL but empty.
            become_service(&mut service, None).await;
        }
        for Table { name, .. } in &tables {
            assert_eq!(count(&mut owner, format!("SELECT count(*) FROM {name}")).await, 2, "{name}");
            assert_eq!(count(&mut service, format!("SELECT count(*) FROM {name}")).await, 0, "{name}");
            let delete = attempt(&mut service, &format!("DELETE FROM {name}")).await;
            assert!(
                matches!(delete.as_ref().map_err(String::as_str), Ok(0) | Err(INSUFFICIENT_PRIVILEGE)),
                "{delete:?}"
            );
        }
    }
}

#[tokio::test]
async fn for_one_person_the_service_cannot_read_or_touch_a_row_of_anothers() {
    let database = database().await;
    let mut owner = database.connect_as(None).await;
    let tables = tables(&mut owner).await;
    fill(&mut owner, &tables).await;
    let mut service = database.connect_as(None).await;
    become_service(&mut service, Some(ALICE)).await;
    let none = |result: &Result<u64, String>| {
        matches!(result.as_ref().map_err(String::as_str), Ok(0) | Err(INSUFFICIENT_PRIVILEGE))
    };
    for Table { name, owner_column } in &tables {
        let own = format!("SELECT count(*) FROM {name} WHERE {owner_column} = '{ALICE}'");
        let all = format!("SELECT count(*) FROM {name}");
        assert_eq!((count(&mut service, own).await, count(&mut service, all).await), (1, 1), "{name}");

        for statement in [
            format!("UPDATE {name} SET {owner_column} = {owner_column} WHERE {owner_column} = '{BOB}'"),
            format!("DELETE FROM {name} WHERE {owner_column} = '{BOB}'"),
        ] {
            let result = attempt(&mut service, &statement).await;
            assert!(none(&result), "{statement}: {result:?}");
        }
        for statement in [
            format!("UPDATE {name} SET {owner_column} = '{BOB}'"),
            copy_as_bobs(&mut owner, name, owner_column).await,
            format!("TRUNCATE {name}"),
            format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
        ] {
            let result = attempt(&mut service, &statement).await;
            assert_eq!(result, Err(INSUFFICIENT_PRIVILEGE.to_owned()), "{statement}");
        }
    }
    let migrations = attempt(&mut service, "SELECT * FROM _sqlx_migrations").await;
    assert_eq!(migrations, Err(INSUFFICIENT_PRIVILEGE.to_owned()));
}

/// A row of Alice's, entered again under Bob's name.
async fn copy_as_bobs(owner: &mut PgConnection, table: &str, owner_column: &str) -> String {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute
         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
    )
    .bind(table)
    .fetch_all(owner)
    .await
    .unwrap();
    let values: Vec<_> = columns
        .iter()
        .map(|column| if column == owner_column { format!("'{BOB}'::uuid") } else { column.clone() })
        .collect();
    format!("INSERT INTO {table} ({}) SELECT {} FROM {table}", columns.join(", "), values.join(", "))
}

#[tokio::test]
async fn every_reference_between_rows_names_the_person_on_both_sides() {
    let mut owner = database().await.connect_as(None).await;
    let crossing = texts(
        &mut owner,
        "SELECT format('%s: %s', conrelid::regclass, pg_get_constraintdef(pg_constraint.oid)) FROM pg_constraint
         WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND NOT EXISTS (
             SELECT FROM unnest(conkey, confkey) AS pair (near, far)
             JOIN pg_attribute AS one ON one.attrelid = conrelid AND one.attnum = near
             JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = far
             WHERE one.attname = 'user_id'
             AND other.attname = CASE WHEN confrelid = 'users'::regclass THEN 'id' ELSE 'user_id' END
         )",
    );
    assert_eq!(crossing.await, [""; 0]);
    let without = texts(
        &mut owner,
        "SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'user_id'
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT EXISTS (
             SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = pg_class.oid AND confdeltype IN ('c')
         )",
    );
    assert_eq!(without.await, [""; 0], "what belongs to a person goes with them");
}

#[tokio::test]
async fn a_reference_to_what_is_anothers_is_refused_even_to_the_owner() {
    let mut owner = database().await.connect_as(None).await;
    for person in [ALICE, BOB] {
        let insert = format!(
            "INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, time_zone, day_start_minutes,
                 work_start_minutes, work_end_minutes, work_weekdays, tier, email_verified, change_number, create_time,
                 update_time)
             VALUES ('{person}', '{person}', '{person}', '$', '', '', 'UTC', 0, 0, 1, '[]', 'FREE', false, 0, now(), now());
             INSERT INTO categories (id, user_id, name, name_key, color, icon, version, create_time, update_time)
             VALUES ('{person}', '{person}', 'Work', 'work', '', '', 1, now(), now())"
        );
        owner.execute(AssertSqlSafe(insert)).await.unwrap();
    }
    let task_in = |category: Uuid| {
        format!(
            "INSERT INTO tasks (id, user_id, category_id, title, description, priority, status, estimated_minutes,
                 logged_micros, tags, version, create_time, update_time)
             VALUES (gen_random_uuid(), '{ALICE}', '{category}', 'A', '', 'LOW', 'PENDING', 0, 0, '[]', 1, now(), now())"
        )
    };
    assert_eq!(attempt(&mut owner, &task_in(ALICE)).await, Ok(1));
    assert_eq!(attempt(&mut owner, &task_in(BOB)).await, Err(FOREIGN_KEY_VIOLATION.to_owned()));
    become_service(&mut owner, Some(ALICE)).await;
    assert_eq!(attempt(&mut owner, &task_in(ALICE)).await, Ok(1));
    assert_eq!(attempt(&mut owner, &task_in(BOB)).await, Err(FOREIGN_KEY_VIOLATION.to_owned()));
}

/// The person that a connection is for, as the database knows them, and which server process says so.
async fn person_of(connection: &mut Connection) -> (Option<String>, i32) {
    let person = query_scalar("SELECT current_setting('app.user_id', true)").fetch_one(connection).await.unwrap();
    let process = query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await.unwrap();
    (person, process)
}

#[tokio::test]
async fn a_persons_read_leaves_nothing_to_the_next_statement_of_its_connection() {
    let test = database().await;
    let database = Database::open(&test.config()).await.unwrap();
    let mut processes = BTreeSet::new();
    for round in 0..20 {
        let (person, process) = match round % 3 {
            0 => person_of(&mut database.read(ALICE).await.unwrap()).await,
            1 => person_of(&mut database.snapshot(ALICE).await.unwrap()).await,
            _ => person_of(&mut database.begin(ALICE).await.unwrap()).await,
        };
        assert_eq!(person, Some(ALICE.to_string()));
        processes.insert(process);
    }
    // The pool hands the same few connections around.
    let mut used_again = 0;
    for _ in 0..20 {
        let (left, process) = person_of(&mut database.system().await.unwrap()).await;
        assert_eq!(left.unwrap_or_default(), "", "process {process}");
        used_again += u32::from(processes.contains(&process));
    }
    assert!(used_again > 0);
}

#[tokio::test]
async fn the_person_is_known_before_the_first_row_is_looked_at_whatever_the_plan() {
    let test = database().await;
    let mut owner = test.connect_as(None).await;
    let tables = tables(&mut owner).await;
    fill(&mut owner, &tables).await;
    let more = "INSERT INTO changes (user_id, number, resource, resource_id, action, create_time)
                SELECT id, n, 'TASK', gen_random_uuid(), 'CREATED', now() FROM users, generate_series(1, 2000) n; ANALYZE";
    owner.execute(more).await.unwrap();
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut owner).await.unwrap();
    for settings in [
        "plan_cache_mode = force_generic_plan",
        "plan_cache_mode = force_custom_plan",
        "enable_nestloop = off",
        "enable_indexscan = off",
        "enable_seqscan = off",
        "force_parallel_mode = on",
        "from_collapse_limit = 1",
    ] {
        owner.execute(AssertSqlSafe(format!("ALTER DATABASE {name} SET {settings}"))).await.unwrap();
        let database = Database::open(&test.config()).await.unwrap();
        // A statement gets its generic plan after five runs at the latest.
        for _ in 0..8 {
            let mut connection = database.read(ALICE).await.unwrap();
            let rows: i64 = query_scalar("SELECT count(*) FROM changes").fetch_one(&mut connection).await.unwrap();
            assert_eq!(rows, 2001, "{settings}");
            let anothers: Vec<Uuid> =
                query_scalar("SELECT user_id FROM changes WHERE user_id = $1 AND number > $2 ORDER BY number LIMIT 5")
                    .bind(BOB)
                    .bind(0_i64)
                    .fetch_all(&mut connection)
                    .await
                    .unwrap();
            assert!(anothers.is_empty(), "{settings}");
        }
        database.close().await;
        let (setting, _) = settings.split_once(' ').unwrap();
        owner.execute(AssertSqlSafe(format!("ALTER DATABASE {name} RESET {setting}"))).await.unwrap();
    }
}

#[tokio::test]
async fn processes_that_start_at_once_migrate_once() {
    let test = database().await;
    let mut owner = test.connect_as(None).await;
    let name = format!("empty_{}", Uuid::now_v7().simple());
    owner.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let (server, _) = test.url.rsplit_once('/').unwrap();
    let config = TestDatabase::at(format!("{server}/{name}")).config();
    let (one, two, three) = tokio::join!(Database::open(&config), Database::open(&config), Database::open(&config));
    for database in [one, two, three] {
        database.unwrap().check().await.unwrap();
    }
}

#[tokio::test]
async fn an_index_whose_concurrent_build_failed_is_made_anew() {
    let test = database().await;
    let mut owner = test.connect_as(None).await;
    let broken = "CREATE INDEX idx_broken ON tasks (title);
                  UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_broken'::regclass";
    owner.execute(broken).await.unwrap();
    Database::open(&test.config()).await.unwrap();
    let is_gone: Result<bool, _> =
        sqlx::query_scalar("SELECT to_regclass('idx_broken') IS NULL").fetch_one(&mut owner).await;
    assert!(is_gone.unwrap(), "the migration that makes it would have found it there");
}
