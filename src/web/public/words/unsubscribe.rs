//! The unsubscribe page.

use serde::Serialize;

/// The texts of the unsubscribe page.
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
    pub already_title: &'static str,
    /// Before the topic.
    pub already_topic: &'static str,
    pub already_all_email: &'static str,
    pub already_all_sms: &'static str,
}

pub(super) const ENGLISH: Words = Words {
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
    already_title: "You are already unsubscribed",
    already_topic: "You get no messages about",
    already_all_email: "You get no advertising from us by email.",
    already_all_sms: "You get no advertising from us by text message.",
};

pub(super) const FRENCH: Words = Words {
    unsubscribe_title: "Se désabonner",
    unsubscribe_lead: "Quels messages souhaitez-vous ne plus recevoir ?",
    stop_topic: "Ne plus recevoir de messages sur",
    stop_all_email: "Ne plus recevoir aucun e-mail",
    stop_all_sms: "Ne plus recevoir aucun SMS",
    stop_note: "C’est effectif immédiatement, sans compte ni mot de passe.",
    done_title: "Votre désabonnement est enregistré",
    done_topic: "Vous ne recevrez plus de messages sur",
    done_all_email: "Vous ne recevrez plus de publicité de notre part par e-mail.",
    done_all_sms: "Vous ne recevrez plus de publicité de notre part par SMS.",
    done_note: "Un message déjà en route peut encore vous parvenir.",
    quote_open: "« ",
    quote_close: " »",
    more_lead: "Vous préférez ne plus rien recevoir du tout\u{a0}?",
    already_title: "Votre désabonnement est déjà enregistré",
    already_topic: "Vous ne recevez pas de messages sur",
    already_all_email: "Vous ne recevez pas de publicité de notre part par e-mail.",
    already_all_sms: "Vous ne recevez pas de publicité de notre part par SMS.",
};

pub(super) const GERMAN: Words = Words {
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
    already_title: "Sie sind bereits abgemeldet",
    already_topic: "Sie erhalten keine Nachrichten zum Thema",
    already_all_email: "Sie erhalten von uns keine Werbung per E-Mail.",
    already_all_sms: "Sie erhalten von uns keine Werbung per SMS.",
};

pub(super) const SPANISH: Words = Words {
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
    already_title: "Ya se había dado de baja",
    already_topic: "No recibe mensajes sobre",
    already_all_email: "No recibe publicidad nuestra por correo electrónico.",
    already_all_sms: "No recibe publicidad nuestra por SMS.",
};
