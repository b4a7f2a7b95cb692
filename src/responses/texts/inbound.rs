//! What people write to us: STOP, START and HELP act at once, all else is kept for a person to read.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use ring::digest;
use sea_orm::DbErr;

use super::Account;
use super::keywords::{self, Keyword};
use super::model::TextKind;
use super::store::inbound::{self as store, NewAnswer, NewText, Person};
use super::store::stops::{self, Stopped};
use crate::channels::sms::model::Inbound;
use crate::clock::DAY_MS;
use crate::consent::ladder::Level;
use crate::consent::model::{Basis, Channel, Evidence, Scope};
use crate::consent::store::{self as consent, OPT_OUT, Suppression};
use crate::customers::normalise;
use crate::customers::number::{self, PhoneKind};
use crate::delivery::in_flight;
use crate::ids::{CustomerId, DeliveryKey};
use crate::keys::Keys;
use crate::responses::model::{MadeBy, Response, What};
use crate::responses::store::{self as responses, Addressee, Waves};
use crate::storage::{Db, Txn, is_deadlock};
use crate::tokens;

/// Where the "no" came from, in the evidence.
const STOP: &str = "sms_stop";
/// Where the "yes" came from.
const START: &str = "sms_start";
/// How often a transaction is tried that waits for another one that waits for it.
const TRIES: u32 = 3;
/// Characters of a text that are kept: nine parts of the longest kind.
const KEPT: usize = 1_400;
/// Characters of a name or number that a provider writes: an index of PostgreSQL holds no more than 2,700 bytes.
const KEPT_NAME: usize = 200;
/// Within what time a number is given the same answer once: two machines must not talk to each other.
const ANSWER_ONCE_MS: i64 = DAY_MS;

/// Records texts that came by an account. When this returns, no message to whoever said STOP is in hand any more
/// that could still leave.
pub(super) async fn record(
    db: &Db,
    keys: &Keys,
    account: Account<'_>,
    texts: &[Inbound],
    now_ms: i64,
) -> Result<(), DbErr> {
    let mut stopped = BTreeSet::new();
    for text in texts {
        let text = Text::of(text, keys, now_ms);
        let mut tries = 1;
        let people = loop {
            match take(db, account, &text, now_ms).await {
                Err(error) if tries < TRIES && is_deadlock(&error) => tries += 1,
                taken => break taken?,
            }
        };
        stopped.extend(people);
    }
    if !stopped.is_empty() {
        let stopped: Vec<CustomerId> = stopped.into_iter().collect();
        in_flight::settled(db, &stopped, now_ms, in_flight::AT_MOST).await?;
    }
    Ok(())
}

/// A text, read.
#[derive(Debug)]
struct Text {
    message_id: String,
    /// E.164; as the provider wrote it where it is no telephone number.
    number: String,
    /// Whether we may write to it at all: what a landline or a premium number asks for could cost without end.
    is_mobile: bool,
    fingerprint: String,
    sent_to: Option<String>,
    body: String,
    keyword: Option<Keyword>,
    /// The message it answers, where the provider knows.
    answers: Option<DeliveryKey>,
}

impl Text {
    fn of(text: &Inbound, keys: &Keys, now_ms: i64) -> Self {
        let telephone = telephone(&text.from);
        let number = telephone
            .clone()
            .unwrap_or_else(|| kept(text.from.trim(), 40));
        let reference = text.reference.as_deref();
        Self {
            message_id: match &text.message_id {
                // As long as it was, or two long names could become one.
                Some(id) if id.len() <= KEPT_NAME => kept(id, KEPT_NAME),
                _ => name_of(text, now_ms),
            },
            fingerprint: keys.fingerprint(&number),
            is_mobile: telephone.is_some_and(|e164| number::read(&e164).kind == PhoneKind::Mobile),
            number,
            sent_to: text.to.as_deref().map(|to| kept(to, KEPT_NAME)),
            body: kept(&text.text, KEPT),
            keyword: keywords::read(&text.text),
            answers: reference.and_then(|text| tokens::read_return_path_tag(text, keys)),
        }
    }
}

/// The beginning of a text as both databases take it: PostgreSQL takes no NUL.
fn kept(text: &str, at_most: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(at_most).collect()
}

