//! One recipient's message: rendered text, links with tokens, and the pixel only where it is allowed.

use sea_orm::DbErr;

use super::model::{Bill, TextFacts};
use super::offering::Offering;
use super::store;
use super::wave::{EmailWay, SmsWay, WaveContext};
use crate::campaigns::sms;
use crate::channels::model::EmailMessage;
use crate::channels::sms::model::SmsMessage;
use crate::config::{SANDBOX, Settings, provider_of};
use crate::consent::model::{Channel, Tracking};
use crate::customers::model::Customer;
use crate::customers::number;
use crate::customers::store as customer_store;
use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::keys::Keys;
use crate::storage::Db;
use crate::templates::model::{Link, RecipientLinks, Rendered};
use crate::templates::{RenderError, Template};
use crate::tokens::{self, LinkKind, LinkToken};

/// Renders the email of `delivery` for `customer`.
///
/// # Errors
/// When the template cannot be rendered for this customer, or he has no address any more.
pub fn compose(
    context: &WaveContext,
    way: &EmailWay,
    delivery: DeliveryKey,
    customer: &Customer,
    at: i64,
) -> Result<EmailMessage, RenderError> {
    let compiled = way.compiled(&customer.language);
    let mut links = recipient_links(
        &context.public_url,
        &context.keys,
        delivery,
        customer.id,
        compiled.links(),
        customer.tracking,
    );
    if context.has_trap_link {
        let kind = LinkKind::Trap;
        let token = LinkToken { delivery, kind }.encode(&context.keys);
        links.trap = Some(format!("{}/t/{token}", context.public_url));
    }
    context.offering.put(&mut links, delivery, &context.keys)?;
    let Rendered {
        subject,
        html,
        text,
    } = compiled.render(customer, &links)?;
    Ok(EmailMessage {
        delivery,
        to_name: full_name(customer),
        to_address: customer.email.clone().unwrap_or_default(),
        subject,
        html,
        text,
        unsubscribe_url: links.unsubscribe,
        at,
    })
}

/// Renders the text message of `delivery` for `customer`, with what it costs.
///
/// # Errors
/// When the template cannot be rendered for this customer, or the text is far too long.
pub fn compose_sms(
    context: &WaveContext,
    way: &SmsWay,
    delivery: DeliveryKey,
    customer: &Customer,
) -> Result<(SmsMessage, TextFacts), RenderError> {
    let compiled = way.compiled(&customer.language);
    let mut links = short_links(
        &context.short_url,
        &context.public_url,
        &context.keys,
        delivery,
        customer.id,
        compiled.links(),
    );
    context.offering.put(&mut links, delivery, &context.keys)?;
    let rendered = compiled.render(customer, &links)?;
    let to = customer.phone.clone().unwrap_or_default();
    let country = number::read(&to).country;
    let price = way.price_micros(country.as_deref().unwrap_or(&customer.country));
    let parts = u16::try_from(rendered.size.parts).unwrap_or(u16::MAX);
    let facts = TextFacts {
        message_id: None,
        country,
        bill: Some(Bill {
            parts,
            cost_micros: price.map(|micros| micros.saturating_mul(i64::from(parts))),
        }),
    };
    let message = SmsMessage {
        reference: tokens::return_path_tag(delivery, &context.keys),
        to,
        sender: way.sender.clone(),
        text: rendered.text,
        size: rendered.size,
        is_marketing: true,
    };
    Ok((message, facts))
}

/// Whether a message by this channel to someone who agreed to so much can show that it was opened.
pub fn has_pixel(channel: Channel, tracking: Tracking) -> bool {
    channel == Channel::Email && tracking == Tracking::Full
}

/// The links of one recipient.
pub fn recipient_links(
    public_url: &str,
    keys: &Keys,
    delivery: DeliveryKey,
    customer: CustomerId,
    links: &[Link],
    tracking: Tracking,
) -> RecipientLinks {
    let url = |path: &str, kind| {
        let token = LinkToken { delivery, kind }.encode(keys);
        format!("{public_url}/{path}/{token}")
    };
    RecipientLinks {
        clicks: links
            .iter()
            .map(|link| url("c", LinkKind::Click(link.number)))
            .collect(),
        unsubscribe: url("u", LinkKind::Unsubscribe),
        preferences: preferences_url(public_url, keys, customer),
        browser: url("v", LinkKind::Browser),
        open: has_pixel(Channel::Email, tracking)
            .then(|| format!("{}.gif", url("o", LinkKind::Open))),
        ..RecipientLinks::default()
    }
}

/// The links of one recipient's text message: short ones, and a long one where a code cannot hold it.
/// Nothing in a text message tells that it was opened.
pub fn short_links(
    short_url: &str,
    public_url: &str,
    keys: &Keys,
    delivery: DeliveryKey,
    customer: CustomerId,
    links: &[Link],
) -> RecipientLinks {
    let url = |path: &str, kind| {
        let token = LinkToken { delivery, kind };
        match tokens::short_code(token, keys) {
            Some(code) => format!("{short_url}/{code}"),
            None => format!("{public_url}/{path}/{}", token.encode(keys)),
        }
    };
    RecipientLinks {
        clicks: links
            .iter()
            .map(|link| url("c", LinkKind::Click(link.number)))
            .collect(),
        unsubscribe: url("u", LinkKind::Unsubscribe),
        preferences: preferences_url(public_url, keys, customer),
        browser: url("v", LinkKind::Browser),
        ..RecipientLinks::default()
    }
}

