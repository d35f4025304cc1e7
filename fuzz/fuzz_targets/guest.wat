;; A rule of either world whose answer is what its configuration spells: two letters of `a` to `p` for each byte, from
;; address 16 on.
(module
  (memory (export "memory") 4)
  (global $next (mut i32) (i32.const 32768))

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func $spell (param $text i32) (param $length i32) (result i32)
    (local $end i32) (local $to i32)
    (local.set $to (i32.const 16))
    (local.set $end (i32.add (local.get $text) (local.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $text) (local.get $end)))
        (i32.store8 (local.get $to)
          (i32.or
            (i32.shl (i32.sub (i32.load8_u (local.get $text)) (i32.const 97)) (i32.const 4))
            (i32.sub (i32.load8_u offset=1 (local.get $text)) (i32.const 97))))
        (local.set $text (i32.add (local.get $text) (i32.const 2)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $next)))
    (i32.const 16))

  (func (export "canopy:rules/pricing-rule@1.0.0#price")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $spell (local.get 4) (local.get 5)))
  (func (export "canopy:rules/limits-rule@1.0.0#evaluate")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $spell (local.get 10) (local.get 11))))
