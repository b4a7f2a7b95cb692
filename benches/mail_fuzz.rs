//! Any bytes as mail that comes back: is there a panic, and how long does the slowest take?
//!
//! `cargo bench --bench mail_fuzz -- [--inputs 1000000] [--seed 1]`
//!
//! The inputs are changes of the classifier's set (tests/it/mail): bytes flipped, cut, spliced, doubled, made up.
//! The same seed makes the same inputs; a panic names the input's number.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot run says so by failing"
)]

#[path = "../tests/it/mail/mutate.rs"]
mod mutate;

use std::collections::BTreeMap;
use std::panic;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use visavis::responses::mail::model::Envelope;
use visavis::responses::mail::read;

fn main() {
    let inputs: u64 = argument("--inputs").unwrap_or(1_000_000);
    let seed: u64 = argument("--seed").unwrap_or(1);
    let seeds = seeds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/mail/set"));
    let known = Envelope::default();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let mut slowest = (Duration::ZERO, 0, 0);
    let (mut bytes, mut panics) = (0_u64, 0_u64);
    let began = Instant::now();
    for number in 0..inputs {
        // Each input by itself, so that one can be made again.
        let mut chance = StdRng::seed_from_u64(seed.wrapping_mul(1 << 40).wrapping_add(number));
        let raw = mutate::mutated(&seeds, &mut chance);
        bytes += raw.len() as u64;
        let start = Instant::now();
        let Ok(mail) = panic::catch_unwind(|| read(&raw, &known)) else {
            eprintln!("input {number} of seed {seed}: panic");
            panics += 1;
            continue;
        };
        slowest = slowest.max((start.elapsed(), number, raw.len()));
        assert!(
            mail.text.len() <= 8 << 10 && mail.refs.len() <= 16,
            "input {number} outgrew its bounds"
        );
        *kinds.entry(mail.kind.as_str()).or_default() += 1;
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "{inputs} inputs from {} mails, {panics} panics",
        seeds.len()
    );
    println!(
        "{:.0} inputs/s, {:.1} MB/s",
        inputs as f64 / took,
        bytes as f64 / took / 1e6
    );
    println!(
        "slowest {:?}: input {} of {} bytes",
        slowest.0, slowest.1, slowest.2
    );
    println!("read as {kinds:?}");
    if let Some(peak) = peak_memory() {
        println!("most memory of the process: {peak}");
    }
    assert_eq!(panics, 0);
}

fn argument(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}

fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for class in std::fs::read_dir(folder).expect("the set is there") {
        let class = class.expect("a folder").path();
        for file in std::fs::read_dir(class).expect("a folder of mails") {
            files.push(file.expect("a mail").path());
        }
    }
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).expect("a mail"))
        .collect()
}

/// `VmHWM` of Linux.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
