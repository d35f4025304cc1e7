//! When two answers are the same: servers differ in how they wrap a value, not in the value.

use serde_json::Value;

/// An answer without extensions, in which an object with one member is that member: PostGraphile has no type
/// `PermissionSet` around its list, and what is in it is compared all the same. The order of members does not count.
pub(crate) fn normalised(mut answer: Value) -> Value {
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("extensions");
    }
    unwrapped(answer)
}

fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(members) if members.len() == 1 => {
            let only = members.into_iter().next().map(|(_, value)| value);
            unwrapped(only.unwrap_or_default())
        }
        Value::Object(members) => {
            let members = members.into_iter();
            Value::Object(members.map(|(name, value)| (name, unwrapped(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(unwrapped).collect()),
        other => other,
    }
}

/// The first place where two answers differ, with what is there.
pub(crate) fn difference(one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            one.iter().find_map(|(name, value)| {
                difference(value, &other[name]).map(|difference| format!("/{name}{difference}"))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(place, (one, other))| {
                difference(one, other).map(|difference| format!("/{place}{difference}"))
            }),
        _ if one == other => None,
        _ => {
            let short = |value: &Value| value.to_string().chars().take(300).collect::<String>();
            Some(format!(": {} and {}", short(one), short(other)))
        }
    }
}
