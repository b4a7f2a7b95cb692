//! What a stranger may do in somebody's name: not much, and nothing unseen.

use super::*;

on_both! {
    async fn what_will_be_stored_is_shown_before_it_is_confirmed(db: &TestDb) {
        let desk = Desk::open(db).await;
        desk.post("/sign-up?lang=fr", &[
            ("email", "ada@mail.example"), ("topic", "offers"), ("first_name", "<b>Not</b> Ada"),
        ]).await;
        let (_, page) = desk.get(&desk.link("ada@").await).await;
        assert!(page.contains("<li>Prénom&nbsp;: &lt;b&gt;Not&lt;/b&gt; Ada</li>") && page.contains("ne confirmez pas"), "{page}");
        desk.sign_up("bob@mail.example").await;
        let (_, page) = desk.get(&desk.link("bob@").await).await;
        assert!(!page.contains("ne confirmez pas"), "nothing typed, nothing shown");
        desk.close().await;
    }

    async fn tags_of_an_address_share_one_mailbox(db: &TestDb) {
        let desk = Desk::open(db).await;
        for tag in 0..9 {
            let (status, page) = desk.sign_up(&format!("par+{tag}@mail.example")).await;
            assert_eq!((status, page.contains("Consultez votre messagerie")), (StatusCode::OK, true));
        }
        desk.sign_up("other@mail.example").await;
        let mail = desk.mail().await;
        let to: Vec<&str> = mail.iter().map(|(to, _)| to.as_str()).collect();
        let most = usize::try_from(desk.house.parts.settings.sign_up.per_address_per_day).unwrap();
        assert_eq!(to.len(), most + 1, "{to:?}");
        assert!(to.iter().any(|to| to.contains("par+1@mail.example")), "written to as it was typed: {to:?}");
        assert!(to.iter().any(|to| to.contains("other@")), "{to:?}");
        desk.close().await;
    }

    async fn sign_ups_by_strangers_keep_nobody_from_his_data(db: &TestDb) {
        let desk = Desk::open(db).await;
        let first = desk.house.add_customers(1, "mail.example").await;
        let email = format!("c{first}@mail.example");
        for _ in 0..5 {
            desk.sign_up(&email).await;
            desk.house.advance(Duration::minutes(20));
        }
        let parts = &desk.house.parts;
        for purpose in [Purpose::Download, Purpose::Erasure] {
            let now_ms = desk.house.clock_ms();
            let asked = request::request(db, &parts.settings, CustomerId(first), purpose, now_ms).await;
            assert!(asked.unwrap());
        }
        let mut asked: Vec<String> = db.rows("SELECT purpose FROM confirmations ORDER BY id", []).await.unwrap()
            .iter().map(|row| row.try_get("", "purpose").unwrap()).collect();
        let own = asked.split_off(asked.len() - 2);
        assert_eq!(own, ["download", "erasure"]);
        assert_eq!(asked.len(), usize::try_from(parts.settings.sign_up.per_address_per_day).unwrap());
        desk.close().await;
    }
}
