//! The text message of a template: its own words, the layout's, and what a recipient gets.

use serde_json::Value;
use visavis::customers::model::Customer;
use visavis::templates::model::{Part, RecipientLinks};
use visavis::templates::sms::size;
use visavis::templates::{
    CompiledSms, Encoding, FieldFacts, RenderError, RenderedSms, Severity, SmsFrame, Template,
    sample_customer,
};

use crate::cli::told;

use super::{complaint, folder, found, imprint, load, with_interest};

/// A short good template that says `text` in a text message.
fn saying(text: &str) -> String {
    format!(
        "{}\n[sms]\ntext = '''{text}'''\n",
        with_interest("Hello. [The guarantee](https://shop.example/guarantee)")
    )
}

fn compile(main: &str) -> CompiledSms {
    load(main)
        .unwrap()
        .compile_sms("en", &SmsFrame::default())
        .unwrap()
}

fn links_for(sms: &CompiledSms) -> RecipientLinks {
    RecipientLinks {
        clicks: sms
            .links()
            .iter()
            .map(|link| format!("https://s.example/{}", link.number))
            .collect(),
        unsubscribe: "https://s.example/u".to_owned(),
        ..RecipientLinks::default()
    }
}

fn render(sms: &CompiledSms, customer: &Customer) -> RenderedSms {
    sms.render(customer, &links_for(sms)).unwrap()
}

fn text_of(main: &str) -> String {
    render(&compile(main), &sample_customer()).text
}

// What we ship.

