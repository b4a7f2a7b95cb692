//! A yes that reached us otherwise than by a form, on paper or by telephone, recorded with what shows it.

use serde_json::json;

use super::store::erasure;
use super::{DialogueError, gone};
use crate::config::Settings;
use crate::consent::audit;
use crate::consent::ladder::Level;
use crate::consent::model::{Basis, Channel, Evidence};
use crate::consent::store as consent;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Db;

/// The action of the audit record.
pub const PERMISSION: &str = "permission";
/// Characters of a source, and of the words that were agreed to.
const MAX_SOURCE: usize = 200;
const MAX_WORDING: usize = 4_000;

/// What a person agreed to.
#[derive(Debug, Clone)]
pub struct Yes {
    pub channel: Channel,
    pub topic: String,
    pub basis: Basis,
    /// Where he said so: "paper form of the shop, 3 March".
    pub source: String,
    /// The words he agreed to; a consent needs them.
    pub wording: String,
    /// When he said so, in milliseconds since the epoch.
    pub occurred_at: i64,
}

/// Records a yes for `actor`; whether the person may be written to from now on: a later "no" stays above it.
///
/// # Errors
/// When there is no such customer (any more), he has no address on the channel, the yes does not say what a
/// proof needs, or the database is away; then nothing is changed.
pub async fn permit(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    customer: CustomerId,
    yes: &Yes,
    actor: &str,
    now_ms: i64,
) -> Result<bool, DialogueError> {
    let topics = &settings.permission.topics;
    let refuse = |text: &str| Err(DialogueError::Field(text.to_owned()));
    let Some(topic) = topics.iter().find(|topic| topic.name == yes.topic) else {
        return refuse("there is no such topic");
    };
    if !topic.bases.iter().any(|basis| basis == yes.basis.as_str()) {
        return refuse(
            "the topic cannot be allowed on this basis; permission.topics in the settings names those it can",
        );
    }
    let source = line(&yes.source, MAX_SOURCE);
    if source.is_empty() {
        return refuse("say where he said so, such as the form or the call; it is the proof");
    }
    let wording = line(&yes.wording, MAX_WORDING);
    if yes.basis == Basis::Consent && wording.is_empty() {
        return refuse("write the words he agreed to; a consent is proved by them");
    }
    if yes.occurred_at < 0 {
        return refuse("the day he said so lies before 1970");
    }
    if yes.occurred_at > now_ms {
        return refuse("the day he said so lies ahead");
    }
    let txn = db.begin().await?;
    let Some(held) = erasure::hold(&txn, keys, customer).await? else {
        return Err(gone(&txn, customer).await);
    };
    let mut current = held.current.iter();
    let Some((_, fingerprint)) = current.find(|(channel, _)| *channel == yes.channel) else {
        return refuse("he has no address on this channel; set it right first");
    };
    let evidence = Evidence {
        wording: Some(wording).filter(|wording| !wording.is_empty()),
        locale: Some(held.language.clone()),
        actor: Some("operator".to_owned()),
        level: Level::of_topic(topics, &yes.topic).filter(|_| yes.basis == Basis::Consent),
        ..Evidence::grant(
            customer,
            yes.channel,
            &yes.topic,
            yes.basis,
            &source,
            yes.occurred_at,
        )
    };
    consent::record(&*txn, &evidence, Some(fingerprint), now_ms).await?;
    let details = json!({
        "channel": yes.channel.as_str(),
        "topic": yes.topic,
        "basis": yes.basis.as_str(),
    });
    audit::record(&*txn, now_ms, actor, PERMISSION, Some(customer), details).await?;
    let may = consent::may_contact(&*txn, customer, fingerprint, yes.channel, &yes.topic).await?;
    txn.commit().await?;
    Ok(may)
}

/// On one line, and not too long.
fn line(text: &str, longest: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    line.chars()
        .filter(|c| !c.is_control())
        .take(longest)
        .collect()
}
