//! Plays what recipients would do: opens their messages in the outbox and follows the links in them,
//! through the public HTTP endpoints, as their mail programs would.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context;
use futures_util::stream::{self, StreamExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::progress;
use super::import;
use crate::app::Parts;
use crate::channels::outbox::{Outbox, OutboxMessage};
use crate::customers::import::ImportKind;
use crate::responses::effects;
use crate::responses::orders::{OrderRules, attribute_orders};

/// Recipients at work at once.
const AT_ONCE: usize = 16;

/// A click sooner after the hand-over than this is taken for a scanner's.
const SCANNERS_ARE_FASTER: Duration = Duration::from_millis(2_500);

const PERSON: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";
const IMAGE_PROXY: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";

/// What one recipient does, drawn before anything is asked of the server.
struct Recipient {
    number: u64,
    email: String,
    opens: bool,
    is_prefetched: bool,
    clicks: Option<f64>,
    opts_out: bool,
    orders_cents: Option<i64>,
}

/// Plays the responses to everything in the outbox; the same every time for the same outbox.
pub(super) async fn play(parts: &Parts, seed: u64) -> anyhow::Result<()> {
    tokio::time::sleep(SCANNERS_ARE_FASTER).await;
    let outbox = Outbox::open(&parts.settings.data_dir.join("outbox"))?;
    let count = outbox.count()?;
    let mut chance = StdRng::seed_from_u64(seed);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()?;
    let bar = progress::bar("playing responses", count, "messages");
    let mut orders = Vec::new();
    let mut recipients = Vec::new();
    let mut offset = 0;
    loop {
        let page = outbox.list(offset, 1_000, None)?;
        if page.is_empty() {
            break;
        }
        offset += page.len();
        for entry in page {
            recipients.push(draw(&mut chance, entry.number, entry.recipient));
        }
    }
    let base = &parts.settings.web.public_url;
    let (client, outbox) = (&client, &outbox);
    let mut acts = std::pin::pin!(
        stream::iter(recipients)
            .map(|recipient| act(client, outbox, base, recipient))
            .buffer_unordered(AT_ONCE)
    );
    while let Some(order) = acts.next().await {
        orders.extend(order?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    orders.extend(own_orders(parts, seed)?);
    if !orders.is_empty() {
        // Clicks are written in batches within milliseconds; an order must find its click.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let file = parts.settings.data_dir.join("simulated-orders.csv");
        write_orders(&file, &orders, parts.clock.now())?;
        import(parts, &file, ImportKind::Orders, "simulated orders").await?;
        let rules = OrderRules::new(&parts.keys, &parts.settings);
        attribute_orders(&parts.db, &rules, parts.clock.now_ms()).await?;
        let currency = &parts.settings.orders.currency;
        effects::reckon(&parts.db, currency, parts.clock.now_ms()).await?;
    }
    Ok(())
}

/// What people order of themselves, whether they were written to, held back or never selected: without these the
/// control group would tell that nobody buys without a mailing.
fn own_orders(parts: &Parts, seed: u64) -> anyhow::Result<Vec<(String, i64)>> {
    let file = parts.settings.data_dir.join("customers.csv");
    if !file.exists() {
        return Ok(Vec::new());
    }
    let mut chance = StdRng::seed_from_u64(seed.wrapping_add(1));
    let mut reader = csv::Reader::from_path(&file)?;
    let place = reader.headers()?.iter().position(|name| name == "email");
    let mut orders = Vec::new();
    for row in reader.byte_records() {
        let row = row?;
        let email = place.and_then(|place| row.get(place)).unwrap_or_default();
        let is_buying = chance.random_bool(0.012);
        let cents = [12_900, 24_900, 39_900][chance.random_range(0..3)];
        if is_buying && !email.is_empty() {
            orders.push((String::from_utf8_lossy(email).into_owned(), cents));
        }
    }
    Ok(orders)
}

fn draw(chance: &mut StdRng, number: u64, email: String) -> Recipient {
    let clicks = chance.random_bool(0.09);
    Recipient {
        number,
        email,
        opens: clicks || chance.random_bool(0.35),
        is_prefetched: chance.random_bool(0.25),
        clicks: clicks.then(|| chance.random()),
        opts_out: chance.random_bool(0.006),
        orders_cents: (clicks && chance.random_bool(0.22))
            .then(|| [12_900, 24_900, 39_900][chance.random_range(0..3)]),
    }
}

/// Does what the recipient does; gives back what he orders.
async fn act(
    client: &reqwest::Client,
    outbox: &Outbox,
    base: &str,
    recipient: Recipient,
) -> anyhow::Result<Option<(String, i64)>> {
    let raw = outbox
        .read(recipient.number)?
        .with_context(|| format!("message {} is not in the outbox", recipient.number))?;
    let message = OutboxMessage::parse(&raw).context("a message of ours can be read")?;
    let html = message.html.unwrap_or_default();
    if let Some(pixel) = links(&html, base, "/o/").first() {
        if recipient.is_prefetched {
            get(client, pixel, IMAGE_PROXY).await?;
        }
        if recipient.opens {
            get(client, pixel, PERSON).await?;
        }
    }
    let clickable = links(&html, base, "/c/");
    if let Some(draw) = recipient.clicks
        && let Some(link) = pick(&clickable, draw)
    {
        get(client, link, PERSON).await?;
    }
    if recipient.opts_out
        && let Some(link) = links(&html, base, "/u/").first()
    {
        let answer = client
            .post(link)
            .header("User-Agent", PERSON)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("List-Unsubscribe=One-Click")
            .send()
            .await?;
        anyhow::ensure!(
            answer.status().is_success(),
            "the one-click unsubscribe answered {}",
            answer.status()
        );
    }
    Ok(recipient.orders_cents.map(|cents| (recipient.email, cents)))
}

/// Most people follow the button, which stands before the link of the postscript.
fn pick(links: &[String], draw: f64) -> Option<&String> {
    let last = links.len().checked_sub(1)?;
    let steps_back = if draw < 0.6 {
        1
    } else if draw < 0.8 {
        2
    } else {
        0
    };
    links.get(last.saturating_sub(steps_back))
}

async fn get(client: &reqwest::Client, url: &str, agent: &str) -> anyhow::Result<()> {
    let answer = client.get(url).header("User-Agent", agent).send().await?;
    let status = answer.status();
    anyhow::ensure!(
        status.is_success() || status.is_redirection(),
        "a link answered {status}"
    );
    Ok(())
}

/// The distinct links of a message below `base` and `path`, in order.
fn links(html: &str, base: &str, path: &str) -> Vec<String> {
    let prefix = format!("{base}{path}");
    let mut found: Vec<String> = Vec::new();
    for (at, _) in html.match_indices(&prefix) {
        let rest = html.get(at..).unwrap_or_default();
        let link: String = rest
            .chars()
            .take_while(|c| !matches!(c, '"' | '\'' | '<' | '>' | ' ' | '\n' | '\r'))
            .collect();
        if !found.contains(&link) {
            found.push(link);
        }
    }
    found
}

fn write_orders(
    file: &std::path::Path,
    orders: &[(String, i64)],
    at: chrono::DateTime<chrono::Utc>,
) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    writeln!(
        out,
        "order_id,email,ordered_at,amount,currency,product,category"
    )?;
    for (n, (email, cents)) in orders.iter().enumerate() {
        writeln!(
            out,
            "simulated-{n},{email},{},{}.{:02},EUR,Super Chef,pans",
            at.format("%Y-%m-%dT%H:%M:%SZ"),
            cents / 100,
            cents % 100
        )?;
    }
    out.flush()?;
    Ok(())
}
