//! What responses tell about the person: seen by segments and pages at once, on both databases.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod judged;
mod learned;
mod page;
mod value;

use visavis::clock::from_ms;
use visavis::segments::{Rule, store};
use visavis::storage::Db;

/// How many customers a rule means at an instant; what it explains of each is the same.
async fn meant(db: &Db, rule: &str, now_ms: i64) -> u64 {
    let (rule, now) = (Rule::parse(rule).unwrap(), from_ms(now_ms));
    let ids = store::ids(db, &rule, now, 1_000).await.unwrap();
    for id in &ids {
        let profile = store::profile(db, *id).await.unwrap().unwrap();
        assert!(rule.explain(&profile, now).is_true, "{rule} of {id}");
    }
    store::count(db, &rule, now).await.unwrap()
}
