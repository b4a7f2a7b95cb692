//! What is said when something went wrong.

/// The texts of the error page.
#[derive(Debug)]
pub struct ErrorWords {
    pub lost_title: &'static str,
    pub lost_text: &'static str,
    pub lost_hint: &'static str,
    pub fault_title: &'static str,
    pub fault_text: &'static str,
    pub busy_title: &'static str,
    pub busy_text: &'static str,
    pub reference: &'static str,
}

pub(super) const ENGLISH: ErrorWords = ErrorWords {
    lost_title: "This link leads nowhere",
    lost_text: "It may have been cut off or changed on its way to you.",
    lost_hint: "Please open the message again and follow the link in it, or copy the whole link into your browser.",
    fault_title: "Something went wrong",
    fault_text: "This is our fault. Nothing was changed. Please try again in a few minutes.",
    busy_title: "That was a lot at once",
    busy_text: "Too many requests came from your connection. Nothing was changed. Please try again in an hour.",
    reference: "Reference",
};

pub(super) const FRENCH: ErrorWords = ErrorWords {
    lost_title: "Ce lien ne mène nulle part",
    lost_text: "Il a peut-être été coupé ou modifié en chemin.",
    lost_hint: "Rouvrez le message et suivez le lien qu’il contient, ou copiez le lien entier dans votre navigateur.",
    fault_title: "Une erreur s’est produite",
    fault_text: "La faute vient de nous et rien n’a été modifié. Réessayez dans quelques minutes.",
    busy_title: "Trop de demandes à la fois",
    busy_text: "Votre connexion a envoyé trop de demandes. Rien n’a été modifié. Réessayez dans une heure.",
    reference: "Référence",
};

pub(super) const GERMAN: ErrorWords = ErrorWords {
    lost_title: "Dieser Link führt ins Leere",
    lost_text: "Vielleicht wurde er unterwegs abgeschnitten oder verändert.",
    lost_hint: "Öffnen Sie die Nachricht noch einmal und folgen Sie dem Link darin, oder kopieren Sie den ganzen Link in Ihren Browser.",
    fault_title: "Etwas ist schiefgegangen",
    fault_text: "Das liegt an uns, und es wurde nichts geändert. Bitte versuchen Sie es in einigen Minuten noch einmal.",
    busy_title: "Das war zu viel auf einmal",
    busy_text: "Von Ihrer Verbindung kamen zu viele Anfragen. Es wurde nichts geändert. Bitte versuchen Sie es in einer Stunde noch einmal.",
    reference: "Referenz",
};

pub(super) const SPANISH: ErrorWords = ErrorWords {
    lost_title: "Este enlace no lleva a ninguna parte",
    lost_text: "Puede que se haya cortado o cambiado por el camino.",
    lost_hint: "Abra de nuevo el mensaje y siga el enlace, o copie el enlace entero en su navegador.",
    fault_title: "Algo ha salido mal",
    fault_text: "Es culpa nuestra y no se ha cambiado nada. Inténtelo de nuevo dentro de unos minutos.",
    busy_title: "Demasiadas solicitudes a la vez",
    busy_text: "Su conexión ha enviado demasiadas solicitudes. No se ha cambiado nada. Inténtelo de nuevo dentro de una hora.",
    reference: "Referencia",
};
