//! Waves to the sink, beside `smtp-source` in the same run.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use visavis::app::Parts;
use visavis::campaigns::plan;
use visavis::config::{PressureSettings, QuietHoursSettings, Settings, WindowKind};
use visavis::delivery::launch::{self, Occurrence};
use visavis::delivery::store;
use visavis::gate::rules::Rules;
use visavis::storage::Sql;
use visavis::templates::Template;

use crate::Bench;
use crate::house::{self, definition, import_people};
use crate::smtp::{CONNECTIONS, Sink, program, source};
use crate::table::Line;

/// Which rules the gate asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    On,
    Off,
    /// Both, in turn.
    Compare,
}

/// Sends waves and prints each run.
pub async fn run(bench: &Bench) -> Vec<Line> {
    if program("smtp-sink").is_none() || program("smtp-source").is_none() {
        println!("NOT RUN: smtp-sink and smtp-source are missing (Debian package postfix)");
        return Vec::new();
    }
    let wanted = bench;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let parts = house::open(bench, folder.path()).await;
    let clock = Arc::clone(&parts.clock);
    import_people(&parts, wanted.people).await;
    let modes: &[Mode] = match wanted.rules {
        Mode::On => &[Mode::On],
        Mode::Off => &[Mode::Off],
        Mode::Compare => &[Mode::Off, Mode::On],
    };
    if wanted.rules != Mode::Off {
        remember(&parts).await;
        launch_rival(&parts).await;
    }

    let mut ratios = Vec::new();
    let mut costs = Vec::new();
    let mut last_off = 0.0;
    for (run, mode) in (1..=wanted.runs).flat_map(|run| modes.iter().map(move |mode| (run, *mode)))
    {
        let sink = Sink::start(folder.path(), wanted.verify);
        let begin = Instant::now();
        let mut parts = parts.clone();
        let mut settings = (*parts.settings).clone();
        settings.email.relay = Some(house::relay(sink.port));
        apply(&mut settings, mode);
        parts.rules = Arc::new(Rules::new(&settings).expect("good rules"));
        parts.settings = Arc::new(settings);
        let name = format!("bench-{run}-{}", clock.now_ms());
        let mut definition = definition(&name);
        definition.per_household = mode == Mode::On;
        let template = Template::embedded("super-chef").expect("a template of ours");
        let (id, _) = plan::apply(&parts.db, &definition, &template, clock.now())
            .await
            .expect("it is applied");
        let launched = launch::launch(
            &parts.db,
            id,
            Occurrence::ByHand,
            parts.launch_options(),
            clock.now(),
        )
        .await
        .expect("it is launched");
        let launch_time = begin.elapsed();
        let source = source(sink.port, launched.deliveries);
        let engine = parts.engine().await.expect("an engine");
        let begin = Instant::now();
        let accepted = engine
            .run_until_idle(&CancellationToken::new())
            .await
            .expect("the database is there");
        let sending = begin.elapsed();
        engine.close().await;
        let counters = store::counters(&*parts.db, launched.wave)
            .await
            .expect("the database is there");
        assert_eq!(
            counters
                .get("accepted")
                .copied()
                .unwrap_or(0)
                .unsigned_abs(),
            accepted
        );
        assert_eq!(accepted, launched.deliveries, "all were accepted");
        let rate = accepted as f64 / sending.as_secs_f64();
        if mode == Mode::Off {
            last_off = rate;
        } else if wanted.rules == Mode::Compare {
            costs.push(rate / last_off);
        }
        println!(
            "run {run}, rules {}: launch {:.2} s; visavis {rate:.0}/s; smtp-source {source:.0}/s; ratio {:.2}",
            if mode == Mode::On { "on" } else { "off" },
            launch_time.as_secs_f64(),
            rate / source
        );
        ratios.push(rate / source);
        if wanted.verify {
            sink.verify(accepted);
        }
    }
    costs.sort_by(f64::total_cmp);
    if let (Some(median), Some(low), Some(high)) =
        (costs.get(costs.len() / 2), costs.first(), costs.last())
    {
        println!("rules on to off: median {median:.3}, from {low:.3} to {high:.3}");
    }
    vec![Line {
        what: "throughput beside `smtp-source`".to_owned(),
        promised: "at least 0.90".to_owned(),
        values: ratios,
        note: format!("{CONNECTIONS} connections, {} people", bench.people),
    }]
}

/// The rules of a mode. The caps are wide, so that both modes send the same messages.
fn apply(settings: &mut Settings, mode: Mode) {
    let levels = &mut settings.permission.levels;
    let week = if mode == Mode::On { 10_000 } else { 0 };
    for level in [
        &mut levels.situational,
        &mut levels.brand_trust,
        &mut levels.personal_relationship,
        &mut levels.points,
        &mut levels.intravenous,
    ] {
        level.contacts_per_week = week;
    }
    settings.pressure.clear();
    settings.quiet_hours.clear();
    if mode == Mode::On {
        for (days, window, topic) in [
            (1, WindowKind::Calendar, None),
            (7, WindowKind::Sliding, None),
            (30, WindowKind::Sliding, Some("offers".to_owned())),
        ] {
            settings.pressure.push(PressureSettings {
                max: 10_000,
                days,
                window,
                channel: None,
                topic,
            });
        }
        settings.quiet_hours.push(QuietHoursSettings {
            channel: "email".to_owned(),
            country: None,
            allowed: vec!["Mon-Sun 00:00-24:00".to_owned()],
            holidays_are_quiet: false,
        });
    }
}

/// Ten messages a person over the last four weeks.
async fn remember(parts: &Parts) {
    let now = parts.clock.now_ms();
    let txn = parts.db.begin().await.expect("a transaction");
    for n in 1..=10_i64 {
        txn.run(
            "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
             SELECT id, $1, $2, id, 'email', 'offers' FROM customers",
            [(now - n * 240_000_000).into(), (-n).into()],
        )
        .await
        .expect("a history");
    }
    txn.commit().await.expect("it is written");
}

/// A running wave of a higher priority to everyone, due tomorrow.
async fn launch_rival(parts: &Parts) {
    let tomorrow = (parts.clock.now() + chrono::Duration::days(1)).format("%Y-%m-%dT%H:%M");
    let mut rival = definition(&format!("rival-{}", parts.clock.now_ms()));
    rival.priority = 50;
    rival.schedule = Some(
        toml::from_str(&format!("at = \"{tomorrow}\"\nzone = \"recipient\"")).expect("a schedule"),
    );
    let template = Template::embedded("super-chef").expect("a template of ours");
    let (id, _) = plan::apply(&parts.db, &rival, &template, parts.clock.now())
        .await
        .expect("it is applied");
    launch::launch(
        &parts.db,
        id,
        Occurrence::ByHand,
        parts.launch_options(),
        parts.clock.now(),
    )
    .await
    .expect("it is launched");
}
