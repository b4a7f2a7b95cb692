//! Templates as an author, a copywriter and a recipient meet them.

mod counting;
mod draft;
mod library;
mod sms;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;
use visavis::customers::model::Customer;
use visavis::templates::model::{Part, RecipientLinks, Rendered};
use visavis::templates::{
    CompiledEmail, FIELDS, FieldFacts, Finding, Imprint, RenderError, Severity, Template,
    TemplateError, sample_customer,
};

fn imprint() -> Imprint {
    Imprint {
        sender_name: "Maison Fourneau".to_owned(),
        postal_address: "12 rue des Trois-Cailloux\n80000 Amiens, France".to_owned(),
        reason: None,
    }
}

fn links_for(email: &CompiledEmail) -> RecipientLinks {
    RecipientLinks {
        clicks: email
            .links()
            .iter()
            .map(|link| format!("https://mail.shop.example/c/TOKEN{:02}", link.number))
            .collect(),
        unsubscribe: "https://mail.shop.example/u/TOKEN".to_owned(),
        preferences: "https://mail.shop.example/p/TOKEN".to_owned(),
        browser: "https://mail.shop.example/b/TOKEN".to_owned(),
        open: None,
        ..RecipientLinks::default()
    }
}

fn render(email: &CompiledEmail, customer: &Customer) -> Rendered {
    email.render(customer, &links_for(email)).unwrap()
}

/// A folder with a main file in English and, where given, a French translation.
fn folder(main: &str, french: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("template.toml"), main).unwrap();
    if let Some(french) = french {
        fs::write(folder.path().join("template.fr.toml"), french).unwrap();
    }
    folder
}

fn load(main: &str) -> Result<Template, TemplateError> {
    Template::load(folder(main, None).path())
}

/// A short good template with `interest` as the body of its second part.
fn with_interest(interest: &str) -> String {
    format!(
        r#"name = "short"
language = "en"

[attention]
subject = "A short letter"
preheader = "With a short promise."
headline = "Short, and to the point."

[interest]
body = '''
{interest}
'''

[desire]
points = ["It is **short**."]

[action]
button = "Read on"
link = "https://shop.example/on"
"#
    )
}

/// The complaint about `main`, without the temporary folder's name.
fn complaint(main: &str) -> String {
    let folder = folder(main, None);
    let error = Template::load(folder.path()).unwrap_err().to_string();
    let name = format!("{}/", folder.path().display());
    error.replace(&name, "")
}

fn found(findings: &[Finding], severity: Severity, key: &str) -> bool {
    findings
        .iter()
        .any(|finding| finding.severity == severity && finding.key == key)
}

// What we ship.

#[test]
fn the_shipped_letters_read_well() {
    let names = Template::embedded_names();
    assert_eq!(names, ["store-evening", "super-chef", "win-back"]);
    for name in names {
        let template = Template::embedded(&name).unwrap();
        assert_eq!(template.name(), name);
        assert_eq!(template.languages(), ["fr", "en"]);
        for language in template.languages() {
            let email = template.compile_email(language, &imprint()).unwrap();
            let message = render(&email, &sample_customer());
            let shown = format!("{}\n\n{}", message.subject, message.text);
            insta::assert_snapshot!(format!("{name}.{language}.text"), shown);
            insta::assert_snapshot!(format!("{name}.{language}.html"), message.html);
        }
    }
}

#[test]
fn the_shipped_letters_please_the_copywriter() {
    let mut sample = FieldFacts::default();
    sample.observe(&sample_customer());
    for name in Template::embedded_names() {
        let template = Template::embedded(&name).unwrap();
        for facts in [&FieldFacts::unknown(), &sample] {
            let findings = template.lint(facts);
            assert!(findings.is_empty(), "{name}: {findings:#?}");
        }
    }
}

