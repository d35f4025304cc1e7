//! `UserError`.

use async_graphql::SimpleObject;
use canopy_domain::Error;

use super::error_code::ErrorCode;

/// Why a mutation, or one part of it, was refused. What was refused changed nothing.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct UserError {
    /// Path of the field to blame within `input`, list positions included: `["permissions", "0", "level"]`.
    /// Null if no one field is to blame.
    field: Option<Vec<String>>,
    /// What is wrong, as a sentence for people.
    message: String,
    /// What is wrong, for programs.
    code: ErrorCode,
}

impl UserError {
    /// Wraps an error whose message is safe to show, as all of the domain's are.
    pub(crate) fn new(error: Error) -> Self {
        let field = error.field();
        Self {
            field: (!field.is_empty()).then(|| field.to_vec()),
            message: error.to_string(),
            code: error.code().into(),
        }
    }

    /// The same for one event of a batch. The domain may give the path within the event or within the events
    /// that it was handed; `index` is the event's place in the input.
    pub(crate) fn of_event(error: Error, index: usize) -> Self {
        Self::of_item("events", error, index)
    }

    /// The same for one item of the `list` of the input.
    pub(crate) fn of_item(list: &str, error: Error, index: usize) -> Self {
        let within = match error.field() {
            [of, _place, within @ ..] if of == list => within,
            within => within,
        };
        let place = [list.to_owned(), index.to_string()];
        Self {
            field: Some(place.into_iter().chain(within.iter().cloned()).collect()),
            ..Self::new(error.clone())
        }
    }

    /// The same with words that fit the place better.
    pub(crate) fn with_message(error: Error, message: &str) -> Self {
        Self {
            message: message.to_owned(),
            ..Self::new(error)
        }
    }
}
