//! What a request is answered: `data`, errors and extensions.

use std::collections::BTreeMap;

use async_graphql::{Response, ServerError, Value};

/// The answer to a request.
#[derive(Debug)]
pub struct Reply {
    /// What was asked for, as far as it is there.
    pub data: Data,
    /// What went wrong. Each error has an `extensions.code`.
    pub errors: Vec<ServerError>,
    /// What is told beside the data, such as its cost.
    pub extensions: BTreeMap<String, Value>,
}

/// The `data` of an answer.
#[derive(Debug)]
pub enum Data {
    /// As resolvers put it together.
    Value(Value),
    /// As JSON: an object that a query plan has written.
    Written(String),
}

impl Reply {
    /// An answer without data.
    pub fn from_errors(errors: Vec<ServerError>) -> Self {
        Response::from_errors(errors).into()
    }

    /// The answer as JSON: the errors, if there are any, the data, and the extensions, if there are any.
    pub fn to_json(&self) -> String {
        self.written(true)
    }

    /// The same without `data`, as an answer is that nothing was executed for.
    pub fn to_json_without_data(&self) -> String {
        self.written(false)
    }

    fn written(&self, with_data: bool) -> String {
        let written = match &self.data {
            Data::Written(json) if with_data => json.len(),
            _ => 0,
        };
        let mut json = String::with_capacity(written + BESIDES);
        let mut separator = '{';
        let mut key = |json: &mut String, name: &str| {
            json.push(std::mem::replace(&mut separator, ','));
            json.push('"');
            json.push_str(name);
            json.push_str("\":");
        };
        if !self.errors.is_empty() {
            key(&mut json, "errors");
            json.push_str(&text(&self.errors));
        }
        if with_data {
            key(&mut json, "data");
            self.data.write_to(&mut json);
        }
        if !self.extensions.is_empty() {
            key(&mut json, "extensions");
            json.push_str(&text(&self.extensions));
        }
        if json.is_empty() {
            json.push('{');
        }
        json.push('}');
        json
    }
}

/// What stands around the data usually fits in so many bytes.
const BESIDES: usize = 256;

impl Data {
    /// Whether there is none.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Value(Value::Null))
    }

    /// Appends it as JSON.
    pub fn write_to(&self, json: &mut String) {
        match self {
            Self::Value(value) => json.push_str(&text(value)),
            Self::Written(written) => json.push_str(written),
        }
    }
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("an answer has string keys only and no foreign types")
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self {
            data: Data::Value(response.data),
            errors: response.errors,
            extensions: response.extensions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_as_async_graphql_writes_it() {
        let error = ServerError::new("m\n", None);
        let mut response = Response::from_errors(vec![error.clone()]);
        response.data = Value::from_json(serde_json::json!({"a": ["\"", 1, null]})).unwrap();
        response.extensions.insert("x".to_owned(), 1.into());
        let expected = serde_json::to_string(&response).unwrap();
        let mut reply = Reply::from(response);
        assert_eq!(reply.to_json(), expected);
        let mut data = String::new();
        reply.data.write_to(&mut data);
        reply.data = Data::Written(data);
        assert_eq!(reply.to_json(), expected);
        assert_eq!(
            reply.to_json_without_data(),
            r#"{"errors":[{"message":"m\n"}],"extensions":{"x":1}}"#
        );
        let nothing = Reply::from(Response::new(Value::Null));
        assert_eq!(nothing.to_json(), r#"{"data":null}"#);
    }
}
