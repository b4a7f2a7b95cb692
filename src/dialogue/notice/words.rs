//! The words of notices, in four languages. `{sender}` and `{day}` are filled in.

/// The words of one language.
#[derive(Debug)]
pub(super) struct Words {
    pub opt_in: Text,
    pub re_permission: Text,
    pub download: Text,
    pub erasure: Text,
    /// `{day}` and `{time}` of the end.
    pub until: &'static str,
    pub plain_link: &'static str,
    pub reason: &'static str,
}

/// What a notice of one purpose says.
#[derive(Debug)]
pub(super) struct Text {
    pub subject: &'static str,
    pub headline: &'static str,
    pub lead: &'static str,
    pub button: &'static str,
    pub ignore: &'static str,
}

/// The language spoken for this ISO 639-1 code, and its words: English where there are none.
pub(super) fn of(language: &str) -> (&'static str, &'static Words) {
    match language {
        "fr" => ("fr", &FRENCH),
        "de" => ("de", &GERMAN),
        "es" => ("es", &SPANISH),
        _ => ("en", &ENGLISH),
    }
}

const ENGLISH: Words = Words {
    opt_in: Text {
        subject: "Please confirm your sign-up with {sender}",
        headline: "Please confirm your sign-up",
        lead: "On {day} this address was entered on the sign-up form of {sender}. If that was you, please confirm what you agreed to:",
        button: "Confirm my sign-up",
        ignore: "If it was not you, simply ignore this message. Nothing will change, and the request will be deleted.",
    },
    re_permission: Text {
        subject: "May {sender} keep writing to you?",
        headline: "May we keep writing to you?",
        lead: "We have not heard from you for a long time. That is why {sender} asks whether this still holds:",
        button: "Yes, please keep writing",
        ignore: "If you do nothing, we will stop writing to you and delete your details.",
    },
    download: Text {
        subject: "Your data at {sender}",
        headline: "Your data is ready for you",
        lead: "On {day} a copy of everything {sender} knows about you was requested. If that was you, open the page below and download it there.",
        button: "Go to the download",
        ignore: "If it was not you, simply ignore this message: without this link nobody gets the copy. Please do not forward it.",
    },
    erasure: Text {
        subject: "Please confirm the deletion of your data",
        headline: "Shall we delete your data?",
        lead: "On {day} {sender} was asked to delete everything it knows about you. If that was you, please confirm it on the page below. It cannot be undone.",
        button: "Go to the deletion",
        ignore: "If it was not you, simply ignore this message. Nothing will be deleted.",
    },
    until: "The link works once, until {day} at {time} (UTC).",
    plain_link: "If the button does not work, copy this address into your browser:",
    reason: "You receive this message because of a request made to {sender}. It contains no advertising and nothing in it is tracked.",
};

const FRENCH: Words = Words {
    opt_in: Text {
        subject: "Confirmez votre inscription auprès de {sender}",
        headline: "Confirmez votre inscription",
        lead: "Le {day}, cette adresse a été saisie dans le formulaire d’inscription de {sender}. Si c’était bien vous, merci de confirmer votre accord :",
        button: "Confirmer mon inscription",
        ignore: "Si ce n’était pas vous, ignorez simplement ce message. Rien ne changera et la demande sera supprimée.",
    },
    re_permission: Text {
        subject: "{sender} peut-il continuer à vous écrire ?",
        headline: "Pouvons-nous continuer à vous écrire ?",
        lead: "Nous n’avons plus de vos nouvelles depuis longtemps. {sender} vous demande donc si cet accord tient toujours :",
        button: "Oui, continuez à m’écrire",
        ignore: "Sans réponse de votre part, nous cesserons de vous écrire et supprimerons vos données.",
    },
    download: Text {
        subject: "Vos données chez {sender}",
        headline: "Vos données sont à votre disposition",
        lead: "Le {day}, une copie de tout ce que {sender} sait de vous a été demandée. Si c’était bien vous, ouvrez la page ci-dessous pour la télécharger.",
        button: "Accéder au téléchargement",
        ignore: "Si ce n’était pas vous, ignorez simplement ce message : sans ce lien, personne n’obtient cette copie. Ne le transférez pas.",
    },
    erasure: Text {
        subject: "Confirmez la suppression de vos données",
        headline: "Faut-il supprimer vos données ?",
        lead: "Le {day}, il a été demandé à {sender} de supprimer tout ce qui vous concerne. Si c’était bien vous, merci de le confirmer sur la page ci-dessous. C’est irréversible.",
        button: "Accéder à la suppression",
        ignore: "Si ce n’était pas vous, ignorez simplement ce message. Rien ne sera supprimé.",
    },
    until: "Ce lien fonctionne une seule fois, jusqu’au {day} à {time} (UTC).",
    plain_link: "Si le bouton ne fonctionne pas, copiez cette adresse dans votre navigateur :",
    reason: "Vous recevez ce message à la suite d’une demande adressée à {sender}. Il ne contient ni publicité ni suivi.",
};

