//! What columns are called: our names, and the words of the files people have.

use super::ImportKind;
use super::columns::{Field, Proof};

/// Our name of a field, the field, and its aliases, folded.
pub(in crate::customers) type Name = (&'static str, Field, &'static [&'static str]);

/// Fields of a customer file: our name, and what else people call it (folded).
const CUSTOMER: [Name; 25] = [
    (
        "external_id",
        Field::ExternalId,
        &[
            "id",
            "customer_id",
            "customer number",
            "numero client",
            "n° client",
            "no client",
            "id client",
            "code client",
            "reference client",
            "client_id",
            "kundennummer",
        ],
    ),
    (
        "email",
        Field::Email,
        &[
            "e-mail",
            "mail",
            "email address",
            "e-mail address",
            "courriel",
            "adresse email",
            "adresse e-mail",
            "adresse mail",
            "adresse electronique",
            "adresse courriel",
        ],
    ),
    (
        "phone",
        Field::Phone,
        &[
            "telephone",
            "tel",
            "tel.",
            "mobile",
            "mobile phone",
            "portable",
            "telephone mobile",
            "telephone portable",
            "phone number",
            "numero de telephone",
            "gsm",
        ],
    ),
    (
        "first_name",
        Field::Text(0),
        &["firstname", "given name", "forename", "prenom", "vorname"],
    ),
    (
        "last_name",
        Field::Text(1),
        &[
            "lastname",
            "surname",
            "family name",
            "nom",
            "nom de famille",
            "nachname",
            "name",
        ],
    ),
    (
        "company",
        Field::Text(2),
        &[
            "organisation",
            "organization",
            "societe",
            "entreprise",
            "raison sociale",
            "firma",
        ],
    ),
    (
        "gender",
        Field::Text(3),
        &["sex", "sexe", "genre", "civilite", "salutation", "anrede"],
    ),
    (
        "region",
        Field::Text(4),
        &["state", "province", "departement", "bundesland"],
    ),
    (
        "postal_code",
        Field::Text(5),
        &[
            "postcode",
            "zip",
            "zip code",
            "zipcode",
            "code postal",
            "cp",
            "plz",
        ],
    ),
    (
        "city",
        Field::Text(6),
        &["town", "ville", "commune", "localite", "stadt", "ort"],
    ),
    (
        "time_zone",
        Field::Text(7),
        &["timezone", "fuseau horaire", "fuseau"],
    ),
    (
        "household",
        Field::Text(8),
        &["household id", "foyer", "menage", "haushalt", "hogar"],
    ),
    (
        "birth_date",
        Field::BirthDate,
        &[
            "birthdate",
            "birthday",
            "date of birth",
            "dob",
            "date de naissance",
            "date naissance",
            "naissance",
            "ne le",
            "nee le",
            "ne(e) le",
            "geburtsdatum",
        ],
    ),
    (
        "language",
        Field::Language,
        &["lang", "locale", "langue", "sprache"],
    ),
    (
        "country",
        Field::Country,
        &["country code", "pays", "code pays", "land"],
    ),
    ("stage", Field::Stage, &["status", "statut", "etape"]),
    (
        "tags",
        Field::Tags,
        &["tag", "labels", "etiquettes", "mots-cles", "mots cles"],
    ),
    (
        "tracking",
        Field::Tracking,
        &["tracking consent", "suivi", "consentement suivi"],
    ),
    (
        "permission_source",
        Field::Proof(None, Proof::Source),
        &[
            "consent source",
            "source du consentement",
            "origine du consentement",
        ],
    ),
    (
        "permission_date",
        Field::Proof(None, Proof::Date),
        &[
            "consent date",
            "date du consentement",
            "date de consentement",
        ],
    ),
    (
        "permission_basis",
        Field::Proof(None, Proof::Basis),
        &["legal basis", "base legale", "consent basis"],
    ),
    (
        "permission_wording",
        Field::Proof(None, Proof::Wording),
        &["consent wording", "texte du consentement"],
    ),
    (
        "permission_level",
        Field::Proof(None, Proof::Level),
        &["niveau de permission"],
    ),
    (
        "permission_expires",
        Field::Proof(None, Proof::Expires),
        &["consent expires", "fin du consentement"],
    ),
    ("ignore", Field::Nothing, &[]),
];

/// Fields of an order file.
const ORDER: [Name; 14] = [
    (
        "order_id",
        Field::OrderId,
        &[
            "external_id",
            "id",
            "order number",
            "order no",
            "numero de commande",
            "n° commande",
            "no commande",
            "id commande",
            "commande",
            "reference",
            "bestellnummer",
        ],
    ),
    (
        "customer_id",
        Field::ExternalId,
        &[
            "customer_external_id",
            "customer",
            "customer number",
            "numero client",
            "n° client",
            "no client",
            "id client",
            "code client",
            "client_id",
            "client",
            "kundennummer",
        ],
    ),
    (
        "email",
        Field::Email,
        &[
            "e-mail",
            "mail",
            "email address",
            "courriel",
            "adresse email",
            "adresse e-mail",
            "adresse mail",
            "adresse electronique",
        ],
    ),
    (
        "phone",
        Field::Phone,
        &[
            "telephone",
            "tel",
            "tel.",
            "mobile",
            "portable",
            "phone number",
            "numero de telephone",
        ],
    ),
    (
        "ordered_at",
        Field::OrderedAt,
        &[
            "date",
            "order date",
            "ordered",
            "date de commande",
            "date commande",
            "date d'achat",
            "bestelldatum",
        ],
    ),
    (
        "amount",
        Field::Amount,
        &[
            "total",
            "price",
            "revenue",
            "montant",
            "montant ttc",
            "total ttc",
            "prix",
            "betrag",
        ],
    ),
    (
        "currency",
        Field::Currency,
        &["devise", "monnaie", "wahrung"],
    ),
    (
        "product",
        Field::Product,
        &[
            "product name",
            "item",
            "sku",
            "produit",
            "article",
            "produkt",
        ],
    ),
    (
        "category",
        Field::Category,
        &[
            "product category",
            "categorie",
            "famille",
            "rayon",
            "kategorie",
        ],
    ),
    (
        "campaign",
        Field::Campaign,
        &["campagne", "campaign name", "kampagne"],
    ),
    ("token", Field::Token, &["vv", "click token", "jeton"]),
    (
        "coupon",
        Field::Coupon,
        &[
            "coupon code",
            "voucher",
            "promo code",
            "discount code",
            "code promo",
            "bon de reduction",
            "gutschein",
            "gutscheincode",
        ],
    ),
    (
        "campaign_code",
        Field::CampaignCode,
        &["code campagne", "offer code", "aktionscode"],
    ),
    ("ignore", Field::Nothing, &[]),
];

/// The fields a file of this kind can hold.
pub(in crate::customers) fn names(kind: ImportKind) -> &'static [Name] {
    match kind {
        ImportKind::Customers => &CUSTOMER,
        ImportKind::Orders => &ORDER,
    }
}
