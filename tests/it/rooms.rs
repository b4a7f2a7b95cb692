//! The rooms know only whom they may know (the table in README, "The map of the house").

use std::path::{Path, PathBuf};

/// The rooms in the order in which data flows; a room may use itself and what stands before it.
const ORDER: &[&str] = &[
    "ids",
    "clock",
    "keys",
    "tokens",
    "storage",
    "statistics",
    "config", // the ground floor
    "accounts",
    "events",
    "consent",
    "customers",
    "segments",
    "templates",
    "gate",
    "campaigns",
    "channels",
    "delivery",
    "responses",
    "imports",
    "dialogue",
    "mailroom",
    "reports",
    "scheduler",
    "lifecycle",
    "telemetry",
    "web",
    "app",
    "cli",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file without comments and without its test module.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn room_of(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap();
    inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

/// Every room a piece of code names.
fn named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split('}').next().unwrap_or_default();
            rooms.extend(list.split(',').map(|item| word(item.trim())));
        } else {
            rooms.push(word(rest));
        }
    }
    rooms
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn rooms_know_only_what_stands_before_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 60, "the sources were found");
    let place = |room: &str| ORDER.iter().position(|known| *known == room);
    let mut complaints = Vec::new();
    for file in &files {
        let room = room_of(file, &root);
        if room == "lib" || room == "main" {
            continue;
        }
        let Some(own) = place(&room) else {
            complaints.push(format!(
                "{}: the room {room:?} has no place in ORDER",
                file.display()
            ));
            continue;
        };
        for other in named(&code(file)) {
            if let Some(place) = place(&other)
                && place > own
            {
                complaints.push(format!("{}: {room} must not know {other}", file.display()));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn crates_stay_in_their_rooms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    // (what is named, where it may be named)
    let rules: &[(&str, &[&str])] = &[
        ("actix_web", &["web", "app"]),
        ("lettre::", &["channels", "campaigns", "config"]),
        ("governor::", &["channels", "web"]),
        ("mail_auth", &["channels"]),
        ("mrml", &["templates"]),
        ("handlebars", &["templates", "channels", "web"]),
        ("indicatif", &["cli"]),
        ("clap::", &["cli"]),
        ("tokio_cron_scheduler", &["scheduler"]),
        ("statrs::", &["statistics"]),
        ("sea_orm_migration", &[]),
    ];
    let mut complaints = Vec::new();
    for file in &files {
        let room = room_of(file, &root);
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = code(file);
        for (crate_name, rooms) in rules {
            if text.contains(crate_name) && !rooms.contains(&room.as_str()) && room != "main" {
                complaints.push(format!(
                    "{}: {crate_name} belongs to {rooms:?}",
                    file.display()
                ));
            }
        }
        if name == "model.rs" {
            for io in ["sea_orm", "actix_web", "lettre", "reqwest", "tokio::"] {
                if text.contains(io) {
                    complaints.push(format!("{}: a model knows no {io}", file.display()));
                }
            }
        }
        // SQL is written in stores, the audience query and the ground floor only.
        let holds_sql = ["INSERT INTO", "UPDATE deliveries", "DELETE FROM", "SELECT "]
            .iter()
            .any(|verb| text.contains(verb));
        let may_hold_sql = file.components().any(|part| part.as_os_str() == "store")
            || name == "store.rs"
            || room == "storage"
            || name == "condition.rs"
            || name == "audience.rs";
        if holds_sql && !may_hold_sql {
            complaints.push(format!("{}: SQL belongs to a store", file.display()));
        }
        if ["web", "cli", "scheduler"].contains(&room.as_str()) && text.contains("sea_orm") {
            complaints.push(format!(
                "{}: {room} does not talk to the database itself",
                file.display()
            ));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
