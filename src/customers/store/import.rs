//! What an import reads and writes of customers, a batch at a time.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{DbErr, QueryResult};
use serde_json::{Map, Value, json};

use crate::consent::model::{Channel, Tracking};
use crate::consent::store as consent;
use crate::customers::model::{EmailState, Stage};
use crate::customers::number;
use crate::customers::profile::{Address, Profile, Row, TEXTS};
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::text::fold;
use crate::storage::{self, Dialect, Kind, Sql, Txn};

/// The key of the advisory lock that lets one import run at a time.
const IMPORT_LOCK: i64 = 0x7669_7361_7669_7302;

/// Ways of reading a table that pay only where the planner knows its size.
const WAYS: [&str; 3] = ["seqscan", "hashjoin", "mergejoin"];

/// The columns an import writes, in the order of [`as_row`].
const WRITTEN: [(&str, Kind); 32] = [
    ("external_id", Kind::Text),
    ("email", Kind::Text),
    ("email_key", Kind::Text),
    ("email_fingerprint", Kind::Text),
    ("email_state", Kind::Text),
    ("phone", Kind::Text),
    ("phone_fingerprint", Kind::Text),
    ("phone_kind", Kind::Text),
    ("phone_country", Kind::Text),
    ("phone_zone", Kind::Text),
    ("birth_date", Kind::Date),
    ("language", Kind::Text),
    ("country", Kind::Text),
    ("stage", Kind::Text),
    ("tracking", Kind::Text),
    ("attributes", Kind::Json),
    ("attributes_key", Kind::Json),
    ("first_name", Kind::Text),
    ("last_name", Kind::Text),
    ("company", Kind::Text),
    ("gender", Kind::Text),
    ("region", Kind::Text),
    ("postal_code", Kind::Text),
    ("city", Kind::Text),
    ("time_zone", Kind::Text),
    ("household", Kind::Text),
    ("first_name_key", Kind::Text),
    ("last_name_key", Kind::Text),
    ("company_key", Kind::Text),
    ("region_key", Kind::Text),
    ("city_key", Kind::Text),
    ("household_key", Kind::Text),
];

/// Of [`TEXTS`], those that have a folded twin, in the order of [`WRITTEN`].
const FOLDED: [usize; 6] = [0, 1, 2, 4, 6, 8];

/// Prepares a transaction for an import: waits for another to end, since two at once could create a
/// customer twice.
pub(crate) async fn begin(txn: &Txn) -> Result<(), DbErr> {
    if txn.dialect() == Dialect::Postgres {
        txn.run("SELECT pg_advisory_xact_lock($1)", [IMPORT_LOCK.into()])
            .await?;
        // PostgreSQL knows nothing yet of tables that are being filled, and would read the whole of
        // them for each batch. A batch always looks up a few hundred rows by their keys.
        for way in WAYS {
            txn.run(format!("SET LOCAL enable_{way} = off"), []).await?;
        }
        // What is switched off counts as dear, and what is dear is compiled, at half a second a statement.
        txn.run("SET LOCAL jit = off", []).await?;
    }
    Ok(())
}

/// After the last batch: lets PostgreSQL count what there is now, and choose its ways again. What is
/// asked of the base right after an import would else take minutes.
pub(crate) async fn settle(txn: &Txn) -> Result<(), DbErr> {
    if txn.dialect() == Dialect::Postgres {
        for way in WAYS {
            txn.run(format!("SET LOCAL enable_{way} TO DEFAULT"), [])
                .await?;
        }
        txn.run("SET LOCAL jit TO DEFAULT", []).await?;
        for table in [
            "customers",
            "customer_tags",
            "orders",
            "permissions",
            "permission_evidence",
            "suppressions",
        ] {
            txn.run(format!("ANALYZE {table}"), []).await?;
        }
    }
    Ok(())
}

