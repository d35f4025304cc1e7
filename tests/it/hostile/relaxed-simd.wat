;; expect: invalid at prepare
;; Uses an instruction whose result differs from machine to machine.
(component
  (core module $m
    (func (export "price") (result i32)
      (i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 nan nan nan nan)))))
  (core instance $c (instantiate $m))
  (func $price (result s32) (canon lift (core func $c "price")))
  (instance $i (export "price" (func $price)))
  (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))
