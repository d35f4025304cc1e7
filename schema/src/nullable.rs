//! Nullable fields that may fail: null with an error at their path, while their siblings are served.
//!
//! A resolver that answers `Result<Option<T>>` makes its parent null when it fails, even though its own field
//! may be null. `Option<Result<T>>` is what stops an error at the field.

use std::future::Future;

use canopy_domain::Result;

/// The field of a read that may find nothing and may fail.
pub(crate) async fn nullable<T, U: From<T>>(
    read: impl Future<Output = Result<Option<T>>>,
) -> Option<Result<U>> {
    read.await.map(|found| found.map(U::from)).transpose()
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, PathSegment, Schema, Value};
    use canopy_domain::Error;

    use super::*;

    struct Query;

    struct Inner;

    #[Object]
    impl Query {
        async fn inner(&self) -> Inner {
            Inner
        }
    }

    #[Object]
    impl Inner {
        async fn served(&self) -> i32 {
            1
        }

        async fn refused(&self) -> Option<Result<i32>> {
            nullable(async { Err::<Option<i32>, _>(Error::Forbidden("No.".into())) }).await
        }

        async fn missing(&self) -> Option<Result<i32>> {
            nullable(async { Ok(None::<i32>) }).await
        }
    }

    #[tokio::test]
    async fn a_refused_field_is_null_with_an_error_at_its_path_and_its_siblings_are_served() {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let response = schema.execute("{ inner { served no: refused missing } }").await;
        let data = response.data.into_json().unwrap();
        assert_eq!(
            data,
            serde_json::json!({ "inner": { "served": 1, "no": null, "missing": null } })
        );
        assert_eq!(response.errors.len(), 1);
        let path = ["inner", "no"].map(|name| PathSegment::Field(name.to_owned()));
        assert_eq!(response.errors[0].path, path);
        let answer = crate::errors::finish(
            async_graphql::Response::from_errors(response.errors),
            &crate::RequestId::default(),
        );
        let extensions = answer.errors[0].extensions.clone().unwrap();
        assert_eq!(extensions.get("code"), Some(&Value::from("FORBIDDEN")));
    }
}