/// The customers these rows may be about, by external id, e-mail key or number, oldest first.
pub(crate) async fn matching(txn: &Txn, rows: &[&Row]) -> Result<Vec<Profile>, DbErr> {
    let dialect = txn.dialect();
    let external_ids: Vec<&String> = rows
        .iter()
        .filter_map(|row| row.external_id.as_ref())
        .collect();
    let emails: Vec<&String> = rows
        .iter()
        .filter_map(|row| Some(&row.email.as_ref()?.key))
        .collect();
    let phones: Vec<&String> = rows
        .iter()
        .filter(|row| row.email.is_none())
        .filter_map(|row| row.phone.as_ref())
        .collect();
    let wanted = format!(
        "SELECT id FROM customers WHERE external_id IN {} \
         UNION SELECT id FROM customers WHERE email_key IN {} \
         UNION SELECT id FROM customers WHERE phone IN {}",
        dialect.list(1, Kind::Text),
        dialect.list(2, Kind::Text),
        dialect.list(3, Kind::Text),
    );
    let lists = [json!(external_ids), json!(emails), json!(phones)];
    let values = lists.map(|list| list.to_string().into());
    profiles(txn, &wanted, values.to_vec()).await
}

/// The customer with this number, locked.
pub(crate) async fn hold(txn: &Txn, id: CustomerId) -> Result<Option<Profile>, DbErr> {
    let found = profiles(txn, "$1", vec![id.0.into()]).await?;
    Ok(found.into_iter().next())
}

/// The customers of these numbers, a list or query in SQL, locked and oldest first.
async fn profiles(
    txn: &Txn,
    wanted: &str,
    values: Vec<sea_orm::Value>,
) -> Result<Vec<Profile>, DbErr> {
    let dialect = txn.dialect();
    let sql = format!(
        "SELECT id, external_id, email, email_key, email_state, phone, birth_date, language, country, \
         stage, tracking, {attributes} AS attributes, {texts}, updated_at FROM customers \
         WHERE id IN ({wanted}) ORDER BY id {lock}",
        // What a response or a refusal writes meanwhile must not be written over.
        lock = match dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => "FOR UPDATE",
        },
        attributes = dialect.json_text("attributes"),
        texts = TEXTS.join(", "),
    );
    let mut profiles: Vec<Profile> = txn
        .rows(sql, values)
        .await?
        .iter()
        .map(profile)
        .collect::<Result<_, _>>()?;
    let mut tags = tags(txn, &profiles).await?;
    for profile in &mut profiles {
        profile.tags = profile
            .id
            .and_then(|id| tags.remove(&id))
            .unwrap_or_default();
    }
    Ok(profiles)
}

fn profile(row: &QueryResult) -> Result<Profile, DbErr> {
    let text = |column: &str| row.try_get::<Option<String>>("", column);
    let email = match (text("email")?, text("email_key")?) {
        (Some(address), Some(key)) => Some(Address {
            text: address,
            key,
            state: match text("email_state")?.as_deref() {
                Some("malformed") => EmailState::Malformed,
                Some("refused") => EmailState::Refused,
                _ => EmailState::Ok,
            },
        }),
        _ => None,
    };
    let mut texts: [Option<String>; TEXTS.len()] = Default::default();
    for (value, column) in texts.iter_mut().zip(TEXTS) {
        *value = text(column)?;
    }
    let attributes: String = row.try_get("", "attributes")?;
    let stage = text("stage")?;
    Ok(Profile {
        id: Some(CustomerId(row.try_get("", "id")?)),
        external_id: text("external_id")?,
        email,
        phone: text("phone")?,
        texts,
        birth_date: row.try_get("", "birth_date")?,
        language: row.try_get("", "language")?,
        country: row.try_get("", "country")?,
        stage: Stage::ALL
            .into_iter()
            .find(|known| Some(known.as_str()) == stage.as_deref())
            .unwrap_or_default(),
        tracking: Tracking::from_column(&text("tracking")?.unwrap_or_default()),
        attributes: serde_json::from_str(&attributes)
            .map_err(|error| DbErr::Type(format!("customers.attributes: {error}")))?,
        tags: BTreeMap::new(),
        new_tags: BTreeMap::new(),
        is_changed: false,
        updated_at: row.try_get("", "updated_at")?,
    })
}