#[test]
fn the_shipped_letters_read_well_for_a_customer_of_whom_nothing_is_known() {
    let customer = Customer {
        first_name: None,
        last_name: Some("  ".to_owned()),
        city: None,
        orders_count: 0,
        first_order_at: None,
        last_order_at: None,
        attributes: serde_json::Map::new(),
        ..sample_customer()
    };
    for name in Template::embedded_names() {
        let template = Template::embedded(&name).unwrap();
        for language in template.languages() {
            let email = template.compile_email(language, &imprint()).unwrap();
            let message = render(&email, &customer);
            for text in [&message.subject, &message.text] {
                assert!(
                    !text.contains(" ,") && !text.contains(" ."),
                    "{name} {language}: {text}"
                );
                assert!(
                    !text.contains("null") && !text.lines().any(|line| line.trim().contains("  ")),
                    "{name} {language}: {text}"
                );
            }
        }
    }
}

#[test]
fn a_misspelt_field_of_a_shipped_letter_is_found() {
    for name in Template::embedded_names() {
        let template = Template::embedded(&name).unwrap();
        let fields: BTreeSet<String> = template
            .languages()
            .iter()
            .flat_map(|language| {
                let email = template.compile_email(language, &imprint()).unwrap();
                email.fields().clone()
            })
            .collect();
        assert!(fields.contains("first_name"), "{name}: {fields:?}");
        for field in fields {
            let misspelt = format!("{field}e");
            let source = template.source().replace(&field, &misspelt);
            let template = Template::from_source(&source).unwrap();
            let findings = template.lint(&FieldFacts::unknown());
            let hint = format!("did you mean {field}?");
            let is_found = findings.iter().any(|finding| {
                finding.severity == Severity::Error && finding.message.to_string().contains(&hint)
            });
            assert!(is_found, "{name} with {misspelt}: {findings:#?}");
            let error = template.compile_email("fr", &imprint()).unwrap_err();
            assert!(error.to_string().contains(&misspelt), "{error}");
        }
    }
}

