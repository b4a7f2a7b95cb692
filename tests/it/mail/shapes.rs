//! Refusals as servers document them, and the shapes in which other servers report them back.

/// The class, and what the server answered.
#[rustfmt::skip]
pub const REFUSALS: &[(&str, &str)] = &[
    ("invalid_recipient", "550 5.1.1 <claire@example.net>: Recipient address rejected: User unknown in local recipient table"),
    ("invalid_recipient", "550 5.1.1 The email account that you tried to reach does not exist."),
    ("invalid_recipient", "550 No such user here"),
    ("invalid_recipient", "550 #5.1.0 Address rejected, recipient unknown"),
    ("invalid_recipient", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
    ("invalid_recipient", "553 5.3.0 <claire@example.net>... No such user"),
    ("invalid_recipient", "511 5.1.1 unknown user"),
    ("invalid_recipient", "550 5.4.1 Recipient address rejected: Access denied"),
    ("invalid_recipient", "550 Unrouteable address"),
    ("invalid_recipient", "550 5.7.1 User unknown"),
    ("inactive", "550 5.2.1 The email account that you tried to reach is disabled."),
    ("inactive", "550 5.2.1 Mailbox not available: account suspended"),
    ("inactive", "525 5.7.13 User account disabled"),
    ("inactive", "554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30)."),
    ("quota", "552 5.2.2 <claire@example.net>: user is over quota"),
    ("quota", "452 4.2.2 Mailbox full"),
    ("quota", "550 5.7.1 The mailbox is full and cannot take more"),
    ("quota", "452 4.3.1 Insufficient system storage"),
    ("quota", "554 5.1.1 Mailbox quota exceeded"),
    ("content", "552 5.3.4 Message size exceeds fixed limit"),
    ("content", "550 5.7.1 Message rejected because it contains malware"),
    ("content", "554 5.6.0 Message header error"),
    ("blocked", "554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using bl.spamcop.net"),
    ("blocked", "550 5.7.1 Message rejected as spam by content filtering"),
    ("blocked", "550 5.7.606 Access denied, banned sending IP [192.0.2.10]"),
    ("blocked", "550 5.7.28 Our system has detected an unusual rate of unsolicited mail"),
    ("blocked", "554 5.7.1 The sending server has a poor reputation"),
    ("policy", "550 5.7.26 This mail has been blocked because the sender is unauthenticated."),
    ("policy", "550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification"),
    ("policy", "550 5.7.23 The message was rejected because of Sender Policy Framework violation"),
    ("policy", "554 5.7.1 <claire@example.net>: Relay access denied"),
    ("policy", "550 5.7.1 Message refused by local policy"),
    ("network", "450 4.4.2 Connection timed out"),
    ("network", "554 5.4.6 Too many hops"),
    ("network", "421 4.3.2 Service shutting down"),
    ("greylist", "450 4.7.1 <claire@example.net>: Recipient address rejected: Greylisted"),
    ("greylist", "421 4.7.0 Too many connections from your host"),
    ("greylist", "452 4.5.3 Error: too many recipients"),
    ("protocol", "501 5.5.2 Syntax error in parameters"),
    ("expired", "550 4.4.7 Delivery expired: retry timeout exceeded"),
];

const RETURNED: &str = "Return-Path: <b+4-2-abcdefgh234567ij@bounce.example.com>\r\n\
    From: Maison Exemple <news@example.com>\r\n\
    Subject: 552 idees, une boite pleine de cadeaux\r\n\
    Message-ID: <4.2.abcdefgh234567ij@news.example.com>\r\n";

/// A refusal in every shape.
pub fn all(n: usize, text: &str) -> Vec<(&'static str, String)> {
    let words = text.split_once(' ').map_or(text, |(_, words)| words);
    let enhanced = words
        .split(' ')
        .next()
        .filter(|word| word.split('.').count() == 3);
    let enhanced = enhanced.unwrap_or("5.0.0").trim_start_matches('#');
    vec![
        (
            "postfix",
            report(
                text,
                enhanced,
                "failed",
                "multipart/report; report-type=delivery-status",
                &format!(
                    "<claire@example.net>: host mx.example.net[192.0.2.{n}] said: {text} (in reply to RCPT TO command)"
                ),
            ),
        ),
        (
            "bare status",
            report(
                text,
                "5.0.0",
                "failed",
                "multipart/report",
                "Your message could not be delivered.",
            ),
        ),
        (
            "wrong type",
            report(
                text,
                enhanced,
                "failed",
                "multipart/mixed",
                "The message was not delivered.",
            ),
        ),
        (
            "qmail",
            format!(
                "From: MAILER-DAEMON@mx.example.org\r\nTo: b+4-2-abcdefgh234567ij@bounce.example.com\r\nSubject: failure notice\r\n\r\n\
             Hi. This is the qmail-send program at mx.example.org.\r\nI'm afraid I wasn't able to deliver your message to the following addresses.\r\n\
             This is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\n<claire@example.net>:\r\n192.0.2.25 does not like recipient.\r\n\
             Remote host said: {text}\r\nGiving up on 192.0.2.25.\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n{RETURNED}\r\nspam virus quota\r\n"
            ),
        ),
        (
            "exim",
            format!(
                "From: Mail Delivery System <Mailer-Daemon@relay.example.org>\r\nTo: b+4-2-abcdefgh234567ij@bounce.example.com\r\nX-Failed-Recipients: claire@example.net\r\n\
             Subject: Mail delivery failed: returning message to sender\r\n\r\nThis message was created automatically by mail delivery software.\r\n\r\n\
             A message that you sent could not be delivered to one or more of its\r\nrecipients. This is a permanent error. The following address(es) failed:\r\n\r\n\
             \x20 claire@example.net\r\n    SMTP error from remote mail server after RCPT TO:<claire@example.net>:\r\n    host mx.example.net [192.0.2.25]: {text}\r\n\r\n\
             ------ This is a copy of the message, including all the headers. ------\r\n\r\n{RETURNED}\r\nspam virus quota\r\n"
            ),
        ),
        (
            "sendmail",
            format!(
                "From: MAILER-DAEMON@mail.example.org (Mail Delivery Subsystem)\r\nTo: b+4-2-abcdefgh234567ij@bounce.example.com\r\nSubject: Returned mail: see transcript for details\r\n\r\n\
             The original message was received at Tue, 17 Nov 2026 10:00:00 +0100\r\n\r\n   ----- The following addresses had permanent fatal errors -----\r\n<claire@example.net>\r\n\r\n\
             \x20  ----- Transcript of session follows -----\r\n... while talking to mx.example.net.:\r\n>>> RCPT To:<claire@example.net>\r\n<<< {text}\r\n\r\n\
             \x20  ----- Original message follows -----\r\n\r\n{RETURNED}\r\nspam virus quota\r\n"
            ),
        ),
        (
            "exchange",
            format!(
                "From: postmaster@contoso.example\r\nTo: b+4-2-abcdefgh234567ij@bounce.example.com\r\nSubject: Undeliverable: Votre avantage\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
             <html><body><p>Delivery has failed to these recipients or groups:</p><p>claire@example.net</p><p>Diagnostic information for administrators:</p>\
             <p>Remote Server returned '{text}'</p><p>Original message headers:</p><pre>{RETURNED}</pre></body></html>\r\n"
            ),
        ),
        (
            "french relay",
            format!(
                "From: Postmaster <postmaster@relais.example.fr>\r\nTo: b+4-2-abcdefgh234567ij@bounce.example.com\r\nSubject: =?utf-8?q?=C3=89chec_de_la_remise?=\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nVotre message n'a pas pu =EAtre remis =E0 claire@example.net.\r\n\r\n\
             R=E9ponse du serveur distant :\r\n{}\r\n\r\nMessage d'origine :\r\n{RETURNED}\r\n",
                text.replace('=', "=3D")
            ),
        ),
    ]
}

fn report(text: &str, status: &str, action: &str, top: &str, told: &str) -> String {
    format!(
        "Return-Path: <>\r\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example.org>\r\nTo: b+4-2-abcdefgh234567ij@bounce.example.com\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\nContent-Type: {top}; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\n{told}\r\n\r\n\
         --b1\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; claire@example.net\r\nAction: {action}\r\n\
         Status: {status}\r\nDiagnostic-Code: smtp; {text}\r\n\r\n--b1\r\nContent-Type: text/rfc822-headers\r\n\r\n{RETURNED}\r\n--b1--\r\n"
    )
}
