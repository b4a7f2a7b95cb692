//! Coupons, orders and answers at the command line.

use crate::cli::{refused, told};

const CUSTOMERS: &str =
    "id;prénom;courriel;permission.email.offers;permission_source;permission_date;permission_basis
1;Élodie;elodie@mail.example;oui;form;2025-01-02;consent
2;Paul;paul@mail.example;oui;form;2025-01-02;consent
3;Zoé;zoe@mail.example;non;form;2025-01-02;consent
";

const TEMPLATE: &str = r#"
name = "gift"
language = "fr"
description = "With a coupon"
[attention]
subject = "{{offer.name}}"
preheader = "Un cadeau"
headline = "Pour vous"
[interest]
body = "Un cadeau vous attend."
[desire]
body = "Votre code : {{coupon}}."
[action]
button = "Commander"
link = "https://shop.example/order?vv="
"#;

const CAMPAIGN: &str = r#"
name = "gift"
segment = "everyone"
template = "gift"
topic = "offers"
goal = "coupon"
[sender]
name = "Maison Vaisselle"
address = "bonjour@vaisselle.example"
postal_address = "12 rue des Chaudronniers, 80000 Amiens"
[offer]
name = "Cadeau"
code = "NOEL26"
coupon = "gifts"
"#;

#[test]
fn a_pool_is_filled_given_out_and_redeemed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("customers.csv"), CUSTOMERS).unwrap();
    std::fs::write(folder.join("gift.toml"), CAMPAIGN).unwrap();
    let template = folder.join("campaign-templates").join("gift");
    std::fs::create_dir_all(&template).unwrap();
    std::fs::write(template.join("template.toml"), TEMPLATE).unwrap();
    std::fs::write(
        folder.join("codes.txt"),
        "GIFT-0001\nGIFT-0002\nGIFT-0003\n",
    )
    .unwrap();
    told(folder, &["import", "customers.csv"]);
    told(folder, &["campaign", "apply", "gift.toml"]);
    let check = crate::cli::visavis(folder, &["campaign", "check", "gift"]);
    let text = String::from_utf8(check.stdout).unwrap();
    assert!(
        !check.status.success() && text.contains("there is no pool \"gifts\""),
        "{text}"
    );
    assert!(
        refused(folder, &["campaign", "launch", "gift"]).contains("visavis coupon import gifts")
    );
    assert!(
        refused(folder, &["coupon", "import", "series", "codes.txt"]).contains("no name of a pool")
    );
    let filled = told(folder, &["coupon", "import", "gifts", "codes.txt"]);
    assert!(filled.contains("3 coupons added"), "{filled}");
    assert!(told(folder, &["campaign", "launch", "gift"]).contains("2 messages to send"));
    assert!(told(folder, &["work", "--until-idle"]).contains("2 messages accepted"));
    assert!(told(folder, &["coupon", "pools"]).contains("gifts  1 left of 3"));
    let redeemed = told(
        folder,
        &[
            "coupon",
            "redeem",
            "gift 0001",
            "--order",
            "T-1",
            "--amount",
            "12.50",
        ],
    );
    assert!(redeemed.contains("for the order T-1"), "{redeemed}");
    assert!(refused(folder, &["coupon", "redeem", "GIFT-0001"]).contains("it was redeemed on"));
    std::fs::write(
        folder.join("redeemed.csv"),
        "code,order_id,amount\nGIFT-0002,T-2,7.50\nGIFT-0001,,\nGIFT-0003,,\n",
    )
    .unwrap();
    let output = crate::cli::visavis(folder, &["coupon", "redeem", "--file", "redeemed.csv"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !output.status.success()
            && text.contains("line 3: it was redeemed")
            && text.contains("line 4: no message of ours")
            && text.contains("1 coupon redeemed, 2 refused"),
        "{text}"
    );
    assert!(told(folder, &["coupon", "show", "GIFT-0002"]).contains("for the order T-2"));
    let answer = [
        "response",
        "add",
        "--code",
        "noel26",
        "--kind",
        "phone",
        "--external-id",
    ];
    let by = |who: &'static str| [&answer[..], &[who]].concat();
    assert!(told(folder, &by("1")).contains("an answer to message"));
    assert!(told(folder, &by("3")).contains("answers.unmatched"));
    assert!(
        refused(
            folder,
            &["response", "add", "--code", "nothing", "--kind", "shop"]
        )
        .contains("no campaign that was launched")
    );
    let report = told(folder, &["report", "gift"]);
    assert!(report.contains("2 orders, 20.00"), "{report}");
    assert!(told(folder, &["order", "unmatched"]).contains("0 orders without a customer"));
}
