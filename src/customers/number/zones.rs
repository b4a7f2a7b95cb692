//! The zone of a number, by its country and, where a country has several, by its first digits.
//!
//! Countries of several zones whose mobile numbers do not tell where they are from stand here only with
//! what does tell; a number says where it was given out, which is a guess at where its owner is.

/// The zone of a number in E.164, given its country (ISO 3166-1 alpha-2).
pub(super) fn of(country: &str, e164: &str) -> Option<&'static str> {
    by_prefix(country, e164).or_else(|| {
        COUNTRIES
            .iter()
            .find(|(code, _)| *code == country)
            .map(|(_, zone)| *zone)
    })
}

/// By the longest begin that is listed.
fn by_prefix(country: &str, e164: &str) -> Option<&'static str> {
    if matches!(country, "US" | "CA") {
        let area = e164.get(2..5)?;
        return AREAS
            .iter()
            .find(|(_, codes)| codes.split(' ').any(|code| code == area))
            .map(|(zone, _)| *zone);
    }
    PREFIXES
        .iter()
        .filter(|(begin, _)| e164.starts_with(begin))
        .max_by_key(|(begin, _)| begin.len())
        .map(|(_, zone)| *zone)
}

/// Countries of one zone, and those whose zones but one are told by [`PREFIXES`].
const COUNTRIES: [(&str, &str); 155] = [
    // Europe.
    ("AD", "Europe/Andorra"),
    ("AL", "Europe/Tirane"),
    ("AM", "Asia/Yerevan"),
    ("AT", "Europe/Vienna"),
    ("AX", "Europe/Mariehamn"),
    ("AZ", "Asia/Baku"),
    ("BA", "Europe/Sarajevo"),
    ("BE", "Europe/Brussels"),
    ("BG", "Europe/Sofia"),
    ("BY", "Europe/Minsk"),
    ("CH", "Europe/Zurich"),
    ("CY", "Asia/Nicosia"),
    ("CZ", "Europe/Prague"),
    ("DE", "Europe/Berlin"),
    ("DK", "Europe/Copenhagen"),
    ("EE", "Europe/Tallinn"),
    ("ES", "Europe/Madrid"),
    ("FI", "Europe/Helsinki"),
    ("FO", "Atlantic/Faroe"),
    ("FR", "Europe/Paris"),
    ("GB", "Europe/London"),
    ("GE", "Asia/Tbilisi"),
    ("GG", "Europe/Guernsey"),
    ("GI", "Europe/Gibraltar"),
    ("GR", "Europe/Athens"),
    ("HR", "Europe/Zagreb"),
    ("HU", "Europe/Budapest"),
    ("IE", "Europe/Dublin"),
    ("IM", "Europe/Isle_of_Man"),
    ("IS", "Atlantic/Reykjavik"),
    ("IT", "Europe/Rome"),
    ("JE", "Europe/Jersey"),
    ("LI", "Europe/Vaduz"),
    ("LT", "Europe/Vilnius"),
    ("LU", "Europe/Luxembourg"),
    ("LV", "Europe/Riga"),
    ("MC", "Europe/Monaco"),
    ("MD", "Europe/Chisinau"),
    ("ME", "Europe/Podgorica"),
    ("MK", "Europe/Skopje"),
    ("MT", "Europe/Malta"),
    ("NL", "Europe/Amsterdam"),
    ("NO", "Europe/Oslo"),
    ("PL", "Europe/Warsaw"),
    ("PT", "Europe/Lisbon"),
    ("RO", "Europe/Bucharest"),
    ("RS", "Europe/Belgrade"),
    ("SE", "Europe/Stockholm"),
    ("SI", "Europe/Ljubljana"),
    ("SJ", "Arctic/Longyearbyen"),
    ("SK", "Europe/Bratislava"),
    ("SM", "Europe/San_Marino"),
    ("TR", "Europe/Istanbul"),
    ("UA", "Europe/Kyiv"),
    ("VA", "Europe/Vatican"),
    // Kosovo has no zone of its own.
    ("XK", "Europe/Belgrade"),
    // Overseas France.
    ("BL", "America/St_Barthelemy"),
    ("GF", "America/Cayenne"),
    ("GP", "America/Guadeloupe"),
    ("MF", "America/Marigot"),
    ("MQ", "America/Martinique"),
    ("NC", "Pacific/Noumea"),
    ("PF", "Pacific/Tahiti"),
    ("PM", "America/Miquelon"),
    ("RE", "Indian/Reunion"),
    ("WF", "Pacific/Wallis"),
    ("YT", "Indian/Mayotte"),
    // Africa.
    ("AO", "Africa/Luanda"),
    ("BF", "Africa/Ouagadougou"),
    ("BI", "Africa/Bujumbura"),
    ("BJ", "Africa/Porto-Novo"),
    ("BW", "Africa/Gaborone"),
    ("CF", "Africa/Bangui"),
    ("CG", "Africa/Brazzaville"),
    ("CI", "Africa/Abidjan"),
    ("CM", "Africa/Douala"),
    ("CV", "Atlantic/Cape_Verde"),
    ("DJ", "Africa/Djibouti"),
    ("DZ", "Africa/Algiers"),
    ("EG", "Africa/Cairo"),
    ("ET", "Africa/Addis_Ababa"),
    ("GA", "Africa/Libreville"),
    ("GH", "Africa/Accra"),
    ("GM", "Africa/Banjul"),
    ("GN", "Africa/Conakry"),
    ("GQ", "Africa/Malabo"),
    ("GW", "Africa/Bissau"),
    ("KE", "Africa/Nairobi"),
    ("KM", "Indian/Comoro"),
    ("LY", "Africa/Tripoli"),
    ("MA", "Africa/Casablanca"),
    ("MG", "Indian/Antananarivo"),
    ("ML", "Africa/Bamako"),
    ("MR", "Africa/Nouakchott"),
    ("MU", "Indian/Mauritius"),
    ("MZ", "Africa/Maputo"),
    ("NA", "Africa/Windhoek"),
    ("NE", "Africa/Niamey"),
    ("NG", "Africa/Lagos"),
    ("RW", "Africa/Kigali"),
    ("SC", "Indian/Mahe"),
    ("SN", "Africa/Dakar"),
    ("TD", "Africa/Ndjamena"),
    ("TG", "Africa/Lome"),
    ("TN", "Africa/Tunis"),
    ("TZ", "Africa/Dar_es_Salaam"),
    ("UG", "Africa/Kampala"),
    ("ZA", "Africa/Johannesburg"),
    ("ZM", "Africa/Lusaka"),
    ("ZW", "Africa/Harare"),
    // The Americas.
    ("AR", "America/Argentina/Buenos_Aires"),
    ("BB", "America/Barbados"),
    ("BO", "America/La_Paz"),
    ("BS", "America/Nassau"),
    ("CO", "America/Bogota"),
    ("CR", "America/Costa_Rica"),
    ("CU", "America/Havana"),
    ("DO", "America/Santo_Domingo"),
    ("GT", "America/Guatemala"),
    ("GY", "America/Guyana"),
    ("HN", "America/Tegucigalpa"),
    ("HT", "America/Port-au-Prince"),
    ("JM", "America/Jamaica"),
    ("NI", "America/Managua"),
    ("PA", "America/Panama"),
    ("PE", "America/Lima"),
    ("PR", "America/Puerto_Rico"),
    ("PY", "America/Asuncion"),
    ("SR", "America/Paramaribo"),
    ("SV", "America/El_Salvador"),
    ("TT", "America/Port_of_Spain"),
    ("UY", "America/Montevideo"),
    ("VE", "America/Caracas"),
    // Asia and the Pacific.
    ("AE", "Asia/Dubai"),
    ("BD", "Asia/Dhaka"),
    ("BH", "Asia/Bahrain"),
    ("CN", "Asia/Shanghai"),
    ("HK", "Asia/Hong_Kong"),
    ("IL", "Asia/Jerusalem"),
    ("IN", "Asia/Kolkata"),
    ("JO", "Asia/Amman"),
    ("JP", "Asia/Tokyo"),
    ("KH", "Asia/Phnom_Penh"),
    ("KR", "Asia/Seoul"),
    ("KW", "Asia/Kuwait"),
    ("LB", "Asia/Beirut"),
    ("LK", "Asia/Colombo"),
    ("MY", "Asia/Kuala_Lumpur"),
    ("PH", "Asia/Manila"),
    ("PK", "Asia/Karachi"),
    ("QA", "Asia/Qatar"),
    ("SA", "Asia/Riyadh"),
    ("SG", "Asia/Singapore"),
    ("TH", "Asia/Bangkok"),
    ("VN", "Asia/Ho_Chi_Minh"),
];

