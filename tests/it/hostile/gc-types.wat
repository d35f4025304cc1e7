;; expect: invalid at prepare
;; Has types that the engine would have to collect.
(component
  (core module $m
    (type $s (struct (field i32)))
    (func (export "price") (result i32) (struct.get $s 0 (struct.new $s (i32.const 7)))))
  (core instance $c (instantiate $m))
  (func $price (result s32) (canon lift (core func $c "price")))
  (instance $i (export "price" (func $price)))
  (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))
