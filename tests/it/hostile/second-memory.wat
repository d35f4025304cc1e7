;; expect: invalid at prepare
;; Brings a second memory.
(component
  (core module (memory 1) (memory 1)))
