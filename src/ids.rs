//! The names of things: ids as types of their own, so that one cannot stand where another belongs.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A customer of the base.
    CustomerId
);
id!(
    /// A campaign.
    CampaignId
);
id!(
    /// One run of a campaign.
    WaveId
);
id!(
    /// A template as it was when a campaign was applied.
    TemplateVersionId
);

id!(
    /// Somebody who works with the console.
    UserId
);

id!(
    /// Something a person is asked to confirm.
    ConfirmationId
);

id!(
    /// A named segment.
    SegmentId
);

id!(
    /// A summary for one reader.
    SummaryId
);

id!(
    /// Where a program wants to be told of events.
    EndpointId
);

id!(
    /// A note about a customer.
    NoteId
);

id!(
    /// A file that came in through the console.
    UploadId
);

/// The key of one row of the ledger: the wave and the place in its audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeliveryKey {
    pub wave: WaveId,
    /// Counted from 1 within the wave.
    pub seq: i64,
}

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.wave, self.seq)
    }
}
