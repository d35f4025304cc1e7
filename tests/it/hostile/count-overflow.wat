;; expect: invalid_output or output_too_large at call
;; Answers with so many items that their size in bytes does not fit in a number.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; Answers with the address of the result.
  (func $attack (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1028) (i32.const 0))
    (i32.store (i32.const 1032) (i32.const 0xffffffff))
    (i32.store (i32.const 1036) (i32.const 0xffffffff))
    (i32.const 1024))

  (func (export "canopy:rules/pricing-rule@1.0.0#price")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack))
  (func (export "canopy:rules/limits-rule@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack)))
