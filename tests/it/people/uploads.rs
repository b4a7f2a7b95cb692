//! Files through the console: upload, columns, trial, import, refused rows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use visavis::customers::import::ImportKind;
use visavis::imports::desk::{self, BeginError, Desk};
use visavis::imports::model::{Plan, Standing};
use visavis::imports::shelf::Shelf;
use visavis::imports::upkeep;
use visavis::storage::{Db, Dialect, Sql};

use super::{link, location, post};
use crate::kit::house::House;
use crate::kit::ledger::{DAY_MS, SETTLED_AT, number};
use crate::on_both;
use crate::web::Site;

const PEOPLE: &str = "Numéro;Courriel;Prénom;Ville;permission.email.offers\n\
    1;anne@mail.example;Anne;Paris;\n\
    2;bob@mail.example;=HYPERLINK(\"http://evil.example\");@Lyon;peut-être\n\
    3;eve@mail.example;Ève;Metz;\n";

async fn open(db: &Db, max_mb: u32) -> (Site, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_owned();
    let site = Site::open_set(db, |settings| {
        settings.data_dir = data_dir;
        settings.imports.max_mb = max_mb;
    })
    .await;
    (site, folder)
}

/// Sends a file as a browser does, its kind behind it.
async fn upload(site: &Site, kind: &str, name: &str, bytes: &[u8]) -> reqwest::Response {
    let boundary = "----visavisBoundary7MA4YWxk";
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\n{kind}\r\n--{boundary}--\r\n"
        )
        .as_bytes(),
    );
    site.ask(Method::POST, "/imports")
        .header(
            "content-type",
            format!("multipart/form-data; boundary={boundary}"),
        )
        .body(body)
        .send()
        .await
        .unwrap()
}

