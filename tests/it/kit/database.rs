//! A fresh, migrated database for each test, of either kind.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::ConnectionTrait;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use visavis::storage::{Db, DbUrl, Dialect, Sql};

use super::postgres;

/// A database of the test's own; its folder goes with it.
pub struct TestDb {
    pub db: Db,
    pub url: DbUrl,
    _folder: Option<TempDir>,
}

impl std::ops::Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

/// SQLite in a temporary folder.
pub async fn sqlite() -> TestDb {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = DbUrl::sqlite_file(&folder.path().join("visavis.db"));
    let db = Db::open(&url, 8).await.expect("SQLite opens");
    db.migrate().await.expect("the schema");
    TestDb {
        db,
        url,
        _folder: Some(folder),
    }
}

static TEMPLATE: OnceCell<()> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A PostgreSQL database cloned from a migrated template; `None` (said aloud) without a server.
pub async fn postgres() -> Option<TestDb> {
    let admin_url = DbUrl::new(postgres::url("postgres")?);
    TEMPLATE
        .get_or_init(|| async {
            let admin = Db::open(&admin_url, 1).await.expect("PostgreSQL opens");
            admin
                .execute_unprepared("CREATE DATABASE visavis_template")
                .await
                .expect("a template database");
            admin.close().await;
            let url = postgres::url("visavis_template").expect("the server runs");
            let db = Db::open(&DbUrl::new(url), 2).await.expect("it opens");
            db.migrate().await.expect("the schema");
            db.close().await;
        })
        .await;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let admin = Db::open(&admin_url, 1).await.expect("PostgreSQL opens");
    admin
        .execute_unprepared(&format!(
            "CREATE DATABASE {name} TEMPLATE visavis_template STRATEGY FILE_COPY"
        ))
        .await
        .expect("a clone of the template");
    admin.close().await;
    let url = DbUrl::new(postgres::url(&name)?);
    let db = Db::open(&url, 8).await.expect("the clone opens");
    Some(TestDb {
        db,
        url,
        _folder: None,
    })
}

/// A PostgreSQL server for one test, which may restart it, and a migrated database there; `None` (said aloud)
/// when PostgreSQL is missing.
pub async fn postgres_of_its_own() -> Option<(postgres::Server, TestDb)> {
    let server = postgres::Server::of_its_own()?;
    let url = DbUrl::new(server.url("postgres"));
    let db = Db::open(&url, 4).await.expect("PostgreSQL opens");
    db.migrate().await.expect("the schema");
    let db = TestDb {
        db,
        url,
        _folder: None,
    };
    Some((server, db))
}

/// The same database for a server of threads of its own: a connection lives as long as the runtime it was opened in, and
/// theirs end with the server while the test goes on.
pub async fn apart(db: &Db) -> Db {
    if db.dialect() == Dialect::Sqlite {
        return db.clone();
    }
    let options = db.get_postgres_connection_pool().connect_options();
    let (user, host, port) = (
        options.get_username(),
        options.get_host(),
        options.get_port(),
    );
    let name = options.get_database().unwrap_or_default();
    let url = DbUrl::new(format!("postgres://{user}@{host}:{port}/{name}"));
    Db::open(&url, 8).await.expect("PostgreSQL opens")
}

/// A connection beside the test's database, to do it harm.
pub struct Admin(Db);

pub async fn admin() -> Admin {
    let url = postgres::url("postgres").expect("the server runs");
    Admin(
        Db::open(&DbUrl::new(url), 1)
            .await
            .expect("PostgreSQL opens"),
    )
}

impl Admin {
    /// Cuts every connection to the test's database and lets none in, until the next call says so.
    pub async fn shut_out(&self, db: &TestDb, is_out: bool) {
        let name = db.url.expose().rsplit('/').next().unwrap_or_default();
        self.0
            .execute_unprepared(&format!(
                "ALTER DATABASE {name} ALLOW_CONNECTIONS {}",
                !is_out
            ))
            .await
            .expect("the server runs");
        if is_out {
            self.cut_all(db).await;
        }
    }

    /// Cuts every connection to the test's database; how many there were.
    pub async fn cut_all(&self, db: &TestDb) -> usize {
        let name = db.url.expose().rsplit('/').next().unwrap_or_default();
        self.0
            .rows(
                "SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity WHERE datname = $1",
                [name.into()],
            )
            .await
            .expect("the server runs")
            .len()
    }
}

/// Runs each test on SQLite and on PostgreSQL: `on_both! { async fn name(db: &TestDb) { … } }`.
#[macro_export]
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($db:ident: &TestDb) $body:block)*) => {
        $(
            mod $name {
                use super::*;

                async fn run($db: &$crate::kit::database::TestDb) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                $(#[$attribute])*
                async fn sqlite() {
                    run(&$crate::kit::database::sqlite().await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                $(#[$attribute])*
                async fn postgres() {
                    if let Some(db) = $crate::kit::database::postgres().await {
                        run(&db).await;
                    }
                }
            }
        )*
    };
}
