;; expect: invalid at prepare
;; Brings an exception.
(component
  (core module (tag)))
