//! The one place where an error of the domain becomes an error of GraphQL.
//!
//! Resolvers return the domain's errors as they are. [`finish`] gives each error of an answer its code and
//! logs what is our fault; [`refuse`] turns what a mutation may be refused for into a [`UserError`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::ServerError;
use canopy_domain::{Error, ErrorCode, Result};

use crate::types::user_error::UserError;
use crate::{Reply, RequestId};

/// Gives each error its `extensions.code`. An error that does not come from the domain is one of the
/// document.
pub(crate) fn finish(reply: impl Into<Reply>, request_id: &RequestId) -> Reply {
    let mut reply = reply.into();
    bound(&mut reply.errors);
    let mut logged = HashSet::new();
    for error in &mut reply.errors {
        let retry_after = error.source::<Error>().and_then(Error::retry_after);
        let lag = match error.source::<Error>() {
            Some(Error::Lagged { missed, resume_from }) => Some((*missed, resume_from.clone())),
            _ => None,
        };
        let code = match error.source::<Error>() {
            Some(Error::Internal(cause)) => {
                // Those who waited for the same read share its cause.
                if logged.insert(Arc::as_ptr(cause)) {
                    log(error, cause.as_ref().as_ref(), request_id);
                }
                ErrorCode::Internal
            }
            Some(error) => error.code(),
            None => ErrorCode::BadUserInput,
        };
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", code.as_str());
        if let Some((missed, resume_from)) = lag {
            extensions.set("missed", missed);
            extensions.set("resumeFrom", resume_from);
        }
        if let Some(wait) = retry_after {
            extensions.set("retryAfter", whole_seconds(wait));
        }
        if code == ErrorCode::Internal {
            extensions.set("requestId", request_id.0.as_str());
        }
    }
    reply
}

/// The most errors of a document that are told; a document of nothing but errors must not have a longer answer.
const MAX_TOLD: usize = 50;

/// Cuts the errors of a document that was not executed. Those of fields say which part of `data` is missing, and stay.
fn bound(errors: &mut Vec<ServerError>) {
    let of_document = errors.iter().all(|error| error.path.is_empty());
    if of_document && errors.len() > MAX_TOLD {
        let more = errors.len() - MAX_TOLD;
        errors.truncate(MAX_TOLD);
        let message = format!("There are {more} more errors.");
        errors.push(ServerError::new(message, None));
    }
}

/// A wait as clients are told it: in whole seconds, at least one.
pub fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

fn log(error: &ServerError, cause: &(dyn std::error::Error + 'static), request_id: &RequestId) {
    tracing::error!(
        request_id = request_id.0.as_str(),
        path = ?error.path,
        cause,
        "a resolver failed"
    );
}

/// What a mutation came to: its value, or why it was refused. Other errors stay errors of the request.
pub(crate) fn refuse<T>(outcome: Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match outcome {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(error) if is_refusal(error.code()) => Ok((None, vec![UserError::new(error)])),
        Err(error) => Err(error),
    }
}

fn is_refusal(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::BadUserInput | ErrorCode::Conflict | ErrorCode::LimitExceeded | ErrorCode::RuleFailed
    )
}

#[cfg(test)]
mod tests {
    use async_graphql::{Pos, Value};

    use super::*;

    fn answer(error: impl Into<async_graphql::Error>) -> Reply {
        let position = Pos { line: 1, column: 1 };
        Reply::from_errors(vec![error.into().into_server_error(position)])
    }

    fn extension(response: &Reply, name: &str) -> Option<Value> {
        response.errors[0].extensions.as_ref()?.get(name).cloned()
    }

    #[test]
    fn each_error_gets_its_code_and_an_internal_one_the_request_id() {
        let id = RequestId("req_1".into());
        let cases = [
            (answer(Error::NotFound("account")), "NOT_FOUND", None),
            (
                answer(Error::internal("the disk is full")),
                "INTERNAL",
                Some("req_1"),
            ),
            (
                answer(async_graphql::Error::new("Unknown field.")),
                "BAD_USER_INPUT",
                None,
            ),
        ];
        for (response, code, request_id) in cases {
            let response = finish(response, &id);
            assert_eq!(extension(&response, "code"), Some(code.into()));
            assert_eq!(extension(&response, "requestId"), request_id.map(Value::from));
            assert!(!response.errors[0].message.contains("disk"));
        }
    }

    #[test]
    fn a_document_of_nothing_but_errors_is_told_some_of_them() {
        let errors = (0..5_000).map(|n| ServerError::new(format!("{n}"), None));
        let response = finish(Reply::from_errors(errors.collect()), &RequestId::default());
        assert_eq!(response.errors.len(), MAX_TOLD + 1);
        assert_eq!(response.errors[MAX_TOLD].message, "There are 4950 more errors.");
    }

    #[test]
    fn who_is_told_to_wait_is_told_how_long() {
        let wait = Duration::from_millis(1_200);
        let busy = finish(
            answer(Error::RateLimited { retry_after: wait }),
            &RequestId::default(),
        );
        assert_eq!(extension(&busy, "retryAfter"), Some(2.into()));
        assert_eq!(whole_seconds(Duration::ZERO), 1);
    }

    #[test]
    fn only_a_refusal_becomes_a_user_error() {
        let refused = refuse::<()>(Err(Error::conflict(&["name"], "Taken."))).unwrap();
        assert_eq!(refused.1.len(), 1);
        assert!(refuse::<()>(Err(Error::NotFound("account"))).is_err());
        assert!(refuse::<()>(Err(Error::Forbidden("No.".into()))).is_err());
    }
}