#[test]
fn every_destination_is_tracked_and_every_tracked_link_is_there() {
    for name in Template::embedded_names() {
        let template = Template::embedded(&name).unwrap();
        let numbers: Vec<u16> = template.links().iter().map(|link| link.number).collect();
        let counted: Vec<u16> = (0..).take(numbers.len()).collect();
        assert_eq!(numbers, counted, "{name}");
        for language in template.languages() {
            let email = template.compile_email(language, &imprint()).unwrap();
            let links = links_for(&email);
            let message = email.render(&sample_customer(), &links).unwrap();
            let mut allowed: BTreeSet<&str> = links.clicks.iter().map(String::as_str).collect();
            allowed.extend(
                [&links.unsubscribe, &links.preferences, &links.browser].map(String::as_str),
            );
            let hrefs: BTreeSet<&str> = message
                .html
                .split("href=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .collect();
            assert_eq!(hrefs, allowed, "{name} {language}");
            for foreign in [
                "src=",
                "url(",
                "@import",
                "<link",
                "shop.example/super",
                "<script",
                "\\u{",
                "%%",
                "{{",
            ] {
                assert!(
                    !message.html.contains(foreign),
                    "{name} {language}: {foreign}"
                );
            }
            for address in &allowed {
                assert!(
                    message.text.contains(address),
                    "{name} {language}: {address}"
                );
            }
            let is_action = |link: &&visavis::templates::model::Link| link.part == Part::Action;
            assert!(email.links().iter().any(|link| is_action(&link)));
        }
    }
}

#[test]
fn the_languages_of_a_template_are_chosen_for_the_reader() {
    let template = Template::embedded("super-chef").unwrap();
    assert_eq!(template.language_for("en"), "en");
    assert_eq!(template.language_for("EN-gb"), "en");
    assert_eq!(template.language_for("de"), "fr");
    assert_eq!(template.language_for(""), "fr");
    let french = template.compile_email("fr", &imprint()).unwrap();
    let english = template.compile_email("en", &imprint()).unwrap();
    assert!(
        render(&french, &sample_customer())
            .html
            .contains("<html lang=\"fr\"")
    );
    assert!(
        render(&english, &sample_customer())
            .html
            .contains("<html lang=\"en\"")
    );
    let numbers = |email: &CompiledEmail| -> BTreeSet<u16> {
        email.links().iter().map(|link| link.number).collect()
    };
    assert!(numbers(&french).is_disjoint(&numbers(&english)));
    let error = template
        .compile_email("de", &imprint())
        .unwrap_err()
        .to_string();
    assert!(error.contains("it is in fr, en"), "{error}");
}

#[test]
fn a_name_that_is_not_there_is_answered_with_those_that_are() {
    let error = Template::embedded("super-chief").unwrap_err();
    insta::assert_snapshot!(error, @r#"there is no template "super-chief"; there are store-evening, super-chef, win-back (did you mean "super-chef"?)"#);
}

// Freezing.

#[test]
fn a_frozen_template_is_the_template() {
    for name in Template::embedded_names() {
        let template = Template::embedded(&name).unwrap();
        let frozen = Template::from_source(&template.source()).unwrap();
        assert_eq!(frozen.source(), template.source());
        assert_eq!(frozen.digest(), template.digest());
        assert_eq!(frozen.links(), template.links());
        let message = |template: &Template| {
            render(
                &template.compile_email("en", &imprint()).unwrap(),
                &sample_customer(),
            )
        };
        assert_eq!(message(&frozen), message(&template));
    }
    let template = Template::embedded("super-chef").unwrap();
    assert_eq!(template.digest().len(), 64);
    let changed = template.source().replace("149", "159");
    assert_ne!(
        Template::from_source(&changed).unwrap().digest(),
        template.digest()
    );
    let hostile = template.source().replace(
        "https://shop.example/en/super-chef\"",
        "javascript:alert(1)\"",
    );
    let error = Template::from_source(&hostile).unwrap_err().to_string();
    assert!(error.contains("javascript"), "{error}");
    assert!(Template::from_source("{}").is_err());
}

#[test]
fn a_template_in_a_folder_is_the_one_in_the_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("campaign-templates");
    for name in Template::embedded_names() {
        let loaded = Template::load(&root.join(&name)).unwrap();
        assert_eq!(loaded.digest(), Template::embedded(&name).unwrap().digest());
    }
}

// Values.

#[test]
fn values_stand_as_they_are_in_text_and_escaped_in_html() {
    let main = with_interest("Dear {{first_name}} {{last_name}} of {{attribute.club}},")
        .replace("A short letter", "For {{first_name}} {{last_name}}");
    let email = load(&main)
        .unwrap()
        .compile_email("en", &imprint())
        .unwrap();
    let mut customer = sample_customer();
    customer.first_name = Some("<script>alert(1)</script>".to_owned());
    customer.last_name = Some("O'Neil & {{city}} \u{e000}t0\u{e001}".to_owned());
    customer
        .attributes
        .insert("club".to_owned(), Value::from("\"A\" > B"));
    let message = render(&email, &customer);
    assert_eq!(
        message.subject,
        "For <script>alert(1)</script> O'Neil & {{city}} \u{e000}t0\u{e001}"
    );
    assert!(
        message
            .text
            .contains("<script>alert(1)</script> O'Neil & {{city}}")
    );
    assert!(message.text.contains("\"A\" > B"));
    assert!(!message.html.contains("<script>"));
    assert!(
        message
            .html
            .contains("&lt;script&gt;alert(1)&lt;/script&gt; O&#39;Neil &amp; {{city}}")
    );
    assert!(message.html.contains("&quot;A&quot; &gt; B"));
    let is_cut = |html: &str| html.lines().all(|line| line.len() <= 998);
    assert!(is_cut(&message.html));
}

#[test]
fn fields_have_defaults_dates_and_conditions() {
    let main = with_interest(
        "{{default attribute.nickname company \"dear reader\"}}|{{date last_order_date}}|\
         {{#if (gte orders_count 3)}}often{{else if orders_count}}once{{else}}never{{/if}}|\
         {{#unless company}}private{{/unless}}|{{#if (and city (not company))}}{{city}}{{/if}}|\
         {{! a remark for colleagues }}{{attribute.points}}|{{attribute.vip}}|{{attribute.none}}|",
    );
    let french = with_interest("{{date last_order_date}}")
        .replace("name = \"short\"\nlanguage = \"en\"\n", "");
    let folder = folder(&main, Some(&french));
    let template = Template::load(folder.path()).unwrap();
    let email = template.compile_email("en", &imprint()).unwrap();
    let line = |email: &CompiledEmail, customer: &Customer| {
        let text = render(email, customer).text;
        text.lines()
            .find(|line| line.contains("202") || line.contains('|'))
            .unwrap_or("")
            .to_owned()
    };
    let mut customer = sample_customer();
    customer
        .attributes
        .insert("points".to_owned(), Value::from(0));
    customer
        .attributes
        .insert("vip".to_owned(), Value::from(false));
    assert_eq!(
        line(&email, &customer),
        "dear reader|21 February 2026|often|private|Amiens|0|false||"
    );
    // 23:30 in London on the 21st is the 22nd in Amiens.
    customer.last_order_at = customer.last_order_at.map(|noon| noon + 41_400_000);
    customer.orders_count = 1;
    customer.company = Some("Fourneau SA".to_owned());
    assert_eq!(
        line(&email, &customer),
        "Fourneau SA|22 February 2026|once||".to_owned() + "|0|false||"
    );
    let email = template.compile_email("fr", &imprint()).unwrap();
    assert_eq!(line(&email, &customer), "22 février 2026");
}

#[test]
fn the_open_pixel_is_there_only_when_it_may_be() {
    let email = Template::embedded("win-back")
        .unwrap()
        .compile_email("fr", &imprint())
        .unwrap();
    let mut links = links_for(&email);
    assert!(
        !email
            .render(&sample_customer(), &links)
            .unwrap()
            .html
            .contains("<img")
    );
    links.open = Some("https://mail.shop.example/o/TOKEN?a=1&b=2".to_owned());
    let message = email.render(&sample_customer(), &links).unwrap();
    assert!(
        message
            .html
            .contains("<img src=\"https://mail.shop.example/o/TOKEN?a=1&amp;b=2\" width=\"1\"")
    );
    assert!(!message.text.contains("/o/TOKEN"));
}

#[test]
fn a_message_that_cannot_be_made_is_an_error_and_not_half_a_message() {
    let main = with_interest("{{attribute.story}}").replace("A short letter", "{{first_name}}");
    let email = load(&main)
        .unwrap()
        .compile_email("en", &imprint())
        .unwrap();
    let mut customer = sample_customer();
    customer
        .attributes
        .insert("story".to_owned(), Value::from("long ".repeat(200_000)));
    let error = email.render(&customer, &links_for(&email)).unwrap_err();
    assert!(
        matches!(error, RenderError::TooLong { limit: 524_288 }),
        "{error}"
    );
    customer.attributes.clear();
    let error = email
        .render(&customer, &RecipientLinks::default())
        .unwrap_err();
    assert!(
        matches!(
            error,
            RenderError::Links {
                wanted: 1,
                given: 0
            }
        ),
        "{error}"
    );
    customer.first_name = None;
    let error = email.render(&customer, &links_for(&email)).unwrap_err();
    assert!(matches!(error, RenderError::EmptySubject), "{error}");
}

#[test]
fn the_footer_says_who_writes_from_where_and_why() {
    let template = Template::embedded("super-chef").unwrap();
    let given = Imprint {
        reason: Some("Vous avez demandé\nnos <offres>.".to_owned()),
        ..imprint()
    };
    let message = render(
        &template.compile_email("fr", &given).unwrap(),
        &sample_customer(),
    );
    assert!(
        message
            .html
            .contains("Vous avez demandé nos &lt;offres&gt;.")
    );
    assert!(message.text.contains("Vous avez demandé nos <offres>."));
    for missing in [
        Imprint {
            postal_address: " ".to_owned(),
            ..imprint()
        },
        Imprint {
            sender_name: String::new(),
            ..imprint()
        },
    ] {
        let error = template.compile_email("fr", &missing).unwrap_err();
        assert!(matches!(error, TemplateError::Imprint { .. }), "{error}");
    }
}

fn any_customer() -> impl Strategy<Value = Customer> {
    let text = || {
        proptest::option::of(prop_oneof![
            ".{0,40}",
            "[\\r\\n\\t \u{2028}\u{0}{}<>&'\"a]{0,20}"
        ])
    };
    let attribute = prop_oneof![
        ".{0,40}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        Just(serde_json::json!([1, [2]])),
        Just(serde_json::json!({"a": {"b": 1}})),
    ];
    (
        text(),
        text(),
        text(),
        attribute,
        any::<i64>(),
        proptest::option::of(any::<i64>()),
    )
        .prop_map(
            |(first_name, city, time_zone, hobby, orders_count, last_order_at)| Customer {
                first_name,
                city,
                time_zone,
                attributes: [("hobby".to_owned(), hobby)].into_iter().collect(),
                orders_count,
                last_order_at,
                ..sample_customer()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_value_breaks_a_message(customer in any_customer()) {
        thread_local! {
            static EMAILS: Vec<CompiledEmail> = {
                let hobby = with_interest("{{attribute.hobby}} {{date attribute.hobby}} {{default attribute.hobby city \"x\"}}")
                    .replace("A short letter", "Hello {{first_name}} {{city}} {{attribute.hobby}}");
                let mut emails = vec![load(&hobby).unwrap().compile_email("en", &imprint()).unwrap()];
                for name in Template::embedded_names() {
                    let template = Template::embedded(&name).unwrap();
                    emails.extend(template.languages().iter().map(|language| template.compile_email(language, &imprint()).unwrap()));
                }
                emails
            };
        }
        EMAILS.with(|emails| {
            for email in emails {
                let message = render(email, &customer);
                let is_one_line = !message.subject.is_empty()
                    && !message.subject.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
                prop_assert!(is_one_line, "{:?}", message.subject);
                prop_assert!(!message.html.contains(|c: char| c.is_control() && c != '\n'));
                prop_assert!(!message.text.contains(|c: char| c.is_control() && c != '\n'));
                prop_assert_eq!(message.html.matches("<a ").count(), email.links().len() + 3);
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_text_of_an_author_breaks_the_reader(text in "[a-z{}#/!~&>\\\\*_\\[\\]()<>`.:\n -]{0,60}|(\\{\\{[#/a-z_ \"()!]{0,16}\\}\\}|[a-z *\n]{0,6}){0,10}") {
        if let Ok(template) = load(&with_interest(&text)) {
            let _ = template.lint(&FieldFacts::unknown());
            if let Ok(email) = template.compile_email("en", &imprint()) {
                let message = render(&email, &sample_customer());
                prop_assert!(message.html.ends_with("</html>"));
                let has_mark = message.html.contains('\u{e000}') || message.text.contains('\u{e000}');
                prop_assert!(!has_mark);
                prop_assert_eq!(message.html.matches("<div").count(), message.html.matches("</div>").count());
                prop_assert_eq!(message.html.matches("<p ").count(), message.html.matches("</p>").count());
                prop_assert_eq!(message.html.matches("<strong").count(), message.html.matches("</strong>").count());
            }
        }
    }
}

// What an author may not write.

#[test]
fn a_mistake_is_told_with_file_line_key_and_remedy() {
    let long = "[a](https://shop.example/)\n".repeat(201);
    let mistakes = [
        "Hello {{{first_name}}}",
        "Hello {{& first_name}}",
        "One\n\nand {{> footer}}",
        "Hello {{first_name",
        "Hello first_name}}",
        "{{#each attribute.list}}{{this}}{{/each}}",
        "{{upper first_name}}",
        "{{defualt first_name \"x\"}}",
        "{{default first_name}}",
        "{{#if first_name}}Hello",
        "{{#if first_name}}**Hello{{/if}}**",
        "{{#if first_name}}Hello\n\nyou{{/if}}",
        "{{/if}}",
        "{{else}}",
        "{{#if first_name}}a{{else}}b{{else}}c{{/if}}",
        "{{#if (eq city)}}a{{/if}}",
        "{{eq city \"Amiens\"}}",
        "{{../first_name}}",
        "{{@root.first_name}}",
        "{{lookup this \"first_name\"}}",
        "{{~first_name}}",
        "<b>bold</b>",
        "One\n\ntwo <img src=\"https://shop.example/a.png\">",
        "![a picture](https://shop.example/a.png)",
        "One\ntwo [here](javascript:alert(1))",
        "[here](data:text/html;base64,AAAA)",
        "[here](/relative)",
        "[here](//shop.example/)",
        "[here](https://shop.example/{{first_name}})",
        "[here](https://user:secret@shop.example/)",
        "[here](https://)",
        "[here][there]\n\n[there]: jAvAsCrIpT:alert(1)",
        "<someone@customer.example>",
        "&#xE000;t0&#xE001; {{first_name}}",
        "a \u{e000}u0\u{e001} b",
        "[a]: https://shop.example/ \"{{first_name}}\"",
        long.trim(),
    ];
    let told: Vec<String> = mistakes
        .iter()
        .map(|mistake| complaint(&with_interest(mistake)))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_button_and_the_picture_lead_to_whole_addresses_too() {
    let main = with_interest("Hello");
    let told = [
        complaint(&main.replace("https://shop.example/on", "javascript:alert(1)")),
        complaint(&main.replace(
            "https://shop.example/on",
            "https://shop.example/{{first_name}}",
        )),
        complaint(&main.replace(
            "[interest]",
            "[attention.image]\nurl = \"data:image/png;base64,AA\"\nalt = \"x\"\n[interest]",
        )),
        complaint(&format!(
            "{main}\n[action.box]\ntitle = \"A box\"\nbutton = \"There\"\nlink = \"ftp://shop.example\""
        )),
        complaint(&main.replace("Read on", "Read\\non")),
    ];
    insta::assert_snapshot!(told.join("\n"), @r##"
    template.toml:19: action.link: near "javascript:alert(1)": links to javascript: are refused; write it from https:// on
    template.toml:19: action.link: near "https://shop.example/{{first_name}}": a link leads to the same place for everyone: fields cannot stand in it. Who clicked is known without
    template.toml:10: attention.image.url: near "data:image/png;base64,AA": links to data: are refused; write it from https:// on
    template.toml:24: action.box.link: near "ftp://shop.example": links to ftp: are refused; write it from https:// on
    template.toml:18: action.button: near "Read": this is one line: remove line breaks and tabs
    "##);
}

#[test]
fn a_slip_in_the_file_is_told_with_its_line() {
    let main = with_interest("Hello");
    let told = [
        complaint(&main.replace("headline = ", "headlin = ")),
        complaint(&main.replace("[desire]", "[desire")),
        complaint(&main.replace("points = [\"It is **short**.\"]", "points = 3")),
        complaint(&main.replace("name = \"short\"", "name = \"Short letter\"")),
        complaint(&main.replace("language = \"en\"", "language = \"english\"")),
        complaint(&main.replace("[attention]", "theme = { accent = \"red\" }\n[attention]")),
        complaint(&main.replace("name = \"short\"\n", "")),
    ];
    insta::assert_snapshot!(told.join("\n"), @r##"
    template.toml:7: attention.headlin: unknown field `headlin`, expected one of `subject`, `preheader`, `kicker`, `headline`, `subheadline`, `image`
    template.toml:14: unclosed table, expected `]`
    template.toml:15: desire.points: invalid type: integer `3`, expected a sequence
    template.toml:1: name: "Short letter" is no name; use small letters, digits and hyphens, such as spring-sale
    template.toml:2: language: "english" is no language; use two small letters, such as fr
    template.toml:4: theme.accent: "red" is no colour; write six hexadecimal digits, such as "#8a3b12"
    template.toml:1: missing field `name`
    "##);
    let folder = folder(
        &main,
        Some("[attention]\nsubject = \"\"\"\nUne\nlettre\n\"\"\"\n"),
    );
    let error = Template::load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("template.fr.toml:3: attention.subject: "),
        "{error}"
    );
    let error = Template::load(&folder.path().join("nowhere"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot read") && error.contains("template.toml"),
        "{error}"
    );
}

#[test]
fn bombs_are_refused_at_once() {
    let bombs = [
        "{{#each a}}".repeat(3) + &"x".repeat(50) + &"{{/each}}".repeat(3),
        "{{#if city}}".repeat(5_000),
        "{{#if city}}".repeat(9) + &"{{/if}}".repeat(9),
        "{{#if city}}a".to_owned() + &"{{else if region}}b".repeat(3_000) + "{{/if}}",
        "{{#if ".to_owned() + &"(not ".repeat(40) + "city" + &")".repeat(40) + "}}a{{/if}}",
        "{{city}}".repeat(3_000),
        "> ".repeat(10_000) + "deep",
        "*a ".repeat(10_000),
        "[".repeat(20_000),
        "`".repeat(20_000),
        "- ".repeat(5_000),
        "x".repeat(40_001),
        "y\n".repeat(200_000),
    ];
    for bomb in bombs {
        let started = Instant::now();
        let outcome = load(&with_interest(&bomb));
        let elapsed = started.elapsed();
        let start: String = bomb.chars().take(20).collect();
        assert!(elapsed < Duration::from_secs(60), "{start} all but hangs");
        // What is only text may stand; what nests may not.
        let is_text = bomb.starts_with(['*', '[', '`', '-']);
        assert!(outcome.is_err() || is_text, "{start}");
    }
}

// The copywriter.

#[test]
fn the_copywriter_speaks_up() {
    let main = r##"name = "bad"
language = "en"

[theme]
accent = "#e8c547"

[attention]
subject = "LAST CHANCE!!! EVERYTHING MUST GO BEFORE THE END OF THIS VERY WEEK"
headline = "Sale"
[attention.image]
url = "https://shop.example/pan.png"

[interest]
body = "Dear {{frist_name}}, {{#if attribute.hoby}}you cook!{{/if}} See https://shop.example/a [here](http://shop.example/b)."

[desire]
points = ["From {{city}}", "", "[Unsubscribe](https://shop.example/trap)"]

[action]
link = "https://shop.example/on"
[action.box]
title = "A guide"
button = "Get it"
link = "https://shop.example/guide"
"##;
    let french = "[attention]\nsubject = \"Soldes\"\nheadline = \"Soldes\"\npreheader = \"Soldes\"\n[action]\nbutton = \"Lire\"\nlink = \"https://shop.example/lire\"\n";
    let folder = folder(main, Some(french));
    let template = Template::load(folder.path()).unwrap();
    let facts = FieldFacts::from_counts(
        1_000,
        [
            ("first_name".to_owned(), 990),
            ("city".to_owned(), 800),
            ("attribute.hobby".to_owned(), 400),
        ],
    );
    let said: Vec<String> = template
        .lint(&facts)
        .iter()
        .map(Finding::to_string)
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_letter_without_a_fault_is_left_alone() {
    let findings = load(&with_interest("Hello."))
        .unwrap()
        .lint(&FieldFacts::unknown());
    assert!(findings.is_empty(), "{findings:#?}");
    for (from, to, key) in [
        ("button = \"Read on\"\n", "", "action.button"),
        ("link = \"https://shop.example/on\"\n", "", "action.link"),
        ("points = [\"It is **short**.\"]\n", "", "desire.body"),
        ("Hello.", "", "interest.body"),
        ("subject = \"A short letter\"\n", "", "attention.subject"),
        (
            "headline = \"Short, and to the point.\"\n",
            "",
            "attention.headline",
        ),
    ] {
        let findings = load(&with_interest("Hello.").replace(from, to))
            .unwrap()
            .lint(&FieldFacts::unknown());
        assert!(
            found(&findings, Severity::Error, key),
            "{key}: {findings:#?}"
        );
    }
}

#[test]
fn a_field_that_is_often_empty_needs_a_default_or_a_condition() {
    let facts = |filled| FieldFacts::from_counts(100, [("city".to_owned(), filled)]);
    let warned = |text: &str, filled| {
        let findings = load(&with_interest(text)).unwrap().lint(&facts(filled));
        found(&findings, Severity::Warning, "interest.body")
    };
    assert!(warned("From {{city}}", 94));
    assert!(!warned("From {{city}}", 95));
    assert!(warned("{{#if city}}x{{else}}{{city}}{{/if}}", 10));
    assert!(warned("{{#unless city}}{{city}}{{/unless}}", 10));
    assert!(warned("{{#if (or city region)}}{{city}}{{/if}}", 10));
    for guarded in [
        "{{#if city}}From {{city}}{{/if}}",
        "{{#unless city}}x{{else}}{{city}}{{/unless}}",
        "{{default city \"town\"}}",
        "{{#if (and first_name city)}}{{city}}{{/if}}",
        "{{#if (eq city \"Lille\")}}{{city}}{{/if}}",
        "{{#if (not city)}}x{{else}}{{city}}{{/if}}",
        "{{#if region}}x{{else if city}}{{city}}{{/if}}",
    ] {
        assert!(!warned(guarded, 10), "{guarded}");
    }
}

#[test]
fn facts_are_counted_from_customers() {
    let mut facts = FieldFacts::default();
    facts.observe(&sample_customer());
    facts.observe(&Customer {
        city: Some(" ".to_owned()),
        attributes: serde_json::Map::new(),
        ..sample_customer()
    });
    use visavis::templates::FieldUse;
    assert_eq!(facts.of("city"), FieldUse::Filled(0.5));
    assert_eq!(facts.of("attribute.hobby"), FieldUse::Filled(0.5));
    assert_eq!(facts.of("first_name"), FieldUse::Filled(1.0));
    assert_eq!(facts.of("company"), FieldUse::Filled(0.0));
    assert_eq!(facts.of("attribute.shoes"), FieldUse::Unknown);
    assert_eq!(facts.of("email"), FieldUse::Unknown);
    assert_eq!(
        FieldFacts::unknown().of("attribute.shoes"),
        FieldUse::Exists
    );
    let names: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(names.len(), FIELDS.len());
}

// The layout.

#[test]
fn every_kind_of_text_has_its_place_in_the_layout() {
    let main = r#"name = "full"
language = "de"

[attention]
subject = "Alles auf einmal"
preheader = "Jede Art von Text."
kicker = "Vorspann"
headline = "Eine Überschrift & ein Gruß"
subheadline = "Eine Unterzeile"
[attention.image]
url = "https://shop.example/pfanne.png?a=1&b=2"
alt = "Eine \"Pfanne\" für {{default first_name \"Sie\"}}"

[interest]
headline = "Zwischentitel"
body = """
## Ein Titel

Ein Absatz mit *Betonung*, **Nachdruck**, `Code` und [einem Link](https://shop.example/a?b=1&c=2),
der über die Zeile geht.\\
Und nach einem Umbruch weiter.

- Ein Punkt, der so lang ist, dass er im reinen Text auf eine zweite Zeile fallen muss
- Noch einer
  1. mit Unterpunkt
  2. und noch einem

{{#if city}}

Ein Absatz nur für Leute aus {{city}}.

{{else}}

Ein Absatz für alle anderen.

{{/if}}

> Ein Zitat im Text.

---

<https://shop.example/nackt>
"""

[desire]
body = "Was Sie gewinnen:"
points = ["**Eins.** Mit [Link](https://shop.example/eins)", "Zwei"]
quote = "Ein Satz, den eine Kundin gesagt hat."

[action]
body = "Und jetzt?"
button = "Ansehen"
link = "https://shop.example/los"
deadline = "Bis Sonntag."
ps = "Noch etwas."

[action.box]
title = "Ein Kasten"
body = "Mit Inhalt."
button = "Auch ansehen"
link = "https://shop.example/los"
"#;
    let template = load(main).unwrap();
    let email = template.compile_email("de", &imprint()).unwrap();
    let message = render(&email, &sample_customer());
    insta::assert_snapshot!("everything.text", message.text);
    insta::assert_snapshot!("everything.html", message.html);
    insta::assert_json_snapshot!("everything.links", email.links());
    let mut stranger = sample_customer();
    stranger.city = None;
    let message = render(&email, &stranger);
    assert!(message.text.contains("alle anderen") && !message.text.contains("Leute aus"));
    assert!(!message.text.contains("\n\n\n"), "{}", message.text);
}

#[test]
fn a_compiled_letter_is_shared_between_threads() {
    let email = Template::embedded("super-chef")
        .unwrap()
        .compile_email("en", &imprint())
        .unwrap();
    let expected = render(&email, &sample_customer());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(render(&email, &sample_customer()), expected));
        }
    });
}
