//! `canopy rules upload` and `push`: a new version, and how far it goes.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use canopy_domain::rules_host::RuleKind;
use serde_json::{Map, Value, json};

use super::{
    arguments::{Destination, NewRule, Push},
    build,
    client::{Client, constant, text},
    project::Project,
};
use crate::cli::{Refused, progress};

impl Client {
    /// Uploads a component, or makes a version of something that the server has.
    pub(super) async fn upload(&self, new: &NewRule) -> anyhow::Result<Value> {
        let version = NewVersion {
            kind: new.kind,
            name: &new.name,
            configuration: configuration(&new.configuration)?,
            destination: &new.destination,
        };
        let source = match (&new.wasm, &new.builtin, &new.from) {
            (Some(path), ..) => {
                let wasm = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                return self.send_component(&version, wasm).await;
            }
            (_, Some(name), _) => json!({ "builtin": name }),
            (.., id) => json!({ "ruleVersionId": id }),
        };
        let mut input = version.fields();
        input.insert("configuration", version.configuration.clone());
        input.insert("source", source);
        let uploaded = self.mutate("uploadRule", json!(input)).await?;
        self.as_far_as(&new.destination, uploaded).await
    }

    /// Builds a project and uploads its component.
    pub(super) async fn push(&self, project: &Project, push: &Push) -> anyhow::Result<Value> {
        let version = NewVersion {
            kind: project.kind,
            name: push.name.as_deref().unwrap_or(&project.name),
            configuration: match &push.configuration {
                Some(given) => configuration(given)?,
                None => project.configuration()?,
            },
            destination: &push.destination,
        };
        self.send_component(&version, build::built(project)?.wasm).await
    }

    async fn send_component(&self, version: &NewVersion<'_>, wasm: Vec<u8>) -> anyhow::Result<Value> {
        let configuration = version.configuration.to_string();
        let fields = version.fields();
        let fields: Vec<(&str, String)> = fields
            .into_iter()
            .map(|(name, value)| (name, plain(&value)))
            .collect();
        let mut query: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        query.push(("configuration", &configuration));
        progress::tell(&match version.destination.draft {
            true => format!("Uploading {} bytes.", wasm.len()),
            false => format!(
                "Uploading {} bytes, which the server compiles and checks.",
                wasm.len()
            ),
        });
        let answer = self.put("/rules", &query, wasm).await?;
        let uploaded = self.version(text(&answer["id"])).await?;
        self.as_far_as(version.destination, uploaded).await
    }

    /// The version, made live if that was asked for. What is uploaded stays, whatever comes of that.
    async fn as_far_as(&self, destination: &Destination, version: Value) -> anyhow::Result<Value> {
        if !destination.activate {
            return Ok(version);
        }
        let id = text(&version["id"]);
        let live = self.activate(id, Map::new()).await;
        live.map_err(|error| match error.downcast::<Refused>() {
            Ok(Refused(why)) => Refused(format!("{id} is uploaded, and not live: {why}")).into(),
            Err(error) => error.context(format!("{id} is uploaded, and not live")),
        })
    }
}

/// A version that is to be made.
struct NewVersion<'a> {
    kind: RuleKind,
    name: &'a str,
    configuration: Value,
    destination: &'a Destination,
}

impl NewVersion<'_> {
    /// What goes with a component, by the names that GraphQL and `PUT /rules` have for it.
    fn fields(&self) -> BTreeMap<&'static str, Value> {
        let mut fields = BTreeMap::from([
            ("accountId", json!(self.destination.account)),
            ("kind", json!(constant(self.kind.as_str()))),
            ("name", json!(self.name)),
            ("check", json!(!self.destination.draft)),
        ]);
        if let Some(policy) = &self.destination.failure_policy {
            fields.insert("failurePolicy", json!(constant(policy)));
        }
        fields
    }
}

/// Text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// JSON given as text, or in a file.
pub(super) fn configuration(given: &str) -> anyhow::Result<Value> {
    let path = Path::new(given);
    let (content, name) = if given.trim_start().starts_with('{') {
        (given.to_owned(), "the configuration".to_owned())
    } else {
        let name = path.display().to_string();
        (
            fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?,
            name,
        )
    };
    serde_json::from_str(&content).with_context(|| format!("{name} is not JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_json_or_a_file_of_it() {
        assert_eq!(configuration(r#" {"a":1}"#).expect("valid"), json!({ "a": 1 }));
        assert!(configuration("{").is_err());
        assert!(configuration("no-such-file.json").is_err());
    }
}
