;; expect: out_of_fuel at call
;; Loops for ever when it is asked for room for the input.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (loop $again (br $again))
    (unreachable))

  ;; Answers with the address of the result.
  (func $attack (result i32)
    (unreachable))

  (func (export "canopy:rules/pricing-rule@1.0.0#price")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack))
  (func (export "canopy:rules/limits-rule@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack)))
