//! Whether a text message may come from its sender, where it goes (RULES §2.2, §2.3).

use std::collections::BTreeSet;

use crate::config::{SenderId, StopSettings, is_french_mobile};
use crate::customers::number::{self, PhoneKind};
use crate::gate::holidays::sovereign;
use crate::statistics::Sentence;

/// What is known of a campaign's text messages before one is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub sender: &'a str,
    /// How they tell that one can stop them.
    pub stop: Option<&'a StopSettings>,
    /// The countries of the numbers they go to, ISO 3166-1 alpha-2.
    pub countries: &'a BTreeSet<String>,
    /// Whether there is an account at all, whose settings say how to stop.
    pub is_sandbox: bool,
}

/// What forbids the launch, and what is worth a thought.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Verdict {
    pub refusals: Vec<Sentence>,
    pub warnings: Vec<Sentence>,
}

/// Where networks replace or drop a sender that is a name.
const WITHOUT_NAMES: [&str; 3] = ["CA", "PR", "US"];

impl Outgoing<'_> {
    /// Asks every rule.
    pub fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let kind = match SenderId::read(self.sender) {
            Ok(kind) => kind,
            Err(problem) => {
                verdict
                    .refusals
                    .push(Sentence::new("sender.sms: {problem}").with("problem", problem));
                return verdict;
            }
        };
        match kind {
            SenderId::Number => self.judge_number(&mut verdict),
            SenderId::ShortCode => self.judge_short_code(&mut verdict),
            SenderId::Name => self.judge_name(&mut verdict),
        }
        if !self.is_sandbox {
            self.judge_stop(kind, &mut verdict);
        }
        verdict
    }

    fn reaches_france(&self) -> bool {
        self.countries
            .iter()
            .any(|country| sovereign(country) == "FR")
    }

    fn judge_number(&self, verdict: &mut Verdict) {
        if is_french_mobile(self.sender) {
            verdict.refusals.push(Sentence::new(
                "sender.sms: {sender} is a French mobile number, from which no machine may write (ARCEP décision 2018-0881); use a short code 36xxx or a name",
            ).with("sender", self.sender));
        }
    }

    /// Short codes are a country's own; that a code is French can only be told by where it is sent.
    fn judge_short_code(&self, verdict: &mut Verdict) {
        if !self.reaches_france() {
            return;
        }
        if self.sender.len() == 5 && self.sender.starts_with("38") {
            verdict.refusals.push(Sentence::new(
                "sender.sms: {sender} is a short code for transactional messages only (af2m); marketing in France goes by 36xxx or a name",
            ).with("sender", self.sender));
        } else if !(self.sender.len() == 5 && self.sender.starts_with("36")) {
            verdict.warnings.push(Sentence::new(
                "sender.sms: {sender} is no French marketing short code (36xxx): networks in France may refuse it",
            ).with("sender", self.sender));
        }
        let others: Vec<&str> = self
            .countries
            .iter()
            .map(String::as_str)
            .filter(|country| sovereign(country) != "FR")
            .collect();
        if !others.is_empty() {
            verdict.warnings.push(Sentence::new(
                "sender.sms: short code {sender} works in one country only, and some would get it in {others}",
            ).with("sender", self.sender).with("others", others.join(", ")));
        }
    }

    fn judge_name(&self, verdict: &mut Verdict) {
        let without: Vec<&str> = WITHOUT_NAMES
            .into_iter()
            .filter(|country| self.countries.contains(*country))
            .collect();
        if !without.is_empty() {
            verdict.warnings.push(Sentence::new(
                "sender.sms: networks in {countries} do not carry a name as sender; use a number or a short code there",
            ).with("countries", without.join(", ")));
        }
    }

    /// Every advertisement names a free way to stop it (CPCE L34-5); to whom nobody can answer, "STOP" alone
    /// is none.
    fn judge_stop(&self, kind: SenderId, verdict: &mut Verdict) {
        let problem = match self.stop {
            None => {
                Sentence::new("sms: the provider's settings have no [stop], so nothing tells the recipient how to stop it (CPCE L34-5)")
            }
            Some(stop) if !stop.says_how() => {
                Sentence::new("sms: the STOP mention of the provider's settings neither says STOP nor has {link} in it, so nothing tells the recipient how to stop it (CPCE L34-5)")
            }
            Some(stop) if !self.can_be_answered(kind) && !stop.leads_somewhere() => Sentence::new(
                "sms: nobody can answer {sender}, and the STOP mention names neither a short code nor a link; write \"STOP au 36xxx\" or put {link} into it",
            ).with("sender", self.sender),
            Some(_) => return,
        };
        if self.reaches_france() {
            verdict.refusals.push(problem);
        } else {
            verdict.warnings.push(problem);
        }
    }

    fn can_be_answered(&self, kind: SenderId) -> bool {
        match kind {
            SenderId::Name => false,
            SenderId::ShortCode => true,
            SenderId::Number => number::read(self.sender).kind == PhoneKind::Mobile,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StopBy;

    fn stop(text: &str) -> StopSettings {
        StopSettings {
            text: [("fr".to_owned(), text.to_owned())].into(),
            by: StopBy::Us,
        }
    }

    fn judged(sender: &str, mention: Option<&str>, countries: &[&str]) -> Verdict {
        let stop = mention.map(stop);
        Outgoing {
            sender,
            stop: stop.as_ref(),
            countries: &countries
                .iter()
                .map(|country| (*country).to_owned())
                .collect(),
            is_sandbox: false,
        }
        .judge()
    }

    #[test]
    fn what_the_rules_forbid_is_refused_and_what_is_risky_warned_about() {
        // (sender, STOP mention, countries, refusals, warnings)
        for (sender, mention, countries, refusals, warnings) in [
            ("36111", Some("STOP"), &["FR"][..], 0, 0),
            ("36111", Some("STOP au 36111"), &["FR"], 0, 0),
            ("36111", None, &["FR"], 1, 0),
            ("36111", None, &["DE"], 0, 1),
            ("38111", Some("STOP"), &["FR"], 1, 0),
            ("38111", Some("STOP"), &["RE"], 1, 0),
            ("38111", Some("STOP"), &["DE"], 0, 0),
            ("31000", Some("STOP"), &["FR"], 0, 1),
            ("36111", Some("STOP"), &["BE", "FR"], 0, 1),
            ("+33612345678", Some("STOP"), &["FR"], 1, 0),
            ("+33756123456", Some("STOP"), &["DE"], 1, 0),
            ("+262692123456", Some("STOP"), &["RE"], 1, 0),
            ("+447400123456", Some("STOP"), &["GB"], 0, 0),
            ("+33123456789", Some("STOP"), &["FR"], 1, 0),
            ("+33123456789", Some("STOP au 36111"), &["FR"], 0, 0),
            ("ACME", Some("STOP"), &["FR"], 1, 0),
            ("ACME", Some("STOP"), &["DE"], 0, 1),
            ("ACME", Some("STOP: {link}"), &["FR"], 0, 0),
            ("ACME", Some("STOP au 36111"), &["FR"], 0, 0),
            ("ACME", Some("STOP au 36111"), &["FR", "US"], 0, 1),
            ("ACME", None, &["FR"], 1, 0),
            ("Vaisselle800", Some("STOP au 36111"), &["FR"], 1, 0),
            ("0612345678", Some("STOP au 36111"), &["FR"], 1, 0),
        ] {
            let verdict = judged(sender, mention, countries);
            let got = (verdict.refusals.len(), verdict.warnings.len());
            assert_eq!(
                got,
                (refusals, warnings),
                "{sender} {mention:?} {countries:?}: {verdict:?}"
            );
        }
    }

    #[test]
    fn the_sandbox_asks_for_no_way_to_stop_but_for_a_sender_that_is_one() {
        let sandbox = |sender| {
            Outgoing {
                sender,
                stop: None,
                countries: &BTreeSet::from(["FR".to_owned()]),
                is_sandbox: true,
            }
            .judge()
        };
        assert_eq!(sandbox("ACME"), Verdict::default());
        assert_eq!(sandbox("A C M E").refusals.len(), 1);
    }
}
