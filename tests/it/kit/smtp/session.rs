//! One connection to the relay of the kit.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use visavis::config::RelayTls;

use super::{Act, Received, State, Step, When};

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}
type Wire = BufReader<Pin<Box<dyn Stream>>>;

/// The end of a session: the connection is closed.
struct Gone;

struct Session<'a> {
    state: &'a State,
    wire: Wire,
    is_encrypted: bool,
    is_logged_in: bool,
    from: Option<String>,
    to: Option<String>,
    accepted: usize,
}

pub(super) async fn serve(state: &State, stream: TcpStream) {
    let is_implicit = state
        .script
        .tls
        .as_ref()
        .is_some_and(|tls| tls.mode == RelayTls::Implicit);
    let plain: Pin<Box<dyn Stream>> = Box::pin(stream);
    let Ok(stream) = (if is_implicit {
        encrypt(state, plain).await
    } else {
        Ok(plain)
    }) else {
        return;
    };
    let mut session = Session {
        state,
        wire: BufReader::new(stream),
        is_encrypted: is_implicit,
        is_logged_in: state.script.login.is_none(),
        from: None,
        to: None,
        accepted: 0,
    };
    let Err(Gone) = session.talk().await;
}

async fn encrypt(state: &State, plain: Pin<Box<dyn Stream>>) -> Result<Pin<Box<dyn Stream>>, Gone> {
    let tls = state.script.tls.as_ref().ok_or(Gone)?;
    let stream = tls.acceptor.accept(plain).await.map_err(|_cause| Gone)?;
    Ok(Box::pin(stream))
}

