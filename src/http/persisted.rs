//! Persisted documents: those that the operator put into a directory, known by the hash of their text.
//!
//! A file `*.graphql` is one document. A file `*.json` is a manifest: an object of hash and text, as relay-compiler
//! writes it, or Apollo's manifest with `operations` of `id` and `body`.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use canopy_schema::{CanopySchema, Document, DocumentHash};
use serde_json::Value;

/// The documents of a directory.
#[derive(Default)]
pub(crate) struct Persisted(HashMap<DocumentHash, Arc<Document>>);

/// Why a directory of documents is not good.
#[derive(Debug, thiserror::Error)]
pub enum PersistedError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// No manifest of a known form.
    #[error("{0} is no manifest: neither {{hash: text}} nor {{\"operations\": [{{\"id\", \"body\"}}]}}")]
    NoManifest(PathBuf),
    /// A document that cannot run here.
    #[error("{path} has a document that is not good ({start}…): {message}")]
    Refused {
        path: PathBuf,
        start: String,
        message: String,
    },
    /// An id that is not the hash of its text.
    #[error("{path} names a document {id}, but the SHA-256 of its text is {hash}")]
    WrongHash { path: PathBuf, id: String, hash: String },
}

impl Persisted {
    /// Reads the directory `from`; an empty path has none.
    pub(crate) fn load(from: &Path, schema: &CanopySchema) -> Result<Self, PersistedError> {
        let mut documents = HashMap::new();
        if from.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        for path in files(from)? {
            for (id, text) in texts(&path)? {
                let document = read(&path, text, schema)?;
                let hash = document.hash();
                if let Some(id) = id.filter(|id| id.trim_start_matches("sha256:") != hash.to_string()) {
                    return Err(PersistedError::WrongHash {
                        path,
                        id,
                        hash: hash.to_string(),
                    });
                }
                documents.insert(hash, document);
            }
        }
        tracing::info!(documents = documents.len(), from = %from.display(), "loaded persisted documents");
        Ok(Self(documents))
    }

    pub(super) fn get(&self, hash: &DocumentHash) -> Option<Arc<Document>> {
        self.0.get(hash).cloned()
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, PersistedError> {
    let unreadable = |source| PersistedError::Unreadable {
        path: directory.to_owned(),
        source,
    };
    let entries = fs::read_dir(directory).map_err(unreadable)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// The documents of a file, with the ids that it gives them.
fn texts(path: &Path) -> Result<Vec<(Option<String>, String)>, PersistedError> {
    let read = || {
        fs::read_to_string(path).map_err(|source| PersistedError::Unreadable {
            path: path.to_owned(),
            source,
        })
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("graphql" | "gql") => Ok(vec![(None, read()?)]),
        Some("json") => manifest(&read()?).ok_or_else(|| PersistedError::NoManifest(path.to_owned())),
        _ => Ok(Vec::new()),
    }
}

fn manifest(text: &str) -> Option<Vec<(Option<String>, String)>> {
    let Value::Object(fields) = serde_json::from_str(text).ok()? else {
        return None;
    };
    let string = |value: &Value| value.as_str().map(str::to_owned);
    match fields.get("operations") {
        Some(Value::Array(operations)) => operations
            .iter()
            .map(|own| Some((Some(string(own.get("id")?)?), string(own.get("body")?)?)))
            .collect(),
        _ => fields
            .iter()
            .map(|(id, text)| Some((Some(id.clone()), string(text)?)))
            .collect(),
    }
}

fn read(path: &Path, text: String, schema: &CanopySchema) -> Result<Arc<Document>, PersistedError> {
    let start: String = text.chars().take(60).collect();
    schema.read(text).map_err(|response| PersistedError::Refused {
        path: path.to_owned(),
        start,
        message: response
            .errors
            .first()
            .map(|error| error.message.clone())
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_manifest_are_read() {
        let expected = vec![(Some("h".to_owned()), "{ me { __typename } }".to_owned())];
        let relay = r#"{"h": "{ me { __typename } }"}"#;
        let apollo = r#"{"format": "apollo-persisted-query-manifest", "version": 1,
                         "operations": [{"id": "h", "body": "{ me { __typename } }", "name": "Q", "type": "query"}]}"#;
        assert_eq!(manifest(relay), Some(expected.clone()));
        assert_eq!(manifest(apollo), Some(expected));
        for bad in ["", "[]", r#"{"h": 1}"#, r#"{"operations": [{"id": "h"}]}"#] {
            assert_eq!(manifest(bad), None, "{bad}");
        }
    }
}
