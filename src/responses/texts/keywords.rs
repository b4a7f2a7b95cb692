//! The words that act by themselves (RULES.md §2.4): a text that is one of them and nothing else, however it is
//! written: case, accents, punctuation and spaces do not count. Behind it may stand the short code it was sent
//! to, and a courtesy; anything longer is for a person to read ("Ne stoppez pas").

use crate::storage::text::fold;

/// What a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    Stop,
    Start,
    /// Starts again where a STOP stands; else it answers something we said.
    Yes,
    Help,
}

/// No more messages. Words that may well answer an offer are left out (nein danke, basta, no), but for those
/// that the rules name.
const STOP: &[&str] = &[
    // Twilio's list, which holds the words of the FCC's.
    "stop",
    "stopall",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    // What AWS adds.
    "arret",
    "remove",
    "td",
    // French.
    "stopsms",
    "stoppub",
    "arreter",
    "arretez",
    "desabo",
    "desabonner",
    "desabonnement",
    "desinscription",
    "desinscrire",
    "nonmerci",
    // German.
    "stopp",
    "abmelden",
    "abbestellen",
    "austragen",
    // Spanish: baja is the customary word, alto the translation of stop.
    "baja",
    "alto",
    "darmedebaja",
    "cancelar",
    // Italian.
    "annulla",
    "cancellami",
    "disiscrivi",
    "disiscrivimi",
    // Dutch.
    "afmelden",
    "uitschrijven",
    // Portuguese; cancelar stands above.
    "parar",
    "sair",
    "remover",
];

/// Messages again.
const START: &[&str] = &[
    "start",
    "unstop",
    // French, German, Spanish (the opposite of baja).
    "reprendre",
    "reprise",
    "starten",
    "alta",
];

const YES: &[&str] = &["yes"];

/// Who are you?
const HELP: &[&str] = &[
    "help", "info", // French operators ask for CONTACT.
    "aide", "contact", // German, Spanish, Italian, Dutch, Portuguese.
    "hilfe", "kontakt", "ayuda", "contacto", "aiuto", "contatto", "hulp", "ajuda", "contato",
];

/// What is said behind a keyword without changing it.
const COURTESIES: &[&str] = &[
    "svp",
    "stp",
    "silvousplait",
    "merci",
    "please",
    "thanks",
    "bitte",
    "danke",
    "porfavor",
    "gracias",
    "perfavore",
    "grazie",
];

/// What stands before the short code in the mention that people copy: "STOP au 36111".
const BEFORE_CODE: &[&str] = &["au", "to", "an", "al"];

/// Characters of the longest text that can be one; what is longer is not looked at.
const LONGEST: usize = 60;

/// The keyword that a text is; `None`: a person reads it.
pub fn read(text: &str) -> Option<Keyword> {
    if text.trim().chars().count() > LONGEST {
        return None;
    }
    let letters: String = fold(text).chars().filter(|c| c.is_alphanumeric()).collect();
    if let Some(keyword) = find(&letters).or_else(|| find_before_code(&letters)) {
        return Some(keyword);
    }
    COURTESIES
        .iter()
        .filter_map(|courtesy| letters.strip_suffix(courtesy))
        .find_map(|bare| find(bare).or_else(|| find_before_code(bare)))
}

fn find(word: &str) -> Option<Keyword> {
    let lists = [
        (STOP, Keyword::Stop),
        (START, Keyword::Start),
        (YES, Keyword::Yes),
        (HELP, Keyword::Help),
    ];
    lists
        .into_iter()
        .find(|(words, _)| words.contains(&word))
        .map(|(_, keyword)| keyword)
}

/// The keyword before the short code at the end of a text: three to six digits, as everywhere in the world.
fn find_before_code(text: &str) -> Option<Keyword> {
    let bare = text.trim_end_matches(|c: char| c.is_ascii_digit());
    if !(3..=6).contains(&(text.len() - bare.len())) {
        return None;
    }
    find(bare).or_else(|| {
        BEFORE_CODE
            .iter()
            .filter_map(|word| bare.strip_suffix(word))
            .find_map(find)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_keyword_is_known_however_it_is_written() {
        for text in [
            "STOP",
            "Stop",
            " stop \n",
            "STOP.",
            "\"Stop!\"",
            "S.T.O.P",
            "STOP 36111",
            "stop36111",
            "STOP au 36111",
            "STOP SMS au 36111",
            "stop to 36111 please",
            "STOP\u{200b}",
            "\u{200f}STOP \u{1f6d1}",
            "Stop svp",
            "STOP s’il vous plaît",
            "stop please",
            "Stop 36111 merci",
            "ARRÊT",
            "arrêt",
            "Non merci",
            "NON MERCI.",
            "stop all",
            "Stop-SMS",
            "OPT-OUT",
            "opt out",
            "Désinscription",
            "Désabo",
            "STOPP",
            "Abmelden",
            "BAJA",
            "afmelden",
            "ＳＴＯＰ",
        ] {
            assert_eq!(read(text), Some(Keyword::Stop), "{text}");
        }
        for (text, keyword) in [
            ("Start", Keyword::Start),
            ("UNSTOP", Keyword::Start),
            ("Yes", Keyword::Yes),
            ("AIDE ?", Keyword::Help),
            ("Contact", Keyword::Help),
            ("info", Keyword::Help),
            ("Hilfe!", Keyword::Help),
        ] {
            assert_eq!(read(text), Some(keyword), "{text}");
        }
    }

    #[test]
    fn what_says_more_is_for_a_person() {
        for text in [
            "",
            "?",
            "Ne STOPpez pas",
            "ne stop pas",
            "stop ou encore ?",
            "Please stop sending me these, I bought it already",
            "STOP 2",
            "STOP au",
            "36111",
            "merci",
            "Non",
            "oui",
            "Nein danke",
            "Bus stop",
            "stopstop",
            "contactez-moi",
            "06 39 98 12 34",
            "👍",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn every_word_stands_as_it_is_compared_and_in_one_list() {
        let mut seen = std::collections::HashSet::new();
        for word in [STOP, START, YES, HELP, COURTESIES].concat() {
            let folded: String = fold(word).chars().filter(|c| c.is_alphanumeric()).collect();
            assert_eq!(folded, word);
            assert!(seen.insert(word), "{word} twice");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_without_panic(text in ".{0,80}") {
            let _ = read(&text);
        }

        #[test]
        fn case_and_punctuation_never_matter(
            n in 0..STOP.len(), before in "[ .!\"'-]{0,3}", after in "[ .!\"'-]{0,3}", is_upper: bool,
        ) {
            let word = if is_upper { STOP[n].to_uppercase() } else { STOP[n].to_owned() };
            prop_assert_eq!(read(&format!("{before}{word}{after}")), Some(Keyword::Stop));
        }
    }
}
