//! Providers that do not sign what they post, over the wire.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Request};
use visavis::channels::model::{Class, Outcome};
use visavis::channels::sms::model::{Handed, ReceiptState, SmsEvent, SmsMessage};
use visavis::channels::sms::provider::{Answer, Post, PostError, PostKind, Provider};
use visavis::channels::sms::providers::open;
use visavis::templates::sms::{Encoding, Size};

use crate::kit::sms::{Behaviour, HOOK_SECRET, Kind, Posted, SmsServer, Text};

const KINDS: [Kind; 3] = [Kind::Ovh, Kind::Brevo, Kind::Infobip];
const TO: &str = "+33612345678";

struct Line {
    server: SmsServer,
    provider: Box<dyn Provider>,
    client: Client,
    now: DateTime<Utc>,
}

impl Line {
    async fn to(kind: Kind) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = SmsServer::start(kind);
        let settings = server.settings();
        let provider = open("main", &settings, "https://shop.example")
            .unwrap()
            .unwrap();
        let mut line = Self {
            server,
            provider,
            client: Client::new(),
            now: visavis::clock::Clock::now(&visavis::clock::SystemClock),
        };
        // Of a server whose clock is off only the provider's own one can sign.
        line.now += TimeDelta::hours(3);
        if let Some(clock) = line.provider.clock() {
            let answer = line.ask(clock).await;
            let seconds = std::str::from_utf8(&answer.body).unwrap().parse().unwrap();
            line.now = DateTime::from_timestamp(seconds, 0).unwrap();
        }
        line
    }

    async fn ask(&self, request: Request) -> Answer {
        let answer = self.client.execute(request).await.unwrap();
        Answer {
            status: answer.status().as_u16(),
            retry_after: answer
                .headers()
                .get("retry-after")
                .and_then(|value| Answer::retry_after(value.to_str().unwrap(), self.now)),
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    async fn send(&self, message: &SmsMessage) -> Handed {
        let request = self.provider.request(message, self.now).unwrap();
        let answer = self.ask(request).await;
        self.provider.answer(&answer)
    }

    /// What becomes of a message when the provider behaves like this.
    async fn told(&self, behaviour: Behaviour) -> Handed {
        self.server.behave(behaviour);
        self.send(&message("STOP 36111")).await
    }

    fn read(&self, kind: PostKind, posted: &Posted) -> Result<Vec<SmsEvent>, PostError> {
        let url = reqwest::Url::parse(&posted.url).unwrap();
        let query: Vec<_> = url.query_pairs().into_owned().collect();
        let headers: Vec<_> = posted
            .headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.clone()))
            .collect();
        self.provider.read(&Post {
            kind,
            method: posted.method,
            url: &posted.url,
            secret: url.path_segments().unwrap().next_back(),
            query: &query,
            headers: &headers,
            body: posted.body.as_bytes(),
            now: self.now,
        })
    }
}

fn message(text: &str) -> SmsMessage {
    let is_ascii = text.is_ascii();
    SmsMessage {
        reference: "w7-42".to_owned(),
        to: TO.to_owned(),
        sender: "Boutique".to_owned(),
        text: text.to_owned(),
        size: Size {
            encoding: if is_ascii {
                Encoding::Gsm7
            } else {
                Encoding::Ucs2
            },
            units: text.encode_utf16().count(),
            parts: 1,
        },
        is_marketing: true,
    }
}

#[tokio::test]
async fn a_message_arrives_as_it_is() {
    for kind in KINDS {
        let line = Line::to(kind).await;
        let text = "Fête ✓ & \"soldes\": 100 % + {1}\nSTOP 36111";
        let handed = line.send(&message(text)).await;
        assert_eq!(handed.outcome, Outcome::Accepted, "{kind:?}");
        assert!(handed.message_id.is_some(), "{kind:?}");
        let taken = line.server.taken();
        assert_eq!(taken.len(), 1, "{kind:?}");
        assert_eq!(taken[0].text, text, "{kind:?}");
        assert_eq!(taken[0].to, TO, "{kind:?}");
        assert_eq!(taken[0].sender, "Boutique", "{kind:?}");
        assert_eq!(taken[0].reference.as_deref(), Some("w7-42"), "{kind:?}");
        assert_eq!(line.server.complaints(), Vec::<String>::new(), "{kind:?}");
        let probe = line.provider.probe(line.now).unwrap();
        assert_eq!(line.ask(probe).await.status, 200, "{kind:?}");
    }
}