/// A number as customers have it. Most providers leave the plus out, some write it as it is dialled in France.
fn telephone(from: &str) -> Option<String> {
    let from = from.trim();
    let international = format!("+{}", from.trim_start_matches('+'));
    normalise::phone(&international, "FR")
        .or_else(|_| normalise::phone(from, "FR"))
        .ok()
}

/// A name for a text whose provider gives it none, or one too long: the same when it is posted again. Where the provider does
/// not say when it was written, the same words count once a day.
fn name_of(text: &Inbound, now_ms: i64) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let at = text.at.unwrap_or(now_ms / DAY_MS);
    let to = text.to.as_deref().unwrap_or_default();
    let id = text.message_id.as_deref().unwrap_or_default();
    for piece in [&*text.from, to, &text.text, &at.to_string(), id] {
        context.update(&piece.len().to_be_bytes());
        context.update(piece.as_bytes());
    }
    let digest = context.finish();
    let head = digest.as_ref().get(..16).unwrap_or_default();
    format!("ours-{}", HEXLOWER.encode(head))
}

/// Takes one text in one transaction; returns those to whom nothing may be on its way any more.
async fn take(
    db: &Db,
    account: Account<'_>,
    text: &Text,
    now_ms: i64,
) -> Result<Vec<CustomerId>, DbErr> {
    let txn = db.begin().await?;
    let kind = match text.keyword {
        Some(Keyword::Stop) => TextKind::Stop,
        Some(Keyword::Start) => TextKind::Start,
        Some(Keyword::Help) => TextKind::Help,
        Some(Keyword::Yes) if stops::stands(&*txn, &text.fingerprint, now_ms).await? => {
            TextKind::Start
        }
        Some(Keyword::Yes) | None => TextKind::Reply,
    };
    let mut people = store::people_at(&*txn, &text.fingerprint).await?;
    if kind != TextKind::Help
        && let Some(first) = people.first()
    {
        // All of them share the number, so this locks them all, in the order in which others do.
        consent::hold_mailboxes(&*txn, first.id).await?;
        people = store::people_at(&*txn, &text.fingerprint).await?;
    }
    let ids: Vec<CustomerId> = people.iter().map(|person| person.id).collect();
    let (addressee, delivery) = answered(&txn, text, &ids).await?;
    let customer = addressee
        .as_ref()
        .map(|addressee| addressee.customer_id)
        .or_else(|| ids.first().copied());
    let new = NewText {
        provider: account.provider,
        message_id: &text.message_id,
        fingerprint: &text.fingerprint,
        number: &text.number,
        sent_to: text.sent_to.as_deref(),
        body: &text.body,
        kind,
        customer,
        delivery,
        received_at: now_ms,
    };
    let Some(id) = store::insert(&txn, &new).await? else {
        if kind != TextKind::Stop {
            return Ok(Vec::new());
        }
        if disabled_by_stop(&txn, &text.fingerprint, &ids)
            .await?
            .is_empty()
        {
            // Posted again; the opt-out of the first time may still be waited for.
            return Ok(ids);
        }
        // Whoever says it again after a START is not always told from a provider that repeats itself: some
        // name a reply only by the message it answers. The "no" counts.
        let concerned = stop(&txn, text, &ids, addressee.as_ref(), now_ms).await?;
        txn.commit().await?;
        return Ok(concerned);
    };
    let (is_answered, concerned) = match kind {
        TextKind::Stop => {
            let concerned = stop(&txn, text, &ids, addressee.as_ref(), now_ms).await?;
            (true, concerned)
        }
        TextKind::Start => (start(&txn, text, now_ms).await?, Vec::new()),
        TextKind::Help => (true, Vec::new()),
        TextKind::Reply => (false, Vec::new()),
    };
    respond(&txn, kind, delivery, &ids, now_ms).await?;
    if is_answered && !account.answers_keywords && text.is_mobile {
        let firm = addressee.and_then(|addressee| addressee.terms.sender);
        let answer = NewAnswer {
            inbound: id,
            provider: account.provider,
            kind,
            fingerprint: &text.fingerprint,
            number: &text.number,
            sender: text.sent_to.as_deref(),
            firm: firm.as_ref().map(|firm| firm.name.as_str()),
            customer,
            language: language(&people, customer, &text.number),
            at: now_ms,
        };
        let since = now_ms - ANSWER_ONCE_MS;
        if !store::was_answered(&txn, &text.fingerprint, kind, since).await? {
            store::queue(&txn, &answer).await?;
        }
    }
    txn.commit().await?;
    Ok(concerned)
}

