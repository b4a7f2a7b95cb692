//! What stands beside the data, in the person's language.

/// The README of an archive; English where we do not speak the language.
pub(super) fn text(language: &str) -> &'static str {
    match language {
        "fr" => FRENCH,
        "de" => GERMAN,
        "es" => SPANISH,
        _ => ENGLISH,
    }
}

const ENGLISH: &str = "\
Your data

This archive holds everything we keep about you, and nothing about anyone else.

everything.json    all of it in one document, for programs
profile.csv        who you are, as we know you, and your settings
tags.csv           the words by which we group you
notes.csv          what our people wrote down about you
orders.csv         what you bought
permissions.csv    what you allow us to send you, and on which legal basis
evidence.csv       what you said about that, when and where
suppressions.csv   the blocks that keep us from writing to your addresses
messages.csv       every message meant for you, and what became of it
contacts.csv       when we wrote to you
past_messages.csv  messages of long ago, of which we keep only that they were for you
past_contacts.csv  how often we wrote to you long ago
responses.csv      clicks, opens, orders and opt-outs that came back
answers.csv        what you asked for in a shop or by telephone
text_messages.csv  what providers say of text messages to you
texts_received.csv text messages that came from your number
texts_answered.csv what we answered to them
mails_received.csv mails that came back from your messages or were written by you
address_faults.csv how often mail to your addresses came back
confirmations.csv  what you were asked to confirm
audit_records.csv  what was done with your data, and by whom

Times are in UTC. Amounts ending in _cents are hundredths of the currency. A fingerprint stands for an
address without naming it. In the .csv files a text that a spreadsheet could take for a formula, such as
a telephone number, has an apostrophe before it; everything.json has it as it is.
";

const FRENCH: &str = "\
Vos données

Cette archive contient tout ce que nous conservons à votre sujet, et rien sur qui que ce soit d’autre.

everything.json    l’ensemble en un seul document, pour les logiciels
profile.csv        qui vous êtes, tel que nous vous connaissons, et vos réglages
tags.csv           les mots par lesquels nous vous classons
notes.csv          ce que nos collaborateurs ont noté à votre sujet
orders.csv         vos achats
permissions.csv    ce que vous nous autorisez à vous envoyer, et sur quelle base légale
evidence.csv       ce que vous avez dit à ce sujet, quand et où
suppressions.csv   les blocages qui nous empêchent d’écrire à vos adresses
messages.csv       chaque message qui vous était destiné, et ce qu’il est devenu
contacts.csv       quand nous vous avons écrit
past_messages.csv  d’anciens messages, dont nous ne gardons que le fait qu’ils vous étaient destinés
past_contacts.csv  combien de fois nous vous avons écrit autrefois
responses.csv      les clics, ouvertures, achats et désinscriptions enregistrés
answers.csv        ce que vous avez demandé en magasin ou par téléphone
text_messages.csv  ce que les opérateurs disent des SMS qui vous étaient destinés
texts_received.csv les SMS venus de votre numéro
texts_answered.csv ce que nous y avons répondu
mails_received.csv les courriels revenus de vos messages ou écrits par vous
address_faults.csv combien de fois le courrier vers vos adresses est revenu
confirmations.csv  ce qu’il vous a été demandé de confirmer
audit_records.csv  ce qui a été fait de vos données, et par qui

Les heures sont en UTC. Les montants en _cents sont des centièmes de la devise. Une empreinte
(fingerprint) représente une adresse sans la nommer. Dans les fichiers .csv, un texte qu’un tableur
pourrait prendre pour une formule, un numéro de téléphone par exemple, est précédé d’une apostrophe ;
everything.json le donne tel quel.
";

const GERMAN: &str = "\
Ihre Daten

Dieses Archiv enthält alles, was wir über Sie gespeichert haben, und nichts über andere.

everything.json    alles in einem Dokument, für Programme
profile.csv        wer Sie sind, soweit wir Sie kennen, und Ihre Einstellungen
tags.csv           die Stichwörter, unter denen wir Sie führen
notes.csv          was unsere Mitarbeiter über Sie notiert haben
orders.csv         was Sie gekauft haben
permissions.csv    was wir Ihnen senden dürfen, und auf welcher Rechtsgrundlage
evidence.csv       was Sie dazu erklärt haben, wann und wo
suppressions.csv   die Sperren, die uns daran hindern, an Ihre Adressen zu schreiben
messages.csv       jede für Sie bestimmte Nachricht und was aus ihr wurde
contacts.csv       wann wir Ihnen geschrieben haben
past_messages.csv  Nachrichten von früher, von denen wir nur noch wissen, dass sie für Sie waren
past_contacts.csv  wie oft wir Ihnen früher geschrieben haben
responses.csv      Klicks, Öffnungen, Käufe und Abmeldungen
answers.csv        wonach Sie im Laden oder am Telefon gefragt haben
text_messages.csv  was Anbieter über SMS an Sie melden
texts_received.csv SMS, die von Ihrer Nummer kamen
texts_answered.csv was wir darauf geantwortet haben
mails_received.csv E-Mails, die auf Nachrichten an Sie zurückkamen oder von Ihnen sind
address_faults.csv wie oft Post an Ihre Adressen zurückkam
confirmations.csv  was Sie bestätigen sollten
audit_records.csv  was mit Ihren Daten geschehen ist und durch wen

Zeiten sind in UTC angegeben. Beträge mit der Endung _cents sind Hundertstel der Währung. Ein
Fingerabdruck (fingerprint) steht für eine Adresse, ohne sie zu nennen. In den .csv-Dateien steht vor
einem Text, den eine Tabellenkalkulation für eine Formel halten könnte, etwa einer Telefonnummer, ein
Apostroph; everything.json enthält ihn unverändert.
";

const SPANISH: &str = "\
Sus datos

Este archivo contiene todo lo que conservamos sobre usted, y nada sobre otras personas.

everything.json    todo en un solo documento, para programas
profile.csv        quién es usted, según nuestros datos, y sus preferencias
tags.csv           las palabras con las que le clasificamos
notes.csv          lo que nuestro personal ha anotado sobre usted
orders.csv         sus compras
permissions.csv    lo que nos permite enviarle y con qué base jurídica
evidence.csv       lo que usted ha declarado al respecto, cuándo y dónde
suppressions.csv   los bloqueos que nos impiden escribir a sus direcciones
messages.csv       cada mensaje destinado a usted y qué fue de él
contacts.csv       cuándo le hemos escrito
past_messages.csv  mensajes antiguos, de los que solo guardamos que eran para usted
past_contacts.csv  cuántas veces le escribimos en el pasado
responses.csv      clics, aperturas, compras y bajas registrados
answers.csv        lo que pidió en una tienda o por teléfono
text_messages.csv  lo que los operadores dicen de los SMS destinados a usted
texts_received.csv los SMS llegados de su número
texts_answered.csv lo que hemos respondido
mails_received.csv correos devueltos de sus mensajes o escritos por usted
address_faults.csv cuántas veces fue devuelto el correo a sus direcciones
confirmations.csv  lo que se le pidió que confirmara
audit_records.csv  qué se ha hecho con sus datos y quién lo hizo

Las horas están en UTC. Los importes terminados en _cents son centésimas de la moneda. Una huella
(fingerprint) representa una dirección sin nombrarla. En los archivos .csv, un texto que una hoja de
cálculo podría tomar por una fórmula, como un número de teléfono, lleva delante un apóstrofo;
everything.json lo contiene tal cual.
";
