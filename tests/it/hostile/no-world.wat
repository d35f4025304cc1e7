;; expect: wrong_world at prepare
;; Exports nothing.
(component)
