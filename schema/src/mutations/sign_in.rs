//! `signIn`.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use canopy_domain::auth::SignedIn;
use canopy_domain::members::Person;
use canopy_domain::{Domain, Error, Result};

use crate::ClientAddress;
use crate::errors::refuse;
use crate::scalars::DateTime;
use crate::types::user::User;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct SignInMutation;

#[Object]
impl SignInMutation {
    /// Exchanges an email address and a password for a token. Needs no credential. A wrong address and a
    /// wrong password are told alike, as a user error UNAUTHENTICATED. Too many tries, for one email address or
    /// from one network address, are RATE_LIMITED; `retryAfter` says how many seconds to wait.
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who signs in.")] input: SignInInput,
    ) -> Option<Result<SignInPayload>> {
        let domain: &Domain = ctx.data_opt().expect("`build` puts the domain into the schema");
        let address = ctx.data_opt::<ClientAddress>().map(|client| client.0);
        let payload = match domain.sign_in(&input.email, &input.password, address).await {
            Err(error @ Error::Unauthenticated) => Ok(SignInPayload::refused(UserError::with_message(
                error,
                "The email address or the password is wrong.",
            ))),
            outcome => refuse(outcome).map(SignInPayload::from),
        };
        Some(payload)
    }
}

/// Who signs in.
#[derive(InputObject)]
struct SignInInput {
    /// The email address; its case does not matter.
    email: String,
    /// The password.
    #[graphql(secret)]
    password: String,
}

/// What signing in came to.
#[derive(SimpleObject)]
struct SignInPayload {
    /// The token: send it as `Authorization: Bearer <token>`. Null if refused.
    token: Option<String>,
    /// Until when the token holds. Null if refused.
    expires_at: Option<DateTime>,
    /// Who signed in. Null if refused.
    user: Option<User>,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

impl SignInPayload {
    fn refused(error: UserError) -> Self {
        Self::from((None, vec![error]))
    }
}

impl From<(Option<SignedIn>, Vec<UserError>)> for SignInPayload {
    fn from((signed_in, user_errors): (Option<SignedIn>, Vec<UserError>)) -> Self {
        let (token, expires_at, user) = match signed_in {
            Some(SignedIn {
                token,
                expires_at,
                user,
            }) => (
                Some(token),
                Some(expires_at.into()),
                Some(Person::from(user).into()),
            ),
            None => (None, None, None),
        };
        Self {
            token,
            expires_at,
            user,
            user_errors,
        }
    }
}
