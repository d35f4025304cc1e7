//! Configurations are held against schemas in a process of their own, which ends within its bounds whatever it is given.

use std::path::Path;
use std::time::{Duration, Instant};

use canopy_rules_host::RuleError;
use serde_json::{Value, json};

use crate::sandbox::host;
use crate::schemas::schemas;

/// Two seconds of processor time, and what a busy machine makes of them.
const BOUND: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_hostile_schema_is_the_rules_fault_and_ends_within_its_bounds() {
    for case in schemas() {
        let begin = Instant::now();
        let held = host()
            .check_configuration(None, &case.schema, &case.configuration)
            .await;
        let elapsed = begin.elapsed();
        let ended = held.as_ref().map_or_else(RuleError::kind, |()| "fits");
        let shown = held.as_ref().map_or_else(ToString::to_string, |()| String::new());
        println!("{:<45} {ended:<22} {elapsed:?} {shown}", case.name);
        assert!(case.expect.contains(&ended), "{}: {ended}: {shown}", case.name);
        assert!(shown.len() < 1000, "{}: {shown}", case.name);
        assert!(elapsed < BOUND, "{} took {elapsed:?}", case.name);
    }
}

#[tokio::test]
async fn a_misfit_is_told_with_its_place() {
    let schema = json!({"properties": {"tiers": {"items": {"type": "string"}}}});
    let check = async |configuration: Value| {
        host()
            .check_configuration(Some("a"), &schema, &configuration)
            .await
    };
    assert_eq!(check(json!({"tiers": ["1"]})).await, Ok(()));
    let error = check(json!({"tiers": ["1", 2]})).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"The configuration is not what the rule's schema asks for at `/tiers/1`: 2 is not of type "string"."#
    );
}

#[tokio::test]
async fn the_templates_configurations_are_what_their_schemas_ask_for() {
    for kind in ["pricing", "limits"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../templates")
            .join(kind);
        let read =
            |file| -> Value { serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap() };
        let (schema, configuration) = (read("configuration.schema.json"), read("configuration.json"));
        assert_eq!(
            host().check_configuration(None, &schema, &configuration).await,
            Ok(()),
            "{kind}"
        );
        let held = host().check_configuration(None, &schema, &json!({})).await;
        assert!(
            matches!(held, Err(RuleError::InvalidConfiguration { .. })),
            "{kind}: {held:?}"
        );
    }
}
