//! What the layouts say themselves, in the reader's language.

use chrono::{Datelike, NaiveDate};

/// The words of one language.
#[derive(Debug)]
pub(in crate::templates) struct Phrases {
    pub(in crate::templates) language: &'static str,
    /// Why one receives the message; `{}` is the sender.
    reason: &'static str,
    pub(in crate::templates) unsubscribe: &'static str,
    pub(in crate::templates) preferences: &'static str,
    pub(in crate::templates) browser: &'static str,
    pub(in crate::templates) postscript: &'static str,
    /// Between a word and the address that follows it.
    pub(in crate::templates) colon: &'static str,
    months: [&'static str; 12],
    /// Words of a link that a reader would take for the way out.
    pub(in crate::templates) way_out: &'static [&'static str],
}

const FRENCH: Phrases = Phrases {
    language: "fr",
    reason: "Vous recevez ce message parce que vous êtes client de {} ou que vous avez accepté de recevoir ses offres.",
    unsubscribe: "Se désabonner",
    preferences: "Préférences",
    browser: "Lire ce message dans le navigateur",
    postscript: "P.-S.",
    colon: "\u{a0}:",
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    way_out: &[
        "désabonn",
        "desabonn",
        "désinscri",
        "desinscri",
        "ne plus recevoir",
    ],
};

const ENGLISH: Phrases = Phrases {
    language: "en",
    reason: "You receive this message because you are a customer of {} or agreed to receive its offers.",
    unsubscribe: "Unsubscribe",
    preferences: "Preferences",
    browser: "Read this message in your browser",
    postscript: "P.S.",
    colon: ":",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    way_out: &["unsubscribe", "opt out", "opt-out", "stop receiving"],
};

const GERMAN: Phrases = Phrases {
    language: "de",
    reason: "Sie erhalten diese Nachricht, weil Sie bei {} eingekauft oder dem Empfang von Angeboten zugestimmt haben.",
    unsubscribe: "Abmelden",
    preferences: "Einstellungen",
    browser: "Diese Nachricht im Browser lesen",
    postscript: "PS:",
    colon: ":",
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    way_out: &["abmelden", "abbestellen", "austragen"],
};

const SPANISH: Phrases = Phrases {
    language: "es",
    reason: "Recibe este mensaje porque es cliente de {} o porque aceptó recibir sus ofertas.",
    unsubscribe: "Darse de baja",
    preferences: "Preferencias",
    browser: "Leer este mensaje en el navegador",
    postscript: "P. D.:",
    colon: ":",
    months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    way_out: &["darse de baja", "darme de baja", "cancelar la suscripción"],
};

pub(in crate::templates) const ALL: [&Phrases; 4] = [&FRENCH, &ENGLISH, &GERMAN, &SPANISH];

/// The phrases of a language; English where there are none.
pub(in crate::templates) fn of(language: &str) -> &'static Phrases {
    ALL.into_iter()
        .find(|phrases| phrases.language == language)
        .unwrap_or(&ENGLISH)
}

impl Phrases {
    /// Why one receives a message of `sender`.
    pub(in crate::templates) fn reason(&self, sender: &str) -> String {
        self.reason.replace("{}", sender)
    }

    /// A day as it is written in a letter.
    pub(in crate::templates) fn date(&self, day: NaiveDate) -> String {
        let month = usize::try_from(day.month0())
            .ok()
            .and_then(|month| self.months.get(month))
            .copied()
            .unwrap_or_default();
        let (number, year) = (day.day(), day.year());
        match self.language {
            "fr" if number == 1 => format!("1er {month} {year}"),
            "de" => format!("{number}. {month} {year}"),
            "es" => format!("{number} de {month} de {year}"),
            _ => format!("{number} {month} {year}"),
        }
    }
}
