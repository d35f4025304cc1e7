//! Documents that were made to harm, in families: each can be made of any size.

use std::fmt::Write;

/// What becomes of a family's largest member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is refused: an error, and no data.
    Refused,
    /// It is within its bounds, and is answered.
    Served,
}

/// Documents of one kind.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// The body of a request, of about so many bytes where it can be.
    pub(crate) body: fn(usize) -> String,
    pub(crate) fate: Fate,
}

const fn refused(name: &'static str, body: fn(usize) -> String) -> Family {
    Family {
        name,
        body,
        fate: Fate::Refused,
    }
}

const fn served(name: &'static str, body: fn(usize) -> String) -> Family {
    Family {
        name,
        body,
        fate: Fate::Served,
    }
}

/// The largest size that is worth trying: a little less than the bound on a document.
pub(crate) const LARGEST: usize = 60_000;

pub(crate) const FAMILIES: [Family; 53] = [
    refused("fragments that double", |size| document(&doubling(size / 40))),
    refused("fragments that double, in 600 bytes", |_| document(&doubling(14))),
    refused("a fragment in itself", |_| {
        document("{ ...A } fragment A on Query { ...A }")
    }),
    refused("a long circle of fragments", |size| document(&circle(size / 40))),
    refused("an unused circle of fragments", |_| {
        document("{ __typename } fragment A on Query { ...B } fragment B on Query { ...A }")
    }),
    refused("a chain of fragments", |size| document(&chain(size / 40))),
    refused("unused fragments that use a wide one", |size| {
        document(&users(size / 2))
    }),
    refused("unknown fragments", |size| {
        document(&format!("{{ {} }}", "...A ".repeat(size / 5)))
    }),
    refused("fields below fields", |size| {
        document(&nested("parent", size / 9))
    }),
    refused("unknown fields below fields", |size| {
        document(&nested("a", size / 4))
    }),
    refused("inline fragments in each other", |size| {
        document(&nested("... on Query", size / 15))
    }),
    refused("inline fragments beside each other", |size| {
        document(&format!("{{ {} }}", "...{__typename}".repeat(size / 15)))
    }),
    refused("lists in lists", |size| {
        let depth = size / 2;
        document(&format!(
            "{{ node(id: {}{}) {{ id }} }}",
            "[".repeat(depth),
            "]".repeat(depth)
        ))
    }),
    refused("objects in objects", |size| {
        let depth = size / 4;
        document(&format!(
            "{{ node(id: {}1{}) {{ id }} }}",
            "{a:".repeat(depth),
            "}".repeat(depth)
        ))
    }),
    refused("types in lists", |size| {
        let depth = size / 2;
        document(&format!(
            "query($a: {}Int{}) {{ __typename }}",
            "[".repeat(depth),
            "]".repeat(depth)
        ))
    }),
    refused("braces that do not close", |size| {
        document(&"{a".repeat(size / 2))
    }),
    refused("brackets that do not open", |size| document(&"}".repeat(size))),
    refused("aliases", |size| {
        document(&fields(size / 15, |n| format!("a{n}:__typename ")))
    }),
    refused("aliases of what is read", |size| {
        document(&fields(size / 20, |n| format!("a{n}:me{{user{{id}}}} ")))
    }),
    refused("aliases in a fragment that is used often", |_| {
        let aliases = fields(200, |n| format!("a{n}:__typename "));
        document(&format!("{{ ...F ...F }} fragment F on Query {aliases}"))
    }),
    refused("one field again and again", |size| {
        document(&format!("{{ {} }}", "__typename ".repeat(size / 11)))
    }),
    refused("many fields of the root", |size| {
        document(&fields(size / 20, |_| "me{user{id}} ".to_owned()))
    }),
    refused("directives on a field", |size| {
        document(&format!(
            "{{ __typename {} }}",
            "@skip(if:false) ".repeat(size / 16)
        ))
    }),
    refused("unknown directives", |size| {
        document(&format!("{{ __typename {} }}", "@a ".repeat(size / 3)))
    }),
    refused("directives on an operation", |size| {
        document(&format!("query {} {{ __typename }}", "@a ".repeat(size / 3)))
    }),
    refused("directives on each field", |size| {
        document(&format!(
            "{{ {} }}",
            "__typename@include(if:true) ".repeat(size / 28)
        ))
    }),
    served("a long text for an id", |size| {
        document(&format!("{{ node(id: \"{}\") {{ id }} }}", "x".repeat(size)))
    }),
    served("a long block text", |size| {
        document(&format!(
            "{{ node(id: \"\"\"{}\"\"\") {{ id }} }}",
            " \n".repeat(size / 3)
        ))
    }),
    refused("a text that does not end", |size| {
        document(&format!("{{ node(id: \"{}", "x".repeat(size)))
    }),
    refused("a long number", |size| {
        document(&format!("{{ node(id: {}) {{ id }} }}", "9".repeat(size)))
    }),
    refused("a number beyond all numbers", |_| {
        document("{ me { accounts(first: 1e999999999) { totalCount } } }")
    }),
    refused("a list of many ids", |size| {
        document(&format!("{{ nodes(ids: [{}]) {{ id }} }}", "1,".repeat(size / 2)))
    }),
    refused("a list of many ids in a variable", |size| {
        let ids = vec!["\"acc_x\""; size].join(",");
        with_variables(
            "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            &format!("{{\"ids\":[{ids}]}}"),
        )
    }),
    refused("arrays in arrays in a variable", |size| {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(size), "]".repeat(size));
        with_variables("query ($a: JSON) { __typename }", &deep)
    }),
    served("a long text in a variable that nobody uses", |size| {
        with_variables(
            "{ __typename }",
            &format!("{{\"a\":\"{}\"}}", "x".repeat(size * 20)),
        )
    }),
    refused("many variables that nobody declared", |size| {
        let mut all = "{".to_owned();
        for n in 0..size {
            let _ = write!(all, "\"v{n}\":{n},");
        }
        with_variables("{ __typename }", &format!("{}}}", all.trim_end_matches(',')))
    }),
    refused("many variables that are declared", |size| {
        let mut all = String::new();
        for n in 0..size / 12 {
            let _ = write!(all, "$v{n}:Int ");
        }
        document(&format!("query ({all}) {{ __typename }}"))
    }),
    refused("one variable declared often", |size| {
        document(&format!(
            "query ({}) {{ __typename }}",
            "$a:Int ".repeat(size / 7)
        ))
    }),
    refused("many operations", |size| {
        let mut all = String::new();
        for n in 0..size / 24 {
            let _ = write!(all, "query Q{n}{{__typename}} ");
        }
        document(&all)
    }),
    refused("fields that cannot be merged", |size| {
        let each = |n: usize| format!("a:node(id:{n}){{id}} ");
        document(&fields((size / 18).min(240), each))
    }),
    refused("fields of fragments that cannot be merged", |size| {
        let mut all = "{ ".to_owned();
        let count = (size / 60).min(120);
        for n in 0..count {
            let _ = write!(all, "...F{n} ");
        }
        all += "}";
        for n in 0..count {
            let _ = write!(all, " fragment F{n} on Query {{ a: node(id: {n}) {{ id }} }}");
        }
        document(&all)
    }),
    refused("introspection in circles", |_| {
        let circle = format!("{}name{}", "fields{type{".repeat(9), "}}".repeat(9));
        document(&format!("{{ __schema {{ types {{ {circle} }} }} }}"))
    }),
    served("a chain of introspection", |_| {
        let chain = format!("{}name{}", "ofType{".repeat(15), "}".repeat(15));
        document(&format!("{{ __type(name: \"Query\") {{ {chain} }} }}"))
    }),
    // Bounded by the accounts that there are.
    served("pages in pages", |_| {
        let inner = (0..6).fold("id".to_owned(), |inner, _| {
            format!("subaccounts(first:100){{nodes{{{inner}}}}}")
        });
        document(&format!("{{ me {{ actingAs {{ {inner} }} }} }}"))
    }),
    refused("pages in pages of the same accounts", |_| {
        let inner = (0..6).fold("id".to_owned(), |inner, _| {
            format!("subaccounts(first:100){{nodes{{parent{{{inner}}}}}}}")
        });
        document(&format!("{{ me {{ actingAs {{ parent {{ {inner} }} }} }} }}"))
    }),
    refused("unknown fields with names like known ones", |size| {
        document(&fields((size / 10).min(4_000), |n| format!("acount{n} ")))
    }),
    refused("unknown arguments", |size| {
        let mut all = String::new();
        for n in 0..size / 10 {
            let _ = write!(all, "frist{n}:1 ");
        }
        document(&format!("{{ me {{ accounts({all}) {{ totalCount }} }} }}"))
    }),
    refused("fragments on unknown types", |size| {
        document(&format!("{{ {} }}", "...on Acount{id} ".repeat(size / 17)))
    }),
    refused("nothing but a comment", |size| {
        document(&format!("#{}", "x".repeat(size)))
    }),
    refused("nothing but commas", |size| document(&",".repeat(size))),
    refused("characters that no token has", |size| {
        document(&"\u{20ac}".repeat(size / 3))
    }),
    refused("the character NUL", |_| {
        document("{ node(id: \\\"\\\\u0000\\\") { id } }")
    }),
    refused("a document beyond all bounds", |size| {
        document(&"{ __typename } ".repeat(size / 7))
    }),
];