async fn tags(
    txn: &Txn,
    profiles: &[Profile],
) -> Result<HashMap<CustomerId, BTreeMap<String, String>>, DbErr> {
    let mut tags: HashMap<CustomerId, BTreeMap<String, String>> = HashMap::new();
    if profiles.is_empty() {
        return Ok(tags);
    }
    let ids: Vec<CustomerId> = profiles.iter().filter_map(|profile| profile.id).collect();
    let sql = format!(
        "SELECT customer_id, tag_key, tag FROM customer_tags WHERE customer_id IN {}",
        txn.dialect().list(1, Kind::Int)
    );
    for row in txn.rows(sql, [json!(ids).to_string().into()]).await? {
        let id = CustomerId(row.try_get("", "customer_id")?);
        tags.entry(id)
            .or_default()
            .insert(row.try_get("", "tag_key")?, row.try_get("", "tag")?);
    }
    Ok(tags)
}

/// Writes new and changed profiles with their new tags, and gives the new ones their ids.
pub(crate) async fn write(
    txn: &Txn,
    keys: &Keys,
    profiles: &mut [Profile],
    now_ms: i64,
) -> Result<(), DbErr> {
    insert(txn, keys, profiles, now_ms).await?;
    update(txn, keys, profiles, now_ms).await?;
    let tags = profiles
        .iter()
        .flat_map(|profile| {
            let tags = profile.new_tags.iter();
            tags.map(|(key, tag)| vec![json!(profile.id), json!(key), json!(tag)])
        })
        .collect();
    let columns = [
        ("customer_id", Kind::Int),
        ("tag_key", Kind::Text),
        ("tag", Kind::Text),
    ];
    let conflict = "ON CONFLICT DO NOTHING";
    storage::insert(&**txn, "customer_tags", &columns, tags, conflict).await
}

async fn insert(
    txn: &Txn,
    keys: &Keys,
    profiles: &mut [Profile],
    now_ms: i64,
) -> Result<(), DbErr> {
    let mut new: Vec<&mut Profile> = profiles.iter_mut().filter(|p| p.id.is_none()).collect();
    if new.is_empty() {
        return Ok(());
    }
    let ids = storage::take_numbers(&**txn, "customers", new.len()).await?;
    let mut rows = Vec::with_capacity(new.len());
    for (profile, id) in new.iter_mut().zip(ids) {
        profile.id = Some(CustomerId(id));
        profile.is_changed = false;
        let mut row = as_row(profile, keys);
        // Orders, revenue and engagement; made and changed now.
        row.extend([id, 0, 0, 0, now_ms, now_ms].map(Value::from));
        rows.push(row);
    }
    let mut columns = WRITTEN.to_vec();
    columns.extend(
        [
            "id",
            "orders_count",
            "revenue_cents",
            "engagement",
            "created_at",
            "updated_at",
        ]
        .map(|name| (name, Kind::Int)),
    );
    storage::insert(&**txn, "customers", &columns, rows, "").await
}

