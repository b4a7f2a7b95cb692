//! A wave by SMS, and one by whatever each person can be reached by.

use std::collections::BTreeMap;

use chrono::Duration;
use visavis::consent::model::Channel;
use visavis::storage::Sql;
use visavis::tokens;

use super::{by_sms, house, truth};
use crate::kit::house::definition;
use crate::kit::ledger::number;
use crate::kit::sms::{Kind, SmsServer};
use crate::kit::smtp::{Script, SmtpPeer};
use crate::on_both;

on_both! {
    async fn a_wave_by_sms_reaches_mobile_numbers_once_each(db: &TestDb) {
        let server = SmsServer::start(Kind::Infobip);
        let house = house(db, &server);
        let first = house.add_customers(60, "mail.example").await;
        house.give_mobiles(first, 50, "FR").await;
        db.run("UPDATE customers SET phone_kind = 'fixed' WHERE id % 10 = 1", []).await.unwrap();
        db.run("DELETE FROM permissions WHERE channel = 'sms' AND customer_id % 10 = 2", []).await.unwrap();
        let campaign = house.apply(&by_sms("spring")).await;
        let wave = house.launch(campaign).await.wave;
        house.deliver_to_the_end(wave).await;
        let ledger = truth(&house, wave, &server).await;
        assert_eq!(ledger, BTreeMap::from([("accepted", 40), ("withheld", 20)]));
        let counters = visavis::delivery::store::counters(&*house.parts.db, wave).await.unwrap();
        for (counter, expected) in [
            ("withheld.not_mobile", 5),
            ("withheld.no_permission", 5),
            ("withheld.no_address", 10),
            ("sms.accepted", 40),
            ("parts", 40),
            ("cost_micros", 40 * 50_000),
        ] {
            assert_eq!(counters.get(counter), Some(&expected), "{counter}: {counters:?}");
        }
        for taken in server.taken() {
            assert!(taken.text.ends_with("\nSTOP au 36111"), "{}", taken.text);
            assert!(!taken.text.contains("&#") && !taken.text.contains('’'), "{}", taken.text);
            assert_eq!((taken.sender.as_str(), taken.parts), ("36111", 1));
            let link = taken.text.split_whitespace().find(|word| word.starts_with("https://go.v.fr/")).unwrap();
            assert_eq!(link.len(), "https://go.v.fr/".len() + 11);
            let delivery = tokens::read_return_path_tag(taken.reference.as_deref().unwrap(), &house.parts.keys).unwrap();
            assert_eq!(delivery.wave, wave);
        }
        let named = "SELECT COUNT(*) FROM sms_messages WHERE message_id IS NOT NULL AND country = 'FR' AND provider = 'main'";
        assert_eq!(number(db, named).await, 40);
    }

    async fn each_gets_the_first_channel_that_he_allows(db: &TestDb) {
        let server = SmsServer::start(Kind::Brevo);
        let peer = SmtpPeer::start(Script::new().recipients_only()).await;
        let mut house = house(db, &server);
        house.relay(peer.settings());
        // 1 to 40 have both, 41 to 60 email only, 61 to 90 only allow SMS, 91 to 100 nothing.
        house.add_customers(100, "mail.example").await;
        house.give_mobiles(1, 40, "FR").await;
        house.give_mobiles(61, 30, "FR").await;
        db.run("DELETE FROM permissions WHERE channel = 'email' AND customer_id > 60", []).await.unwrap();
        // One of each takes his yes back before the hand-over: he does not slip to the other channel.
        let mut both = definition("spring");
        both.channels = vec![Channel::Email, Channel::Sms];
        let campaign = house.apply(&both).await;
        let wave = house.launch(campaign).await.wave;
        db.run("DELETE FROM permissions WHERE customer_id IN (1, 61)", []).await.unwrap();
        house.deliver_to_the_end(wave).await;
        let ledger = truth(&house, wave, &server).await;
        assert_eq!(ledger, BTreeMap::from([("accepted", 88), ("withheld", 12)]));
        assert_eq!((peer.recipients().len(), server.count()), (59, 29));
        let counters = visavis::delivery::store::counters(&*house.parts.db, wave).await.unwrap();
        assert_eq!((counters["selected"], counters["sms.selected"]), (100, 30));
        assert_eq!((counters["accepted"], counters["sms.accepted"]), (88, 29));
        let campaign = visavis::campaigns::plan::find(&house.parts.db, "spring").await.unwrap();
        let why = visavis::delivery::why::why(&house.parts.db, &house.parts.rules, &campaign, visavis::ids::CustomerId(95), house.now());
        let why = why.await.unwrap().to_string();
        assert!(why.contains("email is looked at; by sms: no address for this channel"), "{why}");
        let shared = "SELECT COUNT(*) FROM leases a JOIN leases b ON a.wave_id = b.wave_id AND a.relay <> b.relay
            AND a.from_seq <= b.to_seq AND b.from_seq <= a.to_seq";
        assert_eq!(number(db, shared).await, 0, "no place belongs to two channels");
    }

    async fn a_launch_refuses_what_the_check_refuses(db: &TestDb) {
        let server = SmsServer::start(Kind::Infobip);
        let mut house = house(db, &server);
        house.change_settings(|settings| {
            settings.sms.providers.get_mut("main").unwrap().stop = None;
        });
        house.add_customers(3, "mail.example").await;
        house.give_mobiles(1, 3, "FR").await;
        let campaign = house.apply(&by_sms("spring")).await;
        let launch = async |house: &crate::kit::house::House| {
            visavis::delivery::launch::launch(
                &house.parts.db,
                campaign,
                visavis::delivery::launch::Occurrence::ByHand,
                house.parts.launch_options(),
                "test", house.now(),
            )
            .await
        };
        let refused = launch(&house).await.unwrap_err().to_string();
        assert!(refused.contains("CPCE L34-5"), "{refused}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM waves").await, 0);
        // Elsewhere it is a warning.
        db.run("UPDATE customers SET phone_country = 'BE', country = 'BE'", []).await.unwrap();
        assert_eq!(launch(&house).await.unwrap().deliveries, 3);
    }

    async fn on_a_sunday_nobody_in_france_is_written_to(db: &TestDb) {
        let server = SmsServer::start(Kind::Ovh);
        let mut house = house(db, &server);
        house.change_settings(|settings| settings.quiet_hours.clear());
        house.advance(Duration::days(-1));
        house.add_customers(20, "mail.example").await;
        house.give_mobiles(1, 20, "FR").await;
        db.run("UPDATE customers SET phone_zone = 'Indian/Reunion', phone_country = 'RE' WHERE id > 10", []).await.unwrap();
        let campaign = house.apply(&by_sms("spring")).await;
        let wave = house.launch(campaign).await.wave;
        house.deliver().await;
        assert_eq!(server.count(), 0);
        // Monday four o'clock in Paris, seven o'clock on Réunion: still nobody; at five past eight there half of them.
        house.advance(Duration::hours(15));
        house.deliver().await;
        assert_eq!(server.count(), 0);
        house.advance(Duration::minutes(65));
        house.deliver().await;
        assert_eq!(server.count(), 10);
        house.advance(Duration::hours(3));
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &server).await, BTreeMap::from([("accepted", 20)]));
    }
}
