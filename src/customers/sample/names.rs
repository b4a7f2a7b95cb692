//! The words the sample base is made of.

/// Names that go together, and where people of that name live.
pub(super) struct Culture {
    pub weight: u32,
    pub language: &'static str,
    pub countries: &'static [&'static str],
    pub women: &'static [&'static str],
    pub men: &'static [&'static str],
    pub last_names: &'static [&'static str],
}

pub(super) static CULTURES: [Culture; 10] = [
    Culture {
        weight: 600,
        language: "fr",
        countries: &["FR", "FR", "BE", "CH"],
        women: &["Marie", "Élodie", "Camille", "Chloé", "Léa", "Manon", "Inès", "Zoé", "Anaïs", "Hélène", "Françoise", "Monique", "Brigitte", "Nathalie", "Sylvie", "Céline", "Aurélie", "Océane", "Margaux", "Jeanne", "Marie-Thérèse", "Geneviève", "Solène", "Noémie"],
        men: &["Jean", "Pierre", "Michel", "Philippe", "Rémi", "Jérôme", "François", "Gaël", "Loïc", "Théo", "Hugo", "Lucas", "Maël", "Benoît", "Stéphane", "Frédéric", "André", "René", "Jean-Baptiste", "Étienne", "Cédric", "Noël", "Raphaël", "Gérard"],
        last_names: &["Martin", "Bernard", "Lefèvre", "Dubois", "Moreau", "Laurent", "Girard", "Bonnet", "Dupont", "François", "Mercier", "Blanc", "Guérin", "Müller", "Roussel", "Bœuf", "Le Gall", "d'Arcy", "L'Hôte", "De La Fontaine", "Château", "Gauthier", "Pérez", "Renard", "Lemaître", "Barthélémy", "Colin", "Picard"],
    },
    Culture {
        weight: 60,
        language: "fr",
        countries: &["FR", "BE"],
        women: &["Fatima", "Yasmine", "Leïla", "Amina", "Nour", "Samira"],
        men: &["Karim", "Mehdi", "Youssef", "Bilal", "Rachid", "Nabil"],
        last_names: &["Benali", "El Amrani", "Haddad", "Bouzid", "Cherif", "Ben Saïd"],
    },
    Culture {
        weight: 30,
        language: "fr",
        countries: &["FR", "BE"],
        women: &["Aminata", "Fatou", "Awa", "Grâce"],
        men: &["Mamadou", "Ibrahima", "Ousmane", "Koffi"],
        last_names: &["Diallo", "Traoré", "N'Diaye", "Koné", "M'Bappou"],
    },
    Culture {
        weight: 110,
        language: "en",
        countries: &["GB", "US"],
        women: &["Emily", "Charlotte", "Siân", "Zoë", "Olivia", "Grace", "Margaret", "Susan"],
        men: &["James", "Oliver", "Seán", "George", "William", "Jack", "Peter", "Graham"],
        last_names: &["Smith", "O'Neil", "O'Brien", "Taylor", "Brown", "McDonald", "Fitz-Gerald", "Wright"],
    },
    Culture {
        weight: 110,
        language: "de",
        countries: &["DE", "CH"],
        women: &["Anna", "Jürgine", "Käthe", "Sabine", "Lena", "Grete", "Ursula"],
        men: &["Jürgen", "Jörg", "Björn", "Lukas", "Günther", "Sören", "Wolfgang"],
        last_names: &["Müller", "Weiß", "Größmann", "Schäfer", "Köhler", "Groß", "von Hülsen", "Schmidt"],
    },
    Culture {
        weight: 60,
        language: "es",
        countries: &["ES"],
        women: &["Lucía", "María José", "Begoña", "Inés", "Sofía"],
        men: &["José", "Íñigo", "Andrés", "Álvaro", "Raúl"],
        last_names: &["García", "Núñez", "Ibáñez", "López", "Muñoz y Peña", "Fernández"],
    },
    Culture {
        weight: 15,
        language: "fr",
        countries: &["FR"],
        women: &["Agnieszka", "Małgorzata", "Zofia"],
        men: &["Łukasz", "Michał", "Wojciech"],
        last_names: &["Wałęsa", "Łabędź", "Kowalczyk", "Wiśniewska"],
    },
    Culture {
        weight: 8,
        language: "en",
        countries: &["FR", "GB"],
        women: &["Søs", "Åsa", "Bjørk"],
        men: &["Søren", "Åke", "Æneas"],
        last_names: &["Sørensen", "Ångström", "Þórsson", "Đorđević"],
    },
    Culture {
        weight: 4,
        language: "en",
        countries: &["FR", "GB"],
        women: &["Ελένη", "Ольга", "美咲", "ليلى"],
        men: &["Γιώργος", "Дмитрий", "健太", "يوسف"],
        last_names: &["Παπαδόπουλος", "Иванов", "田中", "حداد"],
    },
    Culture {
        weight: 3,
        language: "fr",
        countries: &["FR"],
        women: &["Nguyệt", "Linh"],
        men: &["Đức", "Minh"],
        last_names: &["Nguyễn", "Trần", "Lê"],
    },
];

