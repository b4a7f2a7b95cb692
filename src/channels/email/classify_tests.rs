//! Answers as servers give them, and what we make of them.

use super::Phase::{Auth, Body, Connect, Data, Mail, Rcpt};
use super::*;

const DEFER: bool = true;
const REJECT: bool = false;

/// Phase, code, text; deferred or rejected, and as what.
#[rustfmt::skip]
const ANSWERS: &[(Phase, u16, &str, bool, Class)] = &[
    // Postfix
    (Rcpt, 550, "5.1.1 <x@example.com>: Recipient address rejected: User unknown in virtual mailbox table", REJECT, InvalidRecipient),
    (Rcpt, 550, "5.1.1 <x@example.com>: Recipient address rejected: User unknown in local recipient table", REJECT, InvalidRecipient),
    (Rcpt, 450, "4.7.1 <x@example.com>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.com.html", DEFER, Greylist),
    (Rcpt, 450, "4.2.0 <x@example.com>: Recipient address rejected: Greylisting in effect, please come back later", DEFER, Greylist),
    (Rcpt, 454, "4.7.1 <x@example.com>: Relay access denied", DEFER, Relay),
    (Rcpt, 554, "5.7.1 <x@example.com>: Relay access denied", REJECT, Relay),
    (Rcpt, 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1", REJECT, Blocked),
    (Rcpt, 552, "5.2.2 <x@example.com>: Recipient address rejected: mailbox is full", REJECT, Quota),
    (Rcpt, 452, "4.2.2 <x@example.com>: Recipient address rejected: Mailbox full", DEFER, Quota),
    (Rcpt, 452, "4.3.1 Insufficient system storage", DEFER, Quota),
    (Rcpt, 452, "4.5.3 Error: too many recipients", DEFER, Greylist),
    (Mail, 552, "5.3.4 Message size exceeds fixed limit", REJECT, Content),
    (Mail, 553, "5.7.1 <x@example.com>: Sender address rejected: not owned by user visavis", REJECT, Relay),
    (Mail, 550, "5.1.8 <x@example.com>: Sender address rejected: Domain not found", REJECT, Relay),
    (Mail, 530, "5.7.0 Must issue a STARTTLS command first", REJECT, Relay),
    (Auth, 535, "5.7.8 Error: authentication failed: UGFzc3dvcmQ6", REJECT, Relay),
    (Auth, 454, "4.7.0 Temporary authentication failure: Connection lost to authentication server", DEFER, Network),
    (Connect, 421, "4.7.0 mx.example.com Error: too many connections from 192.0.2.1", DEFER, Greylist),
    (Connect, 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.spamcop.net", DEFER, Blocked),
    (Connect, 554, "No SMTP service here", DEFER, Network),
    (Body, 421, "4.3.2 Service shutting down", DEFER, Network),
    (Body, 451, "4.3.0 Error: queue file write error", DEFER, Greylist),
    (Rcpt, 554, "5.4.6 mail for example.com loops back to myself", REJECT, Network),
    (Rcpt, 556, "5.1.10 <x@example.com>: Recipient address rejected: Domain example.com does not accept mail (nullMX)", REJECT, InvalidRecipient),
    // Exchange and Exchange Online
    (Rcpt, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", REJECT, InvalidRecipient),
    (Rcpt, 550, "5.4.1 Recipient address rejected: Access denied. [AMS0EPF00000190.eurprd05.prod.outlook.com]", REJECT, InvalidRecipient),
    (Rcpt, 550, "5.7.1 Unable to relay", REJECT, Relay),
    (Rcpt, 550, "5.2.2 STOREDRV.Deliver; mailbox full. The following information should help identify the cause", REJECT, Quota),
    (Body, 554, "5.2.252 SendAsDenied; visavis@example.com not allowed to send as news@example.com", REJECT, Relay),
    (Rcpt, 550, "5.2.1 Mailbox cannot be accessed", REJECT, Inactive),
    (Rcpt, 550, "5.7.606 Access denied, banned sending IP [192.0.2.1]", REJECT, Blocked),
    (Body, 451, "4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", DEFER, Greylist),
    (Data, 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", DEFER, Network),
    (Rcpt, 550, "5.5.3 Too many recipients", DEFER, Greylist),
    // Gmail
    (Rcpt, 550, "5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address", REJECT, InvalidRecipient),
    (Rcpt, 550, "5.2.1 The email account that you tried to reach is disabled. Learn more at https://support.google.com/mail/?p=DisabledUser", REJECT, Inactive),
    (Rcpt, 552, "5.2.2 The email account that you tried to reach is over quota.", REJECT, Quota),
    (Rcpt, 450, "4.2.1 The user you are trying to contact is receiving mail too quickly.", DEFER, Greylist),
    (Body, 550, "5.7.26 Your email has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.", REJECT, Policy),
    (Body, 550, "5.7.27 Your email has been blocked because SPF does not pass", REJECT, Policy),
    (Body, 550, "5.7.25 The IP address sending this message does not have a PTR record setup", REJECT, Policy),
    (Body, 550, "5.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address.", REJECT, Blocked),
    (Body, 550, "5.7.1 Our system has detected that this message is likely unsolicited mail.", REJECT, Blocked),
    (Body, 421, "4.7.28 Our system has detected an unusual rate of unsolicited mail", DEFER, Blocked),
    (Body, 550, "5.7.1 This message is not RFC 5322 compliant. There are multiple Subject headers.", REJECT, Content),
    (Body, 552, "5.3.4 Your message exceeded Google's message size limits.", REJECT, Content),
    (Body, 552, "5.7.0 This message was blocked because its content presents a potential security issue (attachment).", REJECT, Content),
    // Outlook.com and Hotmail
    (Rcpt, 550, "5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", REJECT, Inactive),
    (Mail, 550, "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).", REJECT, Blocked),
    (Body, 550, "5.7.515 Access denied, sending domain EXAMPLE.COM does not meet the required authentication level.", REJECT, Policy),
    (Body, 550, "5.7.509 Access denied, sending domain example.com does not pass DMARC verification", REJECT, Policy),
    (Connect, 421, "RP-001 (SNT004-MC1F1) Unfortunately, some messages from 192.0.2.1 weren't sent. The mail server IP connecting has exceeded the rate limit allowed.", DEFER, Greylist),
    // Yahoo
    (Rcpt, 554, "delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0] - mta1.mail.yahoo.com", REJECT, InvalidRecipient),
    (Rcpt, 554, "delivery error: dd Sorry, your message to x@yahoo.com cannot be delivered. This mailbox is disabled (554.30).", REJECT, Inactive),
    (Mail, 421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1", DEFER, Blocked),
    (Mail, 553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list", REJECT, Blocked),
    (Rcpt, 552, "1 Requested mail action aborted, mailbox not found", REJECT, InvalidRecipient),
    // Orange, Free, La Poste
    (Rcpt, 550, "5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR204_416 [416]", REJECT, InvalidRecipient),
    (Connect, 421, "mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104 [104]", DEFER, Greylist),
    (Mail, 550, "5.7.1 Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR_999 [999]", REJECT, Relay),
    (Body, 550, "5.2.0 Mail rejete. Mail rejected. ofr_506 [506] spam detected", REJECT, Blocked),
    (Rcpt, 550, "5.1.1 <x@free.fr>: Recipient address rejected: User unknown in relay recipient table", REJECT, InvalidRecipient),
    (Rcpt, 451, "too many errors from your ip (192.0.2.1), please visit http://postmaster.free.fr/ and slow down", DEFER, Greylist),
    (Rcpt, 550, "5.5.0 Boite du destinataire pleine; boite pleine", REJECT, Quota),
    (Rcpt, 550, "5.1.1 laposte.net: adresse inconnue LPN007_510", REJECT, InvalidRecipient),
    // qmail
    (Rcpt, 550, "sorry, no mailbox here by that name. (#5.1.1 - chkuser)", REJECT, InvalidRecipient),
    (Rcpt, 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", REJECT, Policy),
    (Body, 552, "sorry, that message size exceeds my databytes limit (#5.3.4)", REJECT, Content),
    (Rcpt, 550, "User account is overquota (#5.2.2)", REJECT, Quota),
    // Exim
    (Rcpt, 550, "Unrouteable address", REJECT, InvalidRecipient),
    (Rcpt, 550, "No Such User Here", REJECT, InvalidRecipient),
    (Rcpt, 550, "relay not permitted", REJECT, Relay),
    (Rcpt, 550, "Sender verify failed", REJECT, Relay),
    (Rcpt, 451, "Temporary local problem - please try later", DEFER, Greylist),
    (Body, 550, "This message was classified as SPAM and may not be delivered", REJECT, Blocked),
    // Others
    (Rcpt, 525, "5.7.13 User Account Disabled", REJECT, Inactive),
    (Rcpt, 550, "5.7.1 Mailbox suspended", REJECT, Inactive),
    (Rcpt, 550, "4.7.1 greylisted, try again in 5 minutes", DEFER, Greylist),
    (Rcpt, 451, "4.4.4 Temporary server error. Please try again later", DEFER, Greylist),
    (Rcpt, 451, "4.4.3 DNS lookup failure", DEFER, Network),
    (Rcpt, 501, "5.1.3 Bad recipient address syntax", REJECT, InvalidRecipient),
    (Rcpt, 501, "5.5.4 Invalid arguments", REJECT, Protocol),
    (Data, 503, "5.5.1 Error: need RCPT command", REJECT, Protocol),
    (Body, 554, "Transaction failed", REJECT, Content),
    (Body, 554, "5.6.0 Message contains a virus", REJECT, Content),
    (Rcpt, 550, "", REJECT, Inactive),
    (Rcpt, 550, "5.7.999 no", REJECT, Policy),
    (Mail, 500, "what?", REJECT, Relay),
];

#[test]
fn answers_of_servers_are_understood() {
    let mut wrong = Vec::new();
    for (phase, code, text, is_deferred, class) in ANSWERS {
        let found = match outcome(*phase, *code, text) {
            Outcome::Deferred { class, .. } => (true, class),
            Outcome::Rejected { class, .. } => (false, class),
            other => panic!("{other:?}"),
        };
        if found != (*is_deferred, *class) {
            wrong.push(format!("{phase:?} {code} {text}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ANSWERS.len() >= 50);
}

#[test]
fn fewer_than_half_of_permanent_answers_blame_the_recipient() {
    let permanent = ANSWERS.iter().filter(|answer| answer.1 >= 500);
    let hard = permanent
        .clone()
        .filter(|answer| answer.4 == InvalidRecipient)
        .count();
    assert!(hard * 2 < permanent.count());
}

#[test]
fn nothing_at_mail_blames_the_recipient() {
    for (_, code, text, ..) in ANSWERS.iter().filter(|answer| answer.1 >= 500) {
        if let Outcome::Rejected { class, .. } = outcome(Mail, *code, text) {
            assert!(
                class.is_sender_fault() || class == Content,
                "{code} {text}: {class:?}"
            );
        }
    }
}

#[test]
fn the_enhanced_status_is_found_where_servers_put_it() {
    let status = |text| enhanced_status(text);
    assert_eq!(status("5.7.515 Access denied"), Some((5, 7, 515)));
    assert_eq!(status("sorry (#5.1.1 - chkuser)"), Some((5, 1, 1)));
    assert_eq!(status("5.1.1. no"), Some((5, 1, 1)));
    assert_eq!(status("5.1.1.2 is an address"), None);
    assert_eq!(status("host 5.1.1 says no"), None);
    assert_eq!(status("3.1.1 no class"), None);
    assert_eq!(status("5.1.99999 too long"), None);
    assert_eq!(status(""), None);
}

#[test]
fn a_named_time_is_understood() {
    let seconds = |text: &str| retry_after(text).map(|time| time.as_secs());
    assert_eq!(seconds("greylisted for 300 seconds"), Some(300));
    assert_eq!(seconds("try again in 5 minutes."), Some(300));
    assert_eq!(seconds("please come back in 00:04:59"), Some(299));
    assert_eq!(seconds("retry after 2 hours"), Some(7200));
    assert_eq!(seconds("in 9999999999999999999 hours"), None);
    assert_eq!(seconds("in 400 hours"), None);
    assert_eq!(seconds("see section for 3 reasons"), None);
}

proptest::proptest! {
    #[test]
    fn any_answer_is_read_without_panic(code in 400_u16..600, text in ".{0,120}") {
        for phase in [Connect, Auth, Mail, Rcpt, Data, Body] {
            let found = outcome(phase, code, &text);
            let is_data = matches!(found, Outcome::Deferred { .. } | Outcome::Rejected { .. });
            proptest::prop_assert!(is_data);
        }
    }
}
