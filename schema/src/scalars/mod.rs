//! The scalars beyond GraphQL's own. Each knows how it is written and what is refused.

mod base64;
mod date_time;
mod decimal;
mod json;
mod upload;

pub(crate) use base64::Base64;
pub(crate) use date_time::DateTime;
pub(crate) use decimal::Decimal;
pub(crate) use json::Json;
pub(crate) use upload::Upload;
pub use upload::Uploads;

/// A count as GraphQL's Int, which ends at 2147483647; that stands for more, too.
pub(crate) fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The same for a count that may be below zero.
pub(crate) fn signed_int(count: i64) -> i32 {
    let bound = if count < 0 { i32::MIN } else { i32::MAX };
    i32::try_from(count).unwrap_or(bound)
}
