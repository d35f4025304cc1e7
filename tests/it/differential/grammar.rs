//! Makes documents of all shapes from a seed: fields, aliases, arguments, fragments, directives, variables. Most are
//! valid; some are not, and some ask for what is not there.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use super::fields::{Arguments, TENANT, UNPLANNED, conditions, fields};

/// A request.
pub(super) struct Request {
    pub(super) document: String,
    pub(super) variables: Value,
}

/// The deepest selections.
const DEPTH: usize = 9;

pub(super) struct Grammar<'i> {
    random: StdRng,
    /// Ids of accounts, whoever may see them, and of others.
    ids: &'i [String],
    declared: Vec<String>,
    variables: Map<String, Value>,
    fragments: Vec<String>,
    /// How many fields may still come.
    left: usize,
}

impl<'i> Grammar<'i> {
    /// The request of a seed. `ids` are those that may be asked for.
    pub(super) fn request(seed: u64, ids: &'i [String]) -> Request {
        let mut grammar = Self {
            random: StdRng::seed_from_u64(seed),
            ids,
            declared: Vec::new(),
            variables: Map::new(),
            fragments: Vec::new(),
            left: 60,
        };
        let root = grammar.set("Query", 0);
        let declared = match grammar.declared.is_empty() {
            true => String::new(),
            false => format!(" ({})", grammar.declared.join(", ")),
        };
        Request {
            document: format!("query Q{declared} {root} {}", grammar.fragments.join(" ")),
            variables: Value::Object(grammar.variables),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.random_range(0..of.len())].clone()
    }

    fn set(&mut self, ty: &'static str, depth: usize) -> String {
        let most = if depth == 0 { 2 } else { 5 };
        let count = self.random.random_range(1..=most);
        let mut text = String::from("{");
        for _ in 0..count {
            text.push(' ');
            text += &self.selection(ty, depth);
        }
        text + " }"
    }

    fn selection(&mut self, ty: &'static str, depth: usize) -> String {
        let directive = self.directive();
        if depth > 0 && self.chance(8) {
            let alias = if self.chance(30) { "type: " } else { "" };
            return format!("{alias}__typename{directive}");
        }
        let most = if ty == "Node" { 70 } else { 14 };
        if depth < DEPTH && self.chance(most) {
            let (on, condition) = match conditions(ty) {
                [] => (ty, String::new()),
                _ if self.chance(20) => (ty, String::new()),
                some => {
                    let on = self.one(some);
                    (on, format!(" on {on}"))
                }
            };
            return format!("...{condition}{directive} {}", self.inside(on, depth));
        }
        if depth < DEPTH && self.chance(8) {
            let on = match conditions(ty) {
                [] => ty,
                some => self.one(some),
            };
            let inside = self.inside(on, depth);
            let name = format!("F{}", self.fragments.len());
            self.fragments.push(format!("fragment {name} on {on} {inside}"));
            let again = if self.chance(15) {
                format!(" ...{name}")
            } else {
                String::new()
            };
            return format!("...{name}{directive}{again}");
        }
        self.field(ty, depth, &directive)
    }

    /// What a fragment selects.
    fn inside(&mut self, on: &'static str, depth: usize) -> String {
        match on {
            "Node" => "{ id __typename }".to_owned(),
            // A fragment in a fragment comes no deeper in the answer, so that there must be an end of them.
            _ => self.set(on, depth + 1),
        }
    }

    fn field(&mut self, ty: &'static str, depth: usize, directive: &str) -> String {
        let mut known = fields(ty);
        if TENANT.len() == known.len() && self.chance(1) {
            known = UNPLANNED.to_vec();
        }
        if depth >= DEPTH || self.left == 0 {
            known.retain(|own| own.1.is_empty());
        }
        if known.is_empty() {
            return "__typename".to_owned();
        }
        self.left = self.left.saturating_sub(1);
        let (name, gives, arguments) = self.one(&known);
        let arguments = self.arguments(arguments);
        // The same response key always stands for the same field with the same arguments, as GraphQL wants it.
        let alias = match arguments.is_empty() {
            false => format!("{name}_{}: ", hash(&arguments)),
            true if self.chance(15) => format!("{name}Again: "),
            true => String::new(),
        };
        let inside = match gives {
            "" => String::new(),
            gives => format!(" {}", self.set(gives, depth + 1)),
        };
        format!("{alias}{name}{arguments}{directive}{inside}")
    }

    fn directive(&mut self) -> String {
        if !self.chance(7) {
            return String::new();
        }
        let name = self.one(&["skip", "include"]);
        let value = self.random.random_range(0..2) == 0;
        let condition = match self.random.random_range(0..3) {
            0 => value.to_string(),
            1 => self.variable("Boolean!", "", Some(json!(value))),
            _ => self.variable("Boolean!", &format!(" = {value}"), None),
        };
        format!(" @{name}(if: {condition})")
    }

