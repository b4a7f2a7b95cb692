//! How a text message travels: its alphabet, its units and the borders of its parts.

use proptest::prelude::*;
use visavis::templates::Encoding::{self, Gsm7, Ucs2};
use visavis::templates::sms::{offenders, parts, size, transliterate};

/// TS 23.038 §6.2.1, in the order of its table, without the escape.
const DEFAULT: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// TS 23.038 §6.2.1.1.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// `head`, then `n` times `unit`, then `tail`.
fn text(head: &str, unit: &str, n: usize, tail: &str) -> String {
    format!("{head}{}{tail}", unit.repeat(n))
}

#[test]
fn texts_are_counted_as_networks_count_them() {
    assert_eq!(DEFAULT.chars().count(), 127);
    let t = text;
    let vectors: Vec<(String, Encoding, usize, usize)> = vec![
        // Nothing, little, and the borders of the default alphabet.
        (t("", "", 0, ""), Gsm7, 0, 0),
        (t("a", "", 0, ""), Gsm7, 1, 1),
        (t(" ", "", 0, ""), Gsm7, 1, 1),
        (t("\n", "", 0, ""), Gsm7, 1, 1),
        (t("Hello\nworld", "", 0, ""), Gsm7, 11, 1),
        (t("Hello\r\nworld", "", 0, ""), Gsm7, 12, 1),
        (DEFAULT.to_owned(), Gsm7, 127, 1),
        (DEFAULT.repeat(2), Gsm7, 254, 2),
        (t("", "a", 159, ""), Gsm7, 159, 1),
        (t("", "a", 160, ""), Gsm7, 160, 1),
        (t("", "a", 161, ""), Gsm7, 161, 2),
        (t("", "a", 306, ""), Gsm7, 306, 2),
        (t("", "a", 307, ""), Gsm7, 307, 3),
        (t("", "a", 459, ""), Gsm7, 459, 3),
        (t("", "a", 460, ""), Gsm7, 460, 4),
        (t("", "a", 1_530, ""), Gsm7, 1_530, 10),
        (t("", "a", 1_531, ""), Gsm7, 1_531, 11),
        (t("", "@", 160, ""), Gsm7, 160, 1),
        (t("", "à", 160, ""), Gsm7, 160, 1),
        (t("", "é", 161, ""), Gsm7, 161, 2),
        (t("", "Ç", 160, ""), Gsm7, 160, 1),
        (t("", "Δ", 160, ""), Gsm7, 160, 1),
        // The extension table: two septets, never over a border.
        (EXTENSION.to_owned(), Gsm7, 20, 1),
        (t("", "€", 1, ""), Gsm7, 2, 1),
        (t("", "€", 80, ""), Gsm7, 160, 1),
        (t("", "€", 81, ""), Gsm7, 162, 2),
        (t("a", "€", 79, ""), Gsm7, 159, 1),
        (t("a", "€", 80, ""), Gsm7, 161, 2),
        (t("", "]", 152, ""), Gsm7, 304, 2),
        // 76 pairs and one septet left over in each part.
        (t("", "]", 153, ""), Gsm7, 306, 3),
        (t("", "€", 228, ""), Gsm7, 456, 3),
        (t("", "€", 229, ""), Gsm7, 458, 4),
        (t("", "a", 152, "€aaaaaa"), Gsm7, 160, 1),
        (t("", "a", 152, "€aaaaaaa"), Gsm7, 161, 2),
        // The pair goes to the second part, which then has room for 151 more.
        (t(&t("", "a", 152, "€"), "b", 151, ""), Gsm7, 305, 2),
        (t(&t("", "a", 152, "€"), "b", 152, ""), Gsm7, 306, 3),
        (t(&t("", "a", 151, "€"), "b", 153, ""), Gsm7, 306, 2),
        (t(&t("", "a", 151, "€"), "b", 154, ""), Gsm7, 307, 3),
        (t(&t("", "a", 153, "€"), "b", 151, ""), Gsm7, 306, 2),
        (t("", "a", 158, "€"), Gsm7, 160, 1),
        (t("", "a", 159, "€"), Gsm7, 161, 2),
        (t("", "\u{c}", 80, ""), Gsm7, 160, 1),
        (t("", "{}", 40, ""), Gsm7, 160, 1),
        (t("https://links.example/s/", "x~", 3, "|^"), Gsm7, 37, 1),
        // What takes a text into UCS-2, and the borders there.
        (t("", "ê", 1, ""), Ucs2, 1, 1),
        (t("’", "a", 69, ""), Ucs2, 70, 1),
        (t("’", "a", 70, ""), Ucs2, 71, 2),
        (t("ê", "a", 133, ""), Ucs2, 134, 2),
        (t("ê", "a", 134, ""), Ucs2, 135, 3),
        (t("", "я", 70, ""), Ucs2, 70, 1),
        (t("", "я", 71, ""), Ucs2, 71, 2),
        (t("", "字", 201, ""), Ucs2, 201, 3),
        (t("", "字", 202, ""), Ucs2, 202, 4),
        (t("", "…", 670, ""), Ucs2, 670, 10),
        (t("`", "", 0, ""), Ucs2, 1, 1),
        (t("\t", "", 0, ""), Ucs2, 1, 1),
        (t("\u{1b}", "", 0, ""), Ucs2, 1, 1),
        (t("\u{a0}", "", 0, ""), Ucs2, 1, 1),
        (t("e\u{301}", "", 0, ""), Ucs2, 2, 1),
        (t("ç", "", 0, ""), Ucs2, 1, 1),
        (t("Á", "", 0, ""), Ucs2, 1, 1),
        (t("Ú", "", 0, ""), Ucs2, 1, 1),
        (t("ú", "", 0, ""), Ucs2, 1, 1),
        (t("í", "", 0, ""), Ucs2, 1, 1),
        (t("Í", "", 0, ""), Ucs2, 1, 1),
        (t("ó", "", 0, ""), Ucs2, 1, 1),
        (t("Ó", "", 0, ""), Ucs2, 1, 1),
        (t("À", "", 0, ""), Ucs2, 1, 1),
        (t("α", "", 0, ""), Ucs2, 1, 1),
        // There, the extension table costs one unit.
        (t("😀", "]", 68, ""), Ucs2, 70, 1),
        (t("😀", "]", 69, ""), Ucs2, 71, 2),
        (t("ê", "€", 69, ""), Ucs2, 70, 1),
        // Surrogate pairs stay together.
        (t("", "😀", 35, ""), Ucs2, 70, 1),
        (t("", "😀", 36, ""), Ucs2, 72, 2),
        (t("", "😀", 66, ""), Ucs2, 132, 2),
        (t("", "😀", 67, ""), Ucs2, 134, 3),
        (t("", "a", 66, "😀aaaa"), Ucs2, 72, 2),
        (t(&t("", "a", 66, "😀"), "b", 65, ""), Ucs2, 133, 2),
        (t(&t("", "a", 66, "😀"), "b", 66, ""), Ucs2, 134, 3),
        (t(&t("", "a", 65, "😀"), "b", 67, ""), Ucs2, 134, 2),
        (t("👩‍👩‍👧", "", 0, ""), Ucs2, 8, 1),
        // As people write.
        (
            t("C'est l'été à Orléans : 15 € de remise", "", 0, ""),
            Gsm7,
            39,
            1,
        ),
        (
            t("C’est l’été à Orléans : 15 € de remise", "", 0, ""),
            Ucs2,
            38,
            1,
        ),
        (t("Fête des mères", "", 0, ""), Ucs2, 14, 1),
        (t("STOP au 36179", "", 0, ""), Gsm7, 13, 1),
        (t("[Promo] 10% {code} ~ A|B \\ ^", "", 0, ""), Gsm7, 36, 1),
    ];
    assert!(vectors.len() >= 60);
    for (text, encoding, units, count) in vectors {
        let found = size(&text);
        assert_eq!(
            (found.encoding, found.units, found.parts),
            (encoding, units, count),
            "{text:?}"
        );
    }
}