impl Session<'_> {
    async fn talk(&mut self) -> Result<std::convert::Infallible, Gone> {
        self.act(Step::Greeting, "220 peer.example ESMTP").await?;
        loop {
            let line = self.line().await?;
            if !self.state.script.recipients_only {
                let mut commands = self.state.commands.lock().expect("no panic");
                commands.push(line.clone());
            }
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    let answer = self.offers();
                    self.act(Step::Ehlo, &answer).await?;
                }
                "STARTTLS" => self.starttls().await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" if !self.is_logged_in => self.say("530 5.7.0 log in first").await?,
                "MAIL" => {
                    if self.act(Step::Mail, "250 2.1.0 OK").await? {
                        self.from = Some(path(rest));
                        self.to = None;
                    }
                }
                "RCPT" if self.from.is_none() => self.say("503 5.5.1 MAIL first").await?,
                "RCPT" => {
                    self.to = Some(path(rest));
                    if !self.act(Step::Rcpt, "250 2.1.5 OK").await? {
                        self.to = None;
                    }
                }
                "DATA" if self.to.is_none() && self.state.script.go_ahead_without_recipient => {
                    self.say("354 go ahead").await?;
                    let raw = self.read_message().await?;
                    if !raw.is_empty() {
                        self.record(raw);
                    }
                    self.from = None;
                    self.say("554 5.5.1 no valid recipients").await?;
                }
                "DATA" if self.to.is_none() => self.say("503 5.5.1 RCPT first").await?,
                "DATA" => {
                    if self.act(Step::Data, "354 go ahead").await? {
                        self.data().await?;
                    }
                }
                "RSET" => {
                    self.from = None;
                    self.to = None;
                    self.act(Step::Reset, "250 2.0.0 OK").await?;
                }
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return Err(Gone);
                }
                _ => self.say("502 5.5.1 what?").await?,
            }
        }
    }

    fn offers(&self) -> String {
        let mut lines = vec!["peer.example".to_owned()];
        let script = &self.state.script;
        lines.extend(script.offers.iter().cloned());
        let offers_tls = script
            .tls
            .as_ref()
            .is_some_and(|tls| tls.mode == RelayTls::Starttls);
        if offers_tls && !self.is_encrypted {
            lines.push("STARTTLS".to_owned());
        }
        let last = lines.len() - 1;
        let lines = lines.iter().enumerate().map(|(at, line)| {
            let mark = if at == last { ' ' } else { '-' };
            format!("250{mark}{line}")
        });
        lines.collect::<Vec<_>>().join("\r\n")
    }

    async fn starttls(&mut self) -> Result<(), Gone> {
        self.say("220 2.0.0 go").await?;
        let nothing: Pin<Box<dyn Stream>> = Box::pin(tokio::io::empty());
        let plain = std::mem::replace(&mut self.wire, BufReader::new(nothing)).into_inner();
        self.wire = BufReader::new(encrypt(self.state, plain).await?);
        self.is_encrypted = true;
        Ok(())
    }

    async fn auth(&mut self, rest: &str) -> Result<(), Gone> {
        use data_encoding::BASE64;
        let plain = rest
            .strip_prefix("PLAIN ")
            .and_then(|given| BASE64.decode(given.as_bytes()).ok())
            .unwrap_or_default();
        let wanted = self
            .state
            .script
            .login
            .as_ref()
            .map(|(name, password)| format!("\0{name}\0{password}").into_bytes());
        if Some(plain) != wanted {
            return self.say("535 5.7.8 wrong name or password").await;
        }
        self.is_logged_in = self.act(Step::Auth, "235 2.7.0 welcome").await?;
        Ok(())
    }

    async fn read_message(&mut self) -> Result<Vec<u8>, Gone> {
        let mut body = Body::default();
        let cut = self.rule(Step::Body);
        loop {
            let come = self.wire.fill_buf().await.map_err(|_cause| Gone)?;
            if come.is_empty() {
                return Err(Gone);
            }
            if cut.is_some() {
                self.carry_out(cut, "").await?;
            }
            let come = self.wire.buffer();
            let (used, is_over) = body.add(come, !self.state.script.recipients_only);
            self.wire.consume(used);
            if is_over {
                return Ok(body.raw);
            }
        }
    }

    fn record(&self, raw: Vec<u8>) {
        let recipient = self.to.clone().unwrap_or_default();
        // Under the lock of the recipients, so that both stand in one order.
        let mut recipients = self.state.recipients.lock().expect("no panic");
        recipients.push(recipient.clone());
        if self.state.script.recipients_only {
            return;
        }
        let received = Received {
            return_path: self.from.clone().unwrap_or_default(),
            recipient,
            raw,
            is_encrypted: self.is_encrypted,
            at: Instant::now(),
        };
        self.state.messages.lock().expect("no panic").push(received);
    }

    async fn data(&mut self) -> Result<(), Gone> {
        let raw = self.read_message().await?;
        self.state.dots.fetch_add(1, Ordering::SeqCst);
        let act = self.rule(Step::Dot);
        if let None | Some(Act::AcceptAndHangUp | Act::Wait(_)) = act {
            self.record(raw);
        }
        let is_accepted = self.carry_out(act, "250 2.0.0 taken").await?;
        self.from = None;
        self.to = None;
        self.accepted += usize::from(is_accepted);
        if self.state.script.hang_up_after == Some(self.accepted) {
            return Err(Gone);
        }
        Ok(())
    }

    /// Answers, by the script or as usual; whether as usual.
    async fn act(&mut self, step: Step, usual: &str) -> Result<bool, Gone> {
        let act = self.rule(step);
        self.carry_out(act, usual).await
    }

    fn rule(&self, step: Step) -> Option<Act> {
        if self.state.script.rules.is_empty() {
            return None;
        }
        let to = self.to.clone().unwrap_or_default();
        let mut reached = self.state.reached.lock().expect("no panic");
        let mut count = |to| {
            let times = reached.entry((step, to)).or_default();
            *times += 1;
            *times
        };
        let times = count(None);
        let times_for_it = count(Some(to.clone()));
        let fits = |when: &When| match when {
            When::Always => true,
            When::To(wanted) => to.ends_with(wanted),
            When::Nth(n) if step == Step::Dot => self.state.dots.load(Ordering::SeqCst) == *n,
            When::Nth(n) => times == *n,
            When::FirstTimes(n) => times_for_it <= *n,
            When::FirstTimesTo(n, wanted) => to.ends_with(wanted) && times_for_it <= *n,
        };
        self.state
            .script
            .rules
            .iter()
            .find(|(at, when, _)| *at == step && fits(when))
            .map(|(_, _, act)| *act)
    }

    async fn carry_out(&mut self, act: Option<Act>, usual: &str) -> Result<bool, Gone> {
        match act {
            None => self.say(usual).await.map(|()| true),
            Some(Act::Wait(time)) => {
                tokio::time::sleep(time).await;
                self.say(usual).await.map(|()| true)
            }
            Some(Act::Reply(answer)) => self
                .say(answer)
                .await
                .map(|()| answer.starts_with(['2', '3'])),
            Some(Act::ReplyAndHangUp(answer)) => {
                self.say(answer).await?;
                Err(Gone)
            }
            Some(Act::HangUp | Act::AcceptAndHangUp) => Err(Gone),
            Some(Act::Silence) => std::future::pending().await,
        }
    }

    async fn say(&mut self, answer: &str) -> Result<(), Gone> {
        if !self.state.script.latency.is_zero() {
            tokio::time::sleep(self.state.script.latency).await;
        }
        let answer = format!("{answer}\r\n");
        if self.state.script.in_pieces {
            for byte in answer.as_bytes() {
                let wire = self.wire.get_mut();
                wire.write_all(&[*byte]).await.map_err(|_cause| Gone)?;
                wire.flush().await.map_err(|_cause| Gone)?;
                tokio::task::yield_now().await;
            }
            return Ok(());
        }
        self.wire
            .get_mut()
            .write_all(answer.as_bytes())
            .await
            .map_err(|_cause| Gone)?;
        self.wire.get_mut().flush().await.map_err(|_cause| Gone)
    }

    async fn line(&mut self) -> Result<String, Gone> {
        let mut line = String::new();
        let read = self.wire.read_line(&mut line);
        let read = match self.state.script.hang_up_idle {
            Some(idle) => tokio::time::timeout(idle, read)
                .await
                .map_err(|_cause| Gone)?,
            None => read.await,
        };
        match read {
            Ok(read) if read > 0 => Ok(line.trim_end().to_owned()),
            _ => Err(Gone),
        }
    }
}

