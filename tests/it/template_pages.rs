//! Templates in the console: written, looked at, saved, brought back.

use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Method, Response, StatusCode};
use visavis::accounts::audit;
use visavis::accounts::model::Role;
use visavis::storage::Db;
use visavis::templates::FileTexts;
use visavis::templates::library::{self, Change};

use crate::kit::console::{sign_in, with_cookie};
use crate::kit::ledger::{self, SETTLED_AT};
use crate::on_both;
use crate::web::{Site, header};

async fn send(site: &Site, path: &str, fields: &[(&str, &str)]) -> Response {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    site.ask(Method::POST, path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap()
}

async fn page(site: &Site, path: &str) -> String {
    let response = site
        .ask(Method::GET, path)
        .header(ACCEPT, "text/html")
        .send()
        .await
        .unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{path}: {text}");
    text
}

async fn subject(db: &Db, name: &str) -> String {
    let found = library::open(db, "/nowhere".as_ref(), name).await.unwrap();
    let draft = visavis::templates::draft::Draft::read(&found.texts).unwrap();
    draft.wordings[&draft.language]
        .text("attention.subject")
        .to_owned()
}

on_both! {
    async fn a_template_is_made_written_and_brought_back(db: &TestDb) {
        let site = Site::open_set(db, |settings| settings.templates_dir = "/nowhere".into()).await;
        let list = page(&site, "/templates").await;
        assert!(list.contains("super-chef") && list.contains("comes with the program"), "{list}");
        page(&site, "/templates/new?from=super-chef").await;
        let made = send(&site, "/templates/new", &[("name", "spring-sale"), ("from", ""), ("language", "en")]).await;
        assert_eq!(made.status(), StatusCode::SEE_OTHER);
        assert_eq!(made.headers()[LOCATION], "/templates/spring-sale?done=created");
        let again = send(&site, "/templates/new", &[("name", "spring-sale"), ("from", ""), ("language", "en")]).await;
        assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(again.text().await.unwrap().contains("there is a template &quot;spring-sale&quot; already"));

        let editor = page(&site, "/templates/spring-sale").await;
        assert!(editor.contains("name=\"text.en.attention.subject\"") && editor.contains("still the example"), "{editor}");
        assert!(page(&site, "/templates/super-chef").await.contains("Reads well"));
        let saved = send(&site, "/templates/spring-sale", &[
            ("base", "1"), ("tab", "en"), ("text.en.attention.subject", "Spring, at last"), ("note", "a shorter subject"), ("do", "save"),
        ]).await;
        assert_eq!(saved.status(), StatusCode::SEE_OTHER);
        assert_eq!(saved.headers()[LOCATION], "/templates/spring-sale?language=en&done=saved");
        assert_eq!(subject(db, "spring-sale").await, "Spring, at last");
        assert!(page(&site, "/templates/spring-sale?language=en&done=saved").await.contains("Saved."));

        // Two people at once: the second is told, and loses nothing.
        let late = send(&site, "/templates/spring-sale", &[("base", "1"), ("text.en.attention.headline", "Mine & only mine"), ("do", "save")]).await;
        assert_eq!(late.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let late = late.text().await.unwrap();
        for expected in ["Somebody else saved meanwhile", "Mine &amp; only mine", "name=\"base\" value=\"2\"", "Attention · Subject (English)"] {
            assert!(late.contains(expected), "{expected} in {late}");
        }
        assert_eq!(library::history(db, "spring-sale").await.unwrap().len(), 2);

        let history = page(&site, "/templates/spring-sale/history").await;
        for expected in ["From revision 1 to revision 2", "<ins>Spring, at last</ins>", "a shorter subject", "administrator"] {
            assert!(history.contains(expected), "{expected} in {history}");
        }
        let restored = send(&site, "/templates/spring-sale/restore", &[("revision", "1")]).await;
        assert_eq!(restored.status(), StatusCode::SEE_OTHER);
        assert!(subject(db, "spring-sale").await.contains("What you gain"));

        let added = send(&site, "/templates/spring-sale", &[("base", "3"), ("do", "add-language"), ("new_language", "de")]).await;
        assert_eq!(added.headers()[LOCATION], "/templates/spring-sale?language=de&done=saved");
        assert!(page(&site, "/templates/spring-sale?language=de").await.contains("name=\"text.de.action.ps\""));
        let refused = send(&site, "/templates/spring-sale", &[("base", "4"), ("do", "add-language"), ("new_language", "german")]).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let removed = send(&site, "/templates/spring-sale", &[("base", "4"), ("do", "remove-language de")]).await;
        assert_eq!(removed.headers()[LOCATION], "/templates/spring-sale?language=en&done=saved");

        send(&site, "/templates/spring-sale/archive", &[("do", "archive")]).await;
        assert!(library::find(db, "/nowhere".as_ref(), "spring-sale").await.is_err());
        assert!(page(&site, "/templates").await.contains("Archived"));
        let file = site.get("/templates/spring-sale/files/template.toml").await;
        assert!(header(&file, "content-disposition").contains("attachment"));
        assert!(file.text().await.unwrap().starts_with("name = \"spring-sale\""));
        for lost in ["/templates/no-such", "/templates/spring-sale/files/..%2fsecret", "/templates/spring-sale/history?from=1&to=99"] {
            assert_eq!(site.get(lost).await.status(), StatusCode::NOT_FOUND, "{lost}");
        }
        let noted: Vec<String> = audit::list(db, &audit::Filter { subject: "spring-sale".to_owned(), ..audit::Filter::default() }, 20)
            .await.unwrap().into_iter().map(|entry| format!("{} {}", entry.action, entry.detail)).collect();
        assert_eq!(noted, [
            "template.archive ", "template.save revision 5", "template.save revision 4", "template.save revision 3",
            "template.save revision 2", "template.save revision 1",
        ]);
        site.close().await;
    }

    async fn the_first_change_keeps_the_files_as_they_came(db: &TestDb) {
        let site = Site::open_set(db, |settings| settings.templates_dir = "/nowhere".into()).await;
        let editor = page(&site, "/templates/win-back").await;
        assert!(editor.contains("It comes with the program"), "{editor}");
        let empty = page(&site, "/templates/win-back/history").await;
        assert!(empty.contains("No revision yet"));
        let same = send(&site, "/templates/win-back", &[("base", "0"), ("do", "save")]).await;
        assert_eq!(same.headers()[LOCATION], "/templates/win-back?language=fr&done=same");
        assert!(library::history(db, "win-back").await.unwrap().is_empty());
        send(&site, "/templates/win-back", &[("base", "0"), ("do", "save"), ("accent", "#112233")]).await;
        let first = library::revision(db, "win-back", 1).await.unwrap();
        assert_eq!(first.files, FileTexts::embedded("win-back").unwrap());
        let second = library::revision(db, "win-back", 2).await.unwrap();
        assert_eq!(second.files.main(), first.files.main().replace("#1f4e79", "#112233"));
        assert_eq!(second.files.translation("en"), first.files.translation("en"));
        site.close().await;
    }

    async fn what_is_being_written_is_seen_as_a_customer_gets_it(db: &TestDb) {
        let wave = ledger::wave(db, ledger::CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open_set(db, |settings| settings.templates_dir = "/nowhere".into()).await;
        let path = "/templates/super-chef/preview";
        let fields = [("base", "0"), ("tab", "en"), ("text.en.attention.headline", "Not saved yet, {{default city \"friend\"}}")];
        let shown = send(&site, path, &fields).await;
        assert_eq!(shown.status(), StatusCode::OK);
        let policy = header(&shown, "content-security-policy").to_owned();
        assert!(policy.contains("sandbox") && !policy.contains("allow-") && policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
        assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
        assert_eq!(header(&shown, "x-frame-options"), "SAMEORIGIN");
        let shown = shown.text().await.unwrap();
        for expected in ["Not saved yet, Amiens", "an invented customer", "Camille, the right pan", "GSM-7"] {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
        let ada = ada.to_string();
        let of_ada = [fields.as_slice(), &[("customer", ada.as_str())]].concat();
        let shown = send(&site, path, &of_ada).await.text().await.unwrap();
        assert!(shown.contains("Not saved yet, friend") && !shown.contains("an invented customer"), "{shown}");
        assert!(shown.contains("would be written to in French"), "{shown}");
        let looks = "SELECT COUNT(*) FROM audit_records WHERE action = 'access'";
        assert_eq!(ledger::number(db, looks).await, 1, "that somebody looked at him is on record");
        let nobody = [fields.as_slice(), &[("customer", "nobody@example.com")]].concat();
        let shown = send(&site, path, &nobody).await.text().await.unwrap();
        assert!(shown.contains("There is no customer nobody@example.com"), "{shown}");
        assert!(library::history(db, "super-chef").await.unwrap().is_empty(), "a look saves nothing");

        // What a script asks for while one types.
        let ask = |fields: Vec<(&'static str, &'static str)>| {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            site.ask(Method::POST, path).header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).send()
        };
        let told: serde_json::Value = ask(vec![("base", "0"), ("text.fr.attention.subject", ""), ("text.en.interest.body", "Hello {{fist_name}}")]).await.unwrap().json().await.unwrap();
        let at = |key: &str| told["findings"].as_array().unwrap().iter().any(|f| f["at"] == key && f["is_error"] == true);
        assert!(at("fr-attention-subject") && at("en-interest-body"), "{told}");
        let told: serde_json::Value = ask(vec![("base", "0"), ("text.en.action.link", "javascript:alert(1)")]).await.unwrap().json().await.unwrap();
        assert_eq!(told["findings"][0]["at"], "en-action-link", "{told}");
        assert!(told["problem"].as_str().unwrap().contains("template.en.toml"), "{told}");
        let broken = send(&site, path, &[("base", "0"), ("text.en.action.link", "javascript:alert(1)")]).await.text().await.unwrap();
        assert!(broken.contains("links to javascript: are refused") && !broken.contains("srcdoc"), "{broken}");
        site.close().await;
    }
}

#[tokio::test]
async fn nothing_in_a_template_runs_in_the_console() {
    let db = crate::kit::database::sqlite().await;
    let site = Site::open_set(&db, |settings| settings.templates_dir = "/nowhere".into()).await;
    let evil = "</textarea></title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)>";
    send(
        &site,
        "/templates/new",
        &[("name", "evil"), ("language", "en"), ("from", "")],
    )
    .await;
    let texts = [
        "text.en.attention.subject",
        "text.en.attention.preheader",
        "text.en.attention.headline",
        "text.en.attention.kicker",
        "text.en.action.button",
        "text.en.action.deadline",
        "text.en.action.box.title",
        "text.en.sms.text",
        "description",
        "note",
        "interest.0",
    ];
    let mut fields = vec![
        ("base", "1"),
        ("do", "save"),
        ("interest-url.0", "https://shop.example/offer"),
    ];
    fields.extend(texts.map(|name| (name, evil)));
    let saved = send(&site, "/templates/evil", &fields).await;
    let status = saved.status();
    assert_eq!(
        status,
        StatusCode::SEE_OTHER,
        "{}",
        saved.text().await.unwrap()
    );
    for path in [
        "/templates",
        "/templates/evil",
        "/templates/evil/history",
        "/templates/evil/preview",
        "/templates/new?name=%22%3E%3Cscript%3E&from=evil",
    ] {
        let response = site.get(path).await;
        let policy = header(&response, "content-security-policy").to_owned();
        assert!(!policy.contains("script-src 'unsafe"), "{policy}");
        let page = response.text().await.unwrap();
        for bad in ["<script>alert", "<img src=x", "<svg onload", "\"><script>"] {
            assert!(!page.contains(bad), "{bad} in {path}: {page}");
        }
    }
    // The bare mail, as the list shows it: our own escaping, and the policy besides.
    let bare = site.get("/templates/evil/preview?view=mail").await;
    assert!(
        header(&bare, "content-security-policy").contains("sandbox"),
        "no script runs in it"
    );
    let bare = bare.text().await.unwrap();
    assert!(
        bare.contains("&lt;script&gt;") && !bare.contains("<script>alert"),
        "{bare}"
    );

    // What Markdown would let through, and addresses that are none.
    for body in [
        "[click](javascript:alert(1))",
        "<script>alert(1)</script>",
        "<iframe src=\"https://elsewhere.example\"></iframe>",
        "![picture](https://elsewhere.example/x.png)",
        "[data](data:text/html;base64,PHNjcmlwdD4=)",
        "<a href=\"https://x.example\" onclick=\"alert(1)\">x</a>",
    ] {
        let fields = [
            ("base", "2"),
            ("do", "save"),
            ("text.en.interest.body", body),
        ];
        let preview = send(&site, "/templates/evil/preview", &fields).await;
        assert!(header(&preview, "content-security-policy").contains("sandbox"));
        let preview = preview.text().await.unwrap();
        assert!(!preview.contains("<script>alert"), "{body}: {preview}");
        // What the frames within it hold; their HTML is escaped once more, as an attribute.
        for mail in preview.split("srcdoc=\"").skip(1) {
            let mail = mail.split('"').next().unwrap();
            for bad in [
                "&lt;script&gt;alert",
                "&lt;iframe",
                "&lt;img src&#x3D;x",
                "src&#x3D;&quot;https://elsewhere",
                "href&#x3D;&quot;javascript",
                "href&#x3D;&quot;data",
                "onclick&#x3D;&quot;",
            ] {
                assert!(!mail.contains(bad), "{bad} of {body} in {mail}");
            }
        }
    }
    for (key, text) in [
        ("text.en.action.link", "javascript:alert(1)"),
        ("text.en.action.link", "data:text/html,x"),
        (
            "text.en.attention.image.url",
            "https://x.example/\" onload=\"alert(1)",
        ),
        ("accent", "#fff\"><script>alert(1)</script>"),
        ("paper", "red;background:url(https://x.example)"),
    ] {
        let refused = send(
            &site,
            "/templates/evil",
            &[("base", "2"), ("do", "save"), (key, text)],
        )
        .await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{key}");
        assert!(!refused.text().await.unwrap().contains("<script>alert"));
    }
    // Saved from the command line, past the form: shown as text all the same.
    let toml = format!(
        "name = \"by-hand\"\nlanguage = \"en\"\ndescription = '''{}'''\n# {evil}\n",
        evil.replace("'\"", "")
    );
    let texts = FileTexts::new(toml.replace("\"'>", ">"));
    let change = Change {
        name: "by-hand",
        texts: &texts,
        base: None,
        by: evil,
        note: evil,
    };
    library::save(&db, "/nowhere".as_ref(), &change, 1)
        .await
        .unwrap();
    for path in [
        "/templates",
        "/templates/by-hand",
        "/templates/by-hand/history",
    ] {
        let page = page(&site, path).await;
        assert!(!page.contains("<script>alert"), "{path}: {page}");
    }
    site.close().await;
}

#[tokio::test]
async fn only_who_plans_sees_templates() {
    let db = crate::kit::database::sqlite().await;
    let site = Site::open_set(&db, |settings| settings.templates_dir = "/nowhere".into()).await;
    for (role, status) in [
        (Role::Marketer, StatusCode::OK),
        (Role::Approver, StatusCode::OK),
        (Role::Analyst, StatusCode::FORBIDDEN),
        (Role::Support, StatusCode::FORBIDDEN),
    ] {
        let (_, cookie) = sign_in(&db, role, SETTLED_AT + 60_000).await;
        let client = with_cookie(&cookie);
        for path in [
            "/templates",
            "/templates/win-back",
            "/templates/win-back/preview",
        ] {
            let answer = client
                .get(format!("{}{path}", site.base))
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), status, "{role} {path}");
        }
    }
    let stranger = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = stranger
        .post(format!("{}/templates/win-back", site.base))
        .body("base=0&do=save&accent=%23000000")
        .send()
        .await
        .unwrap();
    assert_ne!(answer.status(), StatusCode::OK);
    assert!(library::history(&db, "win-back").await.unwrap().is_empty());
    site.close().await;
}
