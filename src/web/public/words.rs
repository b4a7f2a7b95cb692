//! What the public pages say, in the customer's language: English, French, German, Spanish.

use serde::Serialize;

/// A language the public pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    French,
    German,
    Spanish,
}

impl Language {
    /// The language of an ISO 639-1 code or a tag such as `fr-CA`; `None` for one we do not speak.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "fr" => Some(Self::French),
            "de" => Some(Self::German),
            "es" => Some(Self::Spanish),
            _ => None,
        }
    }

    /// The best of an Accept-Language header (RFC 9110 §12.5.4) that we speak; English otherwise.
    pub fn from_header(header: Option<&str>) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for item in header.unwrap_or_default().split(',').take(20) {
            let mut fields = item.split(';');
            let tag = fields.next().unwrap_or_default();
            let quality = fields
                .find_map(|field| field.trim().strip_prefix("q="))
                .map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0));
            if let Some(language) = Self::from_tag(tag)
                && quality > best.map_or(0.0, |(quality, _)| quality)
            {
                best = Some((quality, language));
            }
        }
        best.map_or_else(Self::default, |(_, language)| language)
    }

    /// ISO 639-1, for the page's `lang`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::German => "de",
            Self::Spanish => "es",
        }
    }

    /// The texts of the public pages.
    pub fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::French => &FRENCH,
            Self::German => &GERMAN,
            Self::Spanish => &SPANISH,
        }
    }
}

/// The texts of the public pages.
#[derive(Debug, Serialize)]
pub struct Words {
    pub unsubscribe_title: &'static str,
    pub unsubscribe_lead: &'static str,
    /// Before the topic, on the button.
    pub stop_topic: &'static str,
    pub stop_all_email: &'static str,
    pub stop_all_sms: &'static str,
    pub stop_note: &'static str,
    pub done_title: &'static str,
    /// Before the topic.
    pub done_topic: &'static str,
    pub done_all_email: &'static str,
    pub done_all_sms: &'static str,
    pub done_note: &'static str,
    /// What stands around a topic.
    pub quote_open: &'static str,
    pub quote_close: &'static str,
    pub more_lead: &'static str,
    pub lost_title: &'static str,
    pub lost_text: &'static str,
    pub lost_hint: &'static str,
    pub fault_title: &'static str,
    pub fault_text: &'static str,
    pub reference: &'static str,
}

const ENGLISH: Words = Words {
    unsubscribe_title: "Unsubscribe",
    unsubscribe_lead: "Which messages would you like to stop?",
    stop_topic: "Stop messages about",
    stop_all_email: "Stop all emails",
    stop_all_sms: "Stop all text messages",
    stop_note: "It takes effect at once. You need no account and no password.",
    done_title: "You are unsubscribed",
    done_topic: "You will get no more messages about",
    done_all_email: "You will get no more advertising from us by email.",
    done_all_sms: "You will get no more advertising from us by text message.",
    done_note: "A message that is on its way at this moment may still arrive.",
    quote_open: "“",
    quote_close: "”",
    more_lead: "Would you rather get nothing at all?",
    lost_title: "This link leads nowhere",
    lost_text: "It may have been cut off or changed on its way to you.",
    lost_hint: "Please open the message again and follow the link in it, or copy the whole link into your browser.",
    fault_title: "Something went wrong",
    fault_text: "This is our fault. Nothing was changed. Please try again in a few minutes.",
    reference: "Reference",
};

const FRENCH: Words = Words {
    unsubscribe_title: "Se désabonner",
    unsubscribe_lead: "Quels messages souhaitez-vous ne plus recevoir ?",
    stop_topic: "Ne plus recevoir de messages sur",
    stop_all_email: "Ne plus recevoir aucun e-mail",
    stop_all_sms: "Ne plus recevoir aucun SMS",
    stop_note: "C’est effectif immédiatement, sans compte ni mot de passe.",
    done_title: "Vous êtes désabonné",
    done_topic: "Vous ne recevrez plus de messages sur",
    done_all_email: "Vous ne recevrez plus de publicité de notre part par e-mail.",
    done_all_sms: "Vous ne recevrez plus de publicité de notre part par SMS.",
    done_note: "Un message déjà en route peut encore vous parvenir.",
    quote_open: "« ",
    quote_close: " »",
    more_lead: "Vous préférez ne plus rien recevoir du tout ?",
    lost_title: "Ce lien ne mène nulle part",
    lost_text: "Il a peut-être été coupé ou modifié en chemin.",
    lost_hint: "Rouvrez le message et suivez le lien qu’il contient, ou copiez le lien entier dans votre navigateur.",
    fault_title: "Une erreur s’est produite",
    fault_text: "La faute vient de nous et rien n’a été modifié. Réessayez dans quelques minutes.",
    reference: "Référence",
};

