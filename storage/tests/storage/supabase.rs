//! The database as others provide it: Supabase, whose people come past the service as well, and servers on which the
//! service is nobody's superuser.

use focusflow_proto::v1::GetMeRequest;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use crate::support::cluster::Cluster;
use crate::support::{Machine, Person, TestDatabase, World};

const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// What people may read of their own; whatever is not here is the service's.
const READABLE: [&str; 5] = ["categories", "changes", "task_tags", "tasks", "time_logs"];

/// The roles, the function and the default privileges that a Supabase project begins with.
const SUPABASE: &str = "
    CREATE ROLE supabase LOGIN NOSUPERUSER CREATEROLE CREATEDB BYPASSRLS;
    CREATE ROLE anon NOLOGIN;
    CREATE ROLE authenticated NOLOGIN;
    CREATE ROLE service_role NOLOGIN BYPASSRLS;
    CREATE ROLE authenticator LOGIN NOINHERIT;
    GRANT anon, authenticated, service_role TO authenticator, supabase;
    GRANT ALL ON DATABASE postgres TO supabase;
    ALTER SCHEMA public OWNER TO supabase;
    GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
    CREATE SCHEMA extensions;
    CREATE EXTENSION \"uuid-ossp\" SCHEMA extensions;
    CREATE EXTENSION pg_stat_statements SCHEMA extensions;
    CREATE SCHEMA auth;
    GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role, supabase;
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT coalesce(
            nullif(current_setting('request.jwt.claim.sub', true), ''),
            nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
        )::uuid
    $$;
    ALTER DEFAULT PRIVILEGES FOR ROLE supabase IN SCHEMA public
        GRANT ALL ON TABLES TO anon, authenticated, service_role;
    ALTER DEFAULT PRIVILEGES FOR ROLE supabase IN SCHEMA public
        GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
    ALTER DEFAULT PRIVILEGES FOR ROLE supabase IN SCHEMA public
        GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
";

async fn world_at(url: String, migration_url: Option<String>) -> World {
    let database = TestDatabase { migration_url, ..TestDatabase::at(url) };
    World::start_on(std::sync::Arc::new(Machine::with(database))).await
}

