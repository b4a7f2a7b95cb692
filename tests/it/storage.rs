//! The ground floor on both databases.

use sea_orm::ConnectionTrait;
use visavis::storage::Sql;

use crate::on_both;

on_both! {
    async fn what_is_not_committed_leaves_no_trace(db: &TestDb) {
        let txn = db.begin().await.unwrap();
        txn.run("INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at) VALUES ($1, $2, $3, $4, $5)",
            ["f".into(), "email".into(), "*".into(), "test".into(), 1_i64.into()]).await.unwrap();
        drop(txn);
        let row = db.row("SELECT COUNT(*) AS n FROM suppressions", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 0);
    }

    async fn twenty_writers_at_once_all_succeed(db: &TestDb) {
        let writers = (0..20_i64).map(|n| {
            let db = db.db.clone();
            tokio::spawn(async move {
                let txn = db.begin().await?;
                txn.run("UPDATE fences SET last = last + $1 WHERE id = 1", [n.into()]).await?;
                txn.commit().await
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap().unwrap();
        }
        let row = db.row("SELECT last FROM fences", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "last").unwrap(), 190);
    }

    async fn migrating_twice_at_once_is_harmless(db: &TestDb) {
        db.execute_unprepared("DROP TABLE responses").await.unwrap();
        db.execute_unprepared("DELETE FROM seaql_migrations WHERE version LIKE '%create_responses'").await.unwrap();
        let (first, second) = tokio::join!(db.migrate(), async {
            match db.dialect() {
                // SQLite migrates from one process; PostgreSQL from any number.
                visavis::storage::Dialect::Sqlite => Ok(0),
                visavis::storage::Dialect::Postgres => db.migrate().await,
            }
        });
        assert_eq!(first.unwrap() + second.unwrap(), 1);
        db.require_current_schema().await.unwrap();
    }
}
