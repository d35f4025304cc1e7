;; expect: wrong_world at prepare
;; Exports the interface of the world without its function.
(component
  (instance $i)
  (export "canopy:rules/pricing-rule@1.0.0" (instance $i)))