/// Where the first digits tell.
const PREFIXES: [(&str, &str); 24] = [
    // The Azores and Madeira; the Canaries. Their mobile numbers are those of the mainland.
    ("+351291", "Atlantic/Madeira"),
    ("+351292", "Atlantic/Azores"),
    ("+351295", "Atlantic/Azores"),
    ("+351296", "Atlantic/Azores"),
    ("+34822", "Atlantic/Canary"),
    ("+34828", "Atlantic/Canary"),
    ("+34922", "Atlantic/Canary"),
    ("+34928", "Atlantic/Canary"),
    // Brazil by area: all but the west keep the capital's time.
    ("+551", "America/Sao_Paulo"),
    ("+552", "America/Sao_Paulo"),
    ("+553", "America/Sao_Paulo"),
    ("+554", "America/Sao_Paulo"),
    ("+555", "America/Sao_Paulo"),
    ("+556", "America/Sao_Paulo"),
    ("+5565", "America/Cuiaba"),
    ("+5566", "America/Cuiaba"),
    ("+5567", "America/Campo_Grande"),
    ("+5569", "America/Porto_Velho"),
    ("+5568", "America/Rio_Branco"),
    ("+557", "America/Bahia"),
    ("+558", "America/Fortaleza"),
    // Mexico's great cities.
    ("+5255", "America/Mexico_City"),
    ("+5233", "America/Mexico_City"),
    ("+5281", "America/Monterrey"),
];

