;; expect: wrong_world at prepare
;; Is of a version of the contract that there is not.
(component
  (core module $m (func (export "price") (result i32) (i32.const 7)))
  (core instance $c (instantiate $m))
  (func $price (result s32) (canon lift (core func $c "price")))
  (instance $i (export "price" (func $price)))
  (export "canopy:rules/pricing-rule@2.0.0" (instance $i)))
