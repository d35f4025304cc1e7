;; expect: invalid at prepare
;; Waits for another thread.
(component
  (core module $m
    (memory 1)
    (func (export "price") (result i32)
      (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
  (core instance $c (instantiate $m))
  (func $price (result s32) (canon lift (core func $c "price")))
  (instance $i (export "price" (func $price)))
  (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))
