//! How many people stand on each rung.

use sea_orm::{ConnectionTrait, DbErr};

use super::expiry::{basis_ends_at, last_act};
use super::suppression::stands_against;
use crate::consent::ladder::{Ladder, Level};
use crate::consent::model::Basis;
use crate::storage::{Dialect, Sql};

/// SQL for the rung on which permission `p` of customer `c` stands at `now`, both table aliases: what
/// was granted, less what time took. The same as [`Ladder::standing`]. The one place of this rule.
pub fn standing(dialect: Dialect, ladder: &Ladder, p: &str, c: &str, now: &str) -> String {
    let act = last_act(dialect, p, c);
    let granted: String = Level::ALL
        .into_iter()
        .filter(|level| *level != Level::Stranger)
        .map(|granted| {
            let mut steps = String::new();
            let mut otherwise = 0;
            for needed in Level::ALL.into_iter().rev() {
                if needed > granted || needed == Level::Stranger {
                    continue;
                }
                match ladder.keeps_ms(granted, needed) {
                    Some(ms) => {
                        steps.push_str(&format!(
                            " WHEN {now} - {act} <= {ms} THEN {}",
                            needed.code()
                        ));
                    }
                    None => {
                        otherwise = needed.code();
                        break;
                    }
                }
            }
            let stands = if steps.is_empty() {
                otherwise.to_string()
            } else {
                format!("CASE{steps} ELSE {otherwise} END")
            };
            format!(" WHEN {} THEN {stands}", granted.code())
        })
        .collect();
    format!("(CASE {p}.level{granted} ELSE 0 END)")
}

/// People by rung at `now_ms`, the best of a person's topics and channels, or of one topic. Whoever is
/// suppressed, or whose grant ended, is a stranger. `lengths`: milliseconds each basis holds.
pub(in crate::consent) async fn count(
    connection: &impl ConnectionTrait,
    ladder: &Ladder,
    lengths: &[(Basis, i64)],
    topic: Option<&str>,
    now_ms: i64,
) -> Result<[u64; 6], DbErr> {
    let dialect = Dialect::of(connection);
    let holds = basis_ends_at(dialect, lengths, "p", "c").map_or_else(String::new, |ends| {
        format!("AND COALESCE({ends} >= $1, TRUE)")
    });
    let sql = format!(
        "SELECT rung, COUNT(*) AS n FROM (SELECT c.id, COALESCE(MAX({standing}), 0) AS rung \
         FROM customers c LEFT JOIN permissions p ON p.customer_id = c.id AND p.is_granted \
         AND (p.topic = $2 OR $2 = '') AND (p.expires_at IS NULL OR p.expires_at > $1) {holds} \
         AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.fingerprint = \
         CASE p.channel WHEN 'sms' THEN c.phone_fingerprint ELSE c.email_fingerprint END \
         AND s.channel = p.channel AND s.scope IN (p.topic, '*') AND {stands_against}) \
         GROUP BY c.id) AS standings GROUP BY rung",
        standing = standing(dialect, ladder, "p", "c", "$1"),
        stands_against = stands_against("s", "p"),
    );
    let mut counts = [0; 6];
    for row in connection
        .rows(sql, [now_ms.into(), topic.unwrap_or_default().into()])
        .await?
    {
        let rung: i32 = row.try_get("", "rung")?;
        let n: i64 = row.try_get("", "n")?;
        if let Some(count) = usize::try_from(rung)
            .ok()
            .and_then(|rung| counts.get_mut(rung))
        {
            *count += n.unsigned_abs();
        }
    }
    Ok(counts)
}
