;; expect: invalid at prepare
;; Makes more core instances than it may, by components inside.
(component
  (core module $m (memory 0) (func (export "price") (result i32) (i32.const 7)))
  (core instance $c (instantiate $m))
  (component $inner
    (core module $m (global i32 (i32.const 0)))
    (core instance (instantiate $m)))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (instance (instantiate $inner))
  (func $price (result s32) (canon lift (core func $c "price")))
  (instance $i (export "price" (func $price)))
  (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))