#[tokio::test]
async fn what_the_provider_does_has_its_outcome() {
    for kind in KINDS {
        let line = Line::to(kind).await;
        assert!(
            matches!(
                line.told(Behaviour::Refuse).await.outcome,
                Outcome::Rejected {
                    class: Class::InvalidRecipient,
                    ..
                }
            ),
            "{kind:?}"
        );
        let throttled = line.told(Behaviour::Throttle(Some(2))).await.outcome;
        assert!(
            matches!(
                throttled,
                Outcome::Deferred { class: Class::Greylist, retry_after: Some(wait), .. }
                    if wait.as_secs() == 2
            ),
            "{kind:?}: {throttled:?}"
        );
        for lost in [
            Behaviour::Garbage,
            Behaviour::Truncated,
            Behaviour::Html,
            Behaviour::Status(500),
            Behaviour::Status(504),
        ] {
            let handed = line.told(lost.clone()).await;
            assert!(
                matches!(handed.outcome, Outcome::Unknown { .. }),
                "{kind:?} {lost:?}: {handed:?}"
            );
        }
    }
}

#[tokio::test]
async fn receipts_name_the_message_they_are_about() {
    for kind in KINDS {
        let line = Line::to(kind).await;
        let handed = line.send(&message("STOP 36111")).await;
        let taken = &line.server.taken()[0];
        let address = format!("https://shop.example/hooks/sms/main/receipt/{HOOK_SECRET}");
        if let Some(told) = &taken.callback {
            assert_eq!(told, &address, "{kind:?}");
        }
        let now = line.now.timestamp();
        for state in ReceiptState::ALL {
            let posted = line.server.receipt_to(&address, taken, state, None, now);
            let events = line.read(PostKind::Receipt, &posted).unwrap();
            let [SmsEvent::Receipt(receipt)] = events.as_slice() else {
                panic!("{kind:?}: {events:?}");
            };
            assert_eq!(receipt.state, state, "{kind:?}");
            assert_eq!(receipt.message_id, handed.message_id, "{kind:?}");
            assert_eq!(
                receipt.failure.as_ref().map(|failure| failure.class),
                (state == ReceiptState::Undelivered).then_some(Class::InvalidRecipient),
                "{kind:?}"
            );
            let guessed = address.replace(HOOK_SECRET, "kit-hook-secret-0002");
            let forged = line.server.receipt_to(&guessed, taken, state, None, now);
            assert_eq!(
                line.read(PostKind::Receipt, &forged),
                Err(PostError::Forged),
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_reply_says_who_and_what() {
    for kind in KINDS {
        let line = Line::to(kind).await;
        let address = format!("https://shop.example/hooks/sms/main/inbound/{HOOK_SECRET}");
        let text = Text {
            from: TO,
            to: "36111",
            text: "Arrêt & merci",
            message_id: "9001",
        };
        let posted = line.server.inbound(&address, &text, line.now.timestamp());
        let events = line.read(PostKind::Inbound, &posted).unwrap();
        let [SmsEvent::Inbound(inbound)] = events.as_slice() else {
            panic!("{kind:?}: {events:?}");
        };
        assert_eq!(inbound.from.trim_start_matches('+'), &TO[1..], "{kind:?}");
        assert_eq!(inbound.text, text.text, "{kind:?}");
        assert_eq!(
            line.read(PostKind::Inbound, &posted).unwrap(),
            events,
            "{kind:?}: posted again it has the same name"
        );
    }
}