/// The message that a text answers, and to whom it went: the one the provider names, else the last one to that
/// number.
async fn answered(
    txn: &Txn,
    text: &Text,
    people: &[CustomerId],
) -> Result<(Option<Addressee>, Option<DeliveryKey>), DbErr> {
    if let Some(named) = text.answers
        && let Some(addressee) = responses::addressee(&**txn, named).await?
    {
        return Ok((Some(addressee), Some(named)));
    }
    match store::last_message(&**txn, people).await? {
        Some((_, last)) => Ok((responses::addressee(&**txn, last).await?, Some(last))),
        None => Ok((None, None)),
    }
}

/// Opts the number out of everything we send by SMS, whoever has it, and everyone who has it. Returns them.
async fn stop(
    txn: &Txn,
    text: &Text,
    people: &[CustomerId],
    addressee: Option<&Addressee>,
    now_ms: i64,
) -> Result<Vec<CustomerId>, DbErr> {
    let fingerprint = text.fingerprint.as_str();
    stops::forget_others(txn, fingerprint, now_ms).await?;
    let stopped = disabled_by_stop(txn, fingerprint, people).await?;
    let mut concerned = people.to_vec();
    // Whom the message went to, also when he was erased or has another number now.
    if let Some(addressee) = addressee
        && !concerned.contains(&addressee.customer_id)
    {
        concerned.push(addressee.customer_id);
    }
    for customer in &concerned {
        let said = Evidence {
            wording: Some(text.body.trim().to_owned()),
            actor: Some("person".to_owned()),
            ..Evidence::withdrawal(*customer, Channel::Sms, Scope::All, STOP, now_ms)
        };
        consent::opt_out_by(&**txn, said, Some(fingerprint)).await?;
    }
    let at = stops::suppressed_at(txn, fingerprint).await?;
    // Also where it changes nothing but the date: he says so now.
    let own = Suppression {
        fingerprint: fingerprint.to_owned(),
        channel: Channel::Sms,
        scope: Scope::All,
        reason: OPT_OUT.to_owned(),
        suppressed_at: at.unwrap_or(now_ms).max(now_ms),
    };
    consent::suppress(&**txn, std::slice::from_ref(&own)).await?;
    stops::remember(txn, fingerprint, &stopped, own.suppressed_at).await?;
    Ok(concerned)
}

/// About what these people may be written to at the number, and no longer after a STOP.
async fn disabled_by_stop(
    txn: &Txn,
    fingerprint: &str,
    people: &[CustomerId],
) -> Result<Vec<Stopped>, DbErr> {
    let mut stopped = Vec::new();
    for (customer, permission) in consent::permissions_of_all(&**txn, people).await? {
        let Scope::Topic(topic) = permission.scope else {
            continue;
        };
        if permission.channel == Channel::Sms
            && permission.is_granted
            && consent::may_contact(&**txn, customer, fingerprint, Channel::Sms, &topic).await?
        {
            stopped.push(Stopped {
                customer,
                topic,
                level: permission.level,
                expires_at: permission.expires_at,
            });
        }
    }
    Ok(stopped)
}

/// Lifts what a STOP from this number disabled and nothing else forbids: a yes by the person himself, at no
/// higher rung than before. Whether there was anything.
async fn start(txn: &Txn, text: &Text, now_ms: i64) -> Result<bool, DbErr> {
    let (stopped, stopped_at) = stops::take(txn, &text.fingerprint, now_ms).await?;
    let at = now_ms.max(stopped_at + 1);
    let evidence: Vec<(Evidence, Option<String>)> = stopped
        .into_iter()
        .map(|one| {
            let own = Level::of_basis(Basis::Consent);
            let grant = Evidence::grant(
                one.customer,
                Channel::Sms,
                &one.topic,
                Basis::Consent,
                START,
                at,
            );
            let said = Evidence {
                wording: Some(text.body.trim().to_owned()),
                actor: Some("person".to_owned()),
                level: Some(one.level.min(own)),
                expires_at: one.expires_at,
                ..grant
            };
            (said, Some(text.fingerprint.clone()))
        })
        .collect();
    consent::record_all(&**txn, &evidence, now_ms).await?;
    Ok(!evidence.is_empty())
}

