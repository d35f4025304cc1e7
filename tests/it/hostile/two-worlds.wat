;; expect: wrong_world at prepare
;; Claims to be of both worlds.
(component
  (instance $i)
  (export "canopy:rules/pricing-rule@1.0.0" (instance $i))
  (export "canopy:rules/limits-rule@1.0.0" (instance $i)))
