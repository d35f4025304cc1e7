//! The documents that were read lately, within a bound in bytes.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Document, DocumentHash};

/// A parsed document takes about so many times the bytes of its text.
const PARSED: u64 = 20;

/// What is kept of any document, however short.
const LEAST: u64 = 1 << 10;

/// How large documents are on average, for the size of the table.
const USUAL: usize = 16 << 10;

pub(super) struct Known(Cache<DocumentHash, Arc<Document>, Weight>);

#[derive(Clone)]
struct Weight;

impl Weighter<DocumentHash, Arc<Document>> for Weight {
    fn weight(&self, _: &DocumentHash, document: &Arc<Document>) -> u64 {
        LEAST + document.text.len() as u64 * PARSED
    }
}

impl Known {
    /// Keeps at most so many bytes.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self(Cache::with_weighter(max_bytes / USUAL, max_bytes as u64, Weight))
    }

    pub(super) fn get(&self, hash: &DocumentHash) -> Option<Arc<Document>> {
        let found = self.0.get(hash);
        let outcome = if found.is_some() { "hit" } else { "miss" };
        metrics::counter!("canopy_documents_total", "outcome" => outcome).increment(1);
        found
    }

    pub(super) fn keep(&self, document: Arc<Document>) {
        self.0.insert(document.hash, document);
        metrics::gauge!("canopy_documents_bytes").set(self.0.weight() as f64);
    }
}
