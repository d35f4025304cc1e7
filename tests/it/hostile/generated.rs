//! Hostile uploads that are too large to be kept as text: each is made by a few lines here. Bytes are written by
//! hand, since no tool makes what no tool should. Used by the tests of the sandbox and of the whole server.

/// An upload, and how it ends.
pub(crate) struct Upload {
    pub(crate) name: &'static str,
    /// Kinds of `RuleError`, any of which will do.
    pub(crate) expect: &'static [&'static str],
    pub(crate) stage: Stage,
    pub(crate) wasm: Vec<u8>,
}

/// Where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// By its bytes, before anything is compiled.
    Structure,
    /// In the compiler's process, at one of its bounds.
    Compiler,
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// The binary's words for types and instructions.
const I32: u8 = 0x7f;
const END: u8 = 0x0b;
const LOOP: u8 = 0x03;
const BLOCK: u8 = 0x02;
const EMPTY: u8 = 0x40;

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

fn sized(content: &[u8]) -> Vec<u8> {
    [leb(content.len()), content.to_vec()].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], sized(content)].concat()
}

/// A vector of `count` equal items.
fn vector(count: usize, item: &[u8]) -> Vec<u8> {
    [leb(count), item.repeat(count)].concat()
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    section(0, &[sized(name.as_bytes()), content.to_vec()].concat())
}

/// A component with a module of these sections in it.
fn with_module(sections: &[Vec<u8>]) -> Vec<u8> {
    let module = [MODULE.to_vec(), sections.concat()].concat();
    [COMPONENT.to_vec(), section(1, &module)].concat()
}

/// A component with a module of one function, without parameters or results.
fn with_function(locals: &[u8], code: &[u8]) -> Vec<u8> {
    let body = [locals, code, &[END]].concat();
    with_module(&[
        section(1, &vector(1, &[0x60, 0, 0])),
        section(3, &vector(1, &[0])),
        section(10, &[leb(1), sized(&body)].concat()),
    ])
}

const NO_LOCALS: &[u8] = &[0];

fn many_functions() -> Vec<u8> {
    with_module(&[
        section(1, &vector(1, &[0x60, 0, 0])),
        section(3, &vector(200_000, &[0])),
        section(10, &vector(200_000, &[2, 0, END])),
    ])
}

/// Code in whose loops all locals are alive, and how many there are.
fn live_locals(locals: usize, loops: usize) -> (Vec<u8>, Vec<u8>) {
    let mut code = [LOOP, EMPTY].repeat(loops);
    for local in 0..locals - 1 {
        let (other, next) = ((local * 7 + 13) % locals, local + 1);
        code.extend(
            [
                vec![0x20],
                leb(local),
                vec![0x20],
                leb(other),
                vec![0x6a, 0x21],
                leb(next),
            ]
            .concat(),
        );
        code.extend([vec![0x20], leb(local), vec![0x0d], leb(local % loops)].concat());
    }
    code.extend([END].repeat(loops));
    ([leb(1), leb(locals), vec![I32]].concat(), code)
}

/// A module whose functions keep the compiler busy out of proportion to their size.
fn bomb(functions: usize, locals: usize, loops: usize) -> Vec<u8> {
    let (locals, code) = live_locals(locals, loops);
    let body = sized(&[locals, code, vec![END]].concat());
    let module = [
        section(1, &vector(1, &[0x60, 0, 0])),
        section(3, &vector(functions, &[0])),
        section(10, &[leb(functions), body.repeat(functions)].concat()),
    ];
    section(1, &[MODULE.to_vec(), module.concat()].concat())
}

fn branch_tables(tables: usize, targets: usize) -> Vec<u8> {
    let table = [vec![0x41, 0, 0x0e], vector(targets, &[0]), vec![0]].concat();
    let blocks = [vec![BLOCK, EMPTY], table, vec![END]].concat();
    with_function(NO_LOCALS, &blocks.repeat(tables))
}

fn nested_blocks(depth: usize) -> Vec<u8> {
    with_function(
        NO_LOCALS,
        &[[BLOCK, EMPTY].repeat(depth), [END].repeat(depth)].concat(),
    )
}

/// Local variables in several groups, together more than a number holds.
fn countless_locals() -> Vec<u8> {
    let group = [leb(0xffff_ffff), vec![I32]].concat();
    with_function(&vector(4, &group), &[])
}

fn large_function() -> Vec<u8> {
    with_function(NO_LOCALS, &[0x01].repeat(900_000))
}

fn constant_expression() -> Vec<u8> {
    let sum = [0x41, 1, 0x6a].repeat(250_000);
    let global = [vec![I32, 0, 0x41, 0], sum, vec![END]].concat();
    with_module(&[section(6, &[leb(1), global].concat())])
}

