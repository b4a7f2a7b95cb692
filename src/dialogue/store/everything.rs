//! Everything the base holds about one person, table by table.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::{Value, json};

use crate::clock::from_ms;
use crate::consent::model::Channel;
use crate::customers::fading::Fading;
use crate::delivery::model::State;
use crate::ids::CustomerId;
use crate::storage::{Dialect, Kind, Sql};

/// How a column is read and shown.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Number,
    YesNo,
    Day,
    /// Milliseconds, shown as RFC 3339 in UTC.
    Instant,
    Document,
    /// A state of the ledger, shown as its word.
    State,
    /// Points that fade, shown as what is left of them.
    Points,
}

use Shape::{Day, Document, Instant, Number, Text, YesNo};

/// A kind of data: its name in the archive, its columns (name, expression, shape) and where they stand.
/// `$1` is the customer; `{fingerprints}` the addresses he is known by.
#[derive(Debug)]
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, &'static str, Shape)],
    from: &'static str,
}

/// The rows of one kind.
#[derive(Debug)]
pub(in crate::dialogue) struct Section {
    pub name: &'static str,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Value>>,
}

const TABLES: &[Table] = &[
    Table {
        name: "profile",
        columns: &[
            ("id", "c.id", Number),
            ("external_id", "c.external_id", Text),
            ("email", "c.email", Text),
            ("email_state", "c.email_state", Text),
            ("email_fingerprint", "c.email_fingerprint", Text),
            ("phone", "c.phone", Text),
            ("phone_fingerprint", "c.phone_fingerprint", Text),
            ("phone_kind", "c.phone_kind", Text),
            ("phone_country", "c.phone_country", Text),
            ("phone_zone", "c.phone_zone", Text),
            ("phone_state", "c.phone_state", Text),
            ("phone_refused_at", "c.phone_refused_at", Instant),
            ("first_name", "c.first_name", Text),
            ("last_name", "c.last_name", Text),
            ("company", "c.company", Text),
            ("gender", "c.gender", Text),
            ("birth_date", "c.birth_date", Day),
            ("language", "c.language", Text),
            ("country", "c.country", Text),
            ("region", "c.region", Text),
            ("postal_code", "c.postal_code", Text),
            ("city", "c.city", Text),
            ("time_zone", "c.time_zone", Text),
            ("household", "c.household", Text),
            ("stage", "c.stage", Text),
            ("attributes", "c.attributes", Document),
            ("tracking", "c.tracking", Text),
            ("frequency_days", "c.frequency_days", Number),
            ("paused_until", "c.paused_until", Instant),
            ("orders_count", "c.orders_count", Number),
            ("revenue_cents", "c.revenue_cents", Number),
            ("first_order_at", "c.first_order_at", Instant),
            ("last_order_at", "c.last_order_at", Instant),
            ("last_response_at", "c.last_response_at", Instant),
            ("last_response_kind", "c.last_response_kind", Text),
            ("engagement", "c.engagement_weight", Shape::Points),
            ("preferred_channel", "c.preferred_channel", Text),
            ("preferred_hour", "c.preferred_hour", Number),
            ("created_at", "c.created_at", Instant),
            ("updated_at", "c.updated_at", Instant),
        ],
        from: "customers c WHERE c.id = $1",
    },
    Table {
        name: "tags",
        columns: &[("tag", "t.tag", Text)],
        from: "customer_tags t WHERE t.customer_id = $1 ORDER BY t.tag_key",
    },
    Table {
        name: "notes",
        columns: &[
            ("text", "n.body", Text),
            ("author", "n.author", Text),
            ("written_at", "n.written_at", Instant),
        ],
        from: "customer_notes n WHERE n.customer_id = $1 ORDER BY n.written_at, n.id",
    },
    Table {
        name: "interests",
        columns: &[
            ("interest", "i.interest", Text),
            ("points", "i.weight", Shape::Points),
            ("last_at", "i.last_at", Instant),
        ],
        from: "customer_interests i WHERE i.customer_id = $1 ORDER BY i.interest_key",
    },
    Table {
        name: "habits",
        columns: &[
            ("channel", "a.channel", Text),
            ("hour", "a.hour", Number),
            ("acts", "a.acts", Number),
        ],
        from: "customer_acts a WHERE a.customer_id = $1 ORDER BY a.channel, a.hour",
    },
    Table {
        name: "orders",
        columns: &[
            ("external_id", "o.external_id", Text),
            ("ordered_at", "o.ordered_at", Instant),
            ("amount_cents", "o.amount_cents", Number),
            ("currency", "o.currency", Text),
            ("product", "o.product", Text),
            ("category", "o.category", Text),
            ("campaign", "m.name", Text),
            ("matched_by", "o.matched_by", Text),
            ("token", "o.token", Text),
            ("coupon", "o.coupon", Text),
            ("campaign_code", "o.campaign_code", Text),
        ],
        from: "orders o LEFT JOIN campaigns m ON m.id = o.campaign_id
            WHERE o.customer_id = $1 ORDER BY o.ordered_at, o.id",
    },
    Table {
        name: "permissions",
        columns: &[
            ("channel", "p.channel", Text),
            ("topic", "p.topic", Text),
            ("is_granted", "p.is_granted", YesNo),
            ("basis", "p.basis", Text),
            ("since_at", "p.since_at", Instant),
            ("level", "p.level", Number),
            ("level_since_at", "p.level_since_at", Instant),
            ("expires_at", "p.expires_at", Instant),
            ("evidence_id", "p.evidence_id", Number),
        ],
        from: "permissions p WHERE p.customer_id = $1 ORDER BY p.channel, p.topic",
    },
    Table {
        name: "evidence",
        columns: &[
            ("id", "e.id", Number),
            ("channel", "e.channel", Text),
            ("topic", "e.topic", Text),
            ("action", "e.action", Text),
            ("basis", "e.basis", Text),
            ("level", "e.level", Number),
            ("source", "e.source", Text),
            ("wording", "e.wording", Text),
            ("locale", "e.locale", Text),
            ("actor", "e.actor", Text),
            ("fingerprint", "e.fingerprint", Text),
            ("confirmation_id", "e.confirmation_id", Number),
            ("details", "x.details", Text),
            ("occurred_at", "e.occurred_at", Instant),
            ("recorded_at", "e.recorded_at", Instant),
            ("expires_at", "e.expires_at", Instant),
            ("chain_position", "h.position", Number),
            ("chain_link", "h.link", Text),
        ],
        from: "permission_evidence e LEFT JOIN evidence_details x ON x.evidence_id = e.id
            LEFT JOIN evidence_chain h ON h.evidence_id = e.id
            WHERE e.customer_id = $1 ORDER BY e.id",
    },
    Table {
        name: "suppressions",
        columns: &[
            ("fingerprint", "s.fingerprint", Text),
            ("channel", "s.channel", Text),
            ("scope", "s.scope", Text),
            ("reason", "s.reason", Text),
            ("suppressed_at", "s.suppressed_at", Instant),
        ],
        from: "suppressions s WHERE s.fingerprint IN {fingerprints}
            ORDER BY s.suppressed_at, s.fingerprint, s.channel, s.scope",
    },
    Table {
        name: "messages",
        columns: &[
            ("campaign", "m.name", Text),
            ("launched_at", "w.launched_at", Instant),
            ("channel", "d.channel", Text),
            ("state", "d.state", Shape::State),
            ("reason", "d.reason", Text),
            ("attempts", "d.attempt", Number),
            ("due_at", "d.due_at", Instant),
            ("next_at", "d.next_at", Instant),
            ("settled_at", "d.settled_at", Instant),
        ],
        from:
            "deliveries d JOIN waves w ON w.id = d.wave_id JOIN campaigns m ON m.id = w.campaign_id
            WHERE d.customer_id = $1 ORDER BY d.wave_id, d.seq",
    },
    Table {
        name: "contacts",
        columns: &[
            ("campaign", "m.name", Text),
            ("channel", "k.channel", Text),
            ("topic", "k.topic", Text),
            ("contacted_at", "k.contacted_at", Instant),
        ],
        from: "contacts k JOIN waves w ON w.id = k.wave_id JOIN campaigns m ON m.id = w.campaign_id
            WHERE k.customer_id = $1 ORDER BY k.contacted_at, k.wave_id, k.seq",
    },
    Table {
        name: "past_messages",
        columns: &[
            ("campaign", "m.name", Text),
            ("launched_at", "w.launched_at", Instant),
            ("channel", "d.channel", Text),
        ],
        from: "past_deliveries d JOIN waves w ON w.id = d.wave_id JOIN campaigns m ON m.id = w.campaign_id
            WHERE d.customer_id = $1 ORDER BY d.wave_id, d.seq",
    },
    Table {
        name: "past_contacts",
        columns: &[
            ("channel", "k.channel", Text),
            ("topic", "k.topic", Text),
            ("contacts", "k.contacts", Number),
            ("first_at", "k.first_at", Instant),
            ("last_at", "k.last_at", Instant),
        ],
        from: "past_contacts k WHERE k.customer_id = $1 ORDER BY k.channel, k.topic",
    },
    Table {
        name: "responses",
        columns: &[
            ("campaign", "m.name", Text),
            ("kind", "r.kind", Text),
            ("is_machine", "r.is_machine", YesNo),
            ("is_scanner", "r.is_scanner", YesNo),
            ("link", "r.link", Number),
            ("part", "r.part", Text),
            ("amount_cents", "r.amount_cents", Number),
            ("responded_at", "r.responded_at", Instant),
        ],
        from: "responses r JOIN campaigns m ON m.id = r.campaign_id
            WHERE r.customer_id = $1 ORDER BY r.responded_at, r.id",
    },
    Table {
        name: "answers",
        columns: &[
            ("campaign_code", "a.code_key", Text),
            ("campaign", "m.name", Text),
            ("kind", "a.kind", Text),
            ("note", "a.note", Text),
            ("answered_at", "a.answered_at", Instant),
        ],
        from: "answers a LEFT JOIN waves w ON w.id = a.wave_id LEFT JOIN campaigns m ON m.id = w.campaign_id
            WHERE a.customer_id = $1 ORDER BY a.id",
    },
    Table {
        name: "text_messages",
        columns: &[
            ("campaign", "m.name", Text),
            ("launched_at", "w.launched_at", Instant),
            ("provider", "t.provider", Text),
            ("message_id", "t.message_id", Text),
            ("country", "t.country", Text),
            ("parts", "t.parts", Number),
            ("receipt", "t.receipt", Text),
            ("receipt_at", "t.receipt_at", Instant),
            ("failure", "t.failure", Text),
        ],
        // The order of the tables is fixed: a person has few deliveries, the base many text messages.
        from: "(SELECT d.wave_id AS wave, d.seq AS place FROM deliveries d WHERE d.customer_id = $1) AS own
            CROSS JOIN sms_messages t JOIN waves w ON w.id = t.wave_id JOIN campaigns m ON m.id = w.campaign_id
            WHERE t.wave_id = own.wave AND t.seq = own.place ORDER BY t.wave_id, t.seq",
    },
    Table {
        name: "texts_received",
        columns: &[
            ("provider", "t.provider", Text),
            ("number", "t.number", Text),
            ("fingerprint", "t.fingerprint", Text),
            ("sent_to", "t.sent_to", Text),
            ("text", "t.body", Text),
            ("kind", "t.kind", Text),
            ("campaign", "m.name", Text),
            ("received_at", "t.received_at", Instant),
            ("done_at", "t.done_at", Instant),
        ],
        // The plus keeps SQLite from beginning with every text of people we do not know.
        from: "inbound_texts t LEFT JOIN waves w ON w.id = t.wave_id LEFT JOIN campaigns m ON m.id = w.campaign_id
            WHERE t.customer_id = $1
            OR (+t.customer_id IS NULL AND t.fingerprint IN {fingerprints}) ORDER BY t.id",
    },
    Table {
        name: "texts_answered",
        columns: &[
            ("provider", "t.provider", Text),
            ("kind", "t.kind", Text),
            ("number", "t.number", Text),
            ("language", "t.language", Text),
            ("state", "t.state", Text),
            ("queued_at", "t.queued_at", Instant),
            ("settled_at", "t.settled_at", Instant),
        ],
        from: "text_replies t WHERE t.customer_id = $1
            OR (+t.customer_id IS NULL AND t.fingerprint IN {fingerprints}) ORDER BY t.id",
    },
    Table {
        name: "mails_received",
        columns: &[
            ("kind", "r.kind", Text),
            ("class", "r.class", Text),
            ("campaign", "m.name", Text),
            ("sender", "r.sender", Text),
            ("subject", "r.subject", Text),
            ("text", "r.body", Text),
            ("received_at", "r.received_at", Instant),
            ("done_at", "r.done_at", Instant),
        ],
        from: "received_mails r LEFT JOIN waves w ON w.id = r.wave_id LEFT JOIN campaigns m ON m.id = w.campaign_id
            WHERE r.customer_id = $1
            OR (+r.customer_id IS NULL AND r.fingerprint IN {fingerprints}) ORDER BY r.id",
    },
    Table {
        name: "address_faults",
        columns: &[
            ("fingerprint", "f.fingerprint", Text),
            ("class", "f.class", Text),
            ("count", "f.count", Number),
            ("first_at", "f.first_at", Instant),
            ("last_at", "f.last_at", Instant),
        ],
        from: "address_faults f WHERE f.fingerprint IN {fingerprints} ORDER BY f.fingerprint, f.class",
    },
    Table {
        // Without the nonce: with the secret it would make links.
        name: "confirmations",
        columns: &[
            ("id", "f.id", Number),
            ("purpose", "f.purpose", Text),
            ("channel", "f.channel", Text),
            ("address", "f.address", Text),
            ("language", "f.language", Text),
            ("payload", "f.payload", Document),
            ("requested_at", "f.requested_at", Instant),
            ("expires_at", "f.expires_at", Instant),
            ("sent_at", "f.sent_at", Instant),
            ("used_at", "f.used_at", Instant),
        ],
        from: "confirmations f WHERE f.customer_id = $1
            OR (f.customer_id IS NULL AND f.fingerprint IN {fingerprints}) ORDER BY f.id",
    },
    Table {
        name: "audit_records",
        columns: &[
            ("at", "a.at", Instant),
            ("actor", "a.actor", Text),
            ("action", "a.action", Text),
            ("details", "a.details", Document),
        ],
        from: "audit_records a WHERE a.customer_id = $1 ORDER BY a.id",
    },
];

