;; expect: invalid_output at call
;; Gives the host odd addresses to write its input to.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (i32.const 4097))

  ;; Answers with the address of the result.
  (func $attack (result i32)
    (i32.const 1024))

  (func (export "canopy:rules/pricing-rule@1.0.0#price")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack))
  (func (export "canopy:rules/limits-rule@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack)))