async fn update(
    txn: &Txn,
    keys: &Keys,
    profiles: &mut [Profile],
    now_ms: i64,
) -> Result<(), DbErr> {
    let rows: Vec<Value> = profiles
        .iter()
        .filter(|profile| profile.is_changed)
        .map(|profile| {
            let mut row = as_row(profile, keys);
            row.push(json!(profile.id));
            Value::Array(row)
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut columns = WRITTEN.to_vec();
    columns.push(("customer_id", Kind::Int));
    let sets = WRITTEN
        .map(|(name, _)| format!("{name} = r.{name}"))
        .join(", ");
    let sql = format!(
        // Nothing is known yet against a new number.
        "UPDATE customers SET {sets}, updated_at = $2, \
         phone_state = CASE WHEN customers.phone = r.phone THEN customers.phone_state ELSE 'ok' END, \
         phone_refused_at = CASE WHEN customers.phone = r.phone THEN customers.phone_refused_at END \
         FROM {} AS r WHERE customers.id = r.customer_id",
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [Value::Array(rows).to_string().into(), now_ms.into()])
        .await?;
    Ok(())
}

/// A profile as a row of [`WRITTEN`].
fn as_row(profile: &Profile, keys: &Keys) -> Vec<Value> {
    let email = profile.email.as_ref();
    let reachable = email.filter(|email| email.state != EmailState::Malformed);
    let number = profile.phone.as_deref().map(number::read);
    let mut row = vec![
        json!(profile.external_id),
        json!(email.map(|email| &email.text)),
        json!(email.map(|email| &email.key)),
        json!(reachable.map(|email| keys.fingerprint(&email.key))),
        json!(email.map_or(EmailState::Ok, |email| email.state).as_str()),
        json!(profile.phone),
        json!(profile.phone.as_ref().map(|phone| keys.fingerprint(phone))),
        json!(number.as_ref().map(|number| number.kind.as_str())),
        json!(number.as_ref().map(|number| &number.country)),
        json!(number.as_ref().map(|number| number.zone)),
        json!(profile.birth_date),
        json!(profile.language),
        json!(profile.country),
        json!(profile.stage.as_str()),
        json!(profile.tracking.as_str()),
        json!(Value::Object(profile.attributes.clone()).to_string()),
        json!(Value::Object(folded(&profile.attributes)).to_string()),
    ];
    row.extend(profile.texts.iter().map(|text| json!(text)));
    row.extend(
        FOLDED
            .iter()
            .map(|n| json!(profile.texts.get(*n).and_then(Option::as_deref).map(fold))),
    );
    row
}

/// Attributes whose texts are folded, for matching.
fn folded(attributes: &Map<String, Value>) -> Map<String, Value> {
    attributes
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => Value::String(fold(text)),
                other => other.clone(),
            };
            (name.clone(), value)
        })
        .collect()
}

/// How many of these customers each channel may reach about some topic: an address that can arrive, a
/// granted permission, and no suppression against it.
pub(crate) async fn reachable(
    txn: &Txn,
    customers: &[CustomerId],
) -> Result<Vec<(Channel, u64)>, DbErr> {
    let ids = json!(customers).to_string();
    let mut counts = Vec::new();
    for (channel, fingerprint, can_arrive) in [
        (
            Channel::Email,
            "c.email_fingerprint",
            "c.email_state = 'ok'",
        ),
        (
            Channel::Sms,
            "c.phone_fingerprint",
            "c.phone_kind = 'mobile' AND c.phone_state = 'ok'",
        ),
    ] {
        let sql = format!(
            "SELECT COUNT(*) AS n FROM customers c WHERE c.id IN {list} AND {can_arrive} \
             AND {fingerprint} IS NOT NULL AND EXISTS (SELECT 1 FROM permissions p \
             WHERE p.customer_id = c.id AND p.channel = $2 AND p.is_granted \
             AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.fingerprint = {fingerprint} \
             AND s.channel = p.channel AND s.scope IN (p.topic, '*') AND {stands_against}))",
            stands_against = consent::stands_against("s", "p"),
            list = txn.dialect().list(1, Kind::Int)
        );
        let row = txn
            .row(sql, [ids.as_str().into(), channel.as_str().into()])
            .await?;
        let n: i64 = row
            .map(|row| row.try_get("", "n"))
            .transpose()?
            .unwrap_or(0);
        counts.push((channel, n.unsigned_abs()));
    }
    Ok(counts)
}

/// The customers a channel would reach at one of these addresses.
pub(crate) async fn at_fingerprints(
    txn: &Txn,
    channel: Channel,
    fingerprints: &[String],
) -> Result<Vec<CustomerId>, DbErr> {
    let column = match channel {
        Channel::Email => "email_fingerprint",
        Channel::Sms => "phone_fingerprint",
    };
    let sql = format!(
        "SELECT id FROM customers WHERE {column} IN {} ORDER BY id",
        txn.dialect().list(1, Kind::Text)
    );
    txn.rows(sql, [json!(fingerprints).to_string().into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "id").map(CustomerId))
        .collect()
}