pub(super) struct Town {
    pub weight: u32,
    pub name: &'static str,
    pub postal_code: &'static str,
    pub region: &'static str,
    pub country: &'static str,
    pub time_zone: &'static str,
}

const fn town(
    weight: u32,
    name: &'static str,
    postal_code: &'static str,
    region: &'static str,
    country: &'static str,
    time_zone: &'static str,
) -> Town {
    Town { weight, name, postal_code, region, country, time_zone }
}

pub(super) static TOWNS: [Town; 48] = [
    town(90, "Paris", "75011", "Île-de-France", "FR", "Europe/Paris"),
    town(40, "Paris", "75016", "Île-de-France", "FR", "Europe/Paris"),
    town(50, "Marseille", "13006", "Provence-Alpes-Côte d'Azur", "FR", "Europe/Paris"),
    town(48, "Lyon", "69003", "Auvergne-Rhône-Alpes", "FR", "Europe/Paris"),
    town(40, "Toulouse", "31000", "Occitanie", "FR", "Europe/Paris"),
    town(30, "Nice", "06000", "Provence-Alpes-Côte d'Azur", "FR", "Europe/Paris"),
    town(30, "Nantes", "44000", "Pays de la Loire", "FR", "Europe/Paris"),
    town(26, "Montpellier", "34000", "Occitanie", "FR", "Europe/Paris"),
    town(26, "Strasbourg", "67000", "Grand Est", "FR", "Europe/Paris"),
    town(26, "Bordeaux", "33000", "Nouvelle-Aquitaine", "FR", "Europe/Paris"),
    town(45, "Lille", "59000", "Hauts-de-France", "FR", "Europe/Paris"),
    town(40, "Amiens", "80000", "Hauts-de-France", "FR", "Europe/Paris"),
    town(14, "Abbeville", "80100", "Hauts-de-France", "FR", "Europe/Paris"),
    town(14, "Beauvais", "60000", "Hauts-de-France", "FR", "Europe/Paris"),
    town(20, "Rennes", "35000", "Bretagne", "FR", "Europe/Paris"),
    town(12, "Quimper", "29000", "Bretagne", "FR", "Europe/Paris"),
    town(12, "Saint-Brieuc", "22000", "Bretagne", "FR", "Europe/Paris"),
    town(16, "Reims", "51100", "Grand Est", "FR", "Europe/Paris"),
    town(16, "Saint-Étienne", "42000", "Auvergne-Rhône-Alpes", "FR", "Europe/Paris"),
    town(12, "Besançon", "25000", "Bourgogne-Franche-Comté", "FR", "Europe/Paris"),
    town(14, "Orléans", "45000", "Centre-Val de Loire", "FR", "Europe/Paris"),
    town(14, "Nîmes", "30000", "Occitanie", "FR", "Europe/Paris"),
    town(10, "Angoulême", "16000", "Nouvelle-Aquitaine", "FR", "Europe/Paris"),
    town(8, "L'Haÿ-les-Roses", "94240", "Île-de-France", "FR", "Europe/Paris"),
    town(8, "Évreux", "27000", "Normandie", "FR", "Europe/Paris"),
    town(10, "Le Havre", "76600", "Normandie", "FR", "Europe/Paris"),
    town(4, "Ajaccio", "20000", "Corse", "FR", "Europe/Paris"),
    town(5, "Saint-Denis", "97400", "La Réunion", "FR", "Indian/Reunion"),
    town(3, "Cayenne", "97300", "Guyane", "FR", "America/Cayenne"),
    town(3, "Pointe-à-Pitre", "97110", "Guadeloupe", "FR", "America/Guadeloupe"),
    town(14, "Bruxelles", "1000", "Bruxelles-Capitale", "BE", "Europe/Brussels"),
    town(8, "Liège", "4000", "Wallonie", "BE", "Europe/Brussels"),
    town(8, "Genève", "1201", "Genève", "CH", "Europe/Zurich"),
    town(6, "Zürich", "8001", "Zürich", "CH", "Europe/Zurich"),
    town(20, "Berlin", "10115", "Berlin", "DE", "Europe/Berlin"),
    town(14, "München", "80331", "Bayern", "DE", "Europe/Berlin"),
    town(14, "Köln", "50667", "Nordrhein-Westfalen", "DE", "Europe/Berlin"),
    town(8, "Düsseldorf", "40213", "Nordrhein-Westfalen", "DE", "Europe/Berlin"),
    town(6, "Gießen", "35390", "Hessen", "DE", "Europe/Berlin"),
    town(24, "London", "SW1A 1AA", "Greater London", "GB", "Europe/London"),
    town(10, "Manchester", "M1 1AE", "Greater Manchester", "GB", "Europe/London"),
    town(8, "Stoke-on-Trent", "ST1 1AA", "Staffordshire", "GB", "Europe/London"),
    town(10, "New York", "10001", "New York", "US", "America/New_York"),
    town(6, "Los Angeles", "90012", "California", "US", "America/Los_Angeles"),
    town(14, "Madrid", "28013", "Comunidad de Madrid", "ES", "Europe/Madrid"),
    town(12, "Barcelona", "08002", "Cataluña", "ES", "Europe/Madrid"),
    town(6, "Málaga", "29015", "Andalucía", "ES", "Europe/Madrid"),
    town(3, "Las Palmas", "35001", "Canarias", "ES", "Atlantic/Canary"),
];