fn many_parameters(parameters: usize) -> Vec<u8> {
    let function = [vec![0x60], vector(parameters, &[I32]), vec![0]].concat();
    with_module(&[section(1, &[leb(1), function].concat())])
}

/// Calls that each take and give a thousand values: two bytes for two thousand moves.
fn wide_calls(calls: usize) -> Vec<u8> {
    let wide = [vec![0x60], vector(1000, &[I32]), vector(1000, &[I32])].concat();
    let types = [leb(2), wide, vec![0x60, 0, 0]].concat();
    let identity: Vec<u8> = (0..1000)
        .flat_map(|local| [vec![0x20], leb(local)].concat())
        .collect();
    let first = [NO_LOCALS, &identity, &[END]].concat();
    let caller = [
        NO_LOCALS,
        &[0x41, 0].repeat(1000),
        &[0x10, 0].repeat(calls),
        &[0x1a].repeat(1000),
        &[END],
    ]
    .concat();
    let module = [
        section(1, &types),
        section(3, &[2, 0, 1]),
        section(10, &[leb(2), sized(&first), sized(&caller)].concat()),
    ];
    let module = [MODULE.to_vec(), module.concat()].concat();
    rule(&[section(1, &module)])
}

/// Each type is made of the one before: the `head` of the new one, and so often the old one.
fn types_of_types(depth: usize, head: &[u8], times: usize) -> Vec<u8> {
    let made = |index: usize| {
        // A type's number is signed: what could be taken for a sign is followed by a byte.
        let of = match index.checked_sub(1) {
            None => vec![0x79],
            Some(of) if of % 128 >= 64 && of < 128 => vec![of as u8 | 0x80, 0],
            Some(of) => leb(of),
        };
        [head.to_vec(), of.repeat(times)].concat()
    };
    let types: Vec<u8> = (0..depth).flat_map(made).collect();
    [COMPONENT.to_vec(), section(7, &[leb(depth), types].concat())].concat()
}

fn nested_components(depth: usize) -> Vec<u8> {
    (0..depth).fold(COMPONENT.to_vec(), |inner, _| {
        [COMPONENT.to_vec(), section(4, &inner)].concat()
    })
}

fn many_modules(count: usize) -> Vec<u8> {
    [COMPONENT.to_vec(), section(1, MODULE).repeat(count)].concat()
}

/// Components that each make so many instances of the one before: their number is a power.
fn instances_of_instances(times: usize) -> Vec<u8> {
    let text = |index: usize, inner: String| {
        let module = "(core module $m) (core instance (instantiate $m))";
        match index {
            0 => format!("(component $c0 {module})"),
            index => {
                let instance = format!("(instance (instantiate $c{}))", index - 1);
                format!("(component $c{index} {inner} {})", instance.repeat(times))
            }
        }
    };
    let alias = |index: usize| format!("(alias outer 1 {index} (component $c{index}))");
    let components: String = (0..6).map(|index| text(index, alias(index.max(1) - 1))).collect();
    let whole = format!(
        r#"(component {components} (instance (instantiate $c5))
          (core module $m (func (export "price") (result i32) (i32.const 7)))
          (core instance $p (instantiate $m))
          (func $price (result s32) (canon lift (core func $p "price")))
          (instance $i (export "price" (func $price)))
          (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))"#
    );
    wat::parse_str(whole).expect("the text is WebAssembly")
}

/// A component that is of the world by what it exports, and these sections behind.
fn rule(sections: &[Vec<u8>]) -> Vec<u8> {
    let rule = wat::parse_str(
        r#"(component
          (core module $m (func (export "price") (result i32) (i32.const 7)))
          (core instance $p (instantiate $m))
          (func $price (result s32) (canon lift (core func $p "price")))
          (instance $i (export "price" (func $price)))
          (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))"#,
    );
    [rule.expect("the text is WebAssembly"), sections.concat()].concat()
}

/// The header of an executable, and of code that the engine compiled.
fn executable() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\xc8".to_vec();
    bytes.extend([0; 8]);
    bytes.extend([1, 0, 0x3e, 0, 1, 0, 0, 0]);
    bytes.extend([0; 4096]);
    bytes.extend(b".wasmtime.engine\0.wasmtime.info\0.text\0");
    bytes
}

const INVALID: &[&str] = &["invalid"];
const BOUNDED: &[&str] = &["compile_timeout", "compile_failed"];

fn structure(name: &'static str, wasm: Vec<u8>) -> Upload {
    Upload {
        name,
        expect: INVALID,
        stage: Stage::Structure,
        wasm,
    }
}

