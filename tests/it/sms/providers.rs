//! Each provider against a server that speaks its format.

use visavis::channels::model::{Class, Outcome};
use visavis::channels::sms::model::{Handed, ReceiptState, SmsEvent, SmsMessage};
use visavis::channels::sms::provider::{Answer, Post, PostKind, Provider};
use visavis::channels::sms::providers::open;
use visavis::clock::{Clock as _, SystemClock};
use visavis::templates::sms::{Encoding, Size};

use crate::kit::sms::{Behaviour, HOOK_SECRET, Kind, Posted, SmsServer, Text};

const KINDS: [Kind; 3] = [Kind::Twilio, Kind::Vonage, Kind::Http];
const PUBLIC: &str = "https://news.example.com";

fn message(to: &str) -> SmsMessage {
    SmsMessage {
        reference: "7-12".to_owned(),
        to: to.to_owned(),
        sender: "36123".to_owned(),
        text: "L’été est \"là\" & voilà: 5 = 10 %".to_owned(),
        size: Size {
            encoding: Encoding::Ucs2,
            units: 33,
            parts: 1,
        },
        is_marketing: true,
    }
}

/// As the line does it: `None` is a connection lost after the request was written.
async fn hand_over(provider: &dyn Provider, message: &SmsMessage) -> Option<Handed> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let request = provider.request(message, SystemClock.now()).unwrap();
    let response = reqwest::Client::new().execute(request).await.ok()?;
    let after = response.headers().get("retry-after");
    let after =
        after.and_then(|after| Answer::retry_after(after.to_str().ok()?, SystemClock.now()));
    Some(provider.answer(&Answer {
        status: response.status().as_u16(),
        retry_after: after,
        body: response.bytes().await.ok()?.to_vec(),
    }))
}

fn read(provider: &dyn Provider, kind: PostKind, posted: &Posted) -> Vec<SmsEvent> {
    let query = posted.url.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let headers: Vec<_> = posted
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect();
    let post = Post {
        kind,
        method: posted.method,
        url: &posted.url,
        secret: Some(HOOK_SECRET),
        query: &query,
        headers: &headers,
        body: posted.body.as_bytes(),
        now: SystemClock.now(),
    };
    provider.read(&post).unwrap()
}

#[tokio::test]
async fn a_message_goes_and_what_is_posted_back_names_it() {
    for kind in KINDS {
        let server = SmsServer::start(kind);
        let provider = open("it", &server.settings(), PUBLIC).unwrap().unwrap();
        let message = message("+33612345678");
        let handed = hand_over(&*provider, &message).await.unwrap();
        let taken = server.taken();
        let [taken] = &taken[..] else {
            panic!("{kind:?}: {:?}", server.complaints());
        };
        assert_eq!(
            (&taken.to, &taken.text),
            (&message.to, &message.text),
            "{kind:?}"
        );
        assert_eq!(
            taken.reference.as_ref(),
            Some(&message.reference),
            "{kind:?}"
        );
        assert_eq!(handed.outcome, Outcome::Accepted, "{kind:?}");
        assert_eq!(
            handed.message_id.as_ref(),
            Some(&taken.message_id),
            "{kind:?}"
        );

        let now = SystemClock.now().timestamp();
        let posted = server.receipt(taken, ReceiptState::Delivered, None, now);
        let events = read(&*provider, PostKind::Receipt, &posted);
        let [SmsEvent::Receipt(receipt)] = &events[..] else {
            panic!("{kind:?}: {events:?}");
        };
        assert_eq!(receipt.state, ReceiptState::Delivered);
        assert_eq!(receipt.reference.as_deref(), Some("7-12"), "{kind:?}");

        let stop = Text {
            from: "+33612345678",
            to: "36123",
            text: "Arrêt",
            message_id: "in-1",
        };
        let posted = server.inbound(&format!("{PUBLIC}/hooks/sms/it/inbound"), &stop, now);
        let events = read(&*provider, PostKind::Inbound, &posted);
        let [SmsEvent::Inbound(inbound)] = &events[..] else {
            panic!("{kind:?}: {events:?}");
        };
        assert_eq!(
            (inbound.text.as_str(), inbound.message_id.as_deref()),
            ("Arrêt", Some("in-1"))
        );
    }
}

#[tokio::test]
async fn what_goes_wrong_is_called_by_its_name() {
    for kind in KINDS {
        let server = SmsServer::start(kind);
        let provider = open("it", &server.settings(), PUBLIC).unwrap().unwrap();
        for (behaviour, expected) in [
            (Behaviour::Throttle(Some(2)), "deferred"),
            (Behaviour::Status(503), "deferred"),
            (Behaviour::Status(500), "unknown"),
            (Behaviour::Status(403), "relay"),
            (Behaviour::Refuse, "rejected"),
            (Behaviour::Garbage, "unknown"),
            (Behaviour::Truncated, "unknown"),
            (Behaviour::Html, "unknown"),
            (Behaviour::Close, "lost"),
        ] {
            server.behave_next(1, behaviour.clone());
            let handed = hand_over(&*provider, &message("+33612345678")).await;
            let found = match handed.as_ref().map(|handed| &handed.outcome) {
                None => "lost",
                Some(Outcome::Accepted) => "accepted",
                Some(Outcome::Deferred { retry_after, .. }) => {
                    let is_throttled = matches!(behaviour, Behaviour::Throttle(_));
                    assert_eq!(
                        retry_after.map(|wait| wait.as_secs()),
                        is_throttled.then_some(2)
                    );
                    "deferred"
                }
                Some(Outcome::Rejected {
                    class: Class::Relay,
                    ..
                }) => "relay",
                Some(Outcome::Rejected { .. }) => "rejected",
                Some(Outcome::Unknown { .. }) => "unknown",
            };
            assert_eq!(found, expected, "{kind:?} {behaviour:?}");
        }
        assert!(server.complaints().is_empty(), "{:?}", server.complaints());
    }
}