/// A message as it comes.
#[derive(Default)]
struct Body {
    /// What is kept of it, without dot-stuffing.
    raw: Vec<u8>,
    /// A line whose end has not come yet.
    begun: Vec<u8>,
}

impl Body {
    /// Takes what came; how much of it belongs to the message, and whether that has ended.
    fn add(&mut self, come: &[u8], is_kept: bool) -> (usize, bool) {
        let mut rest = come;
        while !rest.is_empty() {
            let before = rest;
            // The standard library's search, which is fast in a test build too.
            let length = std::io::BufRead::skip_until(&mut rest, b'\n').expect("it is in memory");
            let piece = &before[..length];
            if !piece.ends_with(b"\n") {
                self.begun.extend_from_slice(piece);
                break;
            }
            let whole;
            let line = if self.begun.is_empty() {
                piece
            } else {
                self.begun.extend_from_slice(piece);
                whole = std::mem::take(&mut self.begun);
                &whole
            };
            if line == b".\r\n" {
                return (come.len() - rest.len(), true);
            }
            if is_kept {
                self.raw
                    .extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            }
        }
        (come.len(), false)
    }
}

fn path(rest: &str) -> String {
    rest.split_once('<')
        .and_then(|(_, rest)| rest.rsplit_once('>'))
        .map_or_else(String::new, |(path, _)| path.to_owned())
}
