;; expect: invalid at prepare
;; Has a table with addresses of 64 bits.
(component
  (core module $m
    (table i64 1 funcref)
    (func (export "price") (result i32) (i32.const 7)))
  (core instance $c (instantiate $m))
  (func $price (result s32) (canon lift (core func $c "price")))
  (instance $i (export "price" (func $price)))
  (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))
