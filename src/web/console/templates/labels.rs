//! What the fields of the editor are called, and what each is for.

use crate::templates::model::Part;
use crate::web::words::Words;

/// The letter, the name and the purpose of a part; of the text message without one.
pub(super) fn part(part: Option<Part>) -> (&'static str, &'static str, &'static str) {
    match part {
        Some(Part::Attention) => (
            "A",
            "Attention",
            "Readers stop: they see what is in it for them.",
        ),
        Some(Part::Interest) => (
            "I",
            "Interest",
            "It has to do with them: a situation they know.",
        ),
        Some(Part::Desire) => (
            "D",
            "Desire",
            "They want it: what changes for them, and the proof.",
        ),
        Some(Part::Action) => (
            "A",
            "Action",
            "They know what to do, what it costs and until when.",
        ),
        None => (
            "SMS",
            "The text message",
            "The same promise in one or two parts of 160 characters.",
        ),
    }
}

/// The name of a field, and what is said below it.
pub(super) fn field(key: &str) -> (&'static str, &'static str) {
    match key {
        "attention.subject" => (
            "Subject",
            "Telephones show about 50 characters: put the weight first.",
        ),
        "attention.preheader" => (
            "Preheader",
            "Stands after the subject in the inbox: go on with the thought.",
        ),
        "attention.image.url" => (
            "Address of the picture",
            "From https:// on, at least 600 pixels wide. Mail programs load it from there; this preview does not.",
        ),
        "attention.image.alt" => (
            "What the picture shows",
            "For those who do not load pictures, or cannot see them.",
        ),
        "attention.kicker" => ("Kicker", "A few words above the headline."),
        "attention.headline" => ("Headline", "Four of five readers read nothing else."),
        "attention.subheadline" => ("Subheadline", "For whom it is, and why now."),
        "interest.headline" => (
            "Headline of the text",
            "A question the readers have asked themselves.",
        ),
        "interest.body" => (
            "Text",
            "Begin where the reader is. **bold**, *italic*, [words](https://…).",
        ),
        "desire.body" => ("Text", "Leads to the points."),
        "desire.points" => (
            "Points",
            "One gain each, with the fact that proves it. What is left empty goes.",
        ),
        "desire.quote" => ("Quotation", "Somebody who vouches for it, with a name."),
        "action.body" => (
            "Text",
            "What it costs, what is included, what happens next.",
        ),
        "action.box.title" => ("Title of the box", ""),
        "action.box.body" => (
            "Text of the box",
            "A gift, a discount, a guarantee: what shall not be overlooked.",
        ),
        "action.box.button" => ("Button of the box", "Only if the box has one of its own."),
        "action.box.link" => (
            "Where that button leads",
            "Best where the other button leads.",
        ),
        "action.button" => ("Button", "A verb, and what one gets."),
        "action.link" => (
            "Where the button leads",
            "From https:// on, the same for everyone.",
        ),
        "action.deadline" => ("Deadline", "Until when, and why it ends then."),
        "action.ps" => (
            "Postscript",
            "Read before the letter: repeat the promise, or answer an objection.",
        ),
        "sms.text" => (
            "Text",
            "{link} leads where the button leads. Left empty, a text is taken from the four parts.",
        ),
        "description" => (
            "Description",
            "For the list of templates; nobody else reads it.",
        ),
        "theme.accent" => ("Colour of links and buttons", ""),
        "theme.paper" => ("Colour around the sheet", ""),
        _ => ("", ""),
    }
}

/// The name of a field in a list of changes: `Attention · Subject`.
pub(in crate::web::console) fn full(words: &Words, key: &str) -> String {
    if let Some(url) = key.strip_prefix("interests.") {
        return words.fill("Interest of {url}", &[("url", url)]);
    }
    let (stem, number) = match key.split_once('[') {
        Some((stem, rest)) => (
            stem,
            rest.strip_suffix(']').and_then(|n| n.parse::<u64>().ok()),
        ),
        None => (key, None),
    };
    let name = match number {
        Some(number) => words.fill("Point {n}", &[("n", words.number(number + 1))]),
        None => words.t(field(stem).0).to_owned(),
    };
    let of = match stem.split('.').next() {
        Some("sms") => None,
        first => match Part::ALL
            .into_iter()
            .find(|part| Some(part.as_str()) == first)
        {
            Some(part) => Some(part),
            None => return name,
        },
    };
    format!("{} · {name}", words.t(part(of).1))
}

/// A language by its name; its code where we have no name for it.
pub(super) fn language(words: &Words, code: &str) -> String {
    match code {
        "en" => words.t("English").to_owned(),
        "fr" => words.t("French").to_owned(),
        "de" => words.t("German").to_owned(),
        "es" => words.t("Spanish").to_owned(),
        "it" => words.t("Italian").to_owned(),
        "nl" => words.t("Dutch").to_owned(),
        "pt" => words.t("Portuguese").to_owned(),
        code => code.to_uppercase(),
    }
}
