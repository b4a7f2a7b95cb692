//! Stopping: what is in flight is settled, whatever the relay takes for it.

use std::time::Duration;

use super::truth;
use crate::kit::house::House;
use crate::kit::program::Node;
use crate::kit::smtp::{Act, Script, SmtpPeer, Step, When};
use crate::on_both;

on_both! {
    async fn asked_to_end_it_leaves_nothing_unknown(db: &TestDb) {
        let slow = Act::Wait(Duration::from_millis(400));
        let script = Script::new().latency(Duration::from_millis(5)).on(Step::Dot, When::Always, slow);
        let peer = SmtpPeer::start(script).await;
        let house = House::new(db, None);
        house.go_by_the_machine(0);
        house.add_customers(240, "mail.example").await;
        let wave = house.send("spring").await;
        let node = Node::new(db, &peer);
        for command in [&["work", "--until-idle"][..], &["work"], &["serve"]] {
            let program = node.start(command);
            peer.wait_for(peer.count() + 11).await;
            program.signal("TERM");
            let ended = program.ended().await;
            assert_eq!(ended.code(), Some(0), "{command:?}: {}", node.log());
            let ledger = house.closed_ledger(wave).await;
            let accepted = i64::try_from(peer.count()).unwrap();
            assert_eq!(ledger, [("accepted", accepted), ("pending", 240 - accepted)].into(), "{command:?}");
        }
        let ended = node.start(&["work", "--until-idle"]).ended().await;
        assert!(ended.success(), "{}", node.log());
        assert_eq!(truth(&house, wave, &peer).await, [("accepted", 240)].into());
    }
}
