;; expect: out_of_memory at prepare
;; Takes all memory while it is set up.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 4096))
  (func $more (loop $again (drop (memory.grow (i32.const 64))) (br $again)))
  (start $more)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; Answers with the address of the result.
  (func $attack (result i32)
    (i32.const 1024))

  (func (export "canopy:rules/pricing-rule@1.0.0#price")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack))
  (func (export "canopy:rules/limits-rule@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $attack)))