/// Reads every kind of data about a customer, also those of which there is none.
pub(in crate::dialogue) async fn everything(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    fingerprints: &[(Channel, String)],
    now_ms: i64,
) -> Result<Vec<Section>, DbErr> {
    let dialect = Dialect::of(connection);
    let prints: Vec<&String> = fingerprints.iter().map(|(_, print)| print).collect();
    let prints = json!(prints).to_string();
    let mut sections = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let list: Vec<String> = table
            .columns
            .iter()
            .map(|(name, expression, shape)| match shape {
                Document => format!("{} AS v_{name}", dialect.json_text(expression)),
                _ => format!("{expression} AS v_{name}"),
            })
            .collect();
        // A parameter that is not named in the statement has no type on PostgreSQL.
        let names_customer = table.from.contains("$1");
        let place = if names_customer { 2 } else { 1 };
        let from = table
            .from
            .replace("{fingerprints}", &dialect.list(place, Kind::Text));
        let mut values: Vec<sea_orm::Value> = Vec::new();
        if names_customer {
            values.push(customer.0.into());
        }
        if table.from.contains("{fingerprints}") {
            values.push(prints.as_str().into());
        }
        let rows = connection
            .rows(format!("SELECT {} FROM {from}", list.join(", ")), values)
            .await?
            .iter()
            .map(|row| {
                table
                    .columns
                    .iter()
                    .map(|(name, _, shape)| read(row, name, *shape, now_ms))
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        sections.push(Section {
            name: table.name,
            columns: table.columns.iter().map(|(name, _, _)| *name).collect(),
            rows,
        });
    }
    Ok(sections)
}

fn read(row: &QueryResult, name: &str, shape: Shape, now_ms: i64) -> Result<Value, DbErr> {
    Ok(match shape {
        Text => json!(row.try_get::<Option<String>>("v_", name)?),
        Number => json!(number(row, name)?),
        YesNo => json!(row.try_get::<Option<bool>>("v_", name)?),
        Day => json!(row.try_get::<Option<chrono::NaiveDate>>("v_", name)?),
        Instant => json!(
            row.try_get::<Option<i64>>("v_", name)?
                .map(|ms| from_ms(ms).to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        ),
        Document => match row.try_get::<Option<String>>("v_", name)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| DbErr::Type(format!("{name}: {error}")))?,
            None => Value::Null,
        },
        Shape::Points => json!(Fading(row.try_get("v_", name)?).points(now_ms)),
        Shape::State => {
            json!(State::from_code(row.try_get("v_", name)?).map(State::counter))
        }
    })
}

/// A number, whatever its width in the schema.
fn number(row: &QueryResult, name: &str) -> Result<Option<i64>, DbErr> {
    row.try_get::<Option<i64>>("v_", name).or_else(|_wider| {
        row.try_get::<Option<i16>>("v_", name)
            .map(|n| n.map(i64::from))
    })
}
