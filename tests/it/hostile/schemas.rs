//! Configuration schemas that mean harm: a few lines that ask for more time or memory than anybody has, or for what
//! lies elsewhere. Used by the tests of the sandbox and of the whole server.

use serde_json::{Value, json};

/// A schema, what is held against it, and how that may end.
pub(crate) struct Schema {
    pub(crate) name: &'static str,
    /// Kinds of `RuleError`, or `fits`: any of them will do.
    pub(crate) expect: &'static [&'static str],
    pub(crate) schema: Value,
    pub(crate) configuration: Value,
}

/// The schema cannot be used: the rule's fault.
const REFUSED: &[&str] = &["invalid_schema"];
/// It is within bounds on some machines and beyond them on others.
const ANYHOW: &[&str] = &["invalid_schema", "invalid_configuration", "fits"];

fn schema(name: &'static str, expect: &'static [&'static str], schema: Value) -> Schema {
    let configuration = json!({"a": "b"});
    Schema {
        name,
        expect,
        schema,
        configuration,
    }
}

pub(crate) fn schemas() -> Vec<Schema> {
    let all = [
        schema(
            "a reference to a server",
            REFUSED,
            json!({"$ref": "http://127.0.0.1:1/schema.json"}),
        ),
        schema(
            "a reference to a file",
            REFUSED,
            json!({"$ref": "file:///etc/passwd"}),
        ),
        schema(
            "a draft of its own",
            REFUSED,
            json!({"$schema": "https://example.com/draft", "type": "object"}),
        ),
        schema("a reference to nowhere", REFUSED, json!({"$ref": "#/$defs/none"})),
        schema("a type that is none", REFUSED, json!({"type": "strnig"})),
        schema(
            "a pattern that would track back",
            REFUSED,
            json!({"pattern": "^(?=(a+)+$)b"}),
        ),
        schema(
            "a pattern that unfolds",
            REFUSED,
            json!({"pattern": "(((\\w{100}){100}){100}){100}"}),
        ),
        schema("itself", ANYHOW, json!({"$ref": "#"})),
        schema(
            "itself and itself",
            ANYHOW,
            json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        ),
        schema("a ring", ANYHOW, ring(1_000)),
        schema("doubling alternatives", REFUSED, doubling("anyOf", 48)),
        schema("doubling demands", REFUSED, doubling("allOf", 48)),
        schema("doubling choices", REFUSED, doubling("oneOf", 48)),
        schema("doubling dynamic references", ANYHOW, dynamic(48)),
        schema(
            "doubling demands, and nothing else allowed",
            REFUSED,
            unevaluated(48),
        ),
        schema("a thousand patterns", ANYHOW, patterns(1_000)),
        schema("a tower of negations", ANYHOW, tower(100)),
        schema(
            "fractions of nothing",
            ANYHOW,
            json!({"properties": {"a": {"multipleOf": 1e-300}}}),
        ),
    ];
    let mut all = Vec::from(all);
    all.push(Schema {
        configuration: nested(100),
        ..schema(
            "a reference within reach",
            &["fits"],
            json!({"properties": {"a": {"$ref": "#"}}}),
        )
    });
    all.push(Schema {
        configuration: json!({"a": (0..8_000).map(|n| json!([n])).collect::<Vec<_>>()}),
        ..schema(
            "many values, each once",
            ANYHOW,
            json!({"properties": {"a": {"uniqueItems": true}}}),
        )
    });
    all
}

/// Each definition asks the next one twice; the last one says no, so that nothing is cut short.
fn doubling(word: &str, depth: usize) -> Value {
    let no = word != "allOf";
    definitions(depth, !no, |next| json!({word: [{"$ref": next}, {"$ref": next}]}))
}

fn unevaluated(depth: usize) -> Value {
    definitions(
        depth,
        true,
        |next| json!({"allOf": [{"$ref": next}, {"$ref": next}], "unevaluatedProperties": true}),
    )
}

fn definitions(depth: usize, last: bool, make: impl Fn(String) -> Value) -> Value {
    let mut all = serde_json::Map::new();
    for level in 0..depth {
        all.insert(format!("d{level}"), make(format!("#/$defs/d{}", level + 1)));
    }
    let last = match last {
        true => json!({"minProperties": 1}),
        false => json!({"minProperties": 100}),
    };
    all.insert(format!("d{depth}"), last);
    json!({"$ref": "#/$defs/d0", "$defs": all})
}

fn dynamic(depth: usize) -> Value {
    let mut all = serde_json::Map::new();
    for level in 0..=depth {
        let next = format!("#a{}", (level + 1) % (depth + 1));
        let two = json!([{"$dynamicRef": next}, {"$dynamicRef": next}]);
        all.insert(
            format!("d{level}"),
            json!({"$dynamicAnchor": format!("a{level}"), "anyOf": two}),
        );
    }
    json!({"$ref": "#/$defs/d0", "$defs": all})
}

fn ring(length: usize) -> Value {
    let mut all = serde_json::Map::new();
    for level in 0..length {
        all.insert(
            format!("d{level}"),
            json!({"$ref": format!("#/$defs/d{}", (level + 1) % length)}),
        );
    }
    json!({"$ref": "#/$defs/d0", "$defs": all})
}

fn patterns(count: usize) -> Value {
    let pattern = |number| (format!("^{number}(\\w{{12}}){{3}}$"), json!({"type": "null"}));
    json!({"patternProperties": (0..count).map(pattern).collect::<serde_json::Map<_, _>>()})
}

fn tower(height: usize) -> Value {
    (0..height).fold(json!({"type": "object"}), |inner, _| json!({"not": inner}))
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({"a": inner}))
}
