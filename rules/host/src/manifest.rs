//! What a component says of itself: a JSON object in its custom section
//! `canopy:rule`. It is the author's claim, checked for its form only. Knows
//! neither the engine nor what the claims lead to.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wasmparser::BinaryReader;

use crate::error::{RuleError, quoted};

/// Name of the section.
const SECTION: &str = "canopy:rule";

/// Of a module and of a component: the magic and the version.
const HEADER: usize = 8;
const CUSTOM: u8 = 0;

const MAX_BYTES: usize = 64 << 10;
const MAX_METERS: usize = 64;
const MAX_METER: usize = 64;
const MAX_TEXT: usize = 128;

/// What a component says of itself. All of it may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manifest {
    /// What it was written in, for example `rust`. At most 128 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Digest of its source, in the author's own way. At most 128 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<String>,
    /// JSON Schema of its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_schema: Option<serde_json::Value>,
    /// False: more usage may cost less, and nobody is to be surprised by it.
    pub monotonic: bool,
    /// Meters that it prices, for the contract suite. At most 64, each of at most
    /// 64 bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meters: Vec<String>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            language: None,
            source_digest: None,
            configuration_schema: None,
            monotonic: true,
            meters: Vec::new(),
        }
    }
}

/// The manifest of a component; the default if it has none. Only sections of the
/// outermost level count, at most one. [`RuleError::Invalid`] if it is not of the form above.
pub fn manifest(wasm: &[u8]) -> Result<Manifest, RuleError> {
    let mut found = None;
    for (_, content) in sections(wasm)? {
        if found.replace(content).is_some() {
            return Err(invalid("is there twice"));
        }
    }
    let Some(content) = found else {
        return Ok(Manifest::default());
    };
    if content.len() > MAX_BYTES {
        return Err(invalid(format!("is larger than {MAX_BYTES} bytes")));
    }
    let manifest: Manifest = serde_json::from_slice(content)
        .map_err(|error| invalid(format!("cannot be read: {}", quoted(&error.to_string()))))?;
    manifest.check()?;
    Ok(manifest)
}

/// The component with this manifest, in place of any that it had. What is no WebAssembly gets none.
pub fn with_manifest(wasm: &[u8], manifest: &Manifest) -> Vec<u8> {
    let mut made = wasm.to_vec();
    let Ok(old) = sections(wasm) else { return made };
    for (whole, _) in old.into_iter().rev() {
        made.drain(whole);
    }
    let json = serde_json::to_vec(manifest).expect("a manifest has string keys only");
    let name = SECTION.as_bytes();
    let mut body = leb(name.len());
    body.extend_from_slice(name);
    body.extend_from_slice(&json);
    made.push(CUSTOM);
    made.extend(leb(body.len()));
    made.extend(body);
    made
}

impl Manifest {
    fn check(&self) -> Result<(), RuleError> {
        let texts = self.language.iter().chain(&self.source_digest);
        if texts.into_iter().any(|text| text.len() > MAX_TEXT) {
            return Err(invalid(format!("has a text of more than {MAX_TEXT} bytes")));
        }
        if self.meters.len() > MAX_METERS || self.meters.iter().any(|meter| !is_meter(meter)) {
            return Err(invalid(format!(
                "may name at most {MAX_METERS} meters, each of 1 to {MAX_METER} bytes"
            )));
        }
        match &self.configuration_schema {
            None | Some(serde_json::Value::Object(_)) => Ok(()),
            Some(_) => Err(invalid("has a configuration_schema that is not an object")),
        }
    }
}

/// Whether this may be the name of a meter.
pub(crate) fn is_meter(name: &str) -> bool {
    (1..=MAX_METER).contains(&name.len()) && !name.contains(char::is_control)
}

fn invalid(text: impl std::fmt::Display) -> RuleError {
    RuleError::Invalid(format!("its manifest (custom section `{SECTION}`) {text}"))
}

/// A section of a component: where it lies, and its content.
type Section<'a> = (Range<usize>, &'a [u8]);