/// Where a customer says what he wants. Not tracked, and without the message it stands in: it is about him.
pub fn preferences_url(public_url: &str, keys: &Keys, customer: CustomerId) -> String {
    format!(
        "{public_url}/p/{}",
        tokens::preferences_token(customer, keys)
    )
}

/// Why a message cannot be shown as a page.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// The delivery or its customer no longer exists.
    #[error("this message is no longer kept")]
    Gone,
    #[error(transparent)]
    Template(#[from] crate::templates::TemplateError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// The message of a delivery as a page: the same text and links, without the pixel.
///
/// # Errors
/// When the delivery or its customer is gone, or the database is away.
pub async fn for_browser(
    db: &Db,
    keys: &Keys,
    public_url: &str,
    delivery: DeliveryKey,
) -> Result<String, BrowserError> {
    let wave = store::wave(&**db, delivery.wave)
        .await?
        .ok_or(BrowserError::Gone)?;
    let customer = store::customer_of(&**db, delivery)
        .await?
        .ok_or(BrowserError::Gone)?;
    let customer = customer_store::get(&**db, db.dialect(), customer)
        .await?
        .ok_or(BrowserError::Gone)?;
    let version = store::cells::template_version_at(&**db, delivery)
        .await?
        .ok_or(BrowserError::Gone)?;
    let source = crate::campaigns::store::template_source(&**db, version).await?;
    let template = Template::from_source(&source)?;
    let compiled = template.compile_email(
        template.language_for(&customer.language),
        &super::wave::imprint(&wave.definition),
    )?;
    let mut links = recipient_links(
        public_url,
        keys,
        delivery,
        customer.id,
        compiled.links(),
        Tracking::None,
    );
    let cell = store::coupons::cell_at(db, delivery).await?;
    let cell = super::wave::sent_as(db, delivery.wave, &cell).await?;
    let offering = Offering::new(wave.definition.offer_of(&cell), &template);
    let seqs = std::iter::once(delivery.seq);
    offering.fetch(db, delivery.wave, seqs).await?;
    offering.put(&mut links, delivery, keys)?;
    Ok(compiled.render(&customer, &links)?.html)
}

/// A message as somebody got it, made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsSent {
    pub campaign: String,
    pub channel: Channel,
    /// Of an email.
    pub subject: Option<String>,
    pub html: Option<String>,
    pub text: String,
}

/// The message of a wave to a customer, from the template and the plan as they were frozen, and his profile as it
/// is. Its links lead nowhere: whoever looks at it is not he.
///
/// # Errors
/// When he was not written to by the wave, one of both is gone, or the database is away.
pub async fn as_sent(
    db: &Db,
    settings: &Settings,
    keys: &Keys,
    wave: WaveId,
    customer: CustomerId,
) -> Result<AsSent, BrowserError> {
    let row = store::wave(&**db, wave).await?.ok_or(BrowserError::Gone)?;
    let contact = store::contact_of(&**db, wave, customer).await?;
    let (seq, channel) = contact.ok_or(BrowserError::Gone)?;
    let delivery = DeliveryKey { wave, seq };
    let customer = customer_store::get(&**db, db.dialect(), customer)
        .await?
        .ok_or(BrowserError::Gone)?;
    let version = store::cells::template_version_at(&**db, delivery)
        .await?
        .ok_or(BrowserError::Gone)?;
    let source = crate::campaigns::store::template_source(&**db, version).await?;
    let template = Template::from_source(&source)?;
    let language = template.language_for(&customer.language);
    let cell = store::coupons::cell_at(db, delivery).await?;
    let cell = super::wave::sent_as(db, wave, &cell).await?;
    let offering = Offering::new(row.definition.offer_of(&cell), &template);
    offering.fetch(db, wave, std::iter::once(seq)).await?;
    let mut links = RecipientLinks {
        unsubscribe: NOWHERE.to_owned(),
        preferences: NOWHERE.to_owned(),
        browser: NOWHERE.to_owned(),
        ..RecipientLinks::default()
    };
    offering.put(&mut links, delivery, keys)?;
    let campaign = row.definition.name.clone();
    Ok(match channel {
        Channel::Email => {
            let imprint = super::wave::imprint(&row.definition);
            let compiled = template.compile_email(language, &imprint)?;
            links.clicks = vec![NOWHERE.to_owned(); compiled.links().len()];
            let rendered = compiled.render(&customer, &links)?;
            AsSent {
                campaign,
                channel,
                subject: Some(rendered.subject),
                html: Some(rendered.html),
                text: rendered.text,
            }
        }
        Channel::Sms => {
            // The route is of the wave: a provider, or what stands behind the mark of one.
            let routes = [Some(&row.relay), row.next_relay.as_ref()];
            let provider = routes
                .into_iter()
                .flatten()
                .find_map(|route| provider_of(route));
            let frame = sms::frame(&settings.sms, provider.unwrap_or(SANDBOX), language);
            let compiled = template.compile_sms(language, &frame)?;
            links.clicks = vec![NOWHERE.to_owned(); compiled.links().len()];
            AsSent {
                campaign,
                channel,
                subject: None,
                html: None,
                text: compiled.render(&customer, &links)?.text,
            }
        }
    })
}

/// Where a link leads that is only to be seen.
const NOWHERE: &str = "#";

/// "Élodie Lefèvre", or whichever of the two names is known.
fn full_name(customer: &Customer) -> Option<String> {
    let names: Vec<&str> = [&customer.first_name, &customer.last_name]
        .into_iter()
        .filter_map(|name| {
            name.as_deref()
                .map(str::trim)
                .filter(|name| !name.is_empty())
        })
        .collect();
    (!names.is_empty()).then(|| names.join(" "))
}
