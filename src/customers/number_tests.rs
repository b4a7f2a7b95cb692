//! What numbers of many plans tell.

use super::*;

fn told(e164: &str) -> (PhoneKind, Option<String>, Option<&'static str>) {
    let number = read(e164);
    (number.kind, number.country, number.zone)
}

#[test]
fn a_number_tells_its_kind_country_and_zone() {
    use PhoneKind::{Fixed, Mobile, Other};
    for (e164, kind, country, zone) in [
        ("+33612345678", Mobile, "FR", Some("Europe/Paris")),
        ("+33760123456", Mobile, "FR", Some("Europe/Paris")),
        ("+33199001234", Fixed, "FR", Some("Europe/Paris")),
        ("+33912345678", Other, "FR", Some("Europe/Paris")),
        ("+33812345678", Other, "FR", Some("Europe/Paris")),
        // For films and books.
        ("+33639980012", Mobile, "FR", Some("Europe/Paris")),
        ("+447700900123", Mobile, "GB", Some("Europe/London")),
        // Overseas France, each of its own.
        ("+262692123456", Mobile, "RE", Some("Indian/Reunion")),
        ("+262262123456", Fixed, "RE", Some("Indian/Reunion")),
        ("+262639021234", Mobile, "YT", Some("Indian/Mayotte")),
        ("+262269601234", Fixed, "YT", Some("Indian/Mayotte")),
        ("+590690123456", Mobile, "GP", Some("America/Guadeloupe")),
        ("+590590271234", Fixed, "BL", Some("America/St_Barthelemy")),
        ("+594694123456", Mobile, "GF", Some("America/Cayenne")),
        ("+596696123456", Mobile, "MQ", Some("America/Martinique")),
        ("+508551234", Mobile, "PM", Some("America/Miquelon")),
        ("+687751234", Mobile, "NC", Some("Pacific/Noumea")),
        ("+68987123456", Mobile, "PF", Some("Pacific/Tahiti")),
        ("+681821234", Mobile, "WF", Some("Pacific/Wallis")),
        // The neighbours, and countries that share a code.
        ("+32470123456", Mobile, "BE", Some("Europe/Brussels")),
        ("+4915123456789", Mobile, "DE", Some("Europe/Berlin")),
        ("+442079460123", Fixed, "GB", Some("Europe/London")),
        ("+77011234567", Mobile, "KZ", None),
        ("+79161234567", Mobile, "RU", None),
        // Islands by their fixed lines; mobile numbers are the mainland's.
        ("+351912345678", Mobile, "PT", Some("Europe/Lisbon")),
        ("+351291234567", Fixed, "PT", Some("Atlantic/Madeira")),
        ("+34928123456", Fixed, "ES", Some("Atlantic/Canary")),
        // A plan that does not tell mobile from fixed, its zones by area.
        ("+12125550123", Mobile, "US", Some("America/New_York")),
        ("+13125550123", Mobile, "US", Some("America/Chicago")),
        ("+13055550123", Mobile, "US", Some("America/New_York")),
        ("+18085550123", Mobile, "US", Some("Pacific/Honolulu")),
        ("+14165550123", Mobile, "CA", Some("America/Toronto")),
        ("+17875550123", Mobile, "PR", Some("America/Puerto_Rico")),
        ("+12085550123", Mobile, "US", None),
        ("+18005550123", Other, "US", None),
        ("+5511987654321", Mobile, "BR", Some("America/Sao_Paulo")),
        ("+5567987654321", Mobile, "BR", Some("America/Campo_Grande")),
    ] {
        assert_eq!(told(e164), (kind, Some(country.to_owned()), zone), "{e164}");
    }
}

#[test]
fn what_is_no_number_is_of_no_kind() {
    for text in ["", "+", "+999", "0612345678", "+3361", "phone of ada"] {
        let number = read(text);
        assert_ne!(number.kind, PhoneKind::Mobile, "{text:?}");
    }
}