/// Names reserved for examples (RFC 2606 section 2 and 3): no mail to them arrives anywhere.
pub(super) static DOMAINS: [&str; 8] = [
    "example.com",
    "example.org",
    "example.net",
    "mail.example",
    "post.example",
    "courrier.example",
    "webmail.example",
    "boite.example",
];

pub(super) static INTERESTS: [&str; 8] =
    ["vip", "pâtisserie", "bio", "loyalty card", "café", "jardin", "salon 2025", "cadeaux"];

/// Where permissions were given, and the words that were agreed to.
pub(super) static SOURCES: [(&str, &str); 5] = [
    ("web form newsletter v3", "Oui, je souhaite recevoir les offres de Super Chef par e-mail et SMS."),
    ("account creation v2", "I would like to hear about offers and news."),
    ("shop counter card 2025", "J'accepte de recevoir les offres et actualités."),
    ("trade fair Lyon 2025", "Tenez-moi au courant de vos offres."),
    ("order form v5", "Ja, informieren Sie mich über Angebote."),
];

pub(super) struct Product {
    pub weight: u32,
    pub name: &'static str,
    pub category: &'static str,
    pub cents: i64,
}

const fn product(weight: u32, name: &'static str, category: &'static str, cents: i64) -> Product {
    Product { weight, name, category, cents }
}

pub(super) static PRODUCTS: [Product; 16] = [
    product(6, "Super Chef pan set, 5 pieces", "pans", 24_900),
    product(14, "Frying pan 28 cm", "pans", 4_990),
    product(10, "Sauté pan 24 cm", "pans", 5_990),
    product(6, "Cast-iron cocotte 26 cm", "pots", 18_900),
    product(8, "Stock pot 10 l", "pots", 7_950),
    product(9, "Chef's knife 20 cm", "knives", 8_900),
    product(6, "Knife block, 6 knives", "knives", 15_900),
    product(12, "Paring knife", "knives", 1_290),
    product(10, "Baking tin set", "baking", 2_990),
    product(9, "Crème brûlée dishes, set of 4", "baking", 1_990),
    product(4, "Stand mixer", "appliances", 34_900),
    product(6, "Hand blender", "appliances", 6_990),
    product(3, "Espresso machine", "appliances", 44_900),
    product(12, "Wooden spoons, set of 3", "utensils", 990),
    product(9, "Salad spinner", "utensils", 1_790),
    product(7, "Cookbook: 100 dishes in one pan", "books", 2_450),
];
