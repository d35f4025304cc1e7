//! Usage that is to be priced, as far as its price depends on it.

use canopy_entity::AccountPath;
use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use canopy_rules_host::Digest;

use crate::usage::bucket;

/// Usage that is to be priced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'u> {
    /// Where the account stands that used something.
    pub(crate) path: &'u AccountPath,
    pub(crate) meter: &'u str,
    /// In micro-units.
    pub(crate) quantity: i64,
    pub(crate) occurred_at: Timestamp,
    /// The instant in whose month it counts.
    pub(crate) counted_at: Timestamp,
    /// A JSON object.
    pub(crate) attributes: Option<&'u str>,
}

impl Line<'_> {
    /// The month in which it counts.
    pub(crate) fn month(&self) -> Timestamp {
        bucket::start_of(BucketLength::Month, self.counted_at)
    }

    /// What tells this usage from other usage, whatever was used before it and whatever it costs.
    pub(super) fn subject(&self) -> String {
        let facts = (
            self.path.as_str(),
            self.meter,
            self.quantity,
            self.occurred_at,
            self.attributes,
        );
        Digest::of(serde_json::json!(facts).to_string().as_bytes()).to_string()
    }
}
