//! The places where an object is come by, and for each of them one small document that asks all about it.

use std::collections::{BTreeMap, BTreeSet};

use super::sdl::{Field, Sdl, family};

/// A field of `Query` with its arguments.
pub(super) struct Root {
    pub(super) field: &'static str,
    /// What stands between the document's braces and what is asked of the object.
    calls: &'static [&'static str],
    /// The type of the object.
    to: &'static str,
    pub(super) given: Given,
}

/// What a document is to be asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Nothing,
    /// Each account's id in turn.
    Account,
    /// Each id of a table in turn.
    Row(&'static str),
    /// Ids of whatever may be a node, in turn.
    Node,
    /// All ids, many at once.
    All,
}

impl Given {
    /// The variables that the document declares.
    fn variables(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Account | Self::Row(_) | Self::Node => "($id: ID!) ",
            Self::All => "($ids: [ID!]!) ",
        }
    }
}

const fn root(field: &'static str, calls: &'static [&'static str], to: &'static str, given: Given) -> Root {
    Root {
        field,
        calls,
        to,
        given,
    }
}

/// Every way in, the first where a walk begins: what an account leads to is asked below `account`, so for each account.
pub(super) const ROOTS: [Root; 8] = [
    root("account", &["account(id: $id)"], "Tenant", Given::Account),
    root("account", &["account"], "Tenant", Given::Nothing),
    root("me", &["me"], "Me", Given::Nothing),
    root("plans", &["plans"], "Plan", Given::Nothing),
    root("rating", &["rating(id: $id)"], "Rating", Given::Row("ratings")),
    root(
        "simulation",
        &["simulation(id: $id)"],
        "Simulation",
        Given::Row("simulations"),
    ),
    root("nodes", &["nodes(ids: $ids)"], "Node", Given::All),
    NODE,
];

const NODE: Root = root("node", &["node(id: $id)"], "Node", Given::Node);

/// What query plans know of `node`.
const NODE_OF_ACCOUNT: Root = root(
    "node",
    &["node(id: $id)", "... on Tenant"],
    "Tenant",
    Given::Account,
);

/// A place: the fields that lead from an object with an id, or from `Query`, through what has none to the next one.
pub(super) struct Place {
    /// Such as `Tenant.usageEvents.nodes`.
    pub(super) name: String,
    pub(super) root: &'static Root,
    /// The fields from `Query` to the object.
    pub(super) path: Vec<String>,
    pub(super) document: String,
}

/// One field, or a fragment, on the way to a place.
#[derive(Clone)]
struct Step<'s> {
    from: &'s str,
    call: String,
    /// What it is on the way to a place farther on.
    few: String,
}

impl<'s> Step<'s> {
    fn of(from: &'s str, call: &str) -> Self {
        Self {
            from,
            call: call.to_owned(),
            few: call.to_owned(),
        }
    }
}

/// A way from an object through its parts to the next object with an id.
struct Onward<'s> {
    steps: Vec<Step<'s>>,
    to: &'s str,
}

/// All places that are come to by resolvers, or by query plans.
pub(super) fn places(sdl: &Sdl, by_plan: bool) -> Vec<Place> {
    let mut places = Vec::new();
    // The first way to each type is a shortest one.
    let mut ways: BTreeMap<&str, Vec<Step<'_>>> = BTreeMap::new();
    for root in roots(sdl, by_plan) {
        let mut steps = Vec::new();
        for call in root.calls {
            let from = if steps.is_empty() { "Query" } else { "Node" };
            steps.push(Step::of(from, call));
        }
        places.push(place(sdl, root, format!("Query.{}", root.field), &steps, root.to));
        let mut open = Vec::new();
        for object in sdl.objects(root.to) {
            if ways.contains_key(object) {
                continue;
            }
            let mut way = steps.clone();
            if object != root.to {
                way.push(Step::of(root.to, &format!("... on {object}")));
            }
            ways.insert(object, way);
            open.push(object);
        }
        while !open.is_empty() {
            for object in std::mem::take(&mut open) {
                for onward in onward(sdl, object) {
                    let mut steps = ways[object].clone();
                    steps.extend(onward.steps.iter().cloned());
                    let fields: Vec<&str> = onward.steps.iter().map(|step| name_of(&step.call)).collect();
                    let name = format!("{object}.{}", fields.join("."));
                    places.push(place(sdl, root, name, &steps, onward.to));
                    if !ways.contains_key(onward.to) {
                        for step in &mut steps {
                            step.call.clone_from(&step.few);
                        }
                        ways.insert(onward.to, steps);
                        open.push(onward.to);
                    }
                }
            }
        }
    }
    places
}