const GERMAN: Words = Words {
    unsubscribe_title: "Abmelden",
    unsubscribe_lead: "Welche Nachrichten möchten Sie nicht mehr erhalten?",
    stop_topic: "Keine Nachrichten mehr zum Thema",
    stop_all_email: "Gar keine E-Mails mehr",
    stop_all_sms: "Gar keine SMS mehr",
    stop_note: "Das gilt sofort, ohne Konto und ohne Passwort.",
    done_title: "Sie sind abgemeldet",
    done_topic: "Sie erhalten keine Nachrichten mehr zum Thema",
    done_all_email: "Sie erhalten von uns keine Werbung mehr per E-Mail.",
    done_all_sms: "Sie erhalten von uns keine Werbung mehr per SMS.",
    done_note: "Eine Nachricht, die gerade unterwegs ist, kann noch ankommen.",
    quote_open: "„",
    quote_close: "“",
    more_lead: "Möchten Sie lieber gar nichts mehr erhalten?",
    lost_title: "Dieser Link führt ins Leere",
    lost_text: "Vielleicht wurde er unterwegs abgeschnitten oder verändert.",
    lost_hint: "Öffnen Sie die Nachricht noch einmal und folgen Sie dem Link darin, oder kopieren Sie den ganzen Link in Ihren Browser.",
    fault_title: "Etwas ist schiefgegangen",
    fault_text: "Das liegt an uns, und es wurde nichts geändert. Bitte versuchen Sie es in einigen Minuten noch einmal.",
    reference: "Referenz",
};

const SPANISH: Words = Words {
    unsubscribe_title: "Darse de baja",
    unsubscribe_lead: "¿Qué mensajes no desea recibir más?",
    stop_topic: "No recibir más mensajes sobre",
    stop_all_email: "No recibir ningún correo más",
    stop_all_sms: "No recibir ningún SMS más",
    stop_note: "Tiene efecto de inmediato, sin cuenta ni contraseña.",
    done_title: "Se ha dado de baja",
    done_topic: "No recibirá más mensajes sobre",
    done_all_email: "No recibirá más publicidad nuestra por correo electrónico.",
    done_all_sms: "No recibirá más publicidad nuestra por SMS.",
    done_note: "Un mensaje que ya está en camino aún puede llegar.",
    quote_open: "«",
    quote_close: "»",
    more_lead: "¿Prefiere no recibir nada más?",
    lost_title: "Este enlace no lleva a ninguna parte",
    lost_text: "Puede que se haya cortado o cambiado por el camino.",
    lost_hint: "Abra de nuevo el mensaje y siga el enlace, o copie el enlace entero en su navegador.",
    fault_title: "Algo ha salido mal",
    fault_text: "Es culpa nuestra y no se ha cambiado nada. Inténtelo de nuevo dentro de unos minutos.",
    reference: "Referencia",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_s_own_order_counts() {
        for (header, language) in [
            (None, Language::English),
            (Some("fr-CA,fr;q=0.9,en;q=0.8"), Language::French),
            (Some("ja,de;q=0.5,es;q=0.7"), Language::Spanish),
            (Some("ja"), Language::English),
            (Some("fr;q=0, de;q=0.1"), Language::German),
            (Some(";;,q=,\u{0}"), Language::English),
        ] {
            assert_eq!(Language::from_header(header), language, "{header:?}");
        }
    }

    #[test]
    fn tags_are_read_whatever_their_case() {
        assert_eq!(Language::from_tag("DE_at"), Some(Language::German));
        assert_eq!(Language::from_tag("pt"), None);
    }
}