/// Area codes of the United States and Canada, but for those of which a good part lies in another zone.
const AREAS: [(&str, &str); 15] = [
    (
        "America/New_York",
        "201 202 203 207 212 215 216 220 223 227 229 234 239 240 248 252 260 267 272 276 283 301 302 304 305 \
         313 315 317 321 324 326 329 330 332 336 339 347 351 352 363 380 386 401 404 407 410 412 413 \
         419 434 436 440 443 463 470 472 475 478 484 502 508 513 516 517 518 540 551 561 567 570 571 \
         582 585 586 603 607 609 610 614 616 617 624 631 640 645 646 656 667 678 679 680 681 686 689 \
         703 704 706 716 717 718 724 727 728 732 734 740 743 754 757 762 765 770 771 772 774 781 786 \
         802 803 804 810 813 814 821 826 828 835 838 839 843 845 848 854 856 857 859 860 862 863 \
         864 865 878 904 908 910 912 914 917 919 929 934 937 941 943 947 948 954 959 973 978 980 984 989",
    ),
    (
        "America/Chicago",
        "205 210 214 217 218 219 224 225 228 251 254 256 262 274 281 309 312 314 316 318 319 320 325 327 331 334 337 \
         346 361 402 405 409 414 417 430 432 447 464 469 479 501 504 507 512 515 531 534 539 557 563 \
         572 573 580 601 608 612 615 618 629 630 636 641 651 659 660 662 682 708 712 713 715 726 \
         730 731 737 763 769 773 779 806 815 816 817 830 832 847 861 870 872 901 903 913 918 920 \
         936 938 940 945 952 956 972 975 979 985",
    ),
    (
        "America/Denver",
        "303 307 385 406 435 505 575 719 720 748 801 915 970 983",
    ),
    ("America/Phoenix", "480 520 602 623"),
    (
        "America/Los_Angeles",
        "206 209 213 253 279 310 323 341 350 357 360 369 408 415 424 425 442 503 509 510 530 559 562 564 \
         619 626 628 650 657 661 669 702 707 714 725 738 747 760 764 775 805 818 820 831 837 840 858 909 \
         916 925 949 951 971",
    ),
    ("America/Anchorage", "907"),
    ("Pacific/Honolulu", "808"),
    (
        "America/Toronto",
        "226 249 263 289 343 354 365 367 382 416 418 437 438 450 468 514 519 548 579 581 613 647 683 705 742 \
         753 819 873 905 942",
    ),
    ("America/Winnipeg", "204 431 584"),
    ("America/Regina", "306 474 639"),
    ("America/Edmonton", "368 403 587 780 825"),
    ("America/Vancouver", "236 250 257 604 672 778"),
    ("America/Halifax", "782 902"),
    ("America/Moncton", "428 506"),
    ("America/St_Johns", "709 879"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_zone_is_one_and_nothing_stands_twice() {
        let mut zones: Vec<&str> = COUNTRIES.iter().map(|(_, zone)| *zone).collect();
        zones.extend(PREFIXES.iter().map(|(_, zone)| *zone));
        zones.extend(AREAS.iter().map(|(zone, _)| *zone));
        for zone in zones {
            assert!(zone.parse::<chrono_tz::Tz>().is_ok(), "{zone}");
        }
        let codes: Vec<&str> = COUNTRIES.iter().map(|(code, _)| *code).collect();
        let areas: Vec<&str> = AREAS
            .iter()
            .flat_map(|(_, codes)| codes.split_whitespace())
            .collect();
        for listed in [codes, areas] {
            let distinct: BTreeSet<&str> = listed.iter().copied().collect();
            let twice: Vec<&&str> = distinct
                .iter()
                .filter(|one| listed.iter().filter(|other| other == one).count() > 1)
                .collect();
            assert!(twice.is_empty(), "{twice:?}");
        }
    }
}