/// The page of a run when it is over.
async fn over(site: &Site, path: &str) -> String {
    let begin = Instant::now();
    loop {
        let answer = site.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let comes_again = answer.headers().contains_key("refresh");
        let page = answer.text().await.unwrap();
        assert_eq!(comes_again, page.contains("follows by itself"), "{page}");
        if !comes_again {
            return page;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "it ends: {page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("imports"))
        .map(|entries| {
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

on_both! {
    async fn a_file_goes_from_upload_to_its_result(db: &TestDb) {
        let (site, folder) = open(db, 5).await;
        let sent = upload(&site, "customers", "clients été.csv", PEOPLE.as_bytes()).await;
        assert_eq!(sent.status(), StatusCode::SEE_OTHER);
        let path = location(&sent);
        let page = over(&site, &path).await;
        assert!(page.contains("<h1>clients été.csv</h1>"), "{page}");
        // What the columns seem to hold is chosen.
        for guess in ["email", "first_name", "city", "permission.email.offers"] {
            assert!(page.contains(&format!("<option value=\"{guess}\" selected>")), "{guess}: {page}");
        }
        assert!(page.contains("=HYPERLINK") || page.contains("&#x3D;HYPERLINK"), "the first rows");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0);
        let columns = [
            ("column-0", "external_id"), ("column-1", "email"), ("column-2", "first_name"), ("column-3", "ignore"),
            ("column-4", "permission.email.offers"), ("region", "fr"), ("language", "EN"), ("country", "BE"),
        ];
        // A trial keeps nothing.
        let mut form = columns.to_vec();
        form.push(("run", "try"));
        assert_eq!(location(&post(&site, &format!("{path}/begin"), &form).await), path);
        let page = over(&site, &path).await;
        assert!(page.contains("What an import would do; nothing was kept") && page.contains("Tried"), "{page}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0);
        assert!(page.contains("<option value=\"ignore\" selected>") && page.contains("value=\"BE\""), "the choices stay: {page}");
        // The import keeps all but the rejected.
        form.pop();
        form.push(("run", "import"));
        assert_eq!(location(&post(&site, &format!("{path}/begin"), &form).await), path);
        let page = over(&site, &path).await;
        assert!(page.contains("What was imported") && !page.contains("name=\"run\""), "{page}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE language = 'en' AND country = 'BE' AND city IS NULL").await, 2);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE external_id = '1' AND first_name = 'Anne'").await, 1);
        assert!(page.contains("peut-être") && page.contains("write yes or no"), "the rejected row with its reason: {page}");
        let download = site.get(&format!("{path}/rejects.csv")).await;
        assert!(crate::web::header(&download, "content-disposition").contains("attachment; filename=\"rejected-clients__t_.csv\""));
        let rejected = download.text().await.unwrap();
        let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(rejected.trim_start_matches('\u{feff}').as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(&rows[0][2], "'=HYPERLINK(\"http://evil.example\")", "no formula");
        assert_eq!((&rows[0][3], &rows[0][5]), ("'@Lyon", "3"));
        assert_eq!(files(folder.path()).len(), 1, "the file itself is gone, its rejected rows are not");
        // Mended and brought again: the marks go.
        let mended = rejected.replace("peut-être", "non");
        let path = location(&upload(&site, "customers", "mended.csv", mended.as_bytes()).await);
        let page = over(&site, &path).await;
        let form: Vec<(String, String)> = (0..7)
            .map(|n| {
                let begin = format!("<select id=\"column-{n}\" name=\"column-{n}\">");
                let column = page.split(&begin).nth(1).unwrap().split("</select>").next().unwrap();
                let chosen = column.split("\" selected").next().unwrap().rsplit("value=\"").next().unwrap();
                (format!("column-{n}"), chosen.to_owned())
            })
            .collect();
        let mut form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        form[0].1 = "external_id";
        form.push(("run", "import"));
        post(&site, &format!("{path}/begin"), &form).await;
        let page = over(&site, &path).await;
        assert!(page.contains("What was imported"), "{page}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE external_id = '2' AND first_name = '=HYPERLINK(\"http://evil.example\")' AND city = '@Lyon'").await, 1);
        let again = post(&site, &format!("{path}/begin"), &form).await;
        assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(again.text().await.unwrap().contains("imported already"));
        for (action, times) in [("import.upload", 2), ("import.try", 1), ("import.run", 2), ("import.rejects", 1)] {
            assert_eq!(number(db, &format!("SELECT COUNT(*) FROM audit_log WHERE action = '{action}'")).await, times, "{action}");
        }
        let list = site.get("/imports").await.text().await.unwrap();
        assert!(list.contains("mended.csv") && list.contains("clients été.csv") && list.contains("Imported"), "{list}");
        assert_eq!(location(&post(&site, &format!("{path}/remove"), &[]).await), "/imports?done=removed");
        assert_eq!(site.get(&path).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 3, "what it brought stays");
        site.close().await;
    }

    async fn what_is_no_file_of_ours_is_refused_and_leaves_nothing(db: &TestDb) {
        let (site, folder) = open(db, 1).await;
        let large = vec![b'x'; 1_000_001];
        for (name, bytes, said) in [
            ("", &b""[..], "Choose a file first"),
            ("empty.csv", &b""[..], "The file is empty"),
            ("book.xlsx", &b"PK\x03\x04rest"[..], "workbook"),
            ("large.csv", &large[..], "larger than 1 MB"),
        ] {
            let refused = upload(&site, "customers", name, bytes).await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{name}");
            let page = refused.text().await.unwrap();
            assert!(page.contains(said), "{name}: {page}");
        }
        let no_form = post(&site, "/imports", &[("kind", "customers")]).await;
        assert!(no_form.status().is_client_error(), "{}", no_form.status());
        let cut = site.ask(Method::POST, "/imports")
            .header("content-type", "multipart/form-data; boundary=x")
            .body("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cut.csv\"\r\n\r\nid\n1\n")
            .send().await.unwrap();
        assert_eq!(cut.status(), StatusCode::BAD_REQUEST);
        assert_eq!(files(folder.path()), [""; 0]);
        assert_eq!(number(db, "SELECT COUNT(*) FROM imports").await, 0);
        site.close().await;
    }

    async fn columns_that_cannot_be_read_so_are_told(db: &TestDb) {
        let (site, _folder) = open(db, 5).await;
        let path = location(&upload(&site, "orders", "orders.csv", b"id,client,when,sum,sum\n9,1,2026-03-01,12.50,3\n").await);
        over(&site, &path).await;
        for (fields, said) in [
            (["ignore", "ignore", "ordered_at", "amount", "ignore"], "No column says who a row is about"),
            (["order_id", "customer_id", "ignore", "amount", "ignore"], "No column holds the day of the order"),
            (["order_id", "customer_id", "ordered_at", "ignore", "ignore"], "No column holds the amount"),
            (["order_id", "customer_id", "ordered_at", "amount", "amount"], "hold the same"),
            (["order_id", "customer_id", "ordered_at", "nonsense", "ignore"], "nonsense"),
        ] {
            let names: Vec<String> = (0..fields.len()).map(|n| format!("column-{n}")).collect();
            let mut form: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(fields).collect();
            form.push(("run", "import"));
            let refused = post(&site, &format!("{path}/begin"), &form).await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{said}");
            let page = refused.text().await.unwrap();
            assert!(page.contains(said) && page.contains("name=\"run\""), "{said}: {page}");
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM imports WHERE state = 'uploaded'").await, 1);
        // Two columns of one name are told apart by their places.
        let names = ["column-0", "column-1", "column-2", "column-3", "column-4"];
        let fields = ["order_id", "customer_id", "ordered_at", "ignore", "amount"];
        let mut form: Vec<(&str, &str)> = names.into_iter().zip(fields).collect();
        form.push(("run", "import"));
        crate::kit::ledger::customer(db, "1", "fr", "none").await;
        post(&site, &format!("{path}/begin"), &form).await;
        let page = over(&site, &path).await;
        assert!(page.contains("What was imported"), "{page}");
        assert_eq!(number(db, "SELECT amount_cents FROM orders").await, 300);
        site.close().await;
    }

    async fn one_file_is_read_at_a_time_and_what_broke_off_begins_again(db: &TestDb) {
        let (site, folder) = open(db, 5).await;
        let many: String = (0..12_000).map(|n| format!("{n},n{n}@mail.example\n")).collect();
        let many = format!("external_id,email\n{many}");
        let (one, other) = tokio::join!(
            upload(&site, "customers", "one.csv", many.as_bytes()),
            upload(&site, "customers", "other.csv", b"external_id,email\n1,b@mail.example\n"),
        );
        let (one, other) = (location(&one), location(&other));
        assert_ne!(one, other);
        let form = [("column-0", "external_id"), ("column-1", "email"), ("run", "import")];
        assert_eq!(location(&post(&site, &format!("{one}/begin"), &form).await), one);
        let busy = post(&site, &format!("{other}/begin"), &form).await;
        assert_eq!(busy.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(busy.text().await.unwrap().contains("Another file is being read"));
        assert!(over(&site, &one).await.contains("What was imported"));
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 12_000);
        // As a program leaves it that ends in the middle.
        db.run("UPDATE imports SET state = 'running', began_at = 1 WHERE name = 'other.csv'", []).await.unwrap();
        let page = over(&site, &other).await;
        assert!(page.contains("Interrupted") && page.contains("begin again"), "{page}");
        post(&site, &format!("{other}/begin"), &form).await;
        assert!(over(&site, &other).await.contains("What was imported"));
        // One whose file is not here is known, and cannot be begun.
        let third = location(&upload(&site, "customers", "third.csv", b"external_id\n7\n").await);
        let stored = files(folder.path());
        assert_eq!(stored.len(), 1, "{stored:?}");
        std::fs::remove_file(folder.path().join("imports").join(&stored[0])).unwrap();
        assert!(over(&site, &third).await.contains("File gone"));
        assert_eq!(post(&site, &format!("{third}/begin"), &form).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
        site.close().await;
    }

    async fn what_is_imported_stays_imported_however_the_rest_ends(db: &TestDb) {
        let (site, _folder) = open(db, 5).await;
        let path = location(&upload(&site, "customers", "kept.csv", b"external_id\n7\n").await);
        // As with a program that ends behind the import: nobody notes how it ended.
        db.run(
            match db.dialect() {
                Dialect::Postgres => "ALTER TABLE imports ADD CHECK (state <> 'done')",
                Dialect::Sqlite => "CREATE TRIGGER killed BEFORE UPDATE OF state ON imports WHEN NEW.state = 'done'
                    BEGIN SELECT RAISE(ABORT, 'killed'); END",
            },
            [],
        ).await.unwrap();
        let form = [("column-0", "external_id"), ("run", "import")];
        post(&site, &format!("{path}/begin"), &form).await;
        let page = over(&site, &path).await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM imports WHERE is_imported AND state = 'running'").await, 1);
        assert!(page.contains("All its rows are in the base") && page.contains("What was imported"), "{page}");
        assert!(!page.contains("Nothing of it was kept"), "{page}");
        assert_eq!(post(&site, &format!("{path}/begin"), &form).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
        site.close().await;
    }

    async fn a_server_that_ends_breaks_an_import_off(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| settings.imports.max_mb = 50);
        let parts = desk::Parts {
            db: house.parts.db.clone(),
            keys: house.parts.keys.clone(),
            settings: Arc::clone(&house.parts.settings),
            clock: house.parts.clock.clone(),
        };
        let shelf = Shelf::in_folder(&parts.settings.data_dir);
        let mut incoming = shelf.receive(50).await.unwrap();
        let many: String = (0..40_000).map(|n| format!("{n},n{n}@mail.example\n")).collect();
        incoming.write(format!("external_id,email\n{many}").as_bytes()).await.unwrap();
        let kept = incoming.finish().await.unwrap();
        let plan = Plan::new(ImportKind::Customers, "FR", "fr");
        let txn = db.begin().await.unwrap();
        let id = desk::add(&txn, "many.csv", &kept, &plan, "test", 1).await.unwrap();
        txn.commit().await.unwrap();
        let desk = Desk::default();
        desk.begin(&parts, id, plan.clone(), false, "test").await.unwrap();
        desk.stop().await;
        assert_eq!(desk.running(), None);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0, "it let go");
        let upload = desk::get(db, id).await.unwrap().unwrap();
        assert_eq!(desk.standing(&shelf, &upload), Standing::Interrupted);
        let later = desk.begin(&parts, id, plan, false, "test").await;
        assert!(matches!(later, Err(BeginError::Busy)), "nothing is begun any more: {later:?}");
    }

    async fn old_files_go_and_young_ones_stay(db: &TestDb) {
        let (site, folder) = open(db, 5).await;
        let now = SETTLED_AT + 60_000;
        let path = location(&upload(&site, "customers", "kept.csv", b"external_id\n7\n").await);
        let stored = files(folder.path());
        let of = |name: &str| folder.path().join("imports").join(name);
        for name in ["stranger.csv", "stranger.csv.rejected.csv"] {
            std::fs::write(of(name), "x").unwrap();
        }
        let keep = async |after_days: i64| upkeep::let_go_old(db, folder.path(), 30, now + after_days * DAY_MS).await.unwrap();
        assert_eq!(keep(0).await, 0, "one that just comes in is not old");
        for name in files(folder.path()) {
            let file = std::fs::File::options().write(true).open(of(&name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(2 * 86_400)).unwrap();
        }
        assert_eq!(keep(29).await, 2, "what no upload knows");
        assert_eq!(files(folder.path()), stored);
        assert_eq!(keep(31).await, 1);
        let page = over(&site, &path).await;
        assert!(page.contains("File gone") && link(&page, "href=\"/imports/").is_none(), "{page}");
        site.close().await;
    }
}