/// The body of a request with this document, which is escaped.
fn document(text: &str) -> String {
    let mut body = "{\"query\":\"".to_owned();
    for character in text.chars() {
        match character {
            '"' => body += "\\\"",
            '\\' => body += "\\\\",
            '\n' => body += "\\n",
            other => body.push(other),
        }
    }
    body + "\"}"
}

fn with_variables(text: &str, variables: &str) -> String {
    let body = document(text);
    format!("{},\"variables\":{variables}}}", body.trim_end_matches('}'))
}

/// Fields beside each other.
fn fields(count: usize, each: impl Fn(usize) -> String) -> String {
    let all: String = (0..count).map(each).collect();
    format!("{{ {all} }}")
}

fn nested(step: &str, depth: usize) -> String {
    format!(
        "{{ {}id{} }}",
        format!("{step} {{ ").repeat(depth),
        " }".repeat(depth)
    )
}

fn doubling(length: usize) -> String {
    let mut all = "{ ...F0 }".to_owned();
    for n in 0..length {
        let next = n + 1;
        let _ = write!(all, " fragment F{n} on Query {{ ...F{next} ...F{next} }}");
    }
    all + &format!(" fragment F{length} on Query {{ __typename }}")
}

fn chain(length: usize) -> String {
    let mut all = "{ ...F0 }".to_owned();
    for n in 0..length {
        let _ = write!(all, " fragment F{n} on Query {{ ...F{} }}", n + 1);
    }
    all + &format!(" fragment F{length} on Query {{ __typename }}")
}

fn circle(length: usize) -> String {
    let mut all = "{ ...F0 }".to_owned();
    for n in 0..length {
        let _ = write!(all, " fragment F{n} on Query {{ ...F{} }}", (n + 1) % length);
    }
    all
}

/// As many fragments as fit that each use one wide fragment, which is as large as all of them.
fn users(size: usize) -> String {
    let mut all = "{ __typename } fragment Wide on Query { ".to_owned();
    for _ in 0..size / 11 {
        all += "__typename ";
    }
    all += "}";
    for n in 0..size / 32 {
        let _ = write!(all, " fragment U{n} on Query {{ ...Wide }}");
    }
    all
}
