;; expect: invalid_output or output_too_large at call
;; Refuses with a text whose end is beyond the end of the address space.
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
    (i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store8 (i32.const 1028) (i32.const 2))
    (i32.store (i32.const 1032) (i32.const 0xfffffff0))
    (i32.store (i32.const 1036) (i32.const 0x7fffffff))
    (i32.store (i32.const 1040) (i32.const 0x7fffffff))
    (i32.const 1024))

  (func (export "canopy:rules/pricing-rule@1.0.0#price")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack))
  (func (export "canopy:rules/limits-rule@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack)))
