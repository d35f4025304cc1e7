;; expect: output_too_large at call
;; Answers with 40,000 elements that all point to the same megabyte. Each word says one million,
;; so it is pointer and length of whatever it is read as.
(module
  (memory (export "memory") 256)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; Answers with the address of the result.
  (func $attack (result i32)
    (local $at i32)
    (local.set $at (i32.const 2000000))
    (loop $next
      (i32.store (local.get $at) (i32.const 1000000))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 4000000))))
    (i32.store (i32.const 1028) (i32.const 2000000))
    (i32.store (i32.const 1032) (i32.const 40000))
    (i32.store (i32.const 1036) (i32.const 40000))
    (i32.const 1024))

  (func (export "canopy:rules/pricing-rule@1.0.0#price")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack))
  (func (export "canopy:rules/limits-rule@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack)))