#[test]
fn the_shipped_texts_fit_in_one_part() {
    let mut said = Vec::new();
    for name in Template::embedded_names() {
        let template = Template::embedded(&name).unwrap();
        for language in template.languages() {
            let measure = template
                .measure_sms(language, &SmsFrame::sample(), &FieldFacts::unknown())
                .unwrap();
            assert!(measure.is_own);
            for rendered in [&measure.typical, &measure.worst] {
                assert_eq!(rendered.size.encoding, Encoding::Gsm7, "{rendered:?}");
                assert_eq!(rendered.size.parts, 1, "{rendered:?}");
            }
            said.push(format!(
                "[{name} {language}] {measure}\n{}",
                measure.typical.text
            ));
        }
    }
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn the_layout_takes_a_text_from_the_four_parts() {
    let mut said = Vec::new();
    for name in Template::embedded_names() {
        let template = Template::embedded(&name).unwrap();
        // As it was frozen before [sms] was there.
        let mut source: Value = serde_json::from_str(&template.source()).unwrap();
        for wording in source["wordings"].as_object_mut().unwrap().values_mut() {
            wording.as_object_mut().unwrap().remove("sms").unwrap();
        }
        let source = source.to_string();
        let old = Template::from_source(&source).unwrap();
        let reread: Value = serde_json::from_str(&old.source()).unwrap();
        assert_eq!(reread, serde_json::from_str::<Value>(&source).unwrap());
        // Numbers that stand in links already sent.
        assert_eq!(old.links(), template.links());
        for language in old.languages() {
            let sms = old.compile_sms(language, &SmsFrame::sample()).unwrap();
            let [link] = sms.links() else {
                panic!("{:?}", sms.links())
            };
            assert_eq!(link.part, Part::Action);
            let email = old.compile_email(language, &imprint()).unwrap();
            assert!(email.links().contains(link));
            let rendered = render(&sms, &sample_customer());
            said.push(format!(
                "[{name} {language}] {}\n{}",
                rendered.size, rendered.text
            ));
        }
        assert!(
            old.lint(&FieldFacts::unknown()).is_empty(),
            "the letter is as good as it was"
        );
    }
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn the_layout_needs_no_part() {
    let main = with_interest("Hello");
    let text = |main: &str| text_of(main);
    assert_eq!(
        text(&main),
        "Short, and to the point.\nIt is short.\nRead on: https://s.example/0"
    );
    let panel = "[action.box]\ntitle = \"A gift\"\n";
    assert_eq!(
        text(
            &format!("{main}deadline = \"Until *Sunday*, {{{{city}}}}.\"\n{panel}")
                .replace(
                    "points = [\"It is **short**.\"]",
                    "points = [\"\"]\nbody = \"x\""
                )
                .replace("headline = \"Short, and to the point.\"\n", "")
        ),
        "A short letter\nA gift\nUntil *Sunday*, Amiens.\nRead on: https://s.example/0"
    );
    let points =
        r#"points = ["**{{first_name}}'s** & [this](https://shop.example/this), `so`\nit _is_"]"#;
    assert_eq!(
        text(&main.replace("points = [\"It is **short**.\"]", points)),
        "Short, and to the point.\nCamille's\nRead on: https://s.example/1"
    );
    let points =
        r#"points = ["Of {{first_name}} & [this](https://shop.example/this), `so`\nit _is_"]"#;
    assert_eq!(
        text(&main.replace("points = [\"It is **short**.\"]", points)),
        "Short, and to the point.\nOf Camille & this, so it is\nRead on: https://s.example/1"
    );
    let without_link = main.replace("link = \"https://shop.example/on\"\n", "");
    assert_eq!(
        text(&without_link),
        "Short, and to the point.\nIt is short."
    );
}

// Its own words.

#[test]
fn links_are_short_tracked_and_counted_in_their_part() {
    let main = saying(
        "{{first_name}}, look: {{link}} [our {{city}} guarantee](https://shop.example/guarantee) [new](https://shop.example/new?a=(1) or https://shop.example/bare. https://shop.example/new?a=(1 https://shop.example/on",
    );
    let template = load(&main).unwrap();
    let letter = load(&with_interest(
        "Hello. [The guarantee](https://shop.example/guarantee)",
    ))
    .unwrap();
    let (old, new) = template.links().split_at(letter.links().len());
    assert_eq!(old, letter.links());
    insta::assert_json_snapshot!(new, @r#"
    [
      {
        "number": 2,
        "part": "action",
        "url": "https://shop.example/new?a=(1",
        "label": "new"
      },
      {
        "number": 3,
        "part": "action",
        "url": "https://shop.example/bare",
        "label": "https://shop.example/bare"
      }
    ]
    "#);
    let sms = template.compile_sms("en", &SmsFrame::default()).unwrap();
    let numbers: Vec<u16> = sms.links().iter().map(|link| link.number).collect();
    assert_eq!(numbers, [1, 0, 2, 3]);
    assert_eq!(sms.links()[0].url, "https://shop.example/on");
    assert_eq!(sms.links()[1].part, Part::Interest);
    assert_eq!(
        render(&sms, &sample_customer()).text,
        "Camille, look: https://s.example/1 our Amiens guarantee https://s.example/0 new https://s.example/2 or https://s.example/3. https://s.example/2 https://s.example/1"
    );
    let fields: Vec<&str> = sms.fields().iter().map(String::as_str).collect();
    assert_eq!(fields, ["city", "first_name"]);
    let too_few = sms.render(&sample_customer(), &RecipientLinks::default());
    assert!(matches!(
        too_few,
        Err(RenderError::Links {
            wanted: 4,
            given: 0
        })
    ));
}

#[test]
fn numbers_of_all_languages_come_before_those_of_text_messages() {
    let french = "[attention]\nsubject = \"S\"\n[action]\nbutton = \"Lire\"\nlink = \"https://shop.example/fr\"\n[sms]\ntext = \"{{link}} https://shop.example/fr/sms\"\n";
    let own = folder(&saying("https://shop.example/sms"), Some(french));
    let template = Template::load(own.path()).unwrap();
    let urls: Vec<&str> = template
        .links()
        .iter()
        .map(|link| link.url.trim_start_matches("https://shop.example/"))
        .collect();
    assert_eq!(urls, ["guarantee", "on", "fr", "sms", "fr/sms"]);
    let frozen = Template::from_source(&template.source()).unwrap();
    assert_eq!(frozen.links(), template.links());
    assert_eq!(frozen.digest(), template.digest());
    let sms = frozen.compile_sms("fr", &SmsFrame::default()).unwrap();
    assert_eq!(sms.language(), "fr");
    assert_eq!(
        render(&sms, &sample_customer()).text,
        "https://s.example/2 https://s.example/4"
    );
    let error = frozen
        .compile_sms("de", &SmsFrame::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("it is in en, fr"), "{error}");
}

#[test]
fn a_text_message_needs_no_button() {
    let main = saying("Come in: {{link}}").replace("button = \"Read on\"\n", "");
    let sms = compile(&main);
    assert_eq!(sms.links()[0].url, "https://shop.example/on");
    assert_eq!(sms.links()[0].part, Part::Action);
}

#[test]
fn values_stand_as_they_are() {
    let sms = compile(&saying(
        "<{{first_name}}> & {{last_name}}\n\n\n\n  {{attribute.note}}  {{company}}  .  \n{{link}}\n",
    ));
    let mut customer = sample_customer();
    customer.first_name = Some("{{last_name}} {link}".to_owned());
    customer.last_name = Some("O'Neil & \"Sons\"".to_owned());
    customer.attributes.insert(
        "note".to_owned(),
        Value::from("a\r\nb\tc\u{2028}d\u{7} e\u{301}"),
    );
    assert_eq!(
        render(&sms, &customer).text,
        "<{{last_name}} {link}> & O'Neil & \"Sons\"\n\na b c d é .\nhttps://s.example/1"
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    let mistakes = [
        "Hello {{{first_name}}}",
        "{{#if first_name}}Hello",
        "{{#if link}}Hello{{/if}}",
        "{{default link \"x\"}}",
        "[here](javascript:alert(1))",
        "[here](/relative)",
        "[{{link}}](https://shop.example/)",
        "[see https://shop.example/a](https://shop.example/)",
        "Now https://shop.example/{{first_name}}",
        "Now https://user:secret@shop.example/",
        "a \u{e000}c0\u{e001} b",
    ];
    let mut told: Vec<String> = mistakes
        .iter()
        .map(|mistake| complaint(&saying(mistake)))
        .collect();
    told.push(complaint(&saying(&"a".repeat(4_001))));
    told.push(complaint(
        &saying("{{link}}").replace("link = \"https://shop.example/on\"\n", ""),
    ));
    told.push(complaint(&saying("Hello").replace("text =", "txt =")));
    insta::assert_snapshot!(told.join("\n"));
}

// What stands around it.

#[test]
fn the_way_out_is_counted_whoever_writes_it() {
    let template = load(&saying(&format!("{} {{{{link}}}}", "a".repeat(120)))).unwrap();
    let sent = |stop: Option<&str>, appended: Option<&str>| {
        let frame = SmsFrame {
            stop: stop.map(str::to_owned),
            appended: appended.map(str::to_owned),
            transliterate: false,
        };
        render(
            &template.compile_sms("en", &frame).unwrap(),
            &sample_customer(),
        )
    };
    let bare = sent(None, None);
    assert_eq!(
        bare.text,
        format!("{} https://s.example/1", "a".repeat(120))
    );
    assert_eq!(bare.size, size(&bare.text));
    let ours = sent(Some("STOP au 36179"), None);
    assert_eq!(ours.text, format!("{}\nSTOP au 36179", bare.text));
    assert_eq!(ours.size.units, bare.size.units + 14);
    let theirs = sent(None, Some("STOP au 36179"));
    assert_eq!(theirs.text, bare.text);
    assert_eq!(theirs.size, ours.size);
    assert_eq!(
        sent(None, Some(" STOP 36179")).size.units,
        bare.size.units + 11
    );
    // One accent of theirs takes the whole message into UCS-2.
    assert_eq!(
        sent(None, Some("ARRÊT 36179")).size.encoding,
        Encoding::Ucs2
    );
    let linked = sent(Some("Stop: {link} {{city}}"), None);
    assert!(
        linked
            .text
            .ends_with("\nStop: https://s.example/u {{city}}"),
        "{}",
        linked.text
    );
    assert_eq!(linked.size.parts, 2);
}

#[test]
fn transliterating_is_an_option() {
    let template = load(&saying("« {{first_name}} », c’est l’été… {{link}}")).unwrap();
    let sent = |transliterate| {
        let frame = SmsFrame {
            transliterate,
            ..SmsFrame::sample()
        };
        let customer = Customer {
            first_name: Some("Gaëlle".to_owned()),
            ..sample_customer()
        };
        render(&template.compile_sms("en", &frame).unwrap(), &customer)
    };
    assert_eq!(sent(false).size.encoding, Encoding::Ucs2);
    let replaced = sent(true);
    assert_eq!(replaced.size.encoding, Encoding::Gsm7);
    assert_eq!(
        replaced.text,
        "\"Gaelle\", c'est l'été... https://s.example/1\nSTOP au 36179"
    );
}

#[test]
fn a_text_that_cannot_be_sent_is_an_error() {
    let sms = compile(&saying("{{attribute.note}}"));
    let with_note = |note: &str| {
        let mut customer = sample_customer();
        customer
            .attributes
            .insert("note".to_owned(), Value::from(note));
        sms.render(&customer, &links_for(&sms))
    };
    assert_eq!(with_note(&"a".repeat(1_530)).unwrap().size.parts, 10);
    assert!(matches!(
        with_note(&"a".repeat(1_531)),
        Err(RenderError::TooManyParts {
            parts: 11,
            limit: 10
        })
    ));
    assert!(matches!(
        with_note(&"a".repeat(600_000)),
        Err(RenderError::TooLong { .. })
    ));
    assert!(matches!(
        sms.render(&sample_customer(), &links_for(&sms)),
        Err(RenderError::EmptyText)
    ));
    let silent = load("name = \"silent\"\nlanguage = \"en\"\n").unwrap();
    let error = silent
        .compile_sms("en", &SmsFrame::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("write [sms] text"), "{error}");
}

// What a copywriter says of it.

#[test]
fn the_copywriter_reads_the_text_message_too() {
    let said = |main: &str, facts: &FieldFacts| -> Vec<String> {
        let findings = load(main).unwrap().lint(facts);
        assert!(findings.iter().all(|finding| finding.key == "sms.text"));
        findings.iter().map(ToString::to_string).collect()
    };
    let unknown = FieldFacts::unknown();
    assert!(
        said(
            &saying("Hello {{default first_name \"you\"}} {{link}}"),
            &unknown
        )
        .is_empty()
    );
    let facts = FieldFacts::from_counts(100, [("city".to_owned(), 50)]);
    let told = [
        said(&saying("Hello {{frist_name}} {{link}}"), &unknown),
        said(&saying("From {{city}} {{link}}"), &facts),
        said(&saying("Hello. STOP 36179"), &unknown),
        said(
            &saying("http://shop.example/a [unsubscribe](https://shop.example/b)"),
            &unknown,
        ),
        said(&saying(" "), &unknown),
        said(
            &saying(&format!("{{{{link}}}} ê{}", "a".repeat(120))),
            &unknown,
        ),
        said(
            &saying(&format!("{{{{link}}}} ê{}", "a".repeat(700))),
            &unknown,
        ),
    ]
    .concat();
    insta::assert_snapshot!(told.join("\n"));
    let own = folder(&saying("{{link}}"), Some("[attention]\nsubject = \"S\"\n"));
    let findings = Template::load(own.path()).unwrap().lint(&unknown);
    assert!(found(&findings, Severity::Warning, "sms.text"));
}

#[test]
fn the_base_says_what_a_text_takes_at_worst() {
    let template = load(&saying(&format!(
        "{{{{first_name}}}} {} {{{{link}}}}",
        "a".repeat(90)
    )))
    .unwrap();
    let measure = |facts: &FieldFacts| {
        template
            .measure_sms("en", &SmsFrame::sample(), facts)
            .unwrap()
            .to_string()
    };
    assert_eq!(
        measure(&FieldFacts::unknown()),
        "GSM-7, 143 of 160, 1 part; at worst GSM-7, 151 of 160, 1 part"
    );
    let mut facts = FieldFacts::default();
    for name in ["Jo", "Maximilienne-Alexandrine", "Zoë"] {
        facts.observe(&Customer {
            first_name: Some(name.to_owned()),
            ..sample_customer()
        });
    }
    // A long name costs septets, a short one with a diaeresis twice the parts.
    assert_eq!(
        measure(&facts),
        "GSM-7, 143 of 160, 1 part; at worst UCS-2, 139 of 201, 3 parts"
    );
}

#[test]
fn the_program_shows_what_a_text_takes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let checked = told(folder, &["template", "check", "super-chef"]);
    assert_eq!(
        checked,
        "[fr] sms: GSM-7, 145 of 160, 1 part; at worst GSM-7, 153 of 160, 1 part\n\
         [en] sms: GSM-7, 145 of 160, 1 part; at worst GSM-7, 153 of 160, 1 part\n\
         super-chef: 2 languages, 6 links, 0 errors, 0 warnings\n"
    );
    let preview = |more: &[&str]| {
        let all = [&["template", "preview", "typographic", "--sms"], more].concat();
        told(folder, &all)
    };
    let own = folder.join("campaign-templates/typographic");
    std::fs::create_dir_all(&own).unwrap();
    let main = saying("{{first_name}}, c’est la fête\u{a0}! Œuvres à 15 €, 🎉 l’été… {{link}}")
        .replace("\"short\"", "\"typographic\"");
    std::fs::write(own.join("template.toml"), &main).unwrap();
    insta::assert_snapshot!(preview(&["--transliterate"]), @r#"
    SMS [en]: UCS-2, 94 of 134, 2 parts, 93 characters (its STOP mention is an example until there is a provider)

    Camille, c’est la fête ! Œuvres à 15 €, 🎉 l’été… https://links.example/s/xxxxxx
    STOP au 36179
    "#);
    let checked = |main: &str| {
        std::fs::write(own.join("template.toml"), main).unwrap();
        let told = told(
            folder,
            &["template", "check", "campaign-templates/typographic"],
        );
        told.lines().next().unwrap().to_owned()
    };
    let with_emoji = checked(&main);
    let without = main.replace("🎉 ", "");
    let without_emoji = checked(&without);
    let by_layout = checked(without.split("[sms]").next().unwrap());
    insta::assert_snapshot!([with_emoji, without_emoji, by_layout].join("\n"), @r#"
    [en] sms: UCS-2, 94 of 134, 2 parts; at worst UCS-2, 102 of 134, 2 parts; UCS-2 because of ’ (U+2019) → ', ê → e, U+00A0 → a plain space, Œ → OE, 🎉 (U+1F389), for which there is nothing else, … (U+2026) → ...
    [en] sms: UCS-2, 91 of 134, 2 parts; at worst UCS-2, 99 of 134, 2 parts; UCS-2 because of ’ (U+2019) → ', ê → e, U+00A0 → a plain space, Œ → OE, … (U+2026) → ...; transliterated GSM-7, 95 of 160, 1 part, which saves 1 of 2
    [en] sms: GSM-7, 91 of 160, 1 part; made from the four parts, [sms] text says it in its own words
    "#);
    std::fs::write(own.join("template.toml"), &without).unwrap();
    insta::assert_snapshot!(preview(&["--language", "en"]), @r#"
    SMS [en]: UCS-2, 91 of 134, 2 parts, 91 characters (its STOP mention is an example until there is a provider)

    Camille, c’est la fête ! Œuvres à 15 €, l’été… https://links.example/s/xxxxxx
    STOP au 36179
    "#);
    insta::assert_snapshot!(preview(&["--transliterate"]), @r#"
    SMS [en]: GSM-7, 95 of 160, 1 part, 94 characters (its STOP mention is an example until there is a provider)

    Camille, c'est la fete ! Oeuvres à 15 €, l'été... https://links.example/s/xxxxxx
    STOP au 36179
    "#);
}
