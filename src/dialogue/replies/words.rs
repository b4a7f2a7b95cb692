//! The words of our answers, in four languages; all of them in GSM-7, so that one part is enough.

use crate::responses::texts::model::TextKind;

/// The answer to a text; `contact` is how one reaches the firm, empty where that was not configured.
pub(super) fn answer(kind: TextKind, language: &str, firm: &str, contact: &str) -> String {
    let words = match (kind, language) {
        (TextKind::Start, "fr") => {
            "{firm} : vous recevrez de nouveau nos SMS. Répondez STOP pour ne plus en recevoir."
        }
        (TextKind::Start, "de") => {
            "{firm}: Sie erhalten unsere SMS wieder. Mit STOP beenden Sie das."
        }
        (TextKind::Start, "es") => {
            "{firm}: le enviaremos SMS de nuevo. Responda STOP para no recibirlos."
        }
        (TextKind::Start, _) => {
            "{firm}: you will receive our text messages again. Reply STOP to end them."
        }
        (TextKind::Help, "fr") => "{firm}{contact}. Répondez STOP pour ne plus recevoir de SMS.",
        (TextKind::Help, "de") => "{firm}{contact}. Mit STOP erhalten Sie keine SMS mehr.",
        (TextKind::Help, "es") => "{firm}{contact}. Responda STOP para no recibir SMS.",
        (TextKind::Help, _) => "{firm}{contact}. Reply STOP to receive no more text messages.",
        (_, "fr") => "{firm} : c'est fait, vous ne recevrez plus de SMS de notre part.",
        (_, "de") => "{firm}: Erledigt. Sie erhalten keine SMS mehr von uns.",
        (_, "es") => "{firm}: hecho. Ya no le enviaremos SMS.",
        (_, _) => "{firm}: done. You will receive no more text messages from us.",
    };
    let contact = if contact.is_empty() {
        String::new()
    } else {
        match language {
            "fr" => format!(". Contact : {contact}"),
            "de" => format!(". Kontakt: {contact}"),
            "es" => format!(". Contacto: {contact}"),
            _ => format!(". Contact: {contact}"),
        }
    };
    words.replace("{contact}", &contact).replace("{firm}", firm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::sms::{Encoding, size};

    #[test]
    fn every_answer_says_who_answers_in_one_part() {
        for kind in [TextKind::Stop, TextKind::Start, TextKind::Help] {
            for language in ["en", "fr", "de", "es", "pt"] {
                for contact in ["", "03 22 00 00 00, aide@vaisselle.example"] {
                    let text = answer(kind, language, "Maison Vaisselle", contact);
                    assert!(text.starts_with("Maison Vaisselle"), "{text}");
                    assert!(!text.contains(['{', '}']), "{text}");
                    let size = size(&text);
                    assert_eq!((size.encoding, size.parts), (Encoding::Gsm7, 1), "{text}");
                }
            }
        }
    }
}