/// A person's connection past the service, with the token that PostgREST has verified.
async fn past_the_service(cluster: &Cluster, role: &str, person: Option<Uuid>) -> PgConnection {
    let mut connection = cluster.connect("authenticator", "postgres").await;
    let claims = person.map(|person| format!(r#"{{"sub": "{person}"}}"#)).unwrap_or_default();
    let become_them = format!("SET ROLE {role}; SET request.jwt.claims = '{claims}'");
    connection.execute(AssertSqlSafe(become_them)).await.unwrap();
    connection
}

async fn rows(connection: &mut PgConnection, table: &str) -> Result<i64, String> {
    let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")));
    count.fetch_one(connection).await.map_err(|error| code(&error))
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().unwrap().code().unwrap().into_owned()
}

async fn tables(cluster: &Cluster) -> Vec<String> {
    let mut owner = cluster.connect("postgres", "postgres").await;
    let names = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
                 AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY relname";
    sqlx::query_scalar(names).fetch_all(&mut owner).await.unwrap()
}

async fn a_task_of(person: &Person) {
    let task = person.task("Mine").await;
    person.log(&task.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
}

#[tokio::test]
async fn on_supabase_people_read_their_own_rows_and_nothing_more() {
    let cluster = Cluster::start().await;
    cluster.execute("postgres", SUPABASE).await;
    let world = world_at(cluster.url_of("supabase", "postgres"), None).await;
    let (person, other) = (world.person().await, world.person().await);
    a_task_of(&person).await;
    a_task_of(&other).await;

    let tables = tables(&cluster).await;
    let mut connection = past_the_service(&cluster, "authenticated", Some(person.id)).await;
    // What the service believes is nothing to those who come past it.
    connection.execute(AssertSqlSafe(format!("SET app.user_id = '{}'", other.id))).await.unwrap();
    for table in &tables {
        let all = rows(&mut connection, table).await;
        if READABLE.contains(&table.as_str()) {
            let of_others = format!("{table} WHERE user_id <> '{}'", person.id);
            assert_eq!(rows(&mut connection, &of_others).await, Ok(0), "{table}");
            assert!(table == "task_tags" || all.is_ok_and(|rows| rows > 0), "{table}");
        } else if let Ok(rows) = all {
            // Tables of later migrations that are not secret.
            let of_others = format!("{table} WHERE user_id <> '{}'", person.id);
            assert_eq!(self::rows(&mut connection, &of_others).await, Ok(0), "{table}: {rows}");
        } else {
            assert_eq!(all, Err(INSUFFICIENT_PRIVILEGE.to_owned()), "{table}");
        }
    }
    for secret in ["users", "sessions", "refresh_tokens", "api_tokens", "settings", "_sqlx_migrations"] {
        let error = rows(&mut connection, secret).await;
        assert_eq!(error, Err(INSUFFICIENT_PRIVILEGE.to_owned()), "{secret}");
    }
    for (role, id) in [("authenticated", None), ("anon", None), ("anon", Some(person.id))] {
        let mut connection = past_the_service(&cluster, role, id).await;
        for table in &tables {
            let seen = rows(&mut connection, table).await.unwrap_or_default();
            assert_eq!(seen, 0, "{role} {id:?} {table}");
        }
    }
}

#[tokio::test]
async fn on_supabase_nobody_writes_past_the_service_or_calls_what_it_calls() {
    let cluster = Cluster::start().await;
    cluster.execute("postgres", SUPABASE).await;
    let world = world_at(cluster.url_of("supabase", "postgres"), None).await;
    world.person().await;

    let mut owner = cluster.connect("postgres", "postgres").await;
    let writable: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s may write %s', role, relname) FROM pg_class, unnest(ARRAY['anon', 'authenticated']) role
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
         AND has_table_privilege(role, pg_class.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(writable, [""; 0]);
    let callable: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s may call %s', role, pg_proc.oid::regprocedure)
         FROM pg_proc, unnest(ARRAY['anon', 'authenticated', 'service_role']) role
         WHERE pronamespace = 'focusflow'::regnamespace AND (has_function_privilege(role, pg_proc.oid, 'EXECUTE')
             OR has_schema_privilege(role, 'focusflow', 'USAGE'))",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(callable, [""; 0]);
    let mut connection = past_the_service(&cluster, "authenticated", None).await;
    for become_another in ["SET ROLE focusflow_app", "SET ROLE focusflow_lookup", "SET ROLE supabase"] {
        let error = connection.execute(become_another).await.unwrap_err();
        assert_eq!(code(&error), INSUFFICIENT_PRIVILEGE, "{become_another}");
    }
}

#[tokio::test]
async fn an_owner_who_is_no_superuser_migrates_and_the_service_gives_its_rights_up() {
    let cluster = Cluster::start().await;
    cluster.execute("postgres", "CREATE ROLE plain LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE").await;
    cluster.execute("postgres", "CREATE DATABASE plain OWNER plain").await;
    let world = world_at(cluster.url_of("plain", "plain"), None).await;
    let person = world.person().await;
    a_task_of(&person).await;
    assert_eq!(person.user().get_me(GetMeRequest {}).await.unwrap().into_inner().id, person.id.to_string());

    let mut owner = cluster.connect("plain", "plain").await;
    let done = owner.execute("UPDATE tasks SET title = 'Not mine'").await.unwrap();
    assert_eq!(done.rows_affected(), 0, "row security binds the owner too");
    let roles: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT usename::text FROM pg_stat_activity WHERE application_name = 'focusflow-storage'",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(roles, ["plain"], "one login; SET ROLE takes its rights away");
}

#[tokio::test]
async fn the_service_runs_as_a_login_that_is_only_a_member_of_its_role() {
    let cluster = Cluster::start().await;
    // An administrator has made the roles, so that the owner need not be able to.
    let roles = "CREATE ROLE focusflow_app NOLOGIN; CREATE ROLE focusflow_lookup NOLOGIN;
                 CREATE ROLE migrator LOGIN; GRANT focusflow_app, focusflow_lookup TO migrator;
                 CREATE ROLE service LOGIN NOINHERIT; GRANT focusflow_app TO service";
    cluster.execute("postgres", roles).await;
    cluster.execute("postgres", "CREATE DATABASE focusflow OWNER migrator").await;
    let (service, migrator) = (cluster.url_of("service", "focusflow"), cluster.url_of("migrator", "focusflow"));
    let world = world_at(service.clone(), Some(migrator)).await;
    let person = world.person().await;
    a_task_of(&person).await;
    let (machine, _) = world.stop().await;

    // The next start finds nothing to migrate.
    let world = World::start_on(machine).await;
    assert_eq!(world.somebody(person.id).user().get_me(GetMeRequest {}).await.unwrap().into_inner().first_name, "Ada");
    let mut login = PgConnection::connect(&service).await.unwrap();
    let error = rows(&mut login, "tasks").await;
    assert_eq!(error, Err(INSUFFICIENT_PRIVILEGE.to_owned()), "the login itself may do nothing");
    for power in ["SET ROLE migrator", "SET ROLE focusflow_lookup", "CREATE TABLE public.mine ()"] {
        assert_eq!(code(&login.execute(power).await.unwrap_err()), INSUFFICIENT_PRIVILEGE, "{power}");
    }
}
