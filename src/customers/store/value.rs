//! Where the fifths of the buyers end, and the classes begin.

use sea_orm::{ConnectionTrait, DbErr};

use crate::customers::value::{Breaks, CLASS, CLASSES, Measure};
use crate::storage::{Sql, Txn};

/// SQL for who is sorted.
const BUYERS: &str = "orders_count > 0 AND last_order_at IS NOT NULL";

pub(in crate::customers) async fn breaks(
    connection: &impl ConnectionTrait,
) -> Result<Breaks, DbErr> {
    let rows = connection
        .rows(
            "SELECT measure, step, value FROM value_breaks ORDER BY measure, step",
            [],
        )
        .await?;
    let steps = rows.iter().map(|row| {
        Ok((
            row.try_get("", "measure")?,
            row.try_get("", "step")?,
            row.try_get("", "value")?,
        ))
    });
    Ok(Breaks {
        steps: steps.collect::<Result<_, DbErr>>()?,
    })
}

pub(in crate::customers) async fn find_breaks(txn: &Txn, now_ms: i64) -> Result<(), DbErr> {
    txn.run("DELETE FROM value_breaks", []).await?;
    for measure in Measure::ALL {
        let sql = format!(
            "INSERT INTO value_breaks (measure, step, value, found_at)
             SELECT '{name}', CAST(t.tile AS BIGINT), MAX(t.value), CAST($1 AS BIGINT) FROM
                 (SELECT {column} AS value, NTILE(5) OVER (ORDER BY {column}) AS tile
                  FROM customers WHERE {BUYERS}) AS t
             WHERE t.tile < 5 GROUP BY t.tile",
            name = measure.as_str(),
            column = measure.column(),
        );
        txn.run(sql, [now_ms.into()]).await?;
    }
    for (step, share) in CLASSES {
        // Who brings the sum past the share still belongs to it.
        let sql = format!(
            "INSERT INTO value_breaks (measure, step, value, found_at)
             SELECT '{CLASS}', {step}, MIN(t.value), CAST($1 AS BIGINT) FROM
                 (SELECT revenue_cents AS value,
                         SUM(revenue_cents) OVER (ORDER BY revenue_cents DESC ROWS UNBOUNDED PRECEDING)
                             - revenue_cents AS before,
                         SUM(revenue_cents) OVER () AS total
                  FROM customers WHERE {BUYERS} AND revenue_cents > 0) AS t
             WHERE t.before * 100 < t.total * {share} HAVING COUNT(*) > 0"
        );
        txn.run(sql, [now_ms.into()]).await?;
    }
    Ok(())
}

/// SQL for the end of a fifth, or the begin of a class; above every value where it is not known.
pub fn step_sql(measure: &str, step: i64) -> String {
    format!(
        "COALESCE((SELECT b.value FROM value_breaks b WHERE b.measure = '{measure}' AND b.step = {step}), {})",
        i64::MAX
    )
}

/// SQL for whether it is known what the customer of `table` is worth.
pub fn is_known_sql(table: &str) -> String {
    format!(
        "({table}.orders_count > 0 AND {table}.last_order_at IS NOT NULL
          AND EXISTS (SELECT 1 FROM value_breaks))"
    )
}
