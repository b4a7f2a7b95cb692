//! `visavis serve` and `visavis work`

use std::process::ExitCode;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::user::enter_url;
use super::{Common, clock, print};
use crate::app::{App, Parts};
use crate::campaigns::model::Status;
use crate::campaigns::store;
use crate::delivery::progress;
use crate::lifecycle;

#[derive(Debug, Args)]
pub(super) struct Serve {}

#[derive(Debug, Args)]
pub(super) struct Work {
    /// Ends when nothing is due any more
    #[arg(long)]
    until_idle: bool,
}

impl Serve {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let stop = CancellationToken::new();
        lifecycle::stop_on_signal(stop.clone())?;
        let parts = Parts::open(common.settings()?, clock()).await?;
        let app = App::build(parts).await?;
        print(format_args!(
            "Links are answered on http://{}",
            app.public_address()
        ));
        print(format_args!(
            "The console is on       http://{}",
            app.console_address()
        ));
        if let Some(token) = app.parts().setup_link().await? {
            print(format_args!(
                "Nobody can sign in yet. The first administrator opens, once and within a day:\n  {}",
                enter_url(app.console_address(), &token)
            ));
        }
        if let Some(address) = app.mail_address() {
            print(format_args!(
                "Mail is taken on        {address} (LMTP, SMTP)"
            ));
        }
        app.run(stop).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Work {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let stop = CancellationToken::new();
        lifecycle::stop_on_signal(stop.clone())?;
        let parts = Parts::open(common.settings()?, clock()).await?;
        let engine = parts.engine().await?;
        if self.until_idle {
            let accepted = engine.run_until_idle(&stop).await?;
            print(format_args!(
                "{} accepted; nothing more is due.",
                crate::storage::text::counted(accepted, "message", "messages")
            ));
            for campaign in store::list(&parts.db).await? {
                if campaign.status == Status::Running {
                    let now_ms = parts.clock.now_ms();
                    print(progress::progress(&parts.db, &parts.settings, &campaign, now_ms).await?);
                }
            }
        } else {
            engine.run(&stop).await?;
        }
        engine.close().await;
        Ok(ExitCode::SUCCESS)
    }
}