/// The sections of ours at the outermost level.
fn sections(wasm: &[u8]) -> Result<Vec<Section<'_>>, RuleError> {
    let malformed = |error: wasmparser::BinaryReaderError| RuleError::Invalid(quoted(&error.to_string()));
    let mut found = Vec::new();
    let mut reader = BinaryReader::new(wasm, 0);
    reader.read_bytes(HEADER).map_err(malformed)?;
    while !reader.eof() {
        let start = reader.original_position();
        let id = reader.read_u8().map_err(malformed)?;
        let size = reader.read_var_u32().map_err(malformed)?;
        let body = reader.read_bytes(size as usize).map_err(malformed)?;
        if id != CUSTOM {
            continue;
        }
        let mut body = BinaryReader::new(body, 0);
        if body.read_string().map_err(malformed)? == SECTION {
            let content = body.read_bytes(body.bytes_remaining()).map_err(malformed)?;
            found.push((start..reader.original_position(), content));
        }
    }
    Ok(found)
}

/// Unsigned LEB128, as sizes are written.
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn claim() -> Manifest {
        Manifest {
            language: Some("rust".into()),
            monotonic: false,
            meters: vec!["call_minutes".into()],
            configuration_schema: Some(serde_json::json!({"type": "object"})),
            source_digest: Some("ab".repeat(32)),
        }
    }

    /// A section of ours with this content.
    fn raw(content: &[u8]) -> Vec<u8> {
        let mut body = leb(SECTION.len());
        body.extend_from_slice(SECTION.as_bytes());
        body.extend_from_slice(content);
        let mut section = vec![CUSTOM];
        section.extend(leb(body.len()));
        section.extend(body);
        section
    }

    #[test]
    fn what_was_written_is_read_and_replaced() {
        assert_eq!(manifest(COMPONENT), Ok(Manifest::default()));
        let first = with_manifest(COMPONENT, &claim());
        assert_eq!(manifest(&first), Ok(claim()));
        let other = Manifest {
            language: Some("c".into()),
            ..Manifest::default()
        };
        let second = with_manifest(&first, &other);
        assert_eq!(manifest(&second), Ok(other));
        assert_eq!(with_manifest(&second, &claim()), first, "the old one is gone");
    }

    #[test]
    fn absent_keys_have_their_defaults() {
        let wasm = [COMPONENT, &raw(b"{}")].concat();
        assert_eq!(manifest(&wasm), Ok(Manifest::default()));
    }

    #[test]
    fn a_manifest_inside_a_nested_component_is_not_the_rules() {
        let inner = with_manifest(COMPONENT, &claim());
        let mut outer = COMPONENT.to_vec();
        outer.push(4);
        outer.extend(leb(inner.len()));
        outer.extend(inner);
        assert_eq!(manifest(&outer), Ok(Manifest::default()));
    }

    #[test]
    fn what_is_of_another_form_is_refused() {
        let deep = format!("{{\"configuration_schema\":{}", "[".repeat(50_000));
        let many = serde_json::json!({"meters": vec!["m"; 65]}).to_string();
        let cases: [&[u8]; 8] = [
            b"",
            b"not json",
            br#"{"languages": "rust"}"#,
            br#"{"meters": [""]}"#,
            br#"{"configuration_schema": true}"#,
            &[b'"'; MAX_BYTES + 1],
            deep.as_bytes(),
            many.as_bytes(),
        ];
        for content in cases {
            let wasm = [COMPONENT, &raw(content)].concat();
            let error = manifest(&wasm).unwrap_err();
            assert!(error.to_string().contains("manifest"), "{error}");
        }
        let twice = [COMPONENT, &raw(b"{}"), &raw(b"{}")].concat();
        assert!(manifest(&twice).is_err());
        for end in 0..with_manifest(COMPONENT, &claim()).len() {
            let _ = manifest(&with_manifest(COMPONENT, &claim())[..end]);
        }
    }
}