/// All of them.
pub(crate) fn uploads() -> Vec<Upload> {
    let good = rule(&[]);
    let mut uploads = beyond_bounds();
    uploads.extend(broken(&good));
    uploads.push(Upload {
        name: "30 megabytes of nothing",
        expect: &["too_large"],
        stage: Stage::Structure,
        wasm: [&good[..], &custom("padding", &vec![0; 30 << 20])].concat(),
    });
    for (name, wasm) in [
        (
            "300 locals live in 30 loops, 40 times",
            rule(&[bomb(40, 300, 30)]),
        ),
        ("instances of instances", instances_of_instances(60)),
    ] {
        uploads.push(Upload {
            name,
            expect: BOUNDED,
            stage: Stage::Compiler,
            wasm,
        });
    }
    uploads
}

/// Well-formed, and more of something than a rule may have.
fn beyond_bounds() -> Vec<Upload> {
    vec![
        structure("200,000 functions", many_functions()),
        structure("5,000 locals live in 40 loops", rule(&[bomb(1, 5000, 40)])),
        structure("2^34 locals", countless_locals()),
        structure("a branch table of 500,000 targets", branch_tables(1, 500_000)),
        structure("2,000 branch tables of 100 targets", branch_tables(2000, 100)),
        structure("200,000 nested blocks", nested_blocks(200_000)),
        structure("a function of 900 kilobytes", large_function()),
        structure("a constant expression of 750 kilobytes", constant_expression()),
        structure("100,000 parameters", many_parameters(100_000)),
        structure("calls of a thousand values", wide_calls(50_000)),
        structure(
            "100,000 types",
            with_module(&[section(1, &vector(100_000, &[0x60, 0, 0]))]),
        ),
        structure(
            "10,000 memories",
            with_module(&[section(5, &vector(10_000, &[0, 1]))]),
        ),
        structure(
            "10,000 tables",
            with_module(&[section(4, &vector(10_000, &[0x70, 0, 1]))]),
        ),
        structure(
            "100,000 globals",
            with_module(&[section(6, &vector(100_000, &[I32, 0, 0x41, 0, END]))]),
        ),
        structure(
            "100,000 data segments",
            with_module(&[section(11, &vector(100_000, &[1, 1, 0]))]),
        ),
        structure(
            "100,000 element segments",
            with_module(&[section(9, &vector(100_000, &[1, 0, 0]))]),
        ),
        structure("a type 1,000 lists deep", types_of_types(1000, &[0x70], 1)),
        structure("a type that doubles 60 times", types_of_types(60, &[0x6f, 2], 2)),
        structure("1,000 components in each other", nested_components(1000)),
        structure("1,000 modules", many_modules(1000)),
        structure("a name of 500 kilobytes", rule(&[with_long_name()])),
    ]
}

/// Not well-formed: no rule, parts of one, or one with something after it.
fn broken(good: &[u8]) -> Vec<Upload> {
    vec![
        structure("half a rule", good[..good.len() / 2].to_vec()),
        structure("a rule without its last byte", good[..good.len() - 1].to_vec()),
        structure(
            "a section larger than the upload",
            [good, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
        ),
        structure("a size that never ends", [good, &[0], &[0x80; 20]].concat()),
        structure("a section of no kind", [good, &section(99, &[])].concat()),
        structure(
            "types in two sections",
            with_module(&[
                section(1, &vector(1, &[0x60, 0, 0])),
                section(1, &vector(1, &[0x60, 0, 0])),
            ]),
        ),
        structure("an executable", executable()),
        structure("an archive", [&b"\x1f\x8b\x08"[..], &[0x42; 2000]].concat()),
        structure("text", b"(component)".to_vec()),
        structure("nothing", Vec::new()),
        structure(
            "a manifest of 100 kilobytes",
            [good, &custom("canopy:rule", &[b' '; 100_000])].concat(),
        ),
        structure(
            "a manifest 30,000 levels deep",
            [good, &custom("canopy:rule", &nested_json(30_000))].concat(),
        ),
        structure(
            "two manifests",
            [good, &custom("canopy:rule", b"{}"), &custom("canopy:rule", b"{}")].concat(),
        ),
    ]
}

fn with_long_name() -> Vec<u8> {
    let export = [sized(&[b'a'; 500_000]), vec![0, 0]].concat();
    let module = [
        section(1, &vector(1, &[0x60, 0, 0])),
        section(3, &vector(1, &[0])),
        section(7, &[leb(1), export].concat()),
        section(10, &vector(1, &[2, 0, END])),
    ];
    section(1, &[MODULE.to_vec(), module.concat()].concat())
}

fn nested_json(depth: usize) -> Vec<u8> {
    let key = br#"{"configuration_schema":"#;
    [
        key.to_vec(),
        [b'['].repeat(depth),
        [b']'].repeat(depth),
        b"}".to_vec(),
    ]
    .concat()
}
