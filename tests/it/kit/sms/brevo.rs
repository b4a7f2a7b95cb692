//! Brevo.

use visavis::channels::sms::model::ReceiptState;

use super::{Asked, Posted, Reply, Speech, Submitted, Taken, Text};

pub(super) struct Brevo;

impl Speech for Brevo {
    fn settings(&self, _url: &str) -> String {
        panic!("Brevo is not spoken yet")
    }

    fn read(&self, _asked: &Asked) -> Result<Submitted, Reply> {
        panic!("Brevo is not spoken yet")
    }

    fn accepted(&self, _taken: &Taken) -> Reply {
        panic!("Brevo is not spoken yet")
    }

    fn refused(&self, _submitted: &Submitted) -> Reply {
        panic!("Brevo is not spoken yet")
    }

    fn receipt(
        &self,
        _url: &str,
        _taken: &Taken,
        _state: ReceiptState,
        _code: Option<&str>,
        _now: i64,
    ) -> Posted {
        panic!("Brevo is not spoken yet")
    }

    fn inbound(&self, _url: &str, _text: &Text<'_>, _now: i64) -> Posted {
        panic!("Brevo is not spoken yet")
    }
}
