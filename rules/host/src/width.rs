//! What counting the parts of a component does not see, and what costs more than
//! its bytes: wide signatures, which make a call of two bytes a thousand moves, and
//! long constant expressions, which run without fuel. Reads bytes, no engine.

use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, FuncType, Parser, Payload,
};

use crate::error::RuleError;

const MAX_PARAMETERS: usize = 100;
const MAX_RESULTS: usize = 20;

/// In bytes. A compiler makes a constant, a global, or their sum.
const MAX_CONSTANT: usize = 64;

/// Refuses what is beyond these bounds. What cannot be read is left to others to refuse.
pub(crate) fn check(wasm: &[u8]) -> Result<(), RuleError> {
    for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        if let Some(wrong) = wrong(payload) {
            return Err(RuleError::Invalid(wrong));
        }
    }
    Ok(())
}

fn wrong(payload: Payload<'_>) -> Option<String> {
    match payload {
        Payload::TypeSection(section) => {
            let mut groups = section.into_iter().flatten();
            groups.find_map(|group| {
                group.into_types().find_map(|ty| match ty.composite_type.inner {
                    CompositeInnerType::Func(function) => too_wide(&function),
                    _ => None,
                })
            })
        }
        Payload::GlobalSection(section) => {
            let mut globals = section.into_iter().flatten();
            globals.find_map(|global| too_long(&global.init_expr))
        }
        Payload::DataSection(section) => section.into_iter().flatten().find_map(|data| match data.kind {
            DataKind::Active { offset_expr, .. } => too_long(&offset_expr),
            DataKind::Passive => None,
        }),
        Payload::ElementSection(section) => section.into_iter().flatten().find_map(|element| {
            let offset = match &element.kind {
                ElementKind::Active { offset_expr, .. } => too_long(offset_expr),
                _ => None,
            };
            offset.or_else(|| match element.items {
                ElementItems::Expressions(_, items) => {
                    items.into_iter().flatten().find_map(|item| too_long(&item))
                }
                ElementItems::Functions(_) => None,
            })
        }),
        _ => None,
    }
}

fn too_wide(function: &FuncType) -> Option<String> {
    let is = function.params().len() > MAX_PARAMETERS || function.results().len() > MAX_RESULTS;
    is.then(|| format!("a function has more than {MAX_PARAMETERS} parameters or {MAX_RESULTS} results"))
}

fn too_long(expression: &ConstExpr<'_>) -> Option<String> {
    let length = expression.get_binary_reader().bytes_remaining();
    (length > MAX_CONSTANT).then(|| format!("a constant expression is longer than {MAX_CONSTANT} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(text: &str) -> bool {
        check(&wat::parse_str(text).unwrap()).is_err()
    }

    #[test]
    fn signatures_and_constants_are_bounded() {
        let function = |parameters: usize, results: usize| {
            let (parameters, results) = ("i32 ".repeat(parameters), "i32 ".repeat(results));
            is_refused(&format!(
                "(module (type (func (param {parameters}) (result {results}))))"
            ))
        };
        assert_eq!(
            [function(100, 20), function(101, 0), function(0, 21)],
            [false, true, true]
        );

        let sum = |terms: usize| format!("(i32.const 0){}", " (i32.const 1) (i32.add)".repeat(terms));
        let constants = |terms: usize| {
            let sum = sum(terms);
            [
                format!("(module (global i32 {sum}))"),
                format!("(module (memory 1) (data (offset {sum}) \"\"))"),
                format!("(module (table 1 funcref) (elem (offset {sum}) func))"),
            ]
            .map(|text| is_refused(&text))
        };
        assert_eq!(constants(20), [false; 3]);
        assert_eq!(constants(21), [true; 3]);
    }
}
