//! Parses the command line, starts logging, runs.

use std::process::ExitCode;

use clap::Parser;
use visavis::{cli, telemetry};

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    telemetry::start(arguments.log_level());
    // One TLS provider for the whole process; a second call would only find it installed.
    let installed = rustls::crypto::ring::default_provider().install_default();
    drop(installed);
    match cli::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("visavis: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, each said once: many of ours tell their cause already.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