    fn variable(&mut self, ty: &str, default: &str, value: Option<Value>) -> String {
        let name = format!("v{}", self.declared.len());
        self.declared.push(format!("${name}: {ty}{default}"));
        if let Some(value) = value {
            self.variables.insert(name.clone(), value);
        }
        format!("${name}")
    }

    fn arguments(&mut self, kind: Arguments) -> String {
        let given = match kind {
            Arguments::None => Vec::new(),
            Arguments::Page => self.page(),
            Arguments::Usage => self.usage(),
            Arguments::Account => self.account(),
            Arguments::Node => {
                let id = self.one(self.ids);
                match self.chance(50) {
                    true => vec![format!("id: \"{id}\"")],
                    false => vec![format!("id: {}", self.variable("ID!", "", Some(json!(id))))],
                }
            }
            Arguments::Resource => vec![format!(
                "name: {}",
                self.one(&["\"members\"", "\"depth\"", "\"none\""])
            )],
            Arguments::Key => match self.chance(50) {
                true => vec!["key: BILLING".to_owned()],
                false => vec![format!(
                    "key: {}",
                    self.variable("PermissionKey!", "", Some(json!("SETTINGS")))
                )],
            },
        };
        match given.is_empty() {
            true => String::new(),
            false => format!("({})", given.join(", ")),
        }
    }

    fn page(&mut self) -> Vec<String> {
        let mut given = Vec::new();
        let size = self.one(&["0", "1", "2", "3", "5", "25", "null", "100"]);
        let size = if self.chance(2) {
            self.one(&["-1", "101"])
        } else {
            size
        };
        match self.random.random_range(0..10) {
            0..4 => given.push(format!("first: {size}")),
            4..6 => given.push(format!("last: {size}")),
            6 => {
                let value = self.one(&[json!(1), json!(2), json!(null)]);
                given.push(format!("first: {}", self.variable("Int", "", Some(value))));
            }
            7 => given.push(format!("first: {}", self.variable("Int", " = 2", None))),
            8 => given.push(format!("last: {}", self.variable("Int", "", None))),
            _ => {}
        }
        if self.chance(15) {
            let side = self.one(&["after", "before"]);
            let id = self.one(self.ids);
            let cursor = match self.chance(5) {
                true => "no cursor".to_owned(),
                false => URL_SAFE_NO_PAD.encode(format!("1:{id}")),
            };
            given.push(match self.chance(50) {
                true => format!("{side}: \"{cursor}\""),
                false => format!("{side}: {}", self.variable("String", "", Some(json!(cursor)))),
            });
        }
        given
    }

    fn usage(&mut self) -> Vec<String> {
        let mut given = Vec::new();
        if self.chance(60) {
            let (start, end) = self.one(&[
                ("2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z"),
                ("2026-01-01T01:30:00+02:00", "2030-01-01T00:00:00Z"),
            ]);
            given.push(match self.random.random_range(0..20) {
                0 => format!("period: {{ start: \"{end}\", end: \"{start}\" }}"),
                1 => "period: { start: \"yesterday\", end: \"today\" }".to_owned(),
                2..6 => {
                    let period = json!({"start": start, "end": end});
                    format!("period: {}", self.variable("UsagePeriodInput", "", Some(period)))
                }
                6..10 => {
                    let end = self.variable("DateTime!", "", Some(json!(end)));
                    format!("period: {{ start: \"{start}\", end: {end} }}")
                }
                _ => format!("period: {{ start: \"{start}\", end: \"{end}\" }}"),
            });
        }
        if self.chance(60) {
            given.push(format!("granularity: {}", self.one(&["MONTH", "DAY", "HOUR"])));
        } else if self.chance(10) {
            given.push(format!("granularity: {}", self.variable("Granularity", "", None)));
        }
        if self.chance(40) {
            let zones = [
                "ACCOUNT",
                "Asia/Kolkata",
                "America/St_Johns",
                "UTC",
                "Europe/Nowhere",
            ];
            let zone = match self.chance(5) {
                true => "null".to_owned(),
                false => format!("\"{}\"", self.one(&zones)),
            };
            given.push(match self.chance(70) {
                true => format!("timeZone: {zone}"),
                false => format!(
                    "timeZone: {}",
                    self.variable("String", " = \"Asia/Kathmandu\"", None)
                ),
            });
        }
        if self.chance(25) {
            given.push(format!(
                "meters: {}",
                self.one(&["[]", "[\"minutes\"]", "\"calls\"", "null"])
            ));
        }
        if self.chance(30) {
            given.push("includeDescendants: true".to_owned());
        }
        given
    }

    fn account(&mut self) -> Vec<String> {
        let id = self.one(self.ids);
        match self.random.random_range(0..10) {
            0 => Vec::new(),
            1 => vec!["id: null".to_owned()],
            2 => vec![format!("id: {}", self.variable("ID", "", None))],
            3..6 => vec![format!("id: \"{id}\"")],
            _ => vec![format!("id: {}", self.variable("ID!", "", Some(json!(id))))],
        }
    }
}

/// A short name for a text.
fn hash(text: &str) -> String {
    let hash = text.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!("{hash:x}")
}
