//! Figures for Prometheus: no addresses, no names, no tokens, and a bounded number of series.

use actix_web::http::{Method, StatusCode};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use super::frame::method_label;
use crate::config::MailProvider;
use crate::responses::ResponseWriter;
use crate::responses::mail_events::{Brought, Recorded};

/// The metrics of one server; two servers in one process do not mix.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    mail_events: IntCounterVec,
}

impl Metrics {
    pub(super) fn new(responses: ResponseWriter) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new(
                "visavis_http_requests_total",
                "Requests answered, by route.",
            ),
            &["route", "method", "status"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        let mail_events = IntCounterVec::new(
            Opts::new(
                "visavis_mail_events_total",
                "Events that providers of email posted, by what was done with them.",
            ),
            &["provider", "result"],
        )?;
        registry.register(Box::new(mail_events.clone()))?;
        registry.register(Box::new(Writer::new(responses)?))?;
        Ok(Self {
            registry,
            requests,
            mail_events,
        })
    }

    /// Where other rooms' figures may be registered.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn count_request(&self, route: Option<&str>, method: &Method, status: StatusCode) {
        let labels = [
            route.unwrap_or("none"),
            method_label(method),
            status.as_str(),
        ];
        self.requests.with_label_values(&labels).inc();
    }

    pub(super) fn count_mail_events(
        &self,
        provider: MailProvider,
        brought: &Brought,
        recorded: Recorded,
    ) {
        for (result, count) in [
            ("recorded", recorded.new),
            ("repeated", recorded.again),
            ("unmatched", recorded.unmatched),
            ("delayed", brought.delayed),
            ("passed_over", brought.passed_over),
            ("unreadable", brought.unreadable),
        ] {
            let labels = [provider.as_str(), result];
            self.mail_events.with_label_values(&labels).inc_by(count);
        }
    }

    /// The figures in Prometheus's text format.
    pub(super) fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// The figures of the response writer, read when they are asked for.
struct Writer {
    responses: ResponseWriter,
    written: IntCounter,
    orphaned: IntCounter,
    lost: IntCounter,
    unqueued: IntCounter,
    waiting: IntGauge,
}

impl Writer {
    fn new(responses: ResponseWriter) -> Result<Self, prometheus::Error> {
        Ok(Self {
            responses,
            written: IntCounter::new(
                "visavis_responses_written_total",
                "Responses committed to the database.",
            )?,
            orphaned: IntCounter::new(
                "visavis_responses_orphaned_total",
                "Responses to deliveries that do not exist, or no longer.",
            )?,
            lost: IntCounter::new(
                "visavis_responses_lost_total",
                "Responses the database did not take after every try.",
            )?,
            unqueued: IntCounter::new(
                "visavis_responses_unqueued_total",
                "Responses written by whoever brought them, because the queue took none.",
            )?,
            waiting: IntGauge::new(
                "visavis_responses_waiting",
                "Responses answered that are not in the database yet.",
            )?,
        })
    }
}

impl Collector for Writer {
    fn desc(&self) -> Vec<&Desc> {
        [&self.written, &self.orphaned, &self.lost, &self.unqueued]
            .into_iter()
            .flat_map(Collector::desc)
            .chain(self.waiting.desc())
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let figures = self.responses.figures();
        for (counter, value) in [
            (&self.written, figures.written),
            (&self.orphaned, figures.orphaned),
            (&self.lost, figures.lost),
            (&self.unqueued, figures.unqueued),
        ] {
            counter.inc_by(value.saturating_sub(counter.get()));
        }
        self.waiting
            .set(i64::try_from(figures.waiting).unwrap_or(i64::MAX));
        [&self.written, &self.orphaned, &self.lost, &self.unqueued]
            .into_iter()
            .flat_map(Collector::collect)
            .chain(self.waiting.collect())
            .collect()
    }
}