const GERMAN: Words = Words {
    opt_in: Text {
        subject: "Bitte bestätigen Sie Ihre Anmeldung bei {sender}",
        headline: "Bitte bestätigen Sie Ihre Anmeldung",
        lead: "Am {day} wurde diese Adresse in das Anmeldeformular von {sender} eingetragen. Wenn Sie das waren, bestätigen Sie bitte Ihre Einwilligung:",
        button: "Anmeldung bestätigen",
        ignore: "Wenn Sie das nicht waren, ignorieren Sie diese Nachricht einfach. Es ändert sich nichts, und die Anfrage wird gelöscht.",
    },
    re_permission: Text {
        subject: "Darf {sender} Ihnen weiterhin schreiben?",
        headline: "Dürfen wir Ihnen weiterhin schreiben?",
        lead: "Wir haben lange nichts von Ihnen gehört. Deshalb fragt {sender}, ob diese Einwilligung noch gilt:",
        button: "Ja, schreiben Sie mir weiter",
        ignore: "Wenn Sie nichts tun, schreiben wir Ihnen nicht mehr und löschen Ihre Daten.",
    },
    download: Text {
        subject: "Ihre Daten bei {sender}",
        headline: "Ihre Daten liegen für Sie bereit",
        lead: "Am {day} wurde eine Kopie von allem angefordert, was {sender} über Sie weiß. Wenn Sie das waren, öffnen Sie die folgende Seite und laden Sie die Kopie dort herunter.",
        button: "Zum Herunterladen",
        ignore: "Wenn Sie das nicht waren, ignorieren Sie diese Nachricht einfach: Ohne diesen Link erhält niemand die Kopie. Bitte leiten Sie ihn nicht weiter.",
    },
    erasure: Text {
        subject: "Bitte bestätigen Sie die Löschung Ihrer Daten",
        headline: "Sollen wir Ihre Daten löschen?",
        lead: "Am {day} wurde {sender} gebeten, alles über Sie zu löschen. Wenn Sie das waren, bestätigen Sie es bitte auf der folgenden Seite. Es lässt sich nicht rückgängig machen.",
        button: "Zur Löschung",
        ignore: "Wenn Sie das nicht waren, ignorieren Sie diese Nachricht einfach. Es wird nichts gelöscht.",
    },
    until: "Der Link gilt einmal und bis zum {day} um {time} Uhr (UTC).",
    plain_link: "Wenn die Schaltfläche nicht funktioniert, kopieren Sie diese Adresse in Ihren Browser:",
    reason: "Sie erhalten diese Nachricht aufgrund einer Anfrage an {sender}. Sie enthält keine Werbung, und nichts darin wird nachverfolgt.",
};

const SPANISH: Words = Words {
    opt_in: Text {
        subject: "Confirme su suscripción a {sender}",
        headline: "Confirme su suscripción",
        lead: "El {day} se introdujo esta dirección en el formulario de suscripción de {sender}. Si fue usted, confirme por favor lo que aceptó:",
        button: "Confirmar mi suscripción",
        ignore: "Si no fue usted, simplemente ignore este mensaje. No cambiará nada y la solicitud se eliminará.",
    },
    re_permission: Text {
        subject: "¿Puede {sender} seguir escribiéndole?",
        headline: "¿Podemos seguir escribiéndole?",
        lead: "Hace mucho que no tenemos noticias suyas. Por eso {sender} le pregunta si esto sigue siendo así:",
        button: "Sí, sigan escribiéndome",
        ignore: "Si no hace nada, dejaremos de escribirle y eliminaremos sus datos.",
    },
    download: Text {
        subject: "Sus datos en {sender}",
        headline: "Sus datos están a su disposición",
        lead: "El {day} se solicitó una copia de todo lo que {sender} sabe de usted. Si fue usted, abra la página siguiente y descárguela allí.",
        button: "Ir a la descarga",
        ignore: "Si no fue usted, simplemente ignore este mensaje: sin este enlace nadie obtiene la copia. No lo reenvíe.",
    },
    erasure: Text {
        subject: "Confirme la eliminación de sus datos",
        headline: "¿Eliminamos sus datos?",
        lead: "El {day} se pidió a {sender} que eliminara todo lo que sabe de usted. Si fue usted, confírmelo por favor en la página siguiente. No se puede deshacer.",
        button: "Ir a la eliminación",
        ignore: "Si no fue usted, simplemente ignore este mensaje. No se eliminará nada.",
    },
    until: "El enlace funciona una sola vez, hasta el {day} a las {time} (UTC).",
    plain_link: "Si el botón no funciona, copie esta dirección en su navegador:",
    reason: "Recibe este mensaje por una solicitud hecha a {sender}. No contiene publicidad ni seguimiento.",
};
