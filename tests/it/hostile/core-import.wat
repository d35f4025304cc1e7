;; expect: invalid at prepare
;; Its module wants a clock, and nobody is asked for it.
(component
  (core module $m
    (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
    (func (export "price") (result i32) (i32.const 7)))
  (core instance $c (instantiate $m))
  (func $price (result s32) (canon lift (core func $c "price")))
  (instance $i (export "price" (func $price)))
  (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))