#[test]
fn a_size_is_told_with_the_room_there_is() {
    let told = |text: &str| size(text).to_string();
    assert_eq!(told("Bonjour"), "GSM-7, 7 of 160, 1 part");
    assert_eq!(told(&"a".repeat(200)), "GSM-7, 200 of 306, 2 parts");
    assert_eq!(told("fête"), "UCS-2, 4 of 70, 1 part");
}

#[test]
fn what_forces_ucs2_has_its_replacement() {
    let pairs = [
        ("l’été", "l'été"),
        ("“oui” ‘non’ „ja‟", "\"oui\" 'non' \"ja\""),
        (
            "« oui » «\u{a0}non\u{a0}» «\u{202f}si\u{202f}»",
            "\"oui\" \"non\" \"si\"",
        ),
        ("a – b — c ‑ d", "a - b - c - d"),
        ("bientôt…", "bientot..."),
        ("15\u{a0}€", "15 €"),
        ("fête, forêt, maïs, Noël", "fete, foret, mais, Noel"),
        ("garçon Ça", "garcon Ça"),
        ("cœur Œuvre ŒUVRE", "coeur Oeuvre OEUVRE"),
        ("À l’Île, ÊTRE", "A l'Ile, ETRE"),
        ("zero\u{200b}width\u{feff}\u{ad}", "zerowidth"),
        ("n° 5, 20 m²", "no 5, 20 m2"),
        ("Łukasz Đorđe Åse İpek ığdır", "Lukasz Dorde Åse Ipek igdir"),
        ("e\u{301}te\u{301} u\u{302}", "été u"),
        ("½ • ™ `a`", "1/2 - TM 'a'"),
        ("ﬁn Nguyễn Ａ", "fin Nguyen A"),
    ];
    for (text, expected) in pairs {
        assert_eq!(transliterate(text), expected, "{text:?}");
        for offender in offenders(text) {
            assert!(offender.replacement.is_some(), "{text:?}: {offender:?}");
        }
    }
    let told: Vec<(char, usize, Option<String>)> = offenders("L’œuf 😀 l’été à 5 €\u{200b} ≠ क")
        .into_iter()
        .map(|o| (o.character, o.count, o.replacement))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            ('’', 2, some("'")),
            ('œ', 1, some("oe")),
            ('😀', 1, None),
            ('\u{200b}', 1, some("")),
            ('≠', 1, None),
            ('क', 1, None),
        ]
    );
    assert!(offenders(DEFAULT).is_empty() && offenders(EXTENSION).is_empty());
}

