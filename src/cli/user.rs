//! `visavis user`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, print};
use crate::accounts::audit;
use crate::accounts::links::{self, Purpose};
use crate::accounts::model::{Role, User};
use crate::accounts::users::{self, NewUser};
use crate::app::Parts;

/// Who did it, in the audit log.
const ACTOR: &str = "command line";

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Adds somebody who works with the console, and prints the link by which he chooses his password
    Add {
        /// The mail address by which he signs in
        email: String,
        /// As others see it; by default the address
        #[arg(long)]
        name: Option<String>,
        /// administrator, marketer, approver, analyst or support
        #[arg(long, value_parser = role)]
        role: Role,
        /// en or fr
        #[arg(long, default_value = "en", value_parser = ["en", "fr"])]
        language: String,
    },
    /// Lists who may sign in
    List,
    /// Prints a new link by which somebody chooses his password; the old password works until then
    Link { email: String },
    /// Gives somebody another role
    Role {
        email: String,
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Shuts somebody out at once; what he did stays on record
    Disable { email: String },
    /// Lets somebody in again
    Enable { email: String },
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("is none of {}", words.join(", "))
    })
}

impl UserCommand {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        let now_ms = parts.clock.now_ms();
        match self {
            Self::Add {
                email,
                name,
                role,
                language,
            } => {
                let new = NewUser {
                    email: &email,
                    name: name.as_deref().unwrap_or(&email),
                    role,
                    language: &language,
                };
                let txn = parts.db.begin().await?;
                let id = users::add(&txn, new, ACTOR, now_ms).await?;
                let token = links::make(&txn, Purpose::Password, Some(id), now_ms).await?;
                txn.commit().await?;
                print(format_args!("{email} is added as {role}."));
                print_link(&parts, &token);
            }
            Self::List => {
                for user in users::list(&parts.db).await? {
                    let state = match (user.is_disabled, user.has_password) {
                        (true, _) => "shut out",
                        (false, true) => "",
                        (false, false) => "has no password yet",
                    };
                    print(
                        format!(
                            "{:<32} {:<14} {:<24} {state}",
                            user.email, user.role, user.name
                        )
                        .trim_end(),
                    );
                }
            }
            Self::Link { email } => {
                let user = find(&parts, &email).await?;
                let txn = parts.db.begin().await?;
                let token = links::make(&txn, Purpose::Password, Some(user.id), now_ms).await?;
                audit::note(&*txn, ACTOR, "user.link", &user.id.to_string(), "", now_ms).await?;
                txn.commit().await?;
                print_link(&parts, &token);
            }
            Self::Role { email, role } => {
                let user = find(&parts, &email).await?;
                let txn = parts.db.begin().await?;
                users::set_role(&txn, user.id, role, ACTOR, now_ms).await?;
                txn.commit().await?;
                print(format_args!("{email} is {role} now."));
            }
            Self::Disable { email } => {
                set_disabled(&parts, &email, true, now_ms).await?;
                print(format_args!("{email} is shut out."));
            }
            Self::Enable { email } => {
                set_disabled(&parts, &email, false, now_ms).await?;
                print(format_args!("{email} may sign in again."));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn set_disabled(
    parts: &Parts,
    email: &str,
    is_disabled: bool,
    now_ms: i64,
) -> anyhow::Result<()> {
    let user = find(parts, email).await?;
    let txn = parts.db.begin().await?;
    users::set_disabled(&txn, user.id, is_disabled, ACTOR, now_ms).await?;
    txn.commit().await?;
    Ok(())
}

async fn find(parts: &Parts, email: &str) -> anyhow::Result<User> {
    let user = users::by_email(&parts.db, email).await?;
    user.ok_or_else(|| {
        anyhow::anyhow!("there is no user {email}; `visavis user list` shows who there is")
    })
}

fn print_link(parts: &Parts, token: &str) {
    let address = parts.settings.web.console_listen;
    print(format_args!(
        "Within three days, where the console runs: {}",
        enter_url(address, token)
    ));
}

/// The address of a one-time link of a console that listens here.
pub(super) fn enter_url(address: std::net::SocketAddr, token: &str) -> String {
    // Browsers keep the session on localhost by this name, and the console answers to it.
    if address.ip().is_loopback() {
        format!("http://localhost:{}/enter/{token}", address.port())
    } else {
        format!("http://{address}/enter/{token}")
    }
}