/// The ways in that there are.
pub(super) fn roots(sdl: &Sdl, by_plan: bool) -> impl Iterator<Item = &'static Root> + use<'_> {
    let fields: BTreeSet<&str> = sdl
        .fields("Query")
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    let known = ROOTS.iter().filter(move |root| fields.contains(root.field));
    known.map(move |root| match root.field {
        "node" if by_plan => &NODE_OF_ACCOUNT,
        _ => root,
    })
}

impl Root {
    /// The field as `Query.field`, with the type that it leads to.
    pub(super) fn edge(&'static self) -> (String, &'static str) {
        (format!("Query.{}", self.field), self.to)
    }
}

fn place(sdl: &Sdl, root: &'static Root, name: String, steps: &[Step<'_>], to: &str) -> Place {
    let mut text = selection(sdl, to, &mut Vec::new());
    for step in steps.iter().rev() {
        let own = match step.from {
            "Query" => "",
            from if sdl.has_id(from) => "__typename id ",
            _ => "__typename ",
        };
        text = format!("{{ {own}{} {text} }}", step.call);
    }
    let fields = steps.iter().filter(|step| !step.call.starts_with("..."));
    Place {
        name,
        root,
        path: fields.map(|step| name_of(&step.call).to_owned()).collect(),
        document: format!("query {}{text}", root.given.variables()),
    }
}

/// All ways from an object through its parts to objects with ids.
fn onward<'s>(sdl: &'s Sdl, object: &'s str) -> Vec<Onward<'s>> {
    let mut found = Vec::new();
    let mut open = vec![Onward {
        steps: Vec::new(),
        to: object,
    }];
    while let Some(Onward { steps, to: from }) = open.pop() {
        for field in sdl
            .fields(from)
            .iter()
            .filter(|field| !sdl.fields(&field.base).is_empty())
        {
            let to = family(&field.base);
            let mut steps = steps.clone();
            steps.push(Step {
                from,
                call: field.call(),
                few: field.call_for_few(),
            });
            if sdl.has_id(to) {
                found.push(Onward { steps, to });
                continue;
            }
            let is_new = steps.iter().all(|step| step.from != to);
            assert!(is_new, "{to} is a part of itself: it needs an id to be walked");
            open.push(Onward { steps, to });
        }
    }
    found
}

/// All leaves of an object and its parts and, of the next objects with ids, their leaves without those of their parts.
fn selection<'s>(sdl: &'s Sdl, name: &'s str, above: &mut Vec<&'s str>) -> String {
    let name = family(name);
    let objects = sdl.objects(name);
    let mut text = "{ __typename".to_owned();
    if objects.iter().eq([&name]) {
        text += &fields_of(sdl, name, above);
    } else {
        for object in objects {
            text += &format!(" ... on {object} {{{} }}", fields_of(sdl, object, above));
        }
    }
    text + " }"
}

fn fields_of<'s>(sdl: &'s Sdl, name: &'s str, above: &mut Vec<&'s str>) -> String {
    assert!(
        !above.contains(&name),
        "{name} is a part of itself: it needs an id to be walked"
    );
    above.push(name);
    let field = |field: &'s Field| {
        let call = field.call();
        match (sdl.fields(&field.base), sdl.has_id(&field.base)) {
            ([], _) => call,
            (_, false) => format!("{call} {}", selection(sdl, &field.base, above)),
            (next, true) => {
                let leaves = next.iter().filter(|field| sdl.fields(&field.base).is_empty());
                let leaves: Vec<String> = leaves.map(Field::call).collect();
                format!("{call} {{ __typename {} }}", leaves.join(" "))
            }
        }
    };
    let fields: Vec<String> = sdl.fields(name).iter().map(field).collect();
    above.pop();
    fields.iter().flat_map(|field| [" ", field]).collect()
}

/// A field without its arguments.
fn name_of(call: &str) -> &str {
    call.split('(').next().unwrap_or(call)
}