/// Counts a text as response to the message it answers, and as an act of who wrote it.
async fn respond(
    txn: &Txn,
    kind: TextKind,
    delivery: Option<DeliveryKey>,
    people: &[CustomerId],
    now_ms: i64,
) -> Result<(), DbErr> {
    let what = match kind {
        TextKind::Stop => What::OptOut,
        TextKind::Reply => What::Reply,
        TextKind::Start | TextKind::Help => return store::note_act(txn, people, now_ms).await,
    };
    let mut waves = Waves::default();
    if let Some(delivery) = delivery {
        let response = Response {
            delivery,
            what,
            made_by: MadeBy::Person,
            at: now_ms,
        };
        match kind {
            TextKind::Stop => responses::write_opt_out(txn, &mut waves, response).await?,
            _ => responses::write(txn, &mut waves, &[response])
                .await
                .map(drop)?,
        }
    }
    store::note_act(txn, people, now_ms).await
}

/// The language of an answer: the customer's, else that of the number's country; English where we have no words.
fn language(people: &[Person], customer: Option<CustomerId>, number: &str) -> &'static str {
    let known = people
        .iter()
        .find(|person| Some(person.id) == customer)
        .or_else(|| people.first());
    match known {
        Some(person) => match person.language.as_str() {
            "fr" => "fr",
            "de" => "de",
            "es" => "es",
            _ => "en",
        },
        None => spoken_at(number),
    }
}

/// What most people speak where a number is from, of the four languages we have.
fn spoken_at(number: &str) -> &'static str {
    const PREFIXES: &[(&str, &[&str])] = &[
        // France, overseas France, Belgium, Luxembourg, Monaco, and French-speaking Africa.
        (
            "fr",
            &[
                "+33", "+262", "+508", "+590", "+594", "+596", "+681", "+687", "+689", "+32",
                "+352", "+377", "+212", "+213", "+216", "+221", "+223", "+225", "+226", "+228",
                "+229", "+237", "+241", "+242", "+243",
            ],
        ),
        ("de", &["+49", "+43", "+41", "+423"]),
        // Spain and Spanish-speaking America.
        (
            "es",
            &[
                "+34", "+51", "+52", "+53", "+54", "+56", "+57", "+58", "+502", "+503", "+504",
                "+505", "+506", "+507", "+591", "+593", "+595", "+598",
            ],
        ),
    ];
    PREFIXES
        .iter()
        .find(|(_, prefixes)| prefixes.iter().any(|prefix| number.starts_with(prefix)))
        .map_or("en", |(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_however_a_provider_writes_them() {
        for from in [
            "+33639981234",
            "33639981234",
            "0639981234",
            " 33 6 39 98 12 34 ",
        ] {
            assert_eq!(telephone(from).as_deref(), Some("+33639981234"), "{from}");
        }
        for from in ["36111", "Maison", "", "+"] {
            assert_eq!(telephone(from), None, "{from}");
        }
    }

    #[test]
    fn a_text_without_a_name_has_the_same_one_when_it_comes_again() {
        let text = |at, body: &str| Inbound {
            message_id: None,
            from: "33639981234".to_owned(),
            to: None,
            text: body.to_owned(),
            reference: None,
            at,
        };
        assert_eq!(
            name_of(&text(Some(1), "a"), 5),
            name_of(&text(Some(1), "a"), 9)
        );
        assert_ne!(
            name_of(&text(Some(1), "a"), 5),
            name_of(&text(Some(2), "a"), 5)
        );
        assert_ne!(
            name_of(&text(Some(1), "a"), 5),
            name_of(&text(Some(1), "b"), 5)
        );
        assert_eq!(name_of(&text(None, "a"), 5), name_of(&text(None, "a"), 9));
        assert_ne!(
            name_of(&text(None, "a"), 5),
            name_of(&text(None, "a"), 5 + DAY_MS)
        );
    }

    #[test]
    fn an_unknown_number_is_answered_in_the_language_of_its_country() {
        for (number, language) in [
            ("+33639981234", "fr"),
            ("+262692123456", "fr"),
            ("+4915112345678", "de"),
            ("+34612345678", "es"),
            ("+447700900123", "en"),
            ("+12025550123", "en"),
        ] {
            assert_eq!(spoken_at(number), language);
        }
    }
}
