;; expect: wrong_world at prepare
;; Exports something else.
(component
  (instance $i)
  (export "acme:rules/pricing-rule@1.0.0" (instance $i)))