#[test]
fn nothing_is_replaced_where_nothing_is_gained() {
    // An emoji keeps the text in UCS-2, so its accents may stay.
    for text in ["Fête 🎉", "Ольга, c’est l’été", "été à 5 €"] {
        assert_eq!(transliterate(text), text);
    }
    // One part of dots would be two in the other alphabet.
    let dots = "…".repeat(70);
    assert_eq!(transliterate(&dots), dots);
    assert_eq!(transliterate(&"…".repeat(53)), ".".repeat(159));
}

/// Texts of the kinds of characters that are counted differently, short ones and long ones.
fn any_text() -> impl Strategy<Value = String> {
    let gsm = prop::sample::select(DEFAULT.chars().collect::<Vec<_>>());
    let extension = prop::sample::select(EXTENSION.chars().collect::<Vec<_>>());
    let french = prop::sample::select("’êçœ«»…–\u{a0}ÀÊëïôû".chars().collect::<Vec<_>>());
    let pair = prop::sample::select("😀🎉🇫🥖".chars().collect::<Vec<_>>());
    let letters = |ucs2: u32| {
        prop_oneof![
            8 => gsm.clone(),
            4 => extension.clone(),
            ucs2 => french.clone(),
            ucs2.min(1) => pair.clone(),
        ]
    };
    prop_oneof![
        prop::collection::vec(
            prop_oneof![8 => gsm.clone(), 4 => extension.clone()],
            0..700
        ),
        prop::collection::vec(letters(3), 0..300),
        prop::collection::vec(prop_oneof![8 => gsm.clone(), 1 => french.clone()], 0..400),
        prop::collection::vec(any::<char>(), 0..200),
        prop::collection::vec(pair.clone(), 0..150),
    ]
    .prop_map(|chars| chars.into_iter().collect())
}

fn is_gsm(text: &str) -> bool {
    text.chars()
        .all(|c| DEFAULT.contains(c) || EXTENSION.contains(c))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn parts_are_cut_where_they_may_be(text in any_text()) {
        let found = size(&text);
        prop_assert_eq!(found.encoding == Gsm7, is_gsm(&text));
        let cost = |c: char| match found.encoding {
            Gsm7 => 1 + usize::from(EXTENSION.contains(c)),
            Ucs2 => c.len_utf16(),
        };
        let units = |text: &str| text.chars().map(cost).sum::<usize>();
        prop_assert_eq!(found.units, units(&text));
        let (single, several) = match found.encoding { Gsm7 => (160, 153), Ucs2 => (70, 67) };
        let cut = parts(&text);
        prop_assert_eq!(cut.len(), found.parts);
        // Parts are whole characters, so no escape and no surrogate stands without its second half.
        prop_assert_eq!(&cut.concat(), &text);
        if found.units <= single {
            prop_assert!(cut.len() <= 1);
        } else {
            for pair in cut.windows(2) {
                let next = pair[1].chars().next().unwrap();
                // No part ends before it must.
                prop_assert!(units(pair[0]) <= several && units(pair[0]) + cost(next) > several);
            }
            prop_assert!((1..=several).contains(&units(cut[cut.len() - 1])));
        }
        prop_assert!(found.units <= found.room());
    }

    #[test]
    fn transliterating_never_costs(text in any_text()) {
        let (before, after) = (size(&text), size(&transliterate(&text)));
        prop_assert!(after.parts <= before.parts);
        if before.encoding == Gsm7 {
            prop_assert_eq!(transliterate(&text), text.clone());
        }
        prop_assert_eq!(transliterate(&transliterate(&text)), transliterate(&text));
        let offenders = offenders(&text);
        for offender in &offenders {
            if let Some(other) = &offender.replacement {
                prop_assert!(is_gsm(other), "{:?}", offender);
            }
        }
        if after.encoding == Gsm7 {
            prop_assert!(offenders.iter().all(|offender| offender.replacement.is_some()));
        }
    }
}
