//! Infobip.

use visavis::channels::sms::model::ReceiptState;

use super::{Asked, Posted, Reply, Speech, Submitted, Taken, Text};

pub(super) struct Infobip;

impl Speech for Infobip {
    fn settings(&self, _url: &str) -> String {
        panic!("Infobip is not spoken yet")
    }

    fn read(&self, _asked: &Asked) -> Result<Submitted, Reply> {
        panic!("Infobip is not spoken yet")
    }

    fn accepted(&self, _taken: &Taken) -> Reply {
        panic!("Infobip is not spoken yet")
    }

    fn refused(&self, _submitted: &Submitted) -> Reply {
        panic!("Infobip is not spoken yet")
    }

    fn receipt(
        &self,
        _url: &str,
        _taken: &Taken,
        _state: ReceiptState,
        _code: Option<&str>,
        _now: i64,
    ) -> Posted {
        panic!("Infobip is not spoken yet")
    }

    fn inbound(&self, _url: &str, _text: &Text<'_>, _now: i64) -> Posted {
        panic!("Infobip is not spoken yet")
    }
}
