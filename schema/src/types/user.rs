//! `User`.

use async_graphql::{ID, Object};
use canopy_domain::members::Person;

/// A person who can sign in.
pub(crate) struct User(Person);

impl From<Person> for User {
    fn from(person: Person) -> Self {
        Self(person)
    }
}

/// A person who can sign in. One person may be a member of many accounts.
#[Object]
impl User {
    /// The id, with the prefix `usr_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What people call them.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The email address in lower case; the login.
    async fn email(&self) -> &str {
        &self.0.email
    }
}
