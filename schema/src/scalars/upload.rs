//! Files that came with a request.

use async_graphql::{Context, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use canopy_domain::{Error, Result};

/// The files that came with a request, in its data; the transport puts [`Uploads::reference`] where a file belongs.
#[derive(Debug, Default)]
pub struct Uploads(pub Vec<Vec<u8>>);

impl Uploads {
    /// What stands in the variables for the file at `index`.
    pub fn reference(index: usize) -> String {
        format!("{PREFIX}{index}")
    }
}

const PREFIX: &str = "upload:";

/// A file of a multipart request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upload(usize);

impl Upload {
    /// Its bytes.
    pub(crate) fn bytes(self, ctx: &Context<'_>) -> Result<Vec<u8>> {
        let uploads = ctx.data_opt::<Uploads>();
        let file = uploads.and_then(|uploads| uploads.0.get(self.0));
        file.cloned()
            .ok_or_else(|| Error::bad_input(&["source", "file"], "There is no such file in the request."))
    }
}

/// A file of a multipart request: its variable is null in `operations`, and `map` names it.
#[Scalar(specified_by_url = "https://github.com/jaydenseric/graphql-multipart-request-spec")]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        let index = match &value {
            Value::String(text) => text.strip_prefix(PREFIX).and_then(|index| index.parse().ok()),
            _ => None,
        };
        index
            .map(Self)
            .ok_or_else(|| InputValueError::custom("send the file in a multipart request"))
    }

    fn to_value(&self) -> Value {
        Value::String(Uploads::reference(self.0))
    }
}
