//! The mail of a campaign as an invented customer would read it, each of its links marked with what it drew.

use super::{ReportError, store};
use crate::campaigns::definition::Definition;
use crate::delivery::wave::imprint;
use crate::storage::Db;
use crate::templates::model::{Link, RecipientLinks};
use crate::templates::{Template, sample_customer};

/// Where links lead in the mail before they are marked: nowhere (RFC 2606).
const NOWHERE: &str = "https://link.invalid/";

/// A mail with its marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heat {
    pub subject: String,
    pub html: String,
    pub language: String,
    /// All languages it was written in.
    pub languages: Vec<String>,
}

/// The mail of the newest run of a campaign, in a language where it was written in it; each link is followed by
/// what `mark` makes for it, as HTML. `None` where it never ran or was no mail.
///
/// # Errors
/// When the database is away.
pub async fn heat(
    db: &Db,
    campaign: &str,
    language: Option<&str>,
    mark: impl Fn(&Link) -> String,
) -> Result<Option<Heat>, ReportError> {
    let Some((source, definition)) = store::frozen(db, campaign).await? else {
        return Ok(None);
    };
    let made = Template::from_source(&source)
        .map_err(|error| error.to_string())
        .and_then(|template| {
            let definition: Definition =
                serde_json::from_str(&definition).map_err(|error| error.to_string())?;
            rendered(&template, &definition, language, mark)
        });
    // Figures are worth more than the picture behind them.
    Ok(made
        .inspect_err(|error| tracing::warn!(error, "the mail of a campaign cannot be shown"))
        .ok())
}

fn rendered(
    template: &Template,
    definition: &Definition,
    language: Option<&str>,
    mark: impl Fn(&Link) -> String,
) -> Result<Heat, String> {
    let language = template.language_for(language.unwrap_or_default());
    let compiled = template
        .compile_email(language, &imprint(definition))
        .map_err(|error| error.to_string())?;
    let address = |link: &Link| format!("{NOWHERE}{}/", link.number);
    let links = RecipientLinks {
        clicks: compiled.links().iter().map(address).collect(),
        unsubscribe: NOWHERE.to_owned(),
        preferences: NOWHERE.to_owned(),
        browser: NOWHERE.to_owned(),
        ..RecipientLinks::default()
    }
    .with_sample_offer();
    let rendered = compiled
        .render(&sample_customer(), &links)
        .map_err(|error| error.to_string())?;
    let mut html = rendered.html;
    for link in compiled.links() {
        html = marked(&html, &address(link), &mark(link));
    }
    Ok(Heat {
        subject: rendered.subject,
        html: html.replace(&format!("href=\"{NOWHERE}\""), ""),
        language: language.to_owned(),
        languages: template.languages().to_vec(),
    })
}

/// Puts a mark behind the opening tag of each link with this address, which then leads nowhere.
fn marked(html: &str, address: &str, mark: &str) -> String {
    let href = format!("href=\"{address}\"");
    let mut out = String::with_capacity(html.len() + mark.len());
    let mut rest = html;
    while let Some(place) = rest.find(&href) {
        let (before, after) = rest.split_at(place);
        out.push_str(before);
        let after = after.get(href.len()..).unwrap_or_default();
        let end = after.find('>').map_or(after.len(), |end| end + 1);
        let (tag, beyond) = after.split_at(end);
        out.push_str(tag);
        out.push_str(mark);
        rest = beyond;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_is_marked_and_leads_nowhere() {
        let template = Template::embedded("super-chef").unwrap();
        let definition = Definition::parse(
            r#"
            name = "x"
            segment = "everyone"
            template = "super-chef"
            topic = "offers"
            [sender]
            name = "Maison Vaisselle"
            address = "bonjour@vaisselle.example"
            postal_address = "12 rue des Chaudronniers, 80000 Amiens"
            "#,
            "test",
        )
        .unwrap();
        let heat = rendered(&template, &definition, None, |link| {
            format!("<b>[{}]</b>", link.number)
        })
        .unwrap();
        let own = template
            .links()
            .iter()
            .filter(|link| heat.html.contains(&format!("<b>[{}]</b>", link.number)));
        assert!(own.count() > 0, "{}", heat.html);
        assert!(!heat.html.contains(NOWHERE), "{}", heat.html);
        assert!(heat.languages.contains(&heat.language));
        let twice = marked("<a href=\"u\" x>a</a><a href=\"u\">b</a>", "u", "!");
        assert_eq!(twice, "<a  x>!a</a><a >!b</a>");
    }
}
